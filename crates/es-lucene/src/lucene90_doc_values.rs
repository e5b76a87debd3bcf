//! `Lucene90DocValuesFormat`: Lucene 9 and 10.

use crate::codec_util::Header;
use crate::doc_values::Layout;
use crate::error::Result;

pub(crate) const METADATA: &str = "Lucene90DocValuesMetadata";

pub(crate) fn layout(file: &str, header: &Header) -> Result<(Layout, u32)> {
    header.expect_version(file, 0..=0)?;
    let layout =
        Layout { data: "Lucene90DocValuesData", jump_tables: true, lucene90: true, compressed_binary: |_, _| false };
    Ok((layout, header.version))
}
