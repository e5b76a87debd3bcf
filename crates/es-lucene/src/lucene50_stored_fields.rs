//! `Lucene50StoredFieldsFormat`: Lucene 5.0 to 8.6; version 2 (8.5) changed the index alone, to that of later formats.

use crate::codec_util::Header;
use crate::compressing_stored_fields::{ChunkSize, Decompressor, Format, Integers};
use crate::compressing_stored_fields_index::Index;
use crate::deflate::Deflate;
use crate::error::Result;
use crate::lucene85_fields_index;
use crate::lz4::Lz4;

pub(crate) fn format(file: &str, header: &Header) -> Result<Option<Format>> {
    let (decompressor, index): (Box<dyn Decompressor>, _) = match header.codec.as_str() {
        "Lucene50StoredFieldsFastData" => (Box::new(Lz4), "Lucene50StoredFieldsFastIndex"),
        "Lucene50StoredFieldsHighData" => (Box::new(Deflate::default()), "Lucene50StoredFieldsHighIndex"),
        _ => return Ok(None),
    };
    header.expect_version(file, 0..=2)?;
    Ok(Some(Format {
        chunk_size: ChunkSize::Data,
        integers: Integers::PackedInts,
        token_shift: 1,
        counters: header.version >= 1,
        index: if header.version < 2 { Index::Lucene50(index) } else { lucene85_fields_index::lucene85(0) },
        decompressor,
    }))
}
