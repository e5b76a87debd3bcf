//! `Lucene50CompoundFormat`: Lucene 5 to 8, big-endian.

use crate::codec_util::Header;
use crate::compound::{Entries, entries};
use crate::data_input::DataInput;
use crate::error::Result;

pub(crate) const ENTRIES: &str = "Lucene50CompoundEntries";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<Entries> {
    header.expect_version(file, 0..=0)?;
    entries(input)
}
