//! `Lucene90DocValuesFormat`: Lucene 9 and 10.

use crate::codec_util::Header;
use crate::doc_values::Layout;
use crate::error::Result;

pub(crate) const METADATA: &str = "Lucene90DocValuesMetadata";

pub(crate) fn layout(file: &str, header: &Header) -> Result<(Layout, u32)> {
    header.expect_version(file, 0..=2)?;
    // Version 1 (Lucene 10.5) moved skip indexes to a file of their own, version 2 counts values too.
    let skip_index = if header.version >= 2 { 44 } else { 40 };
    let layout = Layout {
        data: "Lucene90DocValuesData",
        jump_tables: true,
        lucene90: true,
        skip_index,
        compressed_binary: |_, _| false,
    };
    Ok((layout, header.version))
}
