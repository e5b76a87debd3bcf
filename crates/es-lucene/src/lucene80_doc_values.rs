//! `Lucene80DocValuesFormat`: Lucene 8.

use crate::codec_util::Header;
use crate::doc_values::Layout;
use crate::error::Result;
use crate::field_infos::FieldInfo;

pub(crate) const METADATA: &str = "Lucene80DocValuesMetadata";

pub(crate) fn layout(file: &str, header: &Header) -> Result<(Layout, u32)> {
    header.expect_version(file, 0..=2)?;
    let layout =
        Layout { data: "Lucene80DocValuesData", jump_tables: true, lucene90: false, skip_index: 0, compressed_binary };
    Ok((layout, header.version))
}

/// Version 1 always compressed binary values, version 2 only where the codec asks for it.
fn compressed_binary(version: u32, field: &FieldInfo) -> bool {
    match version {
        0 => false,
        1 => true,
        _ => field.attribute("Lucene80DocValuesFormat.mode") == Some("BEST_COMPRESSION"),
    }
}
