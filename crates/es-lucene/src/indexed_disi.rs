//! `IndexedDISI`: a set of documents in blocks of 65,536, each sparse, dense or full.

use crate::bit_set::{BLOCK, Block, size_of};
use crate::data_input::DataInput;
use crate::error::Result;
use crate::pages::{Pages, PagesInput};

/// Up to this many documents a block lists them one by one.
const SPARSE_LIMIT: u32 = 4095;
/// Bytes of a dense block.
const DENSE: u64 = BLOCK as u64 / 8;
/// The last block holds one document that stands for "no more".
const END: u16 = 0x7FFF;
/// Says "no rank bytes" as a signed byte of -1.
const NO_RANK: u8 = 0xFF;

/// A set of documents in a file, by where its blocks are.
#[derive(Debug)]
pub(crate) struct IndexedDisi {
    max_doc: u32,
    blocks: Vec<Start>,
    /// Bytes before the bits of each dense block.
    rank_bytes: u64,
}

/// Where a block that has documents begins.
#[derive(Debug, Clone, Copy)]
struct Start {
    number: u16,
    /// How many it has.
    documents: u32,
    /// How many come before it.
    before: u32,
    /// Place of the first byte after its two numbers.
    offset: u64,
}

impl Start {
    fn length(self, rank_bytes: u64) -> u64 {
        match self.documents {
            ..=SPARSE_LIMIT => 2 * u64::from(self.documents),
            BLOCK => 0,
            _ => rank_bytes + DENSE,
        }
    }
}

impl IndexedDisi {
    /// Finds the blocks of a set in a range of a file. A jump table may follow the last one.
    pub(crate) fn open(
        pages: &mut Pages,
        offset: u64,
        length: u64,
        dense_rank_power: u8,
        max_doc: u32,
    ) -> Result<Self> {
        let rank_bytes = match dense_rank_power {
            NO_RANK => 0,
            power @ 7..=15 => 1024 >> (power - 7),
            power => return Err(pages.corrupt(format!("a rank of 2^{power}"))),
        };
        let mut set = Self { max_doc, blocks: Vec::new(), rank_bytes };
        let mut input = PagesInput::at(pages, offset);
        let end = offset.saturating_add(length);
        let mut before = 0;
        loop {
            let (number, documents) = (input.u16()?, u32::from(input.u16()?) + 1);
            let start = Start { number, documents, before, offset: input.position() };
            input.skip(start.length(rank_bytes))?;
            if input.position() > end {
                return Err(input.corrupt("a set of documents that does not end"));
            }
            if number == END && documents == 1 {
                return Ok(set);
            }
            if set.blocks.last().is_some_and(|last| last.number >= number) {
                return Err(input.corrupt(format!("block {number} is out of order")));
            }
            if documents > size_of(number.into(), max_doc) {
                return Err(input.corrupt(format!("{documents} documents in block {number}: too many")));
            }
            before += documents;
            set.blocks.push(start);
        }
    }

    /// How many documents it has.
    pub(crate) fn count(&self) -> u32 {
        self.blocks.last().map_or(0, |last| last.before + last.documents)
    }

    /// Those in the block of this number, and how many come before that.
    pub(crate) fn block(&self, pages: &mut Pages, number: u32) -> Result<(Block, u32)> {
        let Ok(place) = self.blocks.binary_search_by_key(&number, |start| start.number.into()) else {
            return Ok((Block::empty(), 0));
        };
        let start = self.blocks[place];
        let bytes = pages.range(start.offset, start.length(self.rank_bytes))?;
        let mut input = pages.input(&bytes);
        let size = size_of(number, self.max_doc);
        let block = match start.documents {
            ..=SPARSE_LIMIT => sparse(&mut input, start.documents, size),
            // As many as there can be.
            BLOCK => Ok(Block::full(BLOCK)),
            _ => {
                input.skip(usize::try_from(self.rank_bytes).unwrap_or(usize::MAX))?;
                dense(&mut input, start.documents, size)
            }
        }?;
        Ok((block, start.before))
    }
}

fn sparse(input: &mut DataInput<'_>, count: u32, size: u32) -> Result<Block> {
    let mut block = Block::empty();
    let mut next = 0;
    for _ in 0..count {
        let document = u32::from(input.u16()?);
        if document < next || document >= size {
            return Err(input.corrupt(format!("document {document} of a block of {size}: out of order")));
        }
        next = document + 1;
        block.insert(document);
    }
    Ok(block)
}

