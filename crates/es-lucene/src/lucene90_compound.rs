//! `Lucene90CompoundFormat`: Lucene 9 and 10, little-endian, entries aligned to 64 bytes.

use crate::codec_util::Header;
use crate::compound::{Entries, entries};
use crate::data_input::DataInput;
use crate::error::Result;

pub(crate) const ENTRIES: &str = "Lucene90CompoundEntries";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<Entries> {
    header.expect_version(file, 0..=0)?;
    entries(input)
}
