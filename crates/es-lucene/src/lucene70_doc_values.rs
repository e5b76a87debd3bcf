//! `Lucene70DocValuesFormat`: Lucene 7.

use crate::codec_util::Header;
use crate::doc_values::Layout;
use crate::error::Result;

pub(crate) const METADATA: &str = "Lucene70DocValuesMetadata";

pub(crate) fn layout(file: &str, header: &Header) -> Result<(Layout, u32)> {
    header.expect_version(file, 0..=0)?;
    let layout = Layout {
        data: "Lucene70DocValuesData",
        jump_tables: false,
        lucene90: false,
        skip_index: 0,
        compressed_binary: |_, _| false,
    };
    Ok((layout, header.version))
}
