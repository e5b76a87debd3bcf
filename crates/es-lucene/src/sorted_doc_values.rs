//! Sorted doc values: of each document a number, which stands for a term of a sorted dictionary.
//!
//! Only what has to be known of a document that is asked for is read: neither numbers nor terms are held in memory. What the
//! formats share is here; what differs is in the module of each.

use std::cmp::Ordering;

use crate::bit_set::{BLOCK, Block};
use crate::direct_monotonic_reader::Monotonic;
use crate::direct_reader::DirectReader;
use crate::doc_values::DocValuesFile;
use crate::error::{Error, Result};
use crate::field_infos::{FieldInfo, FieldInfos};
use crate::indexed_disi::IndexedDisi;
use crate::pages::{Pages, PagesInput};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::{lucene54_doc_values, lucene70_doc_values};

/// No term is longer.
const MAX_TERM: usize = 32_766;

/// How the number of a document's term is found.
#[derive(Debug)]
pub(crate) enum Ordinals {
    /// A number of every document, from `minimum` on; -1 stands for none.
    Dense { numbers: DirectReader, minimum: i64 },
    /// Numbers of those documents that are listed.
    Sparse { documents: Monotonic, count: u64, numbers: DirectReader, minimum: i64 },
    /// Numbers of the documents of a set, in their order.
    Ranked {
        documents: IndexedDisi,
        /// The one that was asked for last: its number, its documents, and how many come before it.
        block: Option<(u32, Block, u32)>,
        numbers: DirectReader,
    },
    /// No document has a number.
    None,
}

/// How the bytes of a term are found.
#[derive(Debug)]
pub(crate) enum Terms {
    /// Each as long as the others.
    Fixed { offset: u64, length: u64 },
    /// One after the other.
    Variable { offset: u64, addresses: Monotonic },
    /// Blocks of 16, each term without what it shares with the first of its block.
    SharedWithFirst { offset: u64, blocks: Monotonic },
    /// Blocks, each term without what it shares with the one before it.
    SharedWithPrevious { offset: u64, blocks: Monotonic, shift: u32 },
}

/// What the metadata says about a sorted field.
#[derive(Debug)]
pub(crate) struct SortedEntry {
    pub(crate) ordinals: Ordinals,
    pub(crate) terms: Terms,
    /// Number of terms.
    pub(crate) size: u64,
}

/// The sorted values of one field.
pub(crate) struct SortedDocValues {
    file: String,
    pages: Pages,
    entry: SortedEntry,
    /// The term that was read last.
    term: Vec<u8>,
    ordinal: Option<u64>,
}

impl SortedDocValues {
    pub(crate) fn read(
        directory: &dyn Directory,
        commit: &SegmentCommitInfo,
        fields: &FieldInfos,
        field: &FieldInfo,
        max_doc: u32,
    ) -> Result<Self> {
        let file = DocValuesFile::open(directory, commit, field)?;
        let sorted = match file.header.codec.as_str() {
            lucene54_doc_values::METADATA => lucene54_doc_values::sorted,
            lucene70_doc_values::METADATA => lucene70_doc_values::sorted,
            _ => return Err(file.header.unknown(&file.name)),
        };
        let (pages, entry) = sorted(&file, directory, commit, fields, field, max_doc)?;
        Ok(Self { file: file.data_name, pages, entry, term: Vec::new(), ordinal: None })
    }

    /// The value of a document; `None` if it has none.
    pub(crate) fn get(&mut self, document: u32) -> Result<Option<&str>> {
        let Some(ordinal) = self.ordinal_of(document)? else {
            return Ok(None);
        };
        if ordinal >= self.entry.size {
            return Err(self.pages.corrupt(format!("document {document} has term {ordinal} of {}", self.entry.size)));
        }
        if self.ordinal != Some(ordinal) {
            self.ordinal = None;
            self.read_term(ordinal)?;
            self.ordinal = Some(ordinal);
        }
        match std::str::from_utf8(&self.term) {
            Ok(term) => Ok(Some(term)),
            Err(_) => Err(self.pages.corrupt(format!("term {ordinal} is not UTF-8"))),
        }
    }

