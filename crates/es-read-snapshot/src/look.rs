//! Looks through JSON for what a line cannot have, a block at a time, with what the processor has for that.

use std::sync::LazyLock;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, mask8x64, u8x64};

/// So many bytes are looked at at once.
const BLOCK: usize = 64;
/// What the processor has.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

/// Whether there is a comment.
pub(crate) fn has_comments(text: &[u8]) -> bool {
    dispatch!(*LEVEL, simd => look(simd, text, None).comments != 0)
}

/// Whether there is neither a line break nor a comment.
pub(crate) fn is_one_line(text: &[u8]) -> bool {
    dispatch!(*LEVEL, simd => look(simd, text, None).is_one_line())
}

/// The same, and appends the text either way, which takes less time than to do one after the other.
pub(crate) fn append(text: &[u8], line: &mut Vec<u8>) -> bool {
    dispatch!(*LEVEL, simd => look(simd, text, Some(line)).is_one_line())
}

// What is not inlined would be compiled for the oldest processor.

#[allow(clippy::inline_always)] // as above
#[inline(always)]
fn look<S: Simd>(simd: S, text: &[u8], mut line: Option<&mut Vec<u8>>) -> Seen<S> {
    let mut seen = Seen::nothing(simd);
    if let Some(line) = &mut line {
        line.reserve(text.len());
    }
    let (blocks, rest) = text.as_chunks();
    for block in blocks {
        seen.add(simd, block, 0);
        if let Some(line) = &mut line {
            line.extend_from_slice(block);
        }
    }
    if rest.is_empty() {
        return seen;
    }
    if let Some(last) = text.last_chunk() {
        // Some of it once more: to copy what is left takes longer, as that is of another length each time.
        let again = BLOCK - rest.len();
        seen.add(simd, last, again);
        if let Some(line) = &mut line {
            line.truncate(line.len() - again);
            line.extend_from_slice(last);
        }
    } else {
        let mut short = [b' '; BLOCK];
        short[..rest.len()].copy_from_slice(rest);
        seen.add(simd, &short, 0);
        if let Some(line) = &mut line {
            line.extend_from_slice(rest);
        }
    }
    seen
}

/// What was seen so far. A backslash escapes wherever it stands: outside of strings JSON has none. Numbers have a bit
/// for each byte of a block, the lowest for the first.
struct Seen<S: Simd> {
    /// Where in any block there was a line break.
    breaks: mask8x64<S>,
    /// Not zero once a comment began. From then on strings are not told, as there may be quotes in a comment.
    comments: u64,
    /// All ones if the last byte was inside a string.
    string: u64,
    /// One if it was a backslash that escapes what comes next.
    escape: u64,
    /// One if it was a slash.
    slash: u64,
}

impl<S: Simd> Seen<S> {
    #[allow(clippy::inline_always)] // as above
    #[inline(always)]
    fn nothing(simd: S) -> Self {
        Self { breaks: mask8x64::splat(simd, false), comments: 0, string: 0, escape: 0, slash: 0 }
    }

    #[allow(clippy::inline_always)] // as above
    #[inline(always)]
    fn is_one_line(&self) -> bool {
        self.comments == 0 && !self.breaks.any_true()
    }

    /// So many bytes at the beginning of the block come once more.
    #[allow(clippy::inline_always)] // as above
    #[inline(always)]
    fn add(&mut self, simd: S, block: &[u8; BLOCK], again: usize) {
        let block = u8x64::from_slice(simd, block);
        self.breaks |= block.simd_eq(b'\n') | block.simd_eq(b'\r');
        let mut escapes = (block.simd_eq(b'\\').to_bitmask() >> again) & !self.escape;
        if escapes & escapes << 1 != 0 {
            escapes = every_other(escapes);
        }
        let quotes = (block.simd_eq(b'"').to_bitmask() >> again) & !(escapes << 1 | self.escape);
        self.escape = escapes >> (BLOCK - 1);
        let slashes = block.simd_eq(b'/').to_bitmask() >> again;
        let after_slash = slashes << 1 | self.slash;
        self.slash = slashes >> (BLOCK - 1);
        // Most blocks have no slash, and most slashes begin nothing.
        if after_slash != 0 {
            let begins = after_slash & (slashes | block.simd_eq(b'*').to_bitmask() >> again);
            if begins != 0 {
                // Each bit becomes the parity of the quotes up to it, and thereby whether it is inside a string.
                let mut strings = quotes;
                for shift in [1, 2, 4, 8, 16, 32] {
                    strings ^= strings << shift;
                }
                self.comments |= begins & !(strings ^ self.string);
            }
        }
        self.string ^= 0_u64.wrapping_sub(u64::from(quotes.count_ones()) & 1);
    }
}

/// Of bits that stand next to each other the first, the third, and so on: backslashes that are not escaped themselves.
fn every_other(mut bits: u64) -> u64 {
    let mut every_other = 0;
    while bits != 0 {
        let lowest = bits & bits.wrapping_neg();
        every_other |= lowest;
        bits &= !(lowest | lowest << 1);
    }
    every_other
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether there is a line break, and a comment, byte by byte.
    fn breaks_and_comments(text: &[u8]) -> (bool, bool) {
        let (mut string, mut escaped, mut slash, mut comment) = (false, false, false, false);
        for byte in text {
            comment |= slash && !string && matches!(byte, b'/' | b'*');
            slash = *byte == b'/';
            string ^= *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
        }
        (text.contains(&b'\n') || text.contains(&b'\r'), comment)
    }

    /// What this processor has, and what older ones have.
    fn levels() -> Vec<Level> {
        let level = Level::new();
        #[cfg(target_arch = "x86_64")]
        let older =
            [level.as_avx2().map(Level::Avx2), level.as_sse4_2().map(Level::Sse4_2), level.as_sse2().map(Level::Sse2)];
        #[cfg(not(target_arch = "x86_64"))]
        let older = [None];
        older.into_iter().flatten().chain([level]).collect()
    }

    fn check(text: &str) {
        let (breaks, comments) = breaks_and_comments(text.as_bytes());
        for level in levels() {
            let mut line = b"before".to_vec();
            let seen = dispatch!(level, simd => {
                let seen = look(simd, text.as_bytes(), Some(&mut line));
                (seen.is_one_line(), seen.comments != 0)
            });
            assert_eq!(seen, (!breaks && !comments, comments), "{text} {level:?}");
            assert_eq!(String::from_utf8(line).unwrap(), format!("before{text}"), "{level:?}");
        }
        assert_eq!(is_one_line(text.as_bytes()), !breaks && !comments, "{text}");
        assert_eq!(has_comments(text.as_bytes()), comments, "{text}");
    }

    #[test]
    fn quotes_escapes_and_comments_are_told_wherever_blocks_end() {
        let long = format!("\"{}//\"", "a".repeat(2 * BLOCK));
        let strings = ["\"//\"", "\"/\"/*", "\"\\\"//\"", "\"\\\\\"//", "\"\\\\\\\"/*\"", "\"a\"/a/*", &long];
        for text in ["//", "/*", "\n", "\r"].into_iter().chain(strings) {
            for before in 0..2 * BLOCK {
                for after in [0, 1, BLOCK - 1, BLOCK] {
                    check(&format!("{}{text}{}", "a".repeat(before), "a".repeat(after)));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_is_what_it_is_byte_by_byte(text in r#"([/*"\\]{1,6}|\\{1,70}|[a-c]{1,70}|[a-c/*"\\]{1,10}|[a-c]{1,70}[\n\r]?){0,9}"#) {
            check(&text);
        }
    }
}
