//! `PackedInts`: the integer lists of chunks through Lucene 8.

use crate::error::Result;
use crate::stream::Stream;

/// Replaces the content of `list` with `count` numbers.
pub(crate) fn read(stream: &mut Stream<'_>, count: usize, list: &mut Vec<u32>) -> Result<()> {
    list.clear();
    if count == 1 {
        list.push(stream.vint()?);
        return Ok(());
    }
    let bits = stream.vint()?;
    if bits == 0 {
        let common = stream.vint()?;
        list.resize(count, common);
        return Ok(());
    }
    if bits > 31 {
        return Err(stream.corrupt(format!("integers of {bits} bits")));
    }
    let length = (count * bits as usize).div_ceil(8);
    let bytes = stream.exactly(length)?;
    let mut held: u64 = 0;
    let mut held_bits = 0;
    let mut bytes = bytes.iter();
    for _ in 0..count {
        while held_bits < bits {
            held = held << 8 | u64::from(bytes.next().copied().unwrap_or(0));
            held_bits += 8;
        }
        held_bits -= bits;
        let value = held >> held_bits & ((1 << bits) - 1);
        list.push(u32::try_from(value).unwrap_or(u32::MAX));
    }
    stream.consume(length)
}
