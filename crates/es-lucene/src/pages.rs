//! A file whose bytes are asked for in any order.
//!
//! It is streamed once through its checksum; the checksum of each page is kept from that, so that a page that has to be
//! fetched again is proven too.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::codec_util::{Header, check_owner, open};
use crate::data_input::{DataInput, Endian};
use crate::error::{Error, Result};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::{Directory, Source, read_range};
use crate::stream::Stream;

/// Bytes of a page.
const PAGE: u64 = 64 << 10;

/// How the bytes of a file are asked for.
#[derive(Debug, Clone)]
pub(crate) enum Use {
    /// In any order.
    All,
    /// Those of a range, by some readers each of which goes through them in their order.
    InOrder(Range<u64>),
}

impl Use {
    /// Pages held in memory: 8 MiB, or 4 MiB, the bits of 33 million documents.
    fn most(&self) -> usize {
        match self {
            Self::All => 128,
            Self::InOrder(_) => 64,
        }
    }

    fn wants(&self, bytes: Range<u64>) -> bool {
        match self {
            Self::All => true,
            Self::InOrder(range) => bytes.start < range.end && bytes.end > range.start,
        }
    }
}

/// The body of a file: what lies between its header and its footer.
pub(crate) struct Pages {
    file: String,
    source: Arc<dyn Source>,
    endian: Endian,
    body: u64,
    end: u64,
    /// Of each page, from the body on.
    checksums: Vec<u32>,
    used: Use,
    held: HashMap<u64, Held>,
    clock: u64,
}

struct Held {
    last_used: u64,
    bytes: Vec<u8>,
}

impl Pages {
    /// Reads and verifies the whole file. Its header must be `known`, and name this segment and this suffix.
    pub(crate) fn open(
        directory: &dyn Directory,
        commit: &SegmentCommitInfo,
        file: &str,
        suffix: &str,
        used: Use,
        known: impl FnOnce(&Header) -> Result<()>,
    ) -> Result<Self> {
        let source = open(directory, file)?;
        let mut stream = Stream::new(file, source.as_ref())?;
        let header = stream.header()?;
        known(&header)?;
        check_owner(file, &header, &commit.id, suffix)?;
        let (body, end) = (stream.position(), stream.body_end());
        let mut pages = Self {
            file: file.to_owned(),
            source: Arc::clone(&source),
            endian: header.endian(),
            body,
            end,
            checksums: Vec::new(),
            used,
            held: HashMap::new(),
            clock: 0,
        };
        let mut page = 0;
        while stream.position() < end {
            let begin = stream.position();
            let mut bytes = Vec::new();
            stream.copy(PAGE.min(end - begin), &mut bytes)?;
            pages.checksums.push(crc32fast::hash(&bytes));
            if pages.used.wants(begin..stream.position()) {
                pages.hold(page, bytes);
            }
            page += 1;
        }
        stream.finish(source.expected_checksum())?;
        Ok(pages)
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(&self.file, what)
    }

    /// Place and end of what lies between header and footer.
    pub(crate) fn body(&self) -> Range<u64> {
        self.body..self.end
    }

    /// Bytes of the file as its numbers are written.
    pub(crate) fn input<'a>(&'a self, bytes: &'a [u8]) -> DataInput<'a> {
        let mut input = DataInput::new(&self.file, bytes);
        input.set_endian(self.endian);
        input
    }

