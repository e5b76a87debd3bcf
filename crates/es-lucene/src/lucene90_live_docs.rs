//! `Lucene90LiveDocsFormat`: Lucene 9 and 10, the same in little-endian.

use crate::codec_util::Header;
use crate::error::Result;

pub(crate) const CODEC: &str = "Lucene90LiveDocs";

pub(crate) fn check(file: &str, header: &Header) -> Result<()> {
    header.expect_version(file, 0..=0)
}
