//! A file, or a range of it, read once from front to back with its checksum kept along the way.

use std::io::Read;
use std::ops::Range;

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
    /// The end of what is read.
    end: u64,
    /// Where the footer begins, or the range ends if it ends before.
    body_end: u64,
    /// The checksum covers the bytes before this.
    covered: u64,
    /// The first byte not yet asked of the source.
    fetched: u64,
    /// `buffer[start..filled]` are the bytes before `fetched`.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    crc: crc32fast::Hasher,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(file: &'a str, source: &'a dyn Source) -> Result<Self> {
        Self::range(file, source, 0..source.size())
    }

    /// The bytes of a range. Its checksum is the file's only together with those of the other ranges.
    pub(crate) fn range(file: &'a str, source: &'a dyn Source, range: Range<u64>) -> Result<Self> {
        let size = source.size();
        if size < FOOTER_LENGTH as u64 || range.start > range.end || range.end > size {
            return Err(Error::corrupt(file, "too short for a Lucene file"));
        }
        Ok(Self {
            file,
            source,
            reader: source.sequential(range.start, range.end - range.start),
            end: range.end,
            body_end: range.end.min(size - FOOTER_LENGTH as u64),
            covered: range.end.min(size - CHECKSUM_LENGTH as u64),
            fetched: range.start,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            crc: crc32fast::Hasher::new(),
        })
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(self.file, what)
    }

    pub(crate) fn position(&self) -> u64 {
        self.fetched - (self.filled - self.start) as u64
    }

    /// Where the footer begins, or the range ends if it ends before.
    pub(crate) fn body_end(&self) -> u64 {
        self.body_end
    }

    /// At least `want` bytes from the position on, or as many as there are before the end.
    pub(crate) fn peek(&mut self, want: usize) -> Result<&[u8]> {
        if self.filled - self.start < want && self.fetched < self.end {
            self.fetch(want)?;
        }
        Ok(&self.buffer[self.start..self.filled])
    }

    #[cold]
    fn fetch(&mut self, want: usize) -> Result<()> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        while self.filled < want && self.fetched < self.end {
            let left = self.end - self.fetched;
            let step = usize::try_from(left).unwrap_or(STEP).min(STEP);
            if self.buffer.len() < self.filled + step {
                self.buffer.resize(self.filled + step, 0);
            }
            let fresh = &mut self.buffer[self.filled..self.filled + step];
            let read = match &mut self.reader {
                Some(reader) => reader.read_exact(fresh),
                None => self.source.read_at(self.fetched, fresh),
            };
            read.map_err(|error| Error::from_source(self.file, error))?;
            let covered = self.covered.saturating_sub(self.fetched);
            let covered = usize::try_from(covered).unwrap_or(step).min(step);
            self.crc.update(&fresh[..covered]);
            self.fetched += step as u64;
            self.filled += step;
        }
        Ok(())
    }

    /// Goes past bytes that were peeked at.
    pub(crate) fn consume(&mut self, count: usize) -> Result<()> {
        if count > self.filled - self.start {
            return Err(self.corrupt("ends in the middle"));
        }
        self.start += count;
        if self.position() > self.body_end {
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

    /// Fetches all that is left of the file, which is held in memory, and fails unless the checksum is right.
    pub(crate) fn check_ahead(&mut self, expected: Option<u32>) -> Result<()> {
        let left = usize::try_from(self.end - self.position()).unwrap_or(usize::MAX);
        let file = self.file;
        let footer = self.peek(left)?.last_chunk::<FOOTER_LENGTH>();
        let footer = read_footer(file, footer.ok_or_else(|| Error::corrupt(file, "too short for a Lucene file"))?)?;
        compare_checksums(file, self.crc.clone().finalize(), footer, expected)
    }

    /// Fails unless the position is at the footer and the checksum is right.
    pub(crate) fn finish(self, expected: Option<u32>) -> Result<()> {
        let file = self.file;
        let (checksum, footer) = self.end()?;
        let footer = footer.ok_or_else(|| Error::corrupt(file, "a range has no footer"))?;
        compare_checksums(file, checksum.finalize(), footer, expected)
    }

    /// Fails unless everything was read; the checksum of it, and the one in the footer if the file ends here.
    pub(crate) fn end(mut self) -> Result<(crc32fast::Hasher, Option<u32>)> {
        if self.position() != self.body_end {
            let left = self.body_end - self.position();
            return Err(self.corrupt(format!("{left} bytes too many")));
        }
        let file = self.file;
        let footer = if self.end == self.body_end { None } else { Some(read_footer(file, self.peek(FOOTER_LENGTH)?)?) };
        Ok((self.crc, footer))
    }
}
