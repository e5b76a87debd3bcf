//! `DirectMonotonicReader` and its elder, `MonotonicBlockPackedReader`: numbers that never fall, as what they differ by
//! from a line through each block.

use crate::data_input::{DataInput, Endian};
use crate::direct_reader::DirectReader;
use crate::error::Result;
use crate::pages::{Pages, PagesInput};
use crate::stream::Stream;

/// The line through one block, and the differences.
#[derive(Debug, Clone, Copy)]
struct Block {
    first: i64,
    slope: f32,
    differences: DirectReader,
}

/// A whole sequence; its differences stay in the file.
#[derive(Debug, Clone)]
pub(crate) struct Monotonic {
    shift: u32,
    blocks: Vec<Block>,
}

impl Monotonic {
    /// Reads the description of `count` numbers in blocks of 2^`shift` out of the metadata. Offsets of blocks count from
    /// `base`, which only the rest of the metadata may tell: see [`Self::rebase`].
    pub(crate) fn read_meta(input: &mut DataInput<'_>, count: u64, shift: u32) -> Result<Self> {
        if !(2..=22).contains(&shift) {
            return Err(input.corrupt(format!("blocks of 2^{shift} values")));
        }
        let mut blocks = Vec::new();
        for _ in 0..count.div_ceil(1 << shift) {
            let first = input.i64()?;
            let slope = f32::from_bits(input.i32()?.cast_unsigned());
            let offset = input.offset_i64()?;
            let bits = input.u8()?;
            if bits > 64 {
                return Err(input.corrupt(format!("numbers of {bits} bits")));
            }
            blocks.push(Block { first, slope, differences: DirectReader { offset, bits } });
        }
        Ok(Self { shift, blocks })
    }

    /// Puts the differences where they are in the data file.
    pub(crate) fn rebase(mut self, base: u64) -> Self {
        for block in &mut self.blocks {
            block.differences.offset = block.differences.offset.saturating_add(base);
        }
        self
    }

    /// Reads `count` numbers in blocks of 2^`shift` whose description lies between the blocks.
    pub(crate) fn read_blocks(input: &mut PagesInput<'_>, count: u64, shift: u32) -> Result<Self> {
        if !(6..=27).contains(&shift) {
            return Err(input.corrupt(format!("blocks of 2^{shift} values")));
        }
        let mut blocks = Vec::new();
        let mut left = count;
        while left > 0 {
            let first = input.zigzag()?;
            let slope = f32::from_bits(input.u32()?);
            let bits = input.vint()?;
            let Some(bits) = u8::try_from(bits).ok().filter(|bits| *bits <= 64) else {
                return Err(input.corrupt(format!("numbers of {bits} bits")));
            };
            let size = left.min(1 << shift);
            blocks.push(Block { first, slope, differences: DirectReader { offset: input.position(), bits } });
            input.skip((size * u64::from(bits)).div_ceil(8))?;
            left -= size;
        }
        Ok(Self { shift, blocks })
    }

    /// One of the numbers, of a file of Lucene 8 or before.
    pub(crate) fn get(&self, pages: &mut Pages, index: u64) -> Result<u64> {
        let Some((block, within)) = self.place(index) else {
            return Err(pages.corrupt(format!("a sequence has no number {index}")));
        };
        let difference = block.differences.get(pages, within)?;
        block.number(within, difference).map_err(|value| pages.corrupt(format!("a sequence of offsets has {value}")))
    }

    /// The same from a stream, which goes on to it: numbers can only be asked for in their order.
    pub(crate) fn next(&self, stream: &mut Stream<'_>, endian: Endian, index: u64) -> Result<u64> {
        let Some((block, within)) = self.place(index) else {
            return Err(stream.corrupt(format!("a sequence has no number {index}")));
        };
        let difference = block.differences.next(stream, endian, within)?;
        block.number(within, difference).map_err(|value| stream.corrupt(format!("a sequence of offsets has {value}")))
    }

    /// The block of a number, and its place in that.
    fn place(&self, index: u64) -> Option<(Block, u64)> {
        let block = self.blocks.get(usize::try_from(index >> self.shift).ok()?)?;
        Some((*block, index & ((1 << self.shift) - 1)))
    }
}

impl Block {
    /// What differs so much from the line; the number itself where that is negative.
    fn number(&self, within: u64, difference: u64) -> Result<u64, i64> {
        // As Java does it: in single precision, cut off towards zero.
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the format's own arithmetic")]
        let expected = (self.slope * within as f32) as i64;
        let value = self.first.wrapping_add(expected).wrapping_add(difference.cast_signed());
        u64::try_from(value).map_err(|_| value)
    }
}
