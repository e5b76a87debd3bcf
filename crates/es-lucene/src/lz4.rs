//! `LZ4`: blocks that carry no compressed length, as stored fields hold them through Lucene 8.6.

use crate::compressing_stored_fields::Decompressor;
use crate::error::Result;
use crate::stream::Stream;

/// No match is shorter.
const MIN_MATCH: usize = 4;
/// Bytes copied at once.
const WORD: usize = 16;
/// Bytes past the end of a block that may be written.
pub(crate) const SLACK: usize = WORD;

/// Decodes blocks until as many bytes came out as asked for.
pub(crate) struct Lz4;

impl Decompressor for Lz4 {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut Vec<u8>) -> Result<()> {
        // The most bytes a block of this length can take; the block ends on its own.
        let bound = length + length / 255 + 16;
        let old = target.len();
        target.resize(old + length + SLACK, 0);
        let consumed = decode(stream.peek(bound)?, &mut target[old..], 0, length)
            .ok_or_else(|| stream.corrupt("a damaged LZ4 block"))?;
        target.truncate(old + length);
        stream.consume(consumed)
    }
}

/// Fills `target` from `start` to `end` from the beginning of `source`; returns how much of `source` that took. What comes
/// before is history.
///
/// Short runs are copied as whole words, which writes up to [`SLACK`] bytes past the end.
pub(crate) fn decode(source: &[u8], target: &mut [u8], start: usize, end: usize) -> Option<usize> {
    let mut at: usize = 0;
    let mut out: usize = start;
    loop {
        let token = *source.get(at)?;
        at += 1;
        let literals = length(source, &mut at, token >> 4)?;
        match (source.get(at..).and_then(<[u8]>::first_chunk::<WORD>), target.get_mut(out..)?.first_chunk_mut::<WORD>())
        {
            (Some(from), Some(to)) if literals <= WORD => *to = *from,
            _ => {
                let from = source.get(at..at.checked_add(literals)?)?;
                target.get_mut(out..out.checked_add(literals)?)?.copy_from_slice(from);
            }
        }
        at += literals;
        out += literals;
        if out >= end {
            return (out == end && at <= source.len()).then_some(at);
        }
        let distance = usize::from(u16::from_le_bytes(*source.get(at..)?.first_chunk::<2>()?));
        at += 2;
        let length = length(source, &mut at, token & 15)?.checked_add(MIN_MATCH)?;
        let from = out.checked_sub(distance).filter(|_| distance > 0)?;
        let next = out.checked_add(length).filter(|next| *next <= end)?;
        if distance >= WORD {
            let (mut from, mut to) = (from, out);
            while to < next {
                let word = *target.get(from..)?.first_chunk::<WORD>()?;
                *target.get_mut(to..)?.first_chunk_mut::<WORD>()? = word;
                from += WORD;
                to += WORD;
            }
        } else {
            // The match overlaps what it writes.
            let window = target.get_mut(from..next)?;
            for byte in distance..window.len() {
                window[byte] = window[byte - distance];
            }
        }
        out = next;
        if out == end {
            return Some(at);
        }
    }
}

fn length(source: &[u8], at: &mut usize, nibble: u8) -> Option<usize> {
    let mut length = usize::from(nibble);
    if nibble == 15 {
        loop {
            let byte = *source.get(*at)?;
            *at += 1;
            length = length.checked_add(usize::from(byte))?;
            if byte != 255 {
                break;
            }
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_block_takes_its_token() {
        assert_eq!(decode(&[0, 9], &mut [], 0, 0), Some(1));
        assert_eq!(decode(&[], &mut [], 0, 0), None);
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(words in prop::collection::vec("[a-d]{1,9}", 0..400)) {
            let text = words.concat().into_bytes();
            let mut packed = lz4_flex::block::compress(&text);
            let length = packed.len();
            packed.extend([7; 40]);
            let mut raw = vec![0; text.len() + SLACK];
            prop_assert_eq!(decode(&packed, &mut raw, 0, text.len()), Some(length));
            prop_assert_eq!(&raw[..text.len()], text);
        }

        #[test]
        fn no_input_panics(source in prop::collection::vec(any::<u8>(), 0..300), length in 0_usize..900) {
            let _ = decode(&source, &mut vec![0; length + SLACK], 0, length);
        }
    }
}
