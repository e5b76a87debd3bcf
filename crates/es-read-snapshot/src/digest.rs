//! A digest of many documents that does not depend on their order.

use sha2::{Digest as _, Sha256};

/// The sum, modulo 2^128, of the first half of each document's SHA-256.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest(u128);

impl Digest {
    /// Adds a document: id, routing and, in as many pieces as there are, `_source` as one line.
    pub(crate) fn add<E>(
        &mut self,
        id: &str,
        routing: Option<&str>,
        source: impl FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut hash = Sha256::new();
        for part in [id, routing.unwrap_or("")] {
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
