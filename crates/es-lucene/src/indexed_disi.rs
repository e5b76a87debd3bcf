//! `IndexedDISI`: a set of documents in blocks of 65,536, each sparse, dense or full.

use crate::bit_set::BitSet;
use crate::data_input::DataInput;
use crate::error::Result;

const BLOCK: u32 = 1 << 16;
/// Up to this many documents a block lists them one by one.
const SPARSE_LIMIT: u32 = 4095;
/// The last block holds one document that stands for "no more".
const END: u16 = 0x7FFF;
/// Says "no rank bytes" as a signed byte of -1.
const NO_RANK: u8 = 0xFF;

/// Reads a whole set. A jump table may follow the last block.
pub(crate) fn read(input: &mut DataInput<'_>, dense_rank_power: u8, max_doc: u32) -> Result<BitSet> {
    let mut set = BitSet::empty(max_doc);
    let mut previous = None;
    loop {
        let block = input.u16()?;
        let cardinality = u32::from(input.u16()?) + 1;
        if block == END && cardinality == 1 {
            input.u16()?;
            return Ok(set);
        }
        if previous.is_some_and(|previous| previous >= block) {
            return Err(input.corrupt(format!("block {block} is out of order")));
        }
        previous = Some(block);
        let first = u32::from(block) * BLOCK;
        if cardinality <= SPARSE_LIMIT {
            sparse(input, &mut set, first, cardinality)?;
        } else if cardinality == BLOCK {
            // The last block ends where the numbers do.
            for low in 0..BLOCK {
                add(input, &mut set, first + low)?;
            }
        } else {
            dense(input, &mut set, first, cardinality, dense_rank_power)?;
        }
    }
}

fn add(input: &DataInput<'_>, set: &mut BitSet, document: u32) -> Result<()> {
    if set.insert(document) { Ok(()) } else { Err(input.corrupt(format!("document {document} is one too many"))) }
}

fn sparse(input: &mut DataInput<'_>, set: &mut BitSet, first: u32, count: u32) -> Result<()> {
    let mut previous = None;
    for _ in 0..count {
        let low = input.u16()?;
        if previous.is_some_and(|previous| previous >= low) {
            return Err(input.corrupt("documents out of order"));
        }
        previous = Some(low);
        add(input, set, first + u32::from(low))?;
    }
    Ok(())
}

fn dense(input: &mut DataInput<'_>, set: &mut BitSet, first: u32, cardinality: u32, rank_power: u8) -> Result<()> {
    if rank_power != NO_RANK {
        if !(7..=15).contains(&rank_power) {
            return Err(input.corrupt(format!("a rank of 2^{rank_power}")));
        }
        input.skip(1024 >> (rank_power - 7))?;
    }
    let mut seen = 0;
    for word in 0..BLOCK / 64 {
        let mut bits = input.u64()?;
        seen += bits.count_ones();
        while bits != 0 {
            add(input, set, first + word * 64 + bits.trailing_zeros())?;
            bits &= bits - 1;
        }
    }
    if seen == cardinality {
        Ok(())
    } else {
        Err(input.corrupt(format!("{seen} documents in a block of {cardinality}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &mut Vec<u8>, value: u32) {
        bytes.extend(u16::try_from(value).unwrap().to_be_bytes());
    }

    fn end(bytes: &mut Vec<u8>) {
        for value in [0x7FFF, 0, 0xFFFF] {
            number(bytes, value);
        }
    }

    #[test]
    fn sparse_dense_and_full_blocks_are_read() {
        let mut bytes = Vec::new();
        for value in [0, 1, 3, 70] {
            number(&mut bytes, value); // block 0: two documents, 3 and 70
        }
        for value in [1, 0xFFFF, 2, 4999] {
            number(&mut bytes, value); // block 1: all; block 2: 5,000
        }
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
        let set = read(&mut DataInput::new("f", &bytes), 9, 200_000).unwrap();
        assert_eq!(set.count(), 2 + 65_536 + 5_000);
        assert!(set.contains(3) && set.contains(70) && set.contains(65_536));
        assert!(set.contains(131_072 + 4_999) && !set.contains(131_072 + 5_000));
    }

    #[test]
    fn the_fullest_block_that_lists_its_documents_is_told_from_one_that_has_bits() {
        let mut bytes = Vec::new();
        for value in [0, SPARSE_LIMIT - 1] {
            number(&mut bytes, value);
        }
        for place in 0..SPARSE_LIMIT {
            number(&mut bytes, 2 * place);
        }
        for value in [1, SPARSE_LIMIT] {
            number(&mut bytes, value);
        }
        for word in 0..1024 {
            let bits = if word < 64 { u64::MAX } else { 0 };
            bytes.extend(bits.to_be_bytes());
        }
        end(&mut bytes);
        let set = read(&mut DataInput::new("f", &bytes), NO_RANK, 70_000).unwrap();
        assert_eq!(set.count(), SPARSE_LIMIT + SPARSE_LIMIT + 1);
        assert!(set.contains(8188) && !set.contains(8187) && !set.contains(8189));
        assert!(set.contains(BLOCK + 4095) && !set.contains(BLOCK + 4096));
    }

    #[test]
    fn a_document_beyond_the_last_is_refused() {
        let mut bytes = Vec::new();
        for value in [0, 0, 10] {
            number(&mut bytes, value);
        }
        end(&mut bytes);
        assert!(read(&mut DataInput::new("f", &bytes), 0xFF, 10).is_err());
        assert!(read(&mut DataInput::new("f", &bytes), 0xFF, 11).is_ok());
    }

    #[test]
    fn a_full_block_at_the_end_of_all_numbers_is_refused() {
        let mut bytes = Vec::new();
        for value in [0xFFFF, 0xFFFF] {
            number(&mut bytes, value);
        }
        end(&mut bytes);
        assert!(read(&mut DataInput::new("f", &bytes), 0xFF, 10).is_err());
    }
}