fn dense(input: &mut DataInput<'_>, count: u32, size: u32) -> Result<Block> {
    let mut words = Vec::new();
    for _ in 0..BLOCK / 64 {
        words.push(input.u64()?);
    }
    let all: u32 = words.iter().map(|word| word.count_ones()).sum();
    let block = Block::from_words(words.into_iter(), size);
    if all == count && block.count() == count {
        Ok(block)
    } else {
        Err(input
            .corrupt(format!("{all} documents in a block of {count}, {} of them beyond the last", all - block.count())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::pages;

    fn number(bytes: &mut Vec<u8>, value: u32) {
        bytes.extend(u16::try_from(value).unwrap().to_be_bytes());
    }

    fn numbers(values: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in values {
            number(&mut bytes, *value);
        }
        bytes
    }

    const NO_MORE: [u32; 3] = [0x7FFF, 0, 0xFFFF];

    fn end(bytes: &mut Vec<u8>) {
        bytes.extend(numbers(&NO_MORE));
    }

    /// The set in these bytes, all blocks of which are read.
    fn read(bytes: &[u8], rank_power: u8, max_doc: u32) -> Result<(IndexedDisi, Vec<Block>)> {
        let (mut pages, begin) = pages(bytes);
        let set = IndexedDisi::open(&mut pages, begin, bytes.len() as u64, rank_power, max_doc)?;
        let mut before = 0;
        let mut blocks = Vec::new();
        for number in 0..crate::bit_set::blocks(max_doc) {
            let (block, rank) = set.block(&mut pages, number)?;
            assert!(block.count() == 0 || rank == before);
            before += block.count();
            blocks.push(block);
        }
        assert_eq!(before, set.count());
        Ok((set, blocks))
    }

    #[test]
    fn sparse_dense_and_full_blocks_are_read() {
        // Block 0: two documents; block 2: all; block 3: 5,000.
        let mut bytes = numbers(&[0, 1, 3, 70, 2, 0xFFFF, 3, 4999]);
        bytes.extend(vec![9; 256]); // rank bytes of 2^9
        for word in 0..1024_u32 {
            let bits = match word {
                0..78 => u64::MAX,
                78 => 0xFF,
                _ => 0,
            };
            bytes.extend(bits.to_be_bytes());
        }
        end(&mut bytes);
        let (set, blocks) = read(&bytes, 9, 300_000).unwrap();
        assert_eq!(set.count(), 2 + 65_536 + 5_000);
        let [first, none, all, some, last] = &blocks[..] else { panic!("{}", blocks.len()) };
        assert!(first.contains(3) && first.contains(70) && first.count() == 2);
        assert!(*none == Block::empty() && *all == Block::full(BLOCK) && *some == Block::full(5000));
        assert_eq!(*last, Block::empty());
        // It may end before a jump table, not within a block.
        bytes.extend([1; 100]);
        assert!(read(&bytes, 9, 300_000).is_ok());
        for length in 0..bytes.len() - 100 {
            assert!(read(&bytes[..length], 9, 300_000).is_err(), "{length}");
            let (mut pages, begin) = pages(&bytes);
            assert!(IndexedDisi::open(&mut pages, begin, length as u64, 9, 300_000).is_err(), "{length}");
        }
        for power in [6, 16, 8] {
            assert!(read(&bytes, power, 300_000).is_err(), "{power}");
        }
    }

    #[test]
    fn the_fullest_block_that_lists_its_documents_is_told_from_one_that_has_bits() {
        let mut bytes = numbers(&[0, SPARSE_LIMIT - 1]);
        for place in 0..SPARSE_LIMIT {
            number(&mut bytes, 2 * place);
        }
        bytes.extend(numbers(&[1, SPARSE_LIMIT]));
        for word in 0..1024 {
            let bits = if word < 64 { u64::MAX } else { 0 };
            bytes.extend(bits.to_be_bytes());
        }
        end(&mut bytes);
        // 4,096 documents are as many as the second block may have here.
        for max_doc in [2 * BLOCK, BLOCK + 4096] {
            let (set, blocks) = read(&bytes, NO_RANK, max_doc).unwrap();
            assert_eq!(set.count(), SPARSE_LIMIT + SPARSE_LIMIT + 1);
            assert!(blocks[0].contains(8188) && !blocks[0].contains(8187) && !blocks[0].contains(8189));
            assert_eq!(blocks[1], Block::full(4096));
        }
        assert!(read(&bytes, NO_RANK, BLOCK + 4095).is_err());
    }

    #[test]
    fn documents_beyond_the_last_or_out_of_order_or_of_another_number_are_refused() {
        let sparse = |values: &[u32], max_doc| read(&numbers(&[values, &NO_MORE].concat()), NO_RANK, max_doc).is_ok();
        assert!(sparse(&[0, 0, 10], 11) && !sparse(&[0, 0, 10], 10));
        assert!(sparse(&[0, 1, 3, 4], 11) && !sparse(&[0, 1, 4, 3], 11) && !sparse(&[0, 1, 3, 3], 11));
        let two = [0, 0, 3, 1, 0, 3];
        assert!(sparse(&two, BLOCK + 4) && !sparse(&two, BLOCK + 3) && !sparse(&two, BLOCK));
        assert!(!sparse(&[1, 0, 3, 0, 0, 3], 2 * BLOCK) && !sparse(&[1, 0, 3, 1, 0, 4], 2 * BLOCK));
        assert!(sparse(&[0, 0xFFFF], BLOCK) && !sparse(&[0, 0xFFFF], BLOCK - 1) && !sparse(&[0xFFFF, 0xFFFF], 10));
        let dense = |bits: u64, documents: u32, max_doc| {
            let mut bytes = numbers(&[0, documents - 1]);
            bytes.extend(std::iter::repeat_n(bits.to_be_bytes(), 1024).flatten());
            end(&mut bytes);
            read(&bytes, NO_RANK, max_doc).is_ok()
        };
        assert!(dense(0xFF, 8192, BLOCK) && !dense(0xFF, 8191, BLOCK) && !dense(0xFF, 8193, BLOCK));
        assert!(dense(0xFF, 8192, BLOCK - 56) && !dense(0xFF, 8192, BLOCK - 57));
    }
}
