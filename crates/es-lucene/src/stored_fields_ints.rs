//! `StoredFieldsInts`: the integer lists of chunks from Lucene 9 on.

use crate::error::Result;
use crate::stream::Stream;

/// Numbers are interleaved in groups of this many.
const GROUP: usize = 128;

/// Replaces the content of `list` with `count` numbers.
pub(crate) fn read(stream: &mut Stream<'_>, count: usize, list: &mut Vec<u32>) -> Result<()> {
    list.clear();
    if count == 1 {
        list.push(stream.vint()?);
        return Ok(());
    }
    let bits = stream.u8()?;
    let width = match bits {
        0 => {
            let common = stream.vint()?;
            list.resize(count, common);
            return Ok(());
        }
        8 | 16 | 32 => usize::from(bits / 8),
        other => return Err(stream.corrupt(format!("integers of {other} bits"))),
    };
    let length = count * width;
    let mut bytes = stream.exactly(length)?;
    while count - list.len() >= GROUP {
        let (group, rest) = bytes.split_at(GROUP * width);
        bytes = rest;
        let rows = GROUP * width / 8;
        // Word i holds the values i, i + rows, i + 2 * rows, ..., the first in its highest bits.
        for column in 0..8 / width {
            for word in group.chunks_exact(8).take(rows) {
                let end = 8 - column * width;
                list.push(little_endian(&word[end - width..end]));
            }
        }
    }
    for value in bytes.chunks_exact(width) {
        list.push(little_endian(value));
    }
    stream.consume(length)?;
    if list.iter().any(|value| i32::try_from(*value).is_err()) {
        return Err(stream.corrupt("a negative length"));
    }
    Ok(())
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
