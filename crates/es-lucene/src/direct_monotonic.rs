//! `DirectMonotonicReader`: growing numbers in blocks, each number a base, a slope, and how far it is off.

use crate::data_input::{DataInput, Endian};
use crate::error::Result;
use crate::stream::Stream;

/// Numbers in a block, as a power of two; writers use 10.
const SHIFTS: std::ops::RangeInclusive<u32> = 2..=22;

/// Where each block is and how it grows.
pub(crate) struct DirectMonotonic {
    shift: u32,
    blocks: Vec<Block>,
}

struct Block {
    base: i64,
    slope: f32,
    /// Of its first byte, in the data file.
    offset: u64,
    bits: u32,
}

impl DirectMonotonic {
    /// Reads the description of `count` numbers whose data begins at `start` of the data file.
    pub(crate) fn read(input: &mut DataInput<'_>, start: u64, count: u32, shift: u32) -> Result<Self> {
        if !SHIFTS.contains(&shift) {
            return Err(input.corrupt(format!("blocks of 2^{shift} numbers")));
        }
        let mut blocks = Vec::new();
        for _ in 0..count.div_ceil(1 << shift) {
            let base = input.i64()?;
            let slope = f32::from_bits(input.i32()?.cast_unsigned());
            let offset = input.offset_i64()?.checked_add(start);
            let bits = u32::from(input.u8()?);
            match offset {
                Some(offset) if bits <= 64 => blocks.push(Block { base, slope, offset, bits }),
                _ => return Err(input.corrupt("a block of numbers that cannot be")),
            }
        }
        Ok(Self { shift, blocks })
    }

    /// One of the numbers. `stream` goes on to it: they can only be asked for in their order.
    pub(crate) fn value(&self, stream: &mut Stream<'_>, endian: Endian, number: u32) -> Result<u64> {
        let (block, within) = (number >> self.shift, number & ((1 << self.shift) - 1));
        let block = self.blocks.get(block as usize).ok_or_else(|| stream.corrupt("fewer numbers than it says"))?;
        let bit = u64::from(within) * u64::from(block.bits);
        let offset = block.offset.saturating_add(bit / 8);
        let Some(ahead) = offset.checked_sub(stream.position()) else {
            return Err(stream.corrupt("blocks of numbers out of order"));
        };
        stream.skip(ahead)?;
        let bit = u32::try_from(bit % 8).unwrap_or(0);
        let length = (bit + block.bits).div_ceil(8) as usize;
        let off = unpack(stream.exactly(length)?, bit, block.bits, endian);
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // as the writer rounds
        let even = (block.slope * within as f32) as i64;
        let value = block.base.wrapping_add(even).wrapping_add(off.cast_signed());
        u64::try_from(value).map_err(|_| stream.corrupt(format!("a number of {value}")))
    }
}

/// A number of so many bits that begins at bit `bit` of the first byte: the highest first through Lucene 8, the lowest from 9 on.
fn unpack(bytes: &[u8], bit: u32, bits: u32, endian: Endian) -> u64 {
    let mask = if bits == 0 { 0 } else { u128::MAX >> (128 - bits) };
    let value = match endian {
        Endian::Big => {
            let whole = bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte));
            let length = u32::try_from(bytes.len()).unwrap_or(0) * 8;
            whole >> (length - bit - bits)
        }
        Endian::Little => bytes.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte)) >> bit,
    };
    u64::try_from(value & mask).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_twelve_bits_are_taken_apart_in_either_order() {
        assert_eq!(unpack(&[0xAB, 0xC0], 0, 12, Endian::Big), 0xABC);
        assert_eq!(unpack(&[0x0A, 0xBC], 4, 12, Endian::Big), 0xABC);
        assert_eq!(unpack(&[0xBC, 0x0A], 0, 12, Endian::Little), 0xABC);
        assert_eq!(unpack(&[0xC0, 0xAB], 4, 12, Endian::Little), 0xABC);
        assert_eq!(unpack(&[], 0, 0, Endian::Big), 0);
        assert_eq!(unpack(&[0xFF; 9], 7, 64, Endian::Little), u64::MAX);
    }
}
