//! `.liv`: the documents of a segment that were not deleted, one bit each.

use crate::bit_set::BitSet;
use crate::codec_util::{Checked, base36, check_owner, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::{lucene50_live_docs, lucene90_live_docs};

/// Reads the live documents of the generation that the commit names.
pub(crate) fn read(
    directory: &dyn Directory,
    commit: &SegmentCommitInfo,
    generation: u64,
    max_doc: u32,
) -> Result<BitSet> {
    let suffix = base36(generation);
    let name = format!("{}_{suffix}.liv", commit.name);
    let file = Checked::open(directory, &name)?;
    let mut input = file.input();
    let header = read_header(&mut input)?;
    check_owner(&name, &header, &commit.id, &suffix)?;
    let live = match header.codec.as_str() {
        lucene50_live_docs::CODEC => lucene50_live_docs::read(&name, &header, &mut input, max_doc),
        lucene90_live_docs::CODEC => lucene90_live_docs::read(&name, &header, &mut input, max_doc),
        _ => Err(header.unknown(&name)),
    }?;
    let deleted = max_doc - live.count();
    if deleted != commit.deleted {
        return Err(Error::corrupt(
            &name,
            format!("{deleted} documents are deleted here, {} in the commit", commit.deleted),
        ));
    }
    Ok(live)
}

/// The words of the set and nothing else.
pub(crate) fn bits(input: &mut DataInput<'_>, max_doc: u32) -> Result<BitSet> {
    let mut words = Vec::new();
    for _ in 0..max_doc.div_ceil(64) {
        words.push(input.u64()?);
    }
    input.expect_end()?;
    Ok(BitSet::from_words(words, max_doc))
}
