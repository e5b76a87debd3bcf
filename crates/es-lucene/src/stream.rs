//! A file, or a range of it, read once from front to back with its checksum kept along the way.

use std::io::{self, BufRead};
use std::ops::Range;

use crate::codec_util::{CHECKSUM_LENGTH, FOOTER_LENGTH, Header, compare_checksums, read_footer, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::source::Source;

/// The position in the file and the bytes ahead of it: they are looked at where the source put them, and copied only where
/// what is looked at lies in two of its pieces.
pub(crate) struct Stream<'a> {
    file: &'a str,
    reader: Box<dyn BufRead + Send + 'a>,
    /// Where the piece that the reader has at hand begins, and its bytes.
    piece: u64,
    held: usize,
    position: u64,
    /// Bytes from `joined_from` on, while the position is before `piece`. The last of them may be those of the piece.
    joined: Vec<u8>,
    joined_from: u64,
    /// The end of what is read.
    end: u64,
    /// Where the footer begins, or the range ends if it ends before.
    body_end: u64,
    /// The checksum covers the bytes before this.
    covered: u64,
    crc: crc32fast::Hasher,
}

/// A length of what is in memory.
fn within(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
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
            reader: source.sequential(range.start, range.end - range.start),
            piece: range.start,
            held: 0,
            position: range.start,
            joined: Vec::new(),
            joined_from: range.start,
            end: range.end,
            body_end: range.end.min(size - FOOTER_LENGTH as u64),
            covered: range.end.min(size - CHECKSUM_LENGTH as u64),
            crc: crc32fast::Hasher::new(),
        })
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(self.file, what)
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Where the footer begins, or the range ends if it ends before.
    pub(crate) fn body_end(&self) -> u64 {
        self.body_end
    }

    /// At least `want` bytes from the position on, or as many as there are before the end.
    pub(crate) fn peek(&mut self, want: usize) -> Result<&[u8]> {
        let want = within(self.end - self.position).min(want);
        if want == 0 {
            return Ok(&[]);
        }
        if self.position < self.piece {
            let passed = within(self.position - self.joined_from);
            if self.joined.len() - passed >= want {
                return Ok(&self.joined[passed..]);
            }
            self.joined.drain(..passed);
        } else {
            let mut passed = within(self.position - self.piece);
            if passed == self.held {
                self.fetch()?;
                passed = 0;
            }
            if self.held - passed >= want {
                let piece = self.reader.fill_buf().map_err(|error| Error::from_source(self.file, error))?;
                return Ok(&piece[passed..self.held]);
            }
            self.joined.clear();
        }
        self.joined_from = self.position;
        self.join(want)
    }

    #[cold]
    fn join(&mut self, want: usize) -> Result<&[u8]> {
        while self.joined.len() < want {
            let passed = within(self.joined_from + self.joined.len() as u64 - self.piece);
            if passed == self.held {
                self.fetch()?;
                continue;
            }
            let piece = self.reader.fill_buf().map_err(|error| Error::from_source(self.file, error))?;
            let piece = &piece[passed..self.held];
            let missing = want - self.joined.len();
            self.joined.extend_from_slice(&piece[..missing.min(piece.len())]);
        }
        Ok(&self.joined)
    }

    /// Lets the piece at hand go and takes the next, which there is.
    #[cold]
    fn fetch(&mut self) -> Result<()> {
        self.reader.consume(self.held);
        self.piece += self.held as u64;
        self.held = 0;
        // Returned where it is found, it would be borrowed for the next turn too.
        while let Err(error) = self.reader.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Error::from_source(self.file, error));
            }
        }
        let piece = self.reader.fill_buf().map_err(|error| Error::from_source(self.file, error))?;
        let held = within(self.end - self.piece).min(piece.len());
        if held == 0 {
            return Err(Error::from_source(self.file, io::ErrorKind::UnexpectedEof.into()));
        }
        self.crc.update(&piece[..within(self.covered.saturating_sub(self.piece)).min(held)]);
        self.held = held;
        Ok(())
    }

    /// Goes past bytes that were peeked at.
    pub(crate) fn consume(&mut self, count: usize) -> Result<()> {
        let position = self.position + count as u64;
        if position > self.piece + self.held as u64 {
            return Err(self.corrupt("ends in the middle"));
        }
        if position > self.body_end {
            return Err(self.corrupt("runs into its footer"));
        }
        self.position = position;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot begin has failed
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    /// Hands its bytes on in pieces of these sizes, in turn.
    struct InPieces {
        bytes: Vec<u8>,
        sizes: Vec<usize>,
    }

    struct Pieces<'a> {
        rest: &'a [u8],
        left: usize,
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl Source for InPieces {
        fn size(&self) -> u64 {
            self.bytes.size()
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.bytes.read_at(offset, buffer)
        }

        fn sequential(&self, offset: u64, length: u64) -> Box<dyn BufRead + Send + '_> {
            let rest = &self.bytes[within(offset)..within(offset + length)];
            Box::new(Pieces { rest, left: 0, sizes: self.sizes.iter().cycle() })
        }
    }

    impl BufRead for Pieces<'_> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            if self.left == 0 {
                self.left = self.rest.len().min(*self.sizes.next().unwrap());
            }
            Ok(&self.rest[..self.left])
        }

        fn consume(&mut self, count: usize) {
            self.rest = &self.rest[count..];
            self.left -= count;
        }
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    proptest! {
        #[test]
        fn what_is_looked_at_is_what_there_is_however_it_comes(
            bytes in prop::collection::vec(any::<u8>(), 16..2000),
            sizes in prop::collection::vec(1_usize..300, 1..6),
            steps in prop::collection::vec((0_usize..400, 0_usize..400), 1..60),
        ) {
            let source = InPieces { bytes, sizes };
            let bytes = &source.bytes;
            let mut stream = Stream::new("_0.fdt", &source).unwrap();
            let body_end = bytes.len() - FOOTER_LENGTH;
            let mut at = 0;
            for (want, step) in steps {
                let seen = stream.peek(want).unwrap();
                prop_assert!(seen.len() >= want.min(bytes.len() - at));
                prop_assert_eq!(seen, &bytes[at..at + seen.len()]);
                let step = step.min(seen.len()).min(body_end - at);
                stream.consume(step).unwrap();
                at += step;
                prop_assert_eq!(stream.position(), at as u64);
            }
            stream.skip((body_end - at) as u64).unwrap();
            prop_assert!(stream.consume(bytes.len()).is_err());
            stream.peek(FOOTER_LENGTH).unwrap();
            prop_assert_eq!(stream.crc.finalize(), crc32fast::hash(&bytes[..bytes.len() - CHECKSUM_LENGTH]));
        }
    }

    #[test]
    fn a_source_that_ends_early_is_an_error_not_an_end() {
        let whole = InPieces { bytes: vec![7; 100], sizes: vec![30] };
        let mut stream = Stream::new("_0.fdt", &whole).unwrap();
        stream.reader = Box::new(Pieces { rest: &whole.bytes[..40], left: 0, sizes: whole.sizes.iter().cycle() });
        assert_eq!(stream.peek(35).unwrap().len(), 35);
        stream.consume(35).unwrap();
        assert!(stream.peek(6).is_err());
        assert!(stream.peek(6).is_err());
    }
}
