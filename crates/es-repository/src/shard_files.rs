//! The Lucene files of one shard, put together from blobs, parts of blobs and inlined bytes.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use es_lucene::{Directory, Source};

use crate::blobs::Blobs;
use crate::error::{Error, Result};
use crate::shard_snapshot::{FileInfo, ShardSnapshot};

/// One shard of a snapshot as a Lucene directory.
pub struct ShardFiles {
    files: HashMap<String, Arc<File>>,
}

impl ShardFiles {
    pub(crate) fn new(blobs: &Arc<Blobs>, directory: &str, blob: &str, snapshot: ShardSnapshot) -> Result<Self> {
        let mut files = HashMap::new();
        for info in snapshot.files {
            let name = info.physical_name.clone();
            let file = File::new(blobs, directory, blob, info)?;
            if files.insert(name.clone(), Arc::new(file)).is_some() {
                return Err(Error::corrupt(blob, format!("lists {name} twice")));
            }
        }
        Ok(Self { files })
    }

    /// Number of files.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.length).sum()
    }
}

impl Directory for ShardFiles {
    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        self.files.get(name).map(|file| Arc::clone(file) as Arc<dyn Source>)
    }
}

enum Content {
    /// The metadata holds the file itself.
    Inline(Vec<u8>),
    /// Blobs of `part_size` bytes each, but for the last.
    Parts {
        blobs: Arc<Blobs>,
        /// Directory and name.
        base: String,
        part_size: u64,
        count: u64,
    },
}

struct File {
    length: u64,
    checksum: Option<u32>,
    content: Content,
}

impl File {
    fn new(blobs: &Arc<Blobs>, directory: &str, blob: &str, info: FileInfo) -> Result<Self> {
        let length = info.length;
        let checksum = match &info.checksum {
            // Base 36 of the CRC32 in the file's own footer.
            Some(text) => Some(
                u32::from_str_radix(text, 36).map_err(|_| Error::corrupt(blob, format!("{text:?} is no checksum")))?,
            ),
            None => None,
        };
        let inline = info.meta_hash.map(|hash| hash.0).filter(|hash| !hash.is_empty() && hash.len() as u64 == length);
        let content = match inline {
            Some(bytes) => Content::Inline(bytes),
            None if info.name.starts_with("v__") => {
                return Err(Error::corrupt(blob, format!("{} is said to be inlined and is not", info.physical_name)));
            }
            None => {
                crate::blobs::check_name(&info.name)?;
                // Where files are not cut it is absent, or the greatest number that there is.
                let part_size = info.part_size.unwrap_or(u64::MAX);
                if part_size == 0 {
                    return Err(Error::corrupt(blob, "parts of no bytes"));
                }
                Content::Parts {
                    blobs: Arc::clone(blobs),
                    base: format!("{directory}/{}", info.name),
                    part_size,
                    count: length.div_ceil(part_size).max(1),
                }
            }
        };
        Ok(Self { length, checksum, content })
    }

    /// The blob of a part.
    fn part(base: &str, number: u64, count: u64) -> String {
        if count == 1 { base.to_owned() } else { format!("{base}.part{number}") }
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (blobs, base, part_size, count) = match &self.content {
            Content::Inline(bytes) => return bytes.read_at(offset, buffer),
            Content::Parts { blobs, base, part_size, count } => (blobs, base, *part_size, *count),
        };
        let (mut offset, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let (number, within) = (offset / part_size, offset % part_size);
            let step = usize::try_from(part_size - within).unwrap_or(usize::MAX).min(rest.len());
            let (head, tail) = rest.split_at_mut(step);
            blobs.read_at(&Self::part(base, number, count), within, head)?;
            rest = tail;
            offset += step as u64;
        }
        Ok(())
    }

    fn expected_checksum(&self) -> Option<u32> {
        self.checksum
    }

    fn sequential(&self, offset: u64, length: u64) -> Box<dyn BufRead + Send + '_> {
        match &self.content {
            Content::Inline(bytes) => bytes.sequential(offset, length),
            Content::Parts { blobs, base, part_size, count } => {
                let (part_size, count, end) = (*part_size, *count, offset + length);
                Box::new(Stream { blobs, base, part_size, count, offset, end, fetched: offset, part: None })
            }
        }
    }
}

/// A range of a file, from one blob after another, counted.
struct Stream<'a> {
    blobs: &'a Blobs,
    base: &'a str,
    part_size: u64,
    count: u64,
    offset: u64,
    end: u64,
    /// The end of what was fetched and counted.
    fetched: u64,
    /// The blob at hand, and how many bytes of it are still to be read.
    part: Option<(Box<dyn BufRead + Send>, u64)>,
}

/// The failure of a blob, unless it says so already.
fn failed(blobs: &Blobs, name: &str, error: io::Error) -> io::Error {
    let told = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).is_some()
        || error.kind() == io::ErrorKind::Interrupted;
    if told { error } else { blobs.failed(name, &error).into() }
}

impl Stream<'_> {
    /// The blob that the next byte is in.
    fn name(&self) -> String {
        File::part(self.base, self.offset / self.part_size, self.count)
    }
}

