//! Which documents of a segment live: `.liv`, one bit each, and soft deletes, which are a field of their own.
//!
//! No more of either is in memory than a few pages, however many documents there are.

use std::sync::{Mutex, PoisonError};

use crate::bit_set::{BLOCK, Block, blocks, size_of};
use crate::codec_util::{Header, base36};
use crate::doc_values::{DocValues, Documents};
use crate::error::{Error, Result};
use crate::field_infos::FieldInfos;
use crate::pages::{Pages, Use};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::{lucene50_live_docs, lucene90_live_docs};

/// The living documents of a segment, some of which do not live.
pub(crate) struct LiveDocs {
    max_doc: u32,
    /// Those that were not deleted, if any was.
    listed: Option<Pages>,
    soft_deleted: Documents,
}

impl LiveDocs {
    /// `None` if every document lives. Fails unless there are as many of each kind as the commit says.
    pub(crate) fn open(
        files: &dyn Directory,
        commit: &SegmentCommitInfo,
        fields: &FieldInfos,
        max_doc: u32,
    ) -> Result<Option<Self>> {
        let listed = match commit.deletion_generation {
            Some(generation) => Some(list(files, commit, generation, max_doc)?),
            None if commit.deleted > 0 => {
                return Err(Error::corrupt(
                    &format!("{}.si", commit.name),
                    format!("{} deleted documents without a list", commit.deleted),
                ));
            }
            None => None,
        };
        let soft_deleted = commit.soft_deleted.unwrap_or(0);
        if listed.is_none() && soft_deleted == 0 {
            return Ok(None);
        }
        let soft_deleted =
            if soft_deleted > 0 { soft_deletes(files, commit, fields, max_doc)? } else { Documents::None };
        let mut live = Self { max_doc, listed, soft_deleted };
        live.check(commit)?;
        Ok(Some(live))
    }

    fn check(&mut self, commit: &SegmentCommitInfo) -> Result<()> {
        let (mut listed, mut soft_deleted) = (0, 0);
        for number in 0..blocks(self.max_doc) {
            let mut block = self.listed(number)?;
            listed += block.count();
            soft_deleted += block.remove_all(&self.soft_deleted.block(number)?);
        }
        let deleted = self.max_doc - listed;
        if let Some(list) = self.listed.as_ref().filter(|_| deleted != commit.deleted) {
            let what = format!("{deleted} documents are deleted here, {} in the commit", commit.deleted);
            return Err(list.corrupt(what));
        }
        let said = commit.soft_deleted.unwrap_or(0);
        if soft_deleted != said {
            return Err(Error::corrupt(
                &format!("{}.dvd", commit.name),
                format!("{soft_deleted} documents are soft-deleted, {said} in the commit"),
            ));
        }
        Ok(())
    }

    /// Documents of a block that are not deleted, and may be soft-deleted.
    fn listed(&mut self, number: u32) -> Result<Block> {
        let size = size_of(number, self.max_doc);
        let Some(pages) = &mut self.listed else {
            return Ok(Block::full(size));
        };
        let offset = pages.body().start + u64::from(number) * u64::from(BLOCK / 8);
        let bytes = pages.range(offset, 8 * u64::from(size.div_ceil(64)))?;
        let mut input = pages.input(&bytes);
        let words = (0..size.div_ceil(64)).map(|_| input.u64()).collect::<Result<Vec<_>>>()?;
        Ok(Block::from_words(words.into_iter(), size))
    }

    fn block(&mut self, number: u32) -> Result<Block> {
        let mut block = self.listed(number)?;
        block.remove_all(&self.soft_deleted.block(number)?);
        Ok(block)
    }
}

/// Tells of one document after the other whether it lives.
pub(crate) struct Living<'a> {
    live: &'a Mutex<LiveDocs>,
    /// The number of a block that was looked up, and its living documents.
    block: Option<(u32, Block)>,
}

impl<'a> Living<'a> {
    pub(crate) fn new(live: &'a Mutex<LiveDocs>) -> Self {
        Self { live, block: None }
    }

    #[inline]
    pub(crate) fn contains(&mut self, document: u32) -> Result<bool> {
        match &self.block {
            Some((number, block)) if *number == document / BLOCK => Ok(block.contains(document)),
            _ => self.look(document),
        }
    }

    #[cold]
    fn look(&mut self, document: u32) -> Result<bool> {
        let number = document / BLOCK;
        let block = self.live.lock().unwrap_or_else(PoisonError::into_inner).block(number)?;
        let lives = block.contains(document);
        self.block = Some((number, block));
        Ok(lives)
    }
}

/// The list of the generation that the commit names: words of the set and nothing else.
fn list(directory: &dyn Directory, commit: &SegmentCommitInfo, generation: u64, max_doc: u32) -> Result<Pages> {
    let suffix = base36(generation);
    let name = format!("{}_{suffix}.liv", commit.name);
    let known = |header: &Header| match header.codec.as_str() {
        lucene50_live_docs::CODEC => lucene50_live_docs::check(&name, header),
        lucene90_live_docs::CODEC => lucene90_live_docs::check(&name, header),
        _ => Err(header.unknown(&name)),
    };
    let pages = Pages::open(directory, commit, &name, &suffix, Use::InOrder(0..u64::MAX), known)?;
    let (bytes, body) = (8 * u64::from(max_doc.div_ceil(64)), pages.body());
    if body.end - body.start != bytes {
        return Err(
            pages.corrupt(format!("{} bytes in place of {bytes} for {max_doc} documents", body.end - body.start))
        );
    }
    Ok(pages)
}

