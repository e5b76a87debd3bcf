//! Text of stored fields.

use std::fmt;

/// Text that is known to be UTF-8. Where only its bytes matter, and most often they do, it is not looked through twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `None` if it is not UTF-8. Most ids and types are ASCII, which takes less time to see.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        (!has_marks(bytes, |word| word) || std::str::from_utf8(bytes).is_ok()).then_some(Self(bytes))
    }

    /// What cannot be anything but ASCII.
    pub(crate) fn ascii(bytes: &'a [u8]) -> Self {
        debug_assert!(bytes.is_ascii());
        Self(bytes)
    }

    /// Whether JSON spells it as it is: without quotes, backslashes and control characters.
    #[inline]
    #[must_use]
    pub fn is_its_json(self) -> bool {
        // Subtracting sets the highest bit of a byte that is smaller, and then perhaps that of the one above. In bytes that are not
        // ASCII it was set before.
        let is = |word: u64, byte: u8| (word ^ each(byte)).wrapping_sub(each(1));
        !has_marks(self.0, |word| (word.wrapping_sub(each(b' ')) | is(word, b'"') | is(word, b'\\')) & !word)
    }

    /// Before and after the first byte that is `separator`, an ASCII character.
    pub(crate) fn split_once(self, separator: u8) -> Option<(Self, Self)> {
        // Types are short: a search made for long texts costs more than it saves.
        let at = self.0.iter().position(|byte| *byte == separator)?;
        Some((Self(&self.0[..at]), Self(&self.0[at + 1..])))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The same, looked through once more.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }
}

/// Eight bytes that are the same.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Whether `mark` sets the highest bit of a byte. It sees eight bytes at a time, some of them twice: ids are too short for a
/// search that is made for long texts, and all of their lengths up to 24 are alike to it.
#[inline]
fn has_marks(bytes: &[u8], mark: impl Fn(u64) -> u64) -> bool {
    let mark = |word: &[u8; 8]| mark(u64::from_ne_bytes(*word));
    let marks = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            let between = if bytes.len() <= 24 {
                bytes[(bytes.len() - 8) / 2..].first_chunk().map_or(0, mark)
            } else {
                bytes.as_chunks().0.iter().fold(0, |marks, word| marks | mark(word))
            };
            mark(first) | between | mark(last)
        }
        // Blanks are never looked for.
        _ => mark(&bytes.iter().fold(each(b' '), |word, byte| word << 8 | u64::from(*byte)).to_ne_bytes()),
    };
    marks & each(0x80) != 0
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), formatter)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot begin has failed
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_utf8_is_text_and_nothing_else(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x20..0x80_u8], 0..40)) {
            let text = Text::new(&bytes);
            prop_assert_eq!(text.map(Text::as_str), std::str::from_utf8(&bytes).ok());
        }

        #[test]
        fn what_json_spells_as_it_is_has_no_quote_backslash_or_control_character(
            text in prop_oneof!["[ -~]{0,40}", "[a-z\\x00-\\x1F\\x7F\"\\\\\u{80}\u{e9}\u{1F600} !#]{0,40}"]
        ) {
            let escaped = text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\');
            prop_assert_eq!(Text::from(text.as_str()).is_its_json(), !escaped);
        }

        #[test]
        fn it_is_split_where_a_string_is(text in "[#a-c\u{e9}\u{1F600}]{0,40}") {
            let parts = Text::new(text.as_bytes()).unwrap().split_once(b'#');
            prop_assert_eq!(parts.map(|(before, after)| (before.as_str(), after.as_str())), text.split_once('#'));
        }
    }
}
