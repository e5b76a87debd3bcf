//! `Lucene90StoredFieldsFormat`: Lucene 9 and 10.

use crate::codec_util::Header;
use crate::compressing_stored_fields::{ChunkSize, Decompressor, Format, Integers};
use crate::compressing_stored_fields_index::Index;
use crate::deflate_with_preset_dict::DeflateWithPresetDict;
use crate::error::Result;
use crate::lz4_with_preset_dict::Lz4WithPresetDict;

/// Codec of the `.fdm` of this format and of all that were made from it.
const METADATA: &str = "Lucene90FieldsIndexMeta";
/// And of the `.fdx`.
const INDEX: &str = "Lucene90FieldsIndexIdx";

pub(crate) fn format(file: &str, header: &Header) -> Result<Option<Format>> {
    match header.codec.as_str() {
        "Lucene90StoredFieldsFastData" => lucene90(file, header, Box::new(Lz4WithPresetDict::default())).map(Some),
        "Lucene90StoredFieldsHighData" => lucene90(file, header, Box::new(DeflateWithPresetDict::default())).map(Some),
        _ => Ok(None),
    }
}

/// The layout of Lucene 9 with any compression.
pub(crate) fn lucene90(file: &str, header: &Header, decompressor: Box<dyn Decompressor>) -> Result<Format> {
    header.expect_version(file, 0..=1)?;
    Ok(Format {
        chunk_size: ChunkSize::Metadata(METADATA),
        integers: Integers::StoredFieldsInts,
        token_shift: 2,
        counters: false,
        index: Index::Lucene85 { data: INDEX, metadata: METADATA, prefix: 1 },
        decompressor,
    })
}