impl BufRead for Stream<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.part.is_none() && self.offset < self.end {
            let (name, within) = (self.name(), self.offset % self.part_size);
            let left = (self.end - self.offset).min(self.part_size - within);
            self.part =
                Some((self.blobs.stream(&name, within, left).map_err(|error| failed(self.blobs, &name, error))?, left));
        }
        let Some((part, _)) = &mut self.part else { return Ok(&[]) };
        let name = || File::part(self.base, self.offset / self.part_size, self.count);
        let failed = |error| failed(self.blobs, &name(), error);
        let piece = part.fill_buf().map_err(failed)?;
        if piece.is_empty() {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let end = self.offset + piece.len() as u64;
        if end > self.fetched {
            self.blobs.count(end - self.fetched);
            self.fetched = end;
        }
        Ok(piece)
    }

    fn consume(&mut self, count: usize) {
        let Some((part, left)) = &mut self.part else { return };
        part.consume(count);
        self.offset += count as u64;
        *left -= count as u64;
        if *left == 0 {
            self.part = None;
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot begin has failed
mod tests {
    use super::*;
    use url::Url;

    /// A file of these blobs, as a list of files describes it.
    fn read(blobs: &[(&str, &str)], length: u64, part_size: Option<u64>) -> std::result::Result<String, String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("0")).unwrap();
        for (name, content) in blobs {
            std::fs::write(root.path().join("0").join(name), content).unwrap();
        }
        let url = Url::from_file_path(root.path()).unwrap();
        let blobs = Arc::new(Blobs::open(&url, &crate::ObjectOptions::default()).unwrap());
        let info = FileInfo {
            name: "__a".into(),
            physical_name: "_0.fdt".into(),
            length,
            checksum: None,
            part_size,
            meta_hash: None,
        };
        let file = File::new(&blobs, "0", "snap", info).map_err(|error| error.to_string())?;
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        file.read_at(0, &mut bytes).map_err(|error| error.to_string())?;
        let mut streamed = Vec::new();
        file.sequential(0, length).read_to_end(&mut streamed).map_err(|error| error.to_string())?;
        assert_eq!(streamed, bytes);
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn parts_are_put_together_however_the_length_divides() {
        let [first, second] = [("__a.part0", "abcd"), ("__a.part1", "efgh")];
        assert_eq!(read(&[first, second], 8, Some(4)).unwrap(), "abcdefgh");
        assert_eq!(read(&[first, second], 7, Some(4)).unwrap(), "abcdefg");
        assert_eq!(read(&[first, second, ("__a.part2", "i")], 9, Some(4)).unwrap(), "abcdefghi");
        // One that is no longer than a part has the plain name.
        for (length, part_size) in [(4, Some(4)), (4, Some(5)), (4, None), (4, Some(i64::MAX.cast_unsigned()))] {
            assert_eq!(read(&[("__a", "abcd")], length, part_size).unwrap(), "abcd", "{part_size:?}");
        }
        assert_eq!(read(&[], 0, Some(4)).unwrap(), "");
    }

    #[test]
    fn bytes_in_the_list_are_the_file_only_if_they_are_as_many() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("0")).unwrap();
        std::fs::write(root.path().join("0/__a"), "abcd").unwrap();
        let url = Url::from_file_path(root.path()).unwrap();
        let blobs = Arc::new(Blobs::open(&url, &crate::ObjectOptions::default()).unwrap());
        let read = |name: &str, inline: &[u8]| {
            let info = FileInfo {
                name: name.into(),
                physical_name: "_0.si".into(),
                length: 4,
                checksum: None,
                part_size: None,
                meta_hash: Some(crate::tree::Binary(inline.to_vec())),
            };
            let file = File::new(&blobs, "0", "snap", info).map_err(|error| error.to_string())?;
            let mut bytes = [0; 4];
            file.read_at(0, &mut bytes).map_err(|error| error.to_string())?;
            Ok::<_, String>(bytes)
        };
        assert_eq!(read("__a", b"wxyz").unwrap(), *b"wxyz");
        for other in [&b""[..], b"wxy", b"vwxyz"] {
            assert_eq!(read("__a", other).unwrap(), *b"abcd", "{other:?}");
            assert_eq!(read("v__a", other).unwrap_err(), "snap: _0.si is said to be inlined and is not");
        }
    }

    #[test]
    fn a_part_that_is_missing_or_short_is_named() {
        let named = |error: String, name: &str| assert!(error.contains(name), "{error}");
        named(read(&[("__a.part0", "abcd")], 8, Some(4)).unwrap_err(), "__a.part1: no such blob");
        named(read(&[("__a", "abcd")], 8, Some(4)).unwrap_err(), "__a.part0: no such blob");
        named(
            read(&[("__a.part0", "abc"), ("__a.part1", "efgh")], 8, Some(4)).unwrap_err(),
            "__a.part0: the blob is shorter",
        );
        named(read(&[], 8, Some(0)).unwrap_err(), "parts of no bytes");
    }
}
