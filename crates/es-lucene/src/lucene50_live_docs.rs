//! `Lucene50LiveDocsFormat`: Lucene 5 to 8.

use crate::codec_util::Header;
use crate::error::Result;

pub(crate) const CODEC: &str = "Lucene50LiveDocs";

pub(crate) fn check(file: &str, header: &Header) -> Result<()> {
    header.expect_version(file, 0..=0)
}
