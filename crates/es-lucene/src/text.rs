//! Text of stored fields.

use std::fmt;

/// Text that is known to be UTF-8. Where only its bytes matter, and most often they do, it is not looked through twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `None` if it is not UTF-8. Most ids and types are ASCII, which takes less time to see.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()).then_some(Self(bytes))
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
