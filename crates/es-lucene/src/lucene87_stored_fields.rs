//! `Lucene87StoredFieldsFormat`: Lucene 8.7 to 8.11; version 4 marks dirty chunks in the token.

use crate::codec_util::Header;
use crate::compressing_stored_fields::{ChunkSize, Decompressor, Format, Integers};
use crate::deflate_with_preset_dict::DeflateWithPresetDict;
use crate::error::Result;
use crate::lucene85_fields_index;
use crate::lz4_with_preset_dict::Lz4WithPresetDict;

pub(crate) fn format(file: &str, header: &Header) -> Result<Option<Format>> {
    let decompressor: Box<dyn Decompressor> = match header.codec.as_str() {
        "Lucene87StoredFieldsFastData" => Box::new(Lz4WithPresetDict::default()),
        "Lucene87StoredFieldsHighData" => Box::new(DeflateWithPresetDict::default()),
        _ => return Ok(None),
    };
    header.expect_version(file, 3..=4)?;
    Ok(Some(Format {
        chunk_size: ChunkSize::Metadata(lucene85_fields_index::METADATA),
        integers: Integers::PackedInts,
        token_shift: if header.version >= 4 { 2 } else { 1 },
        counters: false,
        index: lucene85_fields_index::lucene85(2),
        decompressor,
    }))
}
