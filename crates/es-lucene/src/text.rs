//! Text of stored fields.

use std::fmt;

/// Text that is known to be UTF-8. Where only its bytes matter, and most often they do, it is not looked through twice.
#[derive(Clone, Copy, Eq, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `None` if it is not UTF-8. Most ids and types are ASCII, which takes less time to see.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let text = Self(bytes);
        (is_ascii(bytes) || std::str::from_utf8(bytes).is_ok()).then_some(text)
    }

    /// Whether one of its bytes is like that. Several are compared at once, some of them twice: ids are too short for a search
    /// that is made for long texts.
    #[inline]
    pub fn has(self, like: impl Fn(u8) -> bool + Copy) -> bool {
        match self.0.len() {
            16.. => self.0.as_chunks().0.iter().any(|word: &[u8; 16]| any(word, like)) || any_at_end::<16>(self.0, like),
            8.. => any_at_begin::<8>(self.0, like) | any_at_end::<8>(self.0, like),
            4.. => any_at_begin::<4>(self.0, like) | any_at_end::<4>(self.0, like),
            _ => any(self.0, like),
        }
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

#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let Some(last) = bytes.last_chunk() else { return bytes.iter().all(u8::is_ascii); };
    let mut all = u64::from_ne_bytes(*last);
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        all |= u64::from_ne_bytes(*word);
        rest = tail;
        if all & HIGHEST != 0 { return false; }
    }
    all & HIGHEST == 0
}

/// All are looked at: a compiler makes one comparison of many.
#[inline]
fn any(bytes: &[u8], like: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |any, byte| any | like(*byte))
}

#[inline]
fn any_at_begin<const LENGTH: usize>(bytes: &[u8], like: impl Fn(u8) -> bool) -> bool {
    bytes.first_chunk::<LENGTH>().is_some_and(|word| any(word, like))
}

#[inline]
fn any_at_end<const LENGTH: usize>(bytes: &[u8], like: impl Fn(u8) -> bool) -> bool {
    bytes.last_chunk::<LENGTH>().is_some_and(|word| any(word, like))
}

impl PartialEq for Text<'_> {
    /// Types are short: to call what compares long texts would take longer than to compare them.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        fn ends<const LENGTH: usize>(text: &[u8]) -> Option<([u8; LENGTH], [u8; LENGTH])> {
            text.first_chunk().copied().zip(text.last_chunk().copied())
        }
        self.0.len() == other.0.len()
            && match self.0.len() {
                2..4 => ends::<2>(self.0) == ends::<2>(other.0),
                4..8 => ends::<4>(self.0) == ends::<4>(other.0),
                _ => self.0 == other.0,
            }
    }
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
        fn it_is_split_where_a_string_is(text in "[#a-c\u{e9}\u{1F600}]{0,40}") {
            let parts = Text::new(text.as_bytes()).unwrap().split_once(b'#');
            prop_assert_eq!(parts.map(|(before, after)| (before.as_str(), after.as_str())), text.split_once('#'));
        }
    }
}
