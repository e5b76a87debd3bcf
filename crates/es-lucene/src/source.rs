//! Byte sources: what a reader of Lucene files needs from whoever holds the bytes.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use crate::error::{Error, Result};

/// Bytes of one file, readable in ranges.
pub trait Source: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on, or fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// A range, which lies within the file, that will be read once from front to back: a source may have a faster way for that
    /// than `read_at`. It begins to be read when it is first asked for bytes.
    fn sequential(&self, offset: u64, length: u64) -> Box<dyn BufRead + Send + '_> {
        let step = usize::try_from(length).unwrap_or(STEP).min(STEP);
        Box::new(BufReader::with_capacity(step, Ranges { source: self, offset, end: offset + length }))
    }

    /// The checksum in this file's footer, where it is known from elsewhere.
    fn expected_checksum(&self) -> Option<u32> {
        None
    }
}

/// The files of one shard, by name.
pub trait Directory: Send + Sync {
    /// The names of all files.
    fn names(&self) -> Vec<String>;

    /// Opens a file; `None` if there is none of this name.
    fn open(&self, name: &str) -> Option<Arc<dyn Source>>;
}

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let slice = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(slice);
        Ok(())
    }
}

/// A range as a stream, by `read_at`.
struct Ranges<'a, S: ?Sized> {
    source: &'a S,
    offset: u64,
    end: u64,
}

impl<S: Source + ?Sized> Read for Ranges<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX).min(buffer.len());
        self.source.read_at(self.offset, &mut buffer[..count])?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A range of another source: a file inside a compound file.
pub(crate) struct SubSource {
    inner: Arc<dyn Source>,
    offset: u64,
    length: u64,
}

impl SubSource {
    /// `None` if the range does not lie within `inner`.
    pub(crate) fn new(inner: Arc<dyn Source>, offset: u64, length: u64) -> Option<Self> {
        (offset.checked_add(length)? <= inner.size()).then_some(Self { inner, offset, length })
    }
}

impl Source for SubSource {
    fn size(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.inner.read_at(self.offset + offset, buffer)
    }

    fn sequential(&self, offset: u64, length: u64) -> Box<dyn BufRead + Send + '_> {
        self.inner.sequential(self.offset + offset, length)
    }
}

/// Bytes of a stream that are asked for at a time.
const STEP: usize = 256 << 10;
/// Whole files are read in steps of this size, so that a length that lies costs at most one step.
const WHOLE_STEP: usize = 1 << 20;
/// No file that is read whole is larger; the largest are live documents, one bit a document.
const WHOLE_LIMIT: u64 = 512 << 20;

/// Reads a whole file.
pub(crate) fn read_whole(file: &str, source: &dyn Source) -> Result<Vec<u8>> {
    let size = source.size();
    if size > WHOLE_LIMIT {
        return Err(Error::corrupt(file, format!("{size} bytes are too many")));
    }
    read_range(file, source, 0, size)
}

/// Reads a range of a file.
pub(crate) fn read_range(file: &str, source: &dyn Source, offset: u64, length: u64) -> Result<Vec<u8>> {
    let end = offset.checked_add(length);
    if end.is_none_or(|end| end > source.size()) || length > WHOLE_LIMIT {
        return Err(Error::corrupt(file, format!("a range of {length} bytes at {offset} does not fit")));
    }
    let mut bytes = Vec::new();
    let mut left = length;
    let mut at = offset;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(WHOLE_STEP).min(WHOLE_STEP);
        let start = bytes.len();
        bytes.resize(start + step, 0);
        source.read_at(at, &mut bytes[start..]).map_err(|error| Error::from_source(file, error))?;
        at += step as u64;
        left -= step as u64;
    }
    Ok(bytes)
}