fn soft_deletes(
    files: &dyn Directory,
    commit: &SegmentCommitInfo,
    fields: &FieldInfos,
    max_doc: u32,
) -> Result<Documents> {
    let field = fields.soft_deletes().filter(|field| field.doc_values_type != 0).ok_or_else(|| {
        Error::corrupt(&format!("{}.fnm", commit.name), "documents are soft-deleted, but no field says which")
    })?;
    DocValues::read(files, commit, fields, field)?.docs_with_field(files, commit, field, max_doc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indexed_disi::IndexedDisi;
    use crate::pages::tests::{commit, file_of, one, pages};

    fn open(codec: &str, words: &[u64], deleted: u32, max_doc: u32) -> Result<LiveDocs> {
        let bytes = |word: &u64| if codec.contains("50") { word.to_be_bytes() } else { word.to_le_bytes() };
        let file = file_of(codec, "1", &words.iter().flat_map(bytes).collect::<Vec<_>>());
        let commit = SegmentCommitInfo { deletion_generation: Some(1), deleted, ..commit() };
        let live = LiveDocs::open(&one(file), &commit, &FieldInfos { fields: Vec::new() }, max_doc)?;
        Ok(live.unwrap())
    }

    #[test]
    fn documents_live_that_are_listed_and_not_soft_deleted() {
        let max_doc = 3 * BLOCK + 100;
        let is_listed = |document: u32| document < max_doc && document % 7 != 3;
        let word = |word: u32| (0..64).filter(|bit| is_listed(64 * word + bit)).map(|bit| 1 << bit).sum::<u64>();
        let words: Vec<_> = (0..max_doc.div_ceil(64)).map(word).collect();
        let deleted = (0..max_doc).filter(|document| !is_listed(*document)).count();
        let deleted = u32::try_from(deleted).unwrap();
        // The first three of the second block, which are 65,536 to 65,538, and the very last.
        let soft: Vec<u8> =
            [1_u16, 2, 0, 1, 2, 3, 0, 99, 0x7FFF, 0, 0xFFFF].into_iter().flat_map(u16::to_be_bytes).collect();
        let is_soft_deleted = |document| (BLOCK..BLOCK + 3).contains(&document) || document == max_doc - 1;
        let both = (0..max_doc).filter(|document| is_listed(*document) && is_soft_deleted(*document)).count();
        assert_eq!(both, 3, "one is deleted, too");
        for codec in [lucene50_live_docs::CODEC, lucene90_live_docs::CODEC] {
            let mut live = open(codec, &words, deleted, max_doc).unwrap();
            let (mut pages, begin) = pages(&soft);
            let set = IndexedDisi::open(&mut pages, begin, soft.len() as u64, 0xFF, max_doc).unwrap();
            live.soft_deleted = Documents::Set(Box::new(pages), set);
            let commit = |soft_deleted| SegmentCommitInfo { deleted, soft_deleted: Some(soft_deleted), ..commit() };
            live.check(&commit(3)).unwrap();
            assert!(
                live.check(&commit(4))
                    .unwrap_err()
                    .to_string()
                    .contains("3 documents are soft-deleted, 4 in the commit")
            );
            let live = Mutex::new(live);
            let mut living = Living::new(&live);
            for document in (0..max_doc).chain([5, max_doc - 1, BLOCK]) {
                let lives = is_listed(document) && !is_soft_deleted(document);
                assert_eq!(living.contains(document).unwrap(), lives, "{codec}: {document}");
            }
        }
        let refused = |words: &[u64], deleted| {
            open(lucene90_live_docs::CODEC, words, deleted, max_doc).err().unwrap().to_string()
        };
        let said = refused(&words, deleted + 1);
        assert!(
            said.contains(&format!("{deleted} documents are deleted here, {} in the commit", deleted + 1)),
            "{said}"
        );
        for words in [&words[1..], &[&words[..], &[0]].concat()] {
            assert!(refused(words, deleted).contains("bytes in place of"));
        }
        assert!(open("Lucene91LiveDocs", &words, deleted, max_doc).is_err());
    }

    #[test]
    fn of_a_list_of_any_length_a_few_pages_are_in_memory() {
        let max_doc = 200_000_000_u32;
        let words: Vec<_> = (0..max_doc.div_ceil(64)).map(u64::from).collect();
        let listed: u32 = words.iter().map(|word| word.count_ones()).sum();
        let mut live = open(lucene90_live_docs::CODEC, &words, max_doc - listed, max_doc).unwrap();
        for document in [0, 64, 190_000_001, 64 * 7 + 2, max_doc - 1] {
            let lives = words[(document / 64) as usize] >> (document % 64) & 1 == 1;
            assert_eq!(live.block(document / BLOCK).unwrap().contains(document), lives, "{document}");
        }
        let held = live.listed.unwrap().held();
        assert!(held <= 4 << 20, "{held}");
    }
}