    /// Fills `buffer` with the bytes at `offset` of the file, all of which must lie in its body.
    pub(crate) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if offset < self.body || end.is_none_or(|end| end > self.end) {
            return Err(self.corrupt(format!("{} bytes at {offset} do not lie within the file", buffer.len())));
        }
        let (mut at, mut rest) = (offset - self.body, buffer);
        while !rest.is_empty() {
            let bytes = self.page(at / PAGE)?;
            let from = usize::try_from(at % PAGE).unwrap_or(usize::MAX).min(bytes.len());
            let step = rest.len().min(bytes.len() - from);
            let (head, tail) = rest.split_at_mut(step);
            head.copy_from_slice(&bytes[from..from + step]);
            rest = tail;
            at += step as u64;
        }
        Ok(())
    }

    /// A range of the file.
    pub(crate) fn range(&mut self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let fits = length <= self.end - self.body;
        let Some(length) = usize::try_from(length).ok().filter(|_| fits) else {
            return Err(self.corrupt(format!("{length} bytes at {offset} do not lie within the file")));
        };
        let mut bytes = vec![0; length];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Bytes that are in memory.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.values().map(|held| held.bytes.len()).sum()
    }

    fn page(&mut self, page: u64) -> Result<&[u8]> {
        self.clock += 1;
        if !self.held.contains_key(&page) {
            let offset = self.body + page * PAGE;
            let bytes = read_range(&self.file, self.source.as_ref(), offset, PAGE.min(self.end - offset))?;
            let known = usize::try_from(page).ok().and_then(|page| self.checksums.get(page));
            if known != Some(&crc32fast::hash(&bytes)) {
                return Err(self.corrupt("has changed while it was read"));
            }
            self.hold(page, bytes);
        }
        match self.held.get_mut(&page) {
            Some(held) => {
                held.last_used = self.clock;
                Ok(&held.bytes)
            }
            None => Err(Error::corrupt(&self.file, format!("has no page {page}"))),
        }
    }

    fn hold(&mut self, page: u64, bytes: Vec<u8>) {
        self.clock += 1;
        if self.held.len() >= self.used.most()
            && let Some(oldest) = self.held.iter().min_by_key(|(_, held)| held.last_used).map(|(page, _)| *page)
        {
            self.held.remove(&oldest);
        }
        self.held.insert(page, Held { last_used: self.clock, bytes });
    }
}

/// Reads on from a place of the file.
pub(crate) struct PagesInput<'a> {
    pages: &'a mut Pages,
    position: u64,
}

