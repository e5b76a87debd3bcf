//! `LZ4`: blocks that carry no compressed length, as stored fields hold them through Lucene 8.6.

use crate::compressing_stored_fields::Decompressor;
use crate::error::Result;
use crate::stream::Stream;

/// No match is shorter.
const MIN_MATCH: usize = 4;
/// A length in a token that goes on in the bytes after it.
const LONG: usize = 15;
/// Bytes copied at once.
const WORD: usize = 16;
/// Bytes past the end of a block that may be written.
pub(crate) const SLACK: usize = WORD;
/// Token, literals, distance and a byte of the length of a match, where the token has the number of literals.
const SEQUENCE: usize = 1 + (LONG - 1) + 2 + 1;
/// What literals and two words of a match take, and so much that a match of two words ends before the block.
const ROOM: usize = (LONG - 1) + 2 * WORD + 3;

/// Decodes blocks until as many bytes came out as asked for.
pub(crate) struct Lz4;

impl Decompressor for Lz4 {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()> {
        // The most bytes a block of this length can take; the block ends on its own.
        let bound = length + length / 255 + 16;
        let consumed = decode(stream.peek(bound)?, target, 0, length);
        stream.consume(consumed.ok_or_else(|| stream.corrupt("a damaged LZ4 block"))?)
    }
}

/// Fills `target` from `start` to `end` from the beginning of `source`; returns how much of `source` that took. What comes
/// before is history.
///
/// Bytes are copied as whole words, which writes up to [`SLACK`] bytes past the end.
pub(crate) fn decode(source: &[u8], target: &mut [u8], start: usize, end: usize) -> Option<usize> {
    let target = target.get_mut(..end.checked_add(SLACK)?)?;
    let (mut rest, mut out) = (source, start);
    loop {
        (rest, out) = decode_short(rest, target, out, end)?;
        let (token, tail) = rest.split_first()?;
        rest = tail;
        let literals = length(&mut rest, token >> 4)?;
        let (from, tail) = rest.split_at_checked(literals)?;
        rest = tail;
        target.get_mut(out..out.checked_add(literals)?)?.copy_from_slice(from);
        out += literals;
        if out >= end {
            return (out == end).then_some(source.len() - rest.len());
        }
        let (distance, tail) = rest.split_first_chunk()?;
        rest = tail;
        let distance = usize::from(u16::from_le_bytes(*distance));
        let length = length(&mut rest, token & 15)?.checked_add(MIN_MATCH)?;
        let from = out.checked_sub(distance).filter(|_| distance > 0)?;
        let next = out.checked_add(length).filter(|next| *next <= end)?;
        if distance >= WORD {
            for done in (0..length).step_by(WORD) {
                copy_word(target, from + done, out + done)?;
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
            return Some(source.len() - rest.len());
        }
    }
}

/// Decodes as long as lengths are short and no end is near, as nearly all are: few checks are needed then. Returns what is
/// left, and where the next byte comes to, before `end`.
fn decode_short<'a>(mut rest: &'a [u8], target: &mut [u8], mut out: usize, end: usize) -> Option<(&'a [u8], usize)> {
    while let Some(sequence) = rest.first_chunk::<SEQUENCE>() {
        let literals = usize::from(sequence[0] >> 4);
        let mut length = usize::from(sequence[0] & 15) + MIN_MATCH;
        let Some(room) = target.get_mut(out..).and_then(<[u8]>::first_chunk_mut::<ROOM>) else { break };
        if literals == LONG {
            break;
        }
        room[..WORD].copy_from_slice(&sequence[1..=WORD]);
        let distance = usize::from(u16::from_le_bytes([sequence[1 + literals], sequence[2 + literals]]));
        let mut taken = 3 + literals;
        let to = out + literals;
        if distance < WORD || distance > to {
            break;
        }
        let from = to - distance;
        copy_word(target, from, to)?;
        copy_word(target, from + WORD, to + WORD)?;
        if length == LONG + MIN_MATCH {
            length += usize::from(sequence[taken]);
            taken += 1;
            if length == LONG + MIN_MATCH + 255 || to + length >= end {
                break;
            }
            for done in (2 * WORD..length).step_by(WORD) {
                copy_word(target, from + done, to + done)?;
            }
        }
        out = to + length;
        rest = &rest[taken..];
    }
    Some((rest, out))
}

#[inline]
fn copy_word(target: &mut [u8], from: usize, to: usize) -> Option<()> {
    let word = *target.get(from..)?.first_chunk::<WORD>()?;
    *target.get_mut(to..)?.first_chunk_mut()? = word;
    Some(())
}

fn length(rest: &mut &[u8], nibble: u8) -> Option<usize> {
    let mut length = usize::from(nibble);
    if length == LONG {
        loop {
            let (byte, tail) = rest.split_first()?;
            *rest = tail;
            length = length.checked_add(usize::from(*byte))?;
            if *byte != 255 {
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
        assert_eq!(decode(&[0, 9], &mut [0; SLACK], 0, 0), Some(1));
        assert_eq!(decode(&[], &mut [0; SLACK], 0, 0), None);
    }

    /// Appends a sequence: literals, and the distance and length of a match.
    fn pack(packed: &mut Vec<u8>, literals: &[u8], found: Option<(usize, usize)>) {
        let nibble = |length: usize| u8::try_from(length.min(LONG)).unwrap();
        let more = |packed: &mut Vec<u8>, length: usize| {
            if let Some(mut rest) = length.checked_sub(LONG) {
                while rest >= 255 {
                    packed.push(255);
                    rest -= 255;
                }
                packed.push(u8::try_from(rest).unwrap());
            }
        };
        let match_length = found.map_or(0, |(_, length)| length - MIN_MATCH);
        packed.push(nibble(literals.len()) << 4 | nibble(match_length));
        more(packed, literals.len());
        packed.extend_from_slice(literals);
        if let Some((distance, _)) = found {
            packed.extend(u16::try_from(distance).unwrap().to_le_bytes());
            more(packed, match_length);
        }
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
        fn sequences_of_any_lengths_and_distances_are_decoded(
            sequences in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..40), prop_oneof![1..70_usize, 1..9000_usize], prop_oneof![4..40_usize, 4..700_usize]), 1..60
            ),
            last in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let (mut packed, mut text) = (Vec::new(), Vec::new());
            for (literals, distance, match_length) in sequences {
                text.extend_from_slice(&literals);
                if text.is_empty() {
                    continue;
                }
                let distance = distance.min(text.len());
                pack(&mut packed, &literals, Some((distance, match_length)));
                for _ in 0..match_length {
                    text.push(text[text.len() - distance]);
                }
            }
            text.extend_from_slice(&last);
            let whole = packed.len();
            pack(&mut packed, &last, None);
            // A block whose last sequence has a match ends there.
            let length = if last.is_empty() && !text.is_empty() { whole } else { packed.len() };
            let mut raw = vec![0; text.len() + SLACK];
            prop_assert_eq!(decode(&packed, &mut raw, 0, text.len()), Some(length));
            prop_assert_eq!(&raw[..text.len()], &text);
            for end in 0..packed.len().min(length) {
                prop_assert_eq!(decode(&packed[..end], &mut raw, 0, text.len()), None);
            }
        }

        #[test]
        fn no_input_panics(source in prop::collection::vec(any::<u8>(), 0..300), length in 0_usize..900) {
            let _ = decode(&source, &mut vec![0; length + SLACK], 0, length);
        }
    }
}
