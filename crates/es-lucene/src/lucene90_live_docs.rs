//! `Lucene90LiveDocsFormat`: Lucene 9 and 10, the same in little-endian.

use crate::bit_set::BitSet;
use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::live_docs::bits;

pub(crate) const CODEC: &str = "Lucene90LiveDocs";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>, max_doc: u32) -> Result<BitSet> {
    header.expect_version(file, 0..=0)?;
    bits(input, max_doc)
}
