//! `Zstd814StoredFieldsFormat`: Elasticsearch 8.14 and later, `best_compression` since 8.16.

use crate::codec_util::Header;
use crate::compressing_stored_fields::Format;
use crate::error::Result;
use crate::lucene90_stored_fields::lucene90;
use crate::zstd_blocks::ZstdFrame;

pub(crate) fn format(file: &str, header: &Header) -> Result<Option<Format>> {
    match header.codec.as_str() {
        "ZstdStoredFields814" => lucene90(file, header, Box::new(ZstdFrame::default())).map(Some),
        _ => Ok(None),
    }
}