    fn ordinal_of(&mut self, document: u32) -> Result<Option<u64>> {
        let pages = &mut self.pages;
        let number = match &mut self.entry.ordinals {
            Ordinals::None => return Ok(None),
            Ordinals::Dense { numbers, minimum } => {
                minimum.wrapping_add(numbers.get(pages, document.into())?.cast_signed())
            }
            Ordinals::Sparse { documents, count, numbers, minimum } => {
                match place(documents, *count, pages, document.into())? {
                    Some(place) => minimum.wrapping_add(numbers.get(pages, place)?.cast_signed()),
                    None => return Ok(None),
                }
            }
            Ordinals::Ranked { documents, block, numbers } => {
                let number = document / BLOCK;
                if block.as_ref().is_none_or(|block| block.0 != number) {
                    let (own, before) = documents.block(pages, number)?;
                    *block = Some((number, own, before));
                }
                match block.as_ref().and_then(|(_, own, before)| Some(before + own.rank(document)?)) {
                    Some(rank) => numbers.get(pages, rank.into())?.cast_signed(),
                    None => return Ok(None),
                }
            }
        };
        match number {
            -1 => Ok(None),
            number => match u64::try_from(number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.pages.corrupt(format!("document {document} has term {number}"))),
            },
        }
    }

    /// Puts a term into `self.term`.
    fn read_term(&mut self, ordinal: u64) -> Result<()> {
        let (pages, term) = (&mut self.pages, &mut self.term);
        let beyond = || Error::corrupt(&self.file, format!("term {ordinal} does not lie within the file"));
        let at = |offset: &u64, address: Option<u64>| {
            address.and_then(|address| offset.checked_add(address)).ok_or_else(beyond)
        };
        term.clear();
        match &self.entry.terms {
            Terms::Fixed { offset, length } => {
                let at = at(offset, ordinal.checked_mul(*length))?;
                extend(&mut PagesInput::at(pages, at), term, 0, *length)
            }
            Terms::Variable { offset, addresses } => {
                let from = addresses.get(pages, ordinal)?;
                let to = addresses.get(pages, ordinal + 1)?;
                let length = to.checked_sub(from).ok_or_else(beyond)?;
                extend(&mut PagesInput::at(pages, at(offset, Some(from))?), term, 0, length)
            }
            Terms::SharedWithFirst { offset, blocks } => {
                let at = at(offset, Some(blocks.get(pages, ordinal >> 4)?))?;
                shared_with_first(&mut PagesInput::at(pages, at), ordinal & 15, term)
            }
            Terms::SharedWithPrevious { offset, blocks, shift } => {
                let at = at(offset, Some(blocks.get(pages, ordinal >> shift)?))?;
                let within = ordinal & ((1 << shift) - 1);
                shared_with_previous(&mut PagesInput::at(pages, at), within, term)
            }
        }
    }
}

/// Where a number is in a rising sequence.
fn place(sequence: &Monotonic, count: u64, pages: &mut Pages, wanted: u64) -> Result<Option<u64>> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        match sequence.get(pages, middle)?.cmp(&wanted) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Ok(Some(middle)),
        }
    }
    Ok(None)
}

/// Keeps so many bytes of a term and reads so many more.
fn extend(input: &mut PagesInput<'_>, term: &mut Vec<u8>, kept: u64, more: u64) -> Result<()> {
    let kept = usize::try_from(kept).ok().filter(|kept| *kept <= term.len());
    let length = kept.zip(usize::try_from(more).ok()).and_then(|(kept, more)| kept.checked_add(more));
    match kept.zip(length) {
        Some((kept, length)) if length <= MAX_TERM => {
            term.truncate(kept);
            term.resize(length, 0);
            input.fill(&mut term[kept..])
        }
        _ => Err(input.corrupt(format!("a term of {more} bytes after {kept:?}"))),
    }
}

/// The n-th term of a block: lengths of all but the first come before them, as a byte or, after a 255, as two bytes each.
fn shared_with_first(input: &mut PagesInput<'_>, within: u64, term: &mut Vec<u8>) -> Result<()> {
    let length = input.vint()?;
    extend(input, term, 0, length.into())?;
    let mut lengths = [0; 15];
    lengths[0] = u64::from(input.u8()?);
    let wide = lengths[0] == 255;
    for (number, length) in lengths.iter_mut().enumerate() {
        if wide {
            *length = u64::from(input.u16()?);
        } else if number > 0 {
            *length = u64::from(input.u8()?);
        }
    }
    let Some(place) = usize::try_from(within).ok().and_then(|within| within.checked_sub(1)) else {
        return Ok(());
    };
    // A byte says how much is shared, and no term adds nothing.
    for length in &lengths[..place] {
        input.skip(1 + length + 1)?;
    }
    let kept = input.u8()?;
    extend(input, term, kept.into(), lengths[place] + 1)
}