impl<'a> PagesInput<'a> {
    pub(crate) fn at(pages: &'a mut Pages, position: u64) -> Self {
        Self { pages, position }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn skip(&mut self, count: u64) -> Result<()> {
        self.position = self
            .position
            .checked_add(count)
            .ok_or_else(|| self.pages.corrupt(format!("{count} bytes do not lie within the file")))?;
        Ok(())
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        self.pages.corrupt(what)
    }

    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.pages.read(self.position, buffer)?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.fill(&mut byte)?;
        Ok(byte[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        let mut bytes = [0; 2];
        self.fill(&mut bytes)?;
        self.pages.input(&bytes).u16()
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(self.pages.input(&bytes).i32()?.cast_unsigned())
    }

    /// The bytes of a number, each of which says whether another one follows; at most ten.
    fn number(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(10);
        loop {
            let byte = self.u8()?;
            bytes.push(byte);
            if byte & 0x80 == 0 || bytes.len() == 10 {
                return Ok(bytes);
            }
        }
    }

    pub(crate) fn vint(&mut self) -> Result<u32> {
        let bytes = self.number()?;
        self.pages.input(&bytes).vint()
    }

    pub(crate) fn zigzag(&mut self) -> Result<i64> {
        let bytes = self.number()?;
        self.pages.input(&bytes).zigzag()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::codec_util::FOOTER_LENGTH;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A file, and how many bytes of it were asked for.
    struct Shared(Mutex<Vec<u8>>, AtomicU64);

    impl Source for Shared {
        fn size(&self) -> u64 {
            self.0.lock().unwrap().len() as u64
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
            self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            self.0.lock().unwrap().read_at(offset, buffer)
        }
    }

    /// A directory of one file, by any name.
    pub(crate) struct One(Arc<Shared>);

    impl Directory for One {
        fn names(&self) -> Vec<String> {
            vec!["_0.dvd".into()]
        }

        fn open(&self, _: &str) -> Option<Arc<dyn Source>> {
            Some(Arc::clone(&self.0) as Arc<dyn Source>)
        }
    }

    /// That of the only segment, whose files have no generation.
    pub(crate) fn commit() -> SegmentCommitInfo {
        SegmentCommitInfo {
            name: "_0".into(),
            id: [7; 16],
            codec: String::new(),
            deletion_generation: None,
            deleted: 0,
            field_infos_generation: None,
            soft_deleted: None,
        }
    }

    /// A whole file of the only segment, with these bytes between header and footer.
    pub(crate) fn file_of(codec: &str, suffix: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = 0x3FD7_6C17_u32.to_be_bytes().to_vec();
        bytes.push(u8::try_from(codec.len()).unwrap());
        bytes.extend(codec.as_bytes());
        bytes.extend([0; 4]);
        bytes.extend([7; 16]);
        bytes.push(u8::try_from(suffix.len()).unwrap());
        bytes.extend(suffix.as_bytes());
        bytes.extend(body);
        bytes.extend(0xC028_93E8_u32.to_be_bytes());
        bytes.extend([0; 4]);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(u64::from(checksum).to_be_bytes());
        bytes
    }

    /// A directory with a file of these bytes.
    pub(crate) fn one(bytes: Vec<u8>) -> One {
        One(Arc::new(Shared(Mutex::new(bytes), AtomicU64::new(0))))
    }

    /// A file with these bytes between header and footer, and where they begin. Its numbers are big-endian.
    fn file(body: &[u8]) -> (One, u64) {
        let bytes = file_of("Lucene80DocValuesData", "", body);
        let begin = (bytes.len() - FOOTER_LENGTH - body.len()) as u64;
        (one(bytes), begin)
    }

    fn open(files: &One) -> Pages {
        Pages::open(files, &commit(), "_0.dvd", "", Use::All, |_| Ok(())).unwrap()
    }

    /// A file with these bytes, open, and where they begin.
    pub(crate) fn pages(body: &[u8]) -> (Pages, u64) {
        let (files, begin) = file(body);
        (open(&files), begin)
    }

    #[test]
    fn pages_that_were_dropped_are_fetched_and_proven_again() {
        let body: Vec<u8> = (0..20_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (files, begin) = file(&body);
        let mut pages = open(&files);
        let fetched = files.0.1.load(Ordering::Relaxed);
        for offset in [0, 19 << 20, 65_530, 1, (20 << 20) - 8] {
            let mut bytes = [0; 8];
            pages.read(begin + offset as u64, &mut bytes).unwrap();
            assert_eq!(bytes, body[offset..offset + 8]);
            assert!(pages.held.len() <= 128);
        }
        assert!(files.0.1.load(Ordering::Relaxed) - fetched <= 4 * PAGE, "only what is needed");
        for beyond in [begin - 1, begin + (20 << 20) - 7, u64::MAX] {
            assert!(pages.read(beyond, &mut [0; 8]).is_err(), "{beyond}");
        }
        // A byte of a page that is not held.
        files.0.0.lock().unwrap()[usize::try_from(begin).unwrap() + (5 << 20)] ^= 1;
        let refused = pages.read(begin + (5 << 20) + 9, &mut [0; 8]).unwrap_err();
        assert_eq!(refused.to_string(), "_0.dvd: has changed while it was read");
    }

    #[test]
    fn numbers_of_any_width_are_read() {
        use crate::direct_reader::DirectReader;
        let (files, begin) = file(&[0b1010_0000, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x0F]);
        let mut pages = open(&files);
        let mut get = |bits, at, index| DirectReader { offset: begin + at, bits }.get(&mut pages, index);
        assert_eq!([0, 1, 2, 3].map(|index| get(1, 0, index).unwrap()), [1, 0, 1, 0]);
        assert_eq!([0, 1, 2].map(|index| get(12, 1, index).unwrap()), [0x123, 0x456, 0x789]);
        assert_eq!(get(20, 1, 1).unwrap(), 0x6789A);
        assert_eq!(get(61, 1, 0).unwrap(), 0x1234_5678_9ABC_DEF0 >> 3);
        assert_eq!(get(64, 1, 0).unwrap(), 0x1234_5678_9ABC_DEF0);
        assert_eq!(get(0, 1, 1 << 40).unwrap(), 0);
        assert!(get(8, 0, 10).is_err() && get(64, 0, u64::MAX).is_err() && get(65, 0, 0).is_err());
    }
}
