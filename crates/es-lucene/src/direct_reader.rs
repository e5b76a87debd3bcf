//! `DirectReader`: numbers of as many bits each, any of which can be read by itself.

use crate::data_input::Endian;
use crate::error::Result;
use crate::pages::Pages;
use crate::stream::Stream;

/// Where the numbers are, and how many bits each has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectReader {
    pub(crate) offset: u64,
    /// 0 to 64; of no bits, every number is 0.
    pub(crate) bits: u8,
}

impl DirectReader {
    /// One of the numbers, of a file of Lucene 8 or before.
    pub(crate) fn get(self, pages: &mut Pages, index: u64) -> Result<u64> {
        let Some((offset, bit, length)) = self.place(index) else {
            return Err(pages.corrupt(format!("number {index} of {} bits", self.bits)));
        };
        let mut bytes = [0; 9];
        let bytes = &mut bytes[..length];
        pages.read(offset, bytes)?;
        Ok(unpack(bytes, bit, self.bits.into(), Endian::Big))
    }

    /// The same from a stream, which goes on to it: numbers can only be asked for in their order.
    pub(crate) fn next(self, stream: &mut Stream<'_>, endian: Endian, index: u64) -> Result<u64> {
        let Some((offset, bit, length)) = self.place(index) else {
            return Err(stream.corrupt(format!("number {index} of {} bits", self.bits)));
        };
        let Some(ahead) = offset.checked_sub(stream.position()) else {
            return Err(stream.corrupt("blocks of numbers out of order"));
        };
        stream.skip(ahead)?;
        Ok(unpack(stream.exactly(length)?, bit, self.bits.into(), endian))
    }

    /// The first byte of a number, its first bit in that, and in how many bytes it is: nine at most.
    fn place(self, index: u64) -> Option<(u64, u32, usize)> {
        let bits = u64::from(self.bits);
        let first = index.checked_mul(bits).filter(|_| bits <= 64)?;
        let offset = self.offset.checked_add(first / 8)?;
        let bit = first % 8;
        Some((offset, u32::try_from(bit).ok()?, usize::try_from((bit + bits).div_ceil(8)).ok()?))
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
