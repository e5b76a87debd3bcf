//! A digest of many documents that does not depend on their order.

use es_lucene::{Document, Text};
use sha2::{Digest as _, Sha256};

/// The sum, modulo 2^128, of the first half of each document's SHA-256; docs/records.md says of which bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest(u128);

impl Digest {
    /// Adds a document: `_id`, `_routing`, `_parent` and, in as many pieces as there are, `_source` as one line. Indices and
    /// types are not in it: they may have other names where the documents came to.
    pub(crate) fn add<E>(
        &mut self,
        document: &Document<'_>,
        source: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut hash = Sha256::new();
        for part in [Some(document.id), document.routing, document.parent] {
            let part = part.map(Text::as_bytes).unwrap_or_default();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        source(&mut |piece| hash.update(piece))?;
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        self.0 = self.0.wrapping_add(u128::from_be_bytes(half));
        Ok(())
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    pub(crate) fn hex(self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(id: &str, routing: Option<&str>, parent: Option<&str>, source: &str) -> String {
        let [routing, parent] = [routing, parent].map(|text| text.map(Text::from));
        let document = Document { number: 0, id: id.into(), doc_type: None, routing, parent, source: None };
        let mut digest = Digest::default();
        let Ok(()) = digest.add(&document, |each| {
            each(source.as_bytes());
            Ok::<_, std::convert::Infallible>(())
        });
        digest.hex()
    }

    #[test]
    fn no_two_documents_have_one_digest() {
        let all = [
            digest("a", None, None, "{}"),
            digest("b", None, None, "{}"),
            digest("a", Some("r"), None, "{}"),
            digest("a", None, Some("r"), "{}"),
            digest("a", Some("r"), Some("p"), "{}"),
            digest("a", Some("r"), Some("q"), "{}"),
            digest("ar", None, None, "{}"),
            digest("a", None, None, "{ }"),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[..place].contains(one), "{place}");
        }
    }

    #[test]
    fn the_digest_is_the_one_that_the_documentation_defines() {
        // python3: int(hashlib.sha256(b"".join(len(x).to_bytes(8, "big") + x for x in (b"1", b"", b"p")) + b"{}").hexdigest()[:32], 16)
        assert_eq!(digest("1", None, Some("p"), "{}"), "5eeb34035df1a01ce9f8cd87a6f55310");
    }
}
