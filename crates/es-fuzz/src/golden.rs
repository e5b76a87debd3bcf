//! The repositories of ten real servers that are kept in tests/golden, as the targets need them.

use std::path::Path;

use es_repository::{Options, Repository};
pub(crate) use es_testkit::golden::{files, repositories};

pub(crate) fn open(root: &Path) -> Result<Repository, es_repository::Error> {
    Repository::open(&format!("file://{}", root.display()), &Options::default())
}

/// An input begins with two bytes that say which of `count` places it is meant for.
pub(crate) fn split(data: &[u8], count: usize) -> Option<(usize, &[u8])> {
    let (place, rest) = data.split_first_chunk::<2>()?;
    Some((usize::from(u16::from_le_bytes(*place)) % count, rest))
}

/// The seed of a place.
pub(crate) fn seed(place: usize, bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(place).unwrap().to_le_bytes(), bytes].concat()
}

const HEADER_MAGIC: [u8; 4] = [0x3F, 0xD7, 0x6C, 0x17];
const FOOTER_MAGIC: [u8; 8] = [0xC0, 0x28, 0x93, 0xE8, 0, 0, 0, 0];

/// Makes every checksum right again, of files inside a compound file too: else nothing but checksums would be tried.
///
/// A footer at the end is that of the whole file. Any other belongs to a file within, which began with the first header
/// since the footer before: some files have a second header in their middle.
pub(crate) fn mend(bytes: &mut [u8]) {
    let mut start = None;
    let mut at = 1;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(&HEADER_MAGIC) {
            start = start.or(Some(at));
            at += HEADER_MAGIC.len();
        } else if rest.starts_with(&FOOTER_MAGIC) && rest.len() >= 16 {
            let start = if rest.len() == 16 { 0 } else { start.take().unwrap_or_default() };
            let sum = u64::from(crc32fast::hash(&bytes[start..at + 8])).to_be_bytes();
            bytes[at + 8..at + 16].copy_from_slice(&sum);
            at += 16;
        } else {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_whole_is_left_as_it_is() {
        for root in repositories() {
            for name in files(&root) {
                let good = fs::read(root.join(&name)).unwrap();
                let mut mended = good.clone();
                mend(&mut mended);
                // Parts of a file in several blobs cannot be whole.
                assert!(mended == good || name.to_string_lossy().contains(".part"), "{}", name.display());
            }
        }
    }
}