/// The n-th term of a block.
fn shared_with_previous(input: &mut PagesInput<'_>, within: u64, term: &mut Vec<u8>) -> Result<()> {
    let length = input.vint()?;
    extend(input, term, 0, length.into())?;
    for _ in 0..within {
        let token = u64::from(input.u8()?);
        let (mut kept, mut more) = (token & 15, 1 + (token >> 4));
        if kept == 15 {
            kept += u64::from(input.vint()?);
        }
        if more == 16 {
            more += u64::from(input.vint()?);
        }
        extend(input, term, kept, more)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::pages;

    /// Sixteen terms that share nothing, little and much, and add a byte or many.
    fn terms() -> Vec<Vec<u8>> {
        let shared = [0, 0, 1, 13, 14, 15, 16, 17, 30, 40, 200, 0, 15, 15, 16, 3];
        let more = [60, 50, 60, 15, 16, 17, 18, 40, 60, 300, 1, 400, 16, 15, 1, 17];
        let mut terms: Vec<Vec<u8>> = Vec::new();
        for (number, (shared, more)) in (1..).zip(shared.into_iter().zip(more)) {
            let mut term = terms.last().map(|term| term[..shared].to_vec()).unwrap_or_default();
            term.extend(vec![number; more]);
            terms.push(term);
        }
        terms
    }

    fn vint(bytes: &mut Vec<u8>, mut value: usize) {
        while value > 0x7F {
            bytes.push(u8::try_from(value & 0x7F | 0x80).unwrap());
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
    }

    fn common(one: &[u8], other: &[u8]) -> usize {
        one.iter().zip(other).take_while(|(one, other)| one == other).count()
    }

    /// Every term is read, wherever the one that was read before it.
    fn same(bytes: &[u8], terms: &[Vec<u8>], read: fn(&mut PagesInput<'_>, u64, &mut Vec<u8>) -> Result<()>) {
        let (mut pages, begin) = pages(bytes);
        let mut term = b"what was read before".to_vec();
        for (number, wanted) in (0..16_u8).zip(terms).rev() {
            read(&mut PagesInput::at(&mut pages, begin), number.into(), &mut term).unwrap();
            assert!(term == *wanted, "term {number}: {} bytes", term.len());
        }
    }

    #[test]
    fn terms_without_what_they_share_with_the_one_before_are_read() {
        let terms = terms();
        let mut bytes = Vec::new();
        vint(&mut bytes, terms[0].len());
        bytes.extend(&terms[0]);
        for pair in terms.windows(2) {
            let kept = common(&pair[0], &pair[1]);
            let more = pair[1].len() - kept;
            bytes.push(u8::try_from(kept.min(15) | (more - 1).min(15) << 4).unwrap());
            if kept >= 15 {
                vint(&mut bytes, kept - 15);
            }
            if more >= 16 {
                vint(&mut bytes, more - 16);
            }
            bytes.extend(&pair[1][kept..]);
        }
        same(&bytes, &terms, shared_with_previous);
    }

    #[test]
    fn terms_without_what_they_share_with_the_first_are_read_by_lengths_of_one_byte_or_two() {
        let long = terms();
        let short: Vec<Vec<u8>> = long.iter().map(|term| term[..term.len().min(60)].to_vec()).collect();
        for (terms, wide) in [(short, false), (long, true)] {
            let mut bytes = Vec::new();
            vint(&mut bytes, terms[0].len());
            bytes.extend(&terms[0]);
            if wide {
                bytes.push(255);
            }
            let kept = |term: &[u8]| common(&terms[0], term).min(term.len() - 1);
            for term in &terms[1..] {
                let more = u16::try_from(term.len() - kept(term) - 1).unwrap();
                if wide { bytes.extend(more.to_be_bytes()) } else { bytes.push(u8::try_from(more).unwrap()) }
            }
            for term in &terms[1..] {
                bytes.push(u8::try_from(kept(term)).unwrap());
                bytes.extend(&term[kept(term)..]);
            }
            same(&bytes, &terms, shared_with_first);
        }
    }
}
