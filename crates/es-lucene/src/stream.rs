//! A file read once from front to back, in ranges, with its checksum kept along the way.

use std::io::Read;

use crate::codec_util::{CHECKSUM_LENGTH, FOOTER_LENGTH, Header, compare_checksums, read_footer, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::source::Source;

/// Bytes asked of the source at a time.
const STEP: usize = 256 << 10;

/// The position in the file and the bytes read ahead of it.
pub(crate) struct Stream<'a> {
    file: &'a str,
    source: &'a dyn Source,
    /// Where the source has a faster way than ranges.
    reader: Option<Box<dyn Read + Send>>,
    size: u64,
    /// The first byte not yet asked of the source.
    fetched: u64,
    /// `buffer[start..]` are the bytes before `fetched`.
    buffer: Vec<u8>,
    start: usize,
    crc: crc32fast::Hasher,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(file: &'a str, source: &'a dyn Source) -> Result<Self> {
        let size = source.size();
        if size < FOOTER_LENGTH as u64 {
            return Err(Error::corrupt(file, "too short for a Lucene file"));
        }
        Ok(Self {
            file,
            source,
            reader: source.sequential(0, size),
            size,
            fetched: 0,
            buffer: Vec::new(),
            start: 0,
            crc: crc32fast::Hasher::new(),
        })
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(self.file, what)
    }

    pub(crate) fn position(&self) -> u64 {
        self.fetched - (self.buffer.len() - self.start) as u64
    }

    /// Where the footer begins.
    pub(crate) fn body_end(&self) -> u64 {
        self.size - FOOTER_LENGTH as u64
    }

    /// At least `want` bytes from the position on, or as many as there are before the end of the file.
    pub(crate) fn peek(&mut self, want: usize) -> Result<&[u8]> {
        if self.buffer.len() - self.start < want && self.fetched < self.size {
            self.fetch(want)?;
        }
        Ok(&self.buffer[self.start..])
    }

    #[cold]
    fn fetch(&mut self, want: usize) -> Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        while self.buffer.len() < want && self.fetched < self.size {
            let left = self.size - self.fetched;
            let step = usize::try_from(left).unwrap_or(STEP).min(STEP);
            let old = self.buffer.len();
            self.buffer.resize(old + step, 0);
            let fresh = &mut self.buffer[old..];
            let read = match &mut self.reader {
                Some(reader) => reader.read_exact(fresh),
                None => self.source.read_at(self.fetched, fresh),
            };
            read.map_err(|error| Error::from_source(self.file, error))?;
            // The checksum covers everything before itself.
            let covered = left - CHECKSUM_LENGTH.min(usize::try_from(left).unwrap_or(usize::MAX)) as u64;
            let covered = usize::try_from(covered).unwrap_or(step).min(step);
            self.crc.update(&fresh[..covered]);
            self.fetched += step as u64;
        }
        Ok(())
    }

    /// Goes past bytes that were peeked at.
    pub(crate) fn consume(&mut self, count: usize) -> Result<()> {
        if count > self.buffer.len() - self.start {
            return Err(self.corrupt("ends in the middle"));
        }
        self.start += count;
        if self.position() > self.body_end() {
            return Err(self.corrupt("runs into its footer"));
        }
        Ok(())
    }

    pub(crate) fn header(&mut self) -> Result<Header> {
        let file = self.file;
        // Magic, a name, a version, an id, a suffix: all short.
        let mut input = DataInput::new(file, self.peek(512)?);
        let header = read_header(&mut input)?;
        let length = input.position();
        self.consume(length)?;
        Ok(header)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        let byte = self.peek(1)?.first().copied();
        self.consume(1)?;
        byte.ok_or_else(|| self.corrupt("ends in the middle"))
    }

    pub(crate) fn vint(&mut self) -> Result<u32> {
        let file = self.file;
        let mut input = DataInput::new(file, self.peek(10)?);
        let value = input.vint()?;
        let length = input.position();
        self.consume(length)?;
        Ok(value)
    }

    pub(crate) fn vlong(&mut self) -> Result<u64> {
        let file = self.file;
        let mut input = DataInput::new(file, self.peek(10)?);
        let value = input.vlong()?;
        let length = input.position();
        self.consume(length)?;
        Ok(value)
    }

    /// The next `count` bytes, exactly; they are not consumed.
    pub(crate) fn exactly(&mut self, count: usize) -> Result<&[u8]> {
        if self.position() + count as u64 > self.body_end() {
            return Err(self.corrupt("ends in the middle"));
        }
        let bytes = self.peek(count)?;
        Ok(&bytes[..count])
    }

    pub(crate) fn skip(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            let step = self.peek(1)?.len() as u64;
            if step == 0 {
                return Err(self.corrupt("ends in the middle"));
            }
            let step = step.min(count);
            self.consume(usize::try_from(step).unwrap_or(usize::MAX))?;
            count -= step;
        }
        Ok(())
    }

    pub(crate) fn copy(&mut self, mut count: u64, target: &mut Vec<u8>) -> Result<()> {
        while count > 0 {
            let bytes = self.peek(1)?;
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
            target.extend_from_slice(&bytes[..step]);
            if step == 0 {
                return Err(self.corrupt("ends in the middle"));
            }
            self.consume(step)?;
            count -= step as u64;
        }
        Ok(())
    }

    /// Fails unless the position is at the footer and the checksum is right.
    pub(crate) fn finish(mut self, expected: Option<u32>) -> Result<()> {
        if self.position() != self.body_end() {
            let left = self.body_end() - self.position();
            return Err(self.corrupt(format!("{left} bytes too many")));
        }
        let file = self.file;
        let footer = read_footer(file, self.peek(FOOTER_LENGTH)?)?;
        compare_checksums(file, self.crc.finalize(), footer, expected)
    }
}
