//! `DirectReader`: numbers of as many bits each, any of which can be read by itself. Big-endian, as through Lucene 8.

use crate::error::Result;
use crate::pages::Pages;

/// Where the numbers are, and how many bits each has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectReader {
    pub(crate) offset: u64,
    /// 0 to 64; of no bits, every number is 0.
    pub(crate) bits: u8,
}

impl DirectReader {
    pub(crate) fn get(self, pages: &mut Pages, index: u64) -> Result<u64> {
        let bits = u64::from(self.bits);
        if bits == 0 {
            return Ok(0);
        }
        let place = index.checked_mul(bits).and_then(|first| self.offset.checked_add(first / 8).zip(Some(first % 8)));
        let Some((offset, skipped)) = place.filter(|_| bits <= 64) else {
            return Err(pages.corrupt(format!("number {index} of {bits} bits")));
        };
        let used = skipped + bits;
        // The last bytes of up to nine.
        let mut bytes = [0; 16];
        let length = usize::try_from(used.div_ceil(8)).unwrap_or(bytes.len());
        pages.read(offset, &mut bytes[16 - length..])?;
        let held = u128::from_be_bytes(bytes) >> (length as u64 * 8 - used);
        Ok(u64::try_from(held & ((1 << bits) - 1)).unwrap_or(u64::MAX))
    }
}
