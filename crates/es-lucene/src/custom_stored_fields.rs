//! `Lucene95CustomStoredFieldsFormat` and its successors: OpenSearch 2.9 and later.

use crate::codec_util::Header;
use crate::compressing_stored_fields::Format;
use crate::error::{Error, Result};
use crate::lucene90_stored_fields::lucene90;
use crate::zstd_blocks::{ZstdNoDict, ZstdWithDict};

pub(crate) fn format(file: &str, header: &Header) -> Result<Option<Format>> {
    match header.codec.as_str() {
        "CustomStoredFieldsZstd" => lucene90(file, header, Box::new(ZstdWithDict::default())).map(Some),
        "CustomStoredFieldsZstdNoDict" => lucene90(file, header, Box::new(ZstdNoDict::default())).map(Some),
        codec if codec.starts_with("QatStoredFields") => {
            Err(Error::unknown(file, format!("{codec} was compressed by QAT hardware, whose framing is not known")))
        }
        _ => Ok(None),
    }
}
