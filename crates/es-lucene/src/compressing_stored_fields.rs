//! `.fdt`: the stored fields of a segment, chunk after chunk, decoded from front to back.
//!
//! Of `.fdm` only the size of chunks is needed, and `.fdx` only where several readers share the work. What the
//! formats share is here; what differs is in the module of each.

use std::ops::Range;
use std::sync::Arc;

use crate::codec_util::{Checked, FOOTER_LENGTH, Header, check_owner, compare_checksums, open, read_header};
use crate::compressing_stored_fields_index::{self as index, Index, Start};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::lz4::SLACK;
use crate::segment_infos::SegmentCommitInfo;
use crate::source::{Directory, Source};
use crate::stream::Stream;
use crate::text::Text;
use crate::{
    custom_stored_fields, lucene50_stored_fields, lucene87_stored_fields, lucene90_stored_fields, packed_ints,
    stored_fields_ints, zstd814_stored_fields,
};

/// Documents in a chunk; the largest any writer puts there is 4,096.
const MAX_DOCS_PER_CHUNK: u32 = 1 << 20;
/// Raw bytes of a chunk that is not sliced; writers slice from twice the chunk size on, 960 kB at most.
const MAX_UNSLICED: u64 = 1 << 27;
/// Memory taken for a chunk before its bytes are seen.
const MAX_RESERVED: usize = 64 << 20;
/// Chunks of more bytes than this hold a document that is far larger than others.
const LARGE: usize = 1 << 20;
/// glibc gives memory of more than 32 MiB back to the system when it is freed, and may keep what is less for each thread. What is
/// never written to costs nothing.
const MAPPED: usize = 33 << 20;
/// Files of no more bytes are held in memory until their checksum is known to be right: only then documents come out.
const CHECKED_AHEAD: u64 = 512 << 10;
/// Headers, and the sizes after them, are shorter.
const HEAD_LENGTH: u64 = 512;
/// Raw bytes of a slice.
const MAX_CHUNK_SIZE: u32 = 1 << 24;

/// How the raw bytes of one piece of a chunk are got back.
pub(crate) trait Decompressor: Send {
    /// Reads one piece and fills `target` with its raw bytes up to `length`. [`SLACK`] bytes after them are there to be written to.
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()>;
}

/// Where the size of chunks is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkSize {
    /// In `.fdt`, after its header.
    Data,
    /// In `.fdm`, whose header names this codec.
    Metadata(&'static str),
}

/// How the two integer lists of a chunk are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integers {
    PackedInts,
    StoredFieldsInts,
}

/// What tells one format from another.
pub(crate) struct Format {
    pub(crate) chunk_size: ChunkSize,
    pub(crate) integers: Integers,
    /// Flag bits below the number of documents.
    pub(crate) token_shift: u32,
    /// Whether counters of chunks follow the last chunk.
    pub(crate) counters: bool,
    pub(crate) index: Index,
    pub(crate) decompressor: Box<dyn Decompressor>,
}

fn format(file: &str, header: &Header) -> Result<Format> {
    let known = [
        lucene50_stored_fields::format,
        lucene87_stored_fields::format,
        lucene90_stored_fields::format,
        zstd814_stored_fields::format,
        custom_stored_fields::format,
    ];
    for format in known {
        if let Some(format) = format(file, header)? {
            return Ok(format);
        }
    }
    Err(header.unknown(file))
}

/// A `.fdt` and what is known of it beforehand.
pub(crate) struct StoredFields {
    pub(crate) name: String,
    pub(crate) data: Arc<dyn Source>,
    commit: SegmentCommitInfo,
    max_doc: u32,
}

/// Some of the chunks of a `.fdt`.
#[derive(Debug, Clone)]
pub struct Part {
    documents: Range<u32>,
    bytes: Range<u64>,
    /// What the file begins with, unless it is still to be read.
    head: Option<Head>,
}

impl Part {
    /// How many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

/// What a `.fdt` begins with.
#[derive(Debug, Clone)]
struct Head {
    header: Header,
    chunk_size: u32,
    /// Bytes before the first chunk.
    length: u64,
}

/// What is known of a part that was read to its end.
#[derive(Debug)]
pub(crate) struct PartSum {
    documents: Range<u32>,
    bytes: Range<u64>,
    checksum: crc32fast::Hasher,
    chunks: u64,
    tail: Tail,
}

/// What follows the last chunk of the last part.
#[derive(Debug, Default)]
struct Tail {
    chunks: Option<u64>,
    checksum: Option<u32>,
}

impl StoredFields {
    pub(crate) fn open(directory: &dyn Directory, commit: &SegmentCommitInfo, max_doc: u32) -> Result<Self> {
        let name = format!("{}.fdt", commit.name);
        let data = open(directory, &name)?;
        Ok(Self { name, data, commit: commit.clone(), max_doc })
    }

    /// Parts of about `step` bytes that together are the whole; only one, and nothing is fetched, if it is not much larger.
    pub(crate) fn parts(&self, directory: &dyn Directory, step: u64) -> Result<Vec<Part>> {
        let size = self.data.size();
        let mut first = Part { documents: 0..self.max_doc, bytes: 0..size, head: None };
        if size / 2 <= step {
            return Ok(vec![first]);
        }
        let mut stream = Stream::range(&self.name, self.data.as_ref(), 0..HEAD_LENGTH.min(size))?;
        let (head, format) = self.head(directory, &mut stream)?;
        let chunks = head.length..size - FOOTER_LENGTH as u64;
        let starts = index::split(format.index, directory, &self.commit, self.max_doc, &chunks, step)?;
        first.head = Some(head.clone());
        let mut parts = Vec::new();
        for Start { document, pointer } in starts {
            let next = Part {
                documents: document..first.documents.end,
                bytes: pointer..first.bytes.end,
                head: Some(head.clone()),
            };
            first.documents.end = document;
            first.bytes.end = pointer;
            parts.push(std::mem::replace(&mut first, next));
        }
        parts.push(first);
        Ok(parts)
    }

    /// Reads what the file begins with.
    fn head(&self, directory: &dyn Directory, stream: &mut Stream<'_>) -> Result<(Head, Format)> {
        let header = stream.header()?;
        check_owner(&self.name, &header, &self.commit.id, "")?;
        let format = format(&self.name, &header)?;
        let chunk_size = match format.chunk_size {
            ChunkSize::Data => {
                let chunk_size = stream.vint()?;
                stream.vint()?;
                chunk_size
            }
            ChunkSize::Metadata(codec) => read_metadata(directory, &self.commit, codec, first_number)?,
        };
        if chunk_size == 0 || chunk_size > MAX_CHUNK_SIZE {
            return Err(stream.corrupt(format!("chunks of {chunk_size} bytes")));
        }
        Ok((Head { header, chunk_size, length: stream.position() }, format))
    }

    /// Reads the documents of a part in their order.
    pub(crate) fn reader(&self, directory: &dyn Directory, part: &Part) -> Result<StoredFieldsReader<'_>> {
        let mut stream = Stream::range(&self.name, self.data.as_ref(), part.bytes.clone())?;
        if self.data.size() <= CHECKED_AHEAD && part.bytes == (0..self.data.size()) {
            stream.check_ahead(self.data.expected_checksum())?;
        }
        let (chunk_size, format) = if let Some(head) = &part.head {
            if part.bytes.start == 0 {
                stream.skip(head.length)?;
            }
            (head.chunk_size, format(&self.name, &head.header)?)
        } else {
            let (head, format) = self.head(directory, &mut stream)?;
            (head.chunk_size, format)
        };
        Ok(StoredFieldsReader {
            stream,
            format,
            chunk_size,
            last: part.bytes.end == self.data.size(),
            bytes: part.bytes.clone(),
            documents: part.documents.clone(),
            next: part.documents.start,
            chunks: 0,
            counts: Vec::new(),
            lengths: Vec::new(),
            raw: Vec::new(),
        })
    }

    /// Checks the checksum of the whole, which is taken from the source for that.
    pub(crate) fn check(&self) -> Result<()> {
        let mut stream = Stream::new(&self.name, self.data.as_ref())?;
        stream.skip(stream.body_end())?;
        stream.finish(self.data.expected_checksum())
    }

    /// Checks that these parts are the whole, in any order, and the checksum of the whole.
    pub(crate) fn finish(&self, mut parts: Vec<PartSum>) -> Result<()> {
        parts.sort_unstable_by_key(|part| part.bytes.start);
        let (mut document, mut byte, mut chunks) = (0, 0, 0);
        let mut checksum = crc32fast::Hasher::new();
        let mut tail = Tail::default();
        for part in parts {
            if part.bytes.start != byte || part.documents.start != document {
                return Err(Error::corrupt(&self.name, "was not read as a whole"));
            }
            (document, byte) = (part.documents.end, part.bytes.end);
            chunks += part.chunks;
            checksum.combine(&part.checksum);
            tail = part.tail;
        }
        let Some(footer) = tail.checksum.filter(|_| document == self.max_doc && byte == self.data.size()) else {
            return Err(Error::corrupt(&self.name, "was not read as a whole"));
        };
        if let Some(written) = tail.chunks.filter(|written| *written > chunks) {
            return Err(Error::corrupt(&self.name, format!("{chunks} chunks were read, {written} were written")));
        }
        compare_checksums(&self.name, checksum.finalize(), footer, self.data.expected_checksum())
    }
}

/// Reads the documents of a part of a segment in their order.
pub(crate) struct StoredFieldsReader<'a> {
    stream: Stream<'a>,
    format: Format,
    chunk_size: u32,
    /// Whether the file ends with this part.
    last: bool,
    bytes: Range<u64>,
    documents: Range<u32>,
    /// The first document not yet decoded.
    next: u32,
    chunks: u64,
    counts: Vec<u32>,
    lengths: Vec<u32>,
    /// The chunk at hand, and what earlier ones left behind it: to clear it each time would take time.
    raw: Vec<u8>,
}

/// The raw documents of a chunk.
pub(crate) struct ChunkDocuments<'a> {
    /// The number of its first document in the segment.
    pub(crate) first: u32,
    pub(crate) bytes: &'a [u8],
    counts: &'a [u32],
    lengths: &'a [u32],
}

impl<'a> ChunkDocuments<'a> {
    /// Number of fields and bytes of each document.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        let mut rest = self.bytes;
        self.counts.iter().zip(self.lengths).map(move |(count, length)| {
            let (document, tail) = rest.split_at((*length as usize).min(rest.len()));
            rest = tail;
            (*count, document)
        })
    }
}

fn first_number(input: &mut DataInput<'_>) -> Result<u32> {
    input.vint()
}

/// What `read` finds in `.fdm` after its header.
pub(crate) fn read_metadata<T>(
    directory: &dyn Directory,
    commit: &SegmentCommitInfo,
    codec: &str,
    read: impl FnOnce(&mut DataInput<'_>) -> Result<T>,
) -> Result<T> {
    let name = format!("{}.fdm", commit.name);
    let file = Checked::open(directory, &name)?;
    let mut input = file.input();
    let header = read_header(&mut input)?;
    if header.codec != codec {
        return Err(header.unknown(&name));
    }
    check_owner(&name, &header, &commit.id, "")?;
    read(&mut input)
}

impl StoredFieldsReader<'_> {
    /// The next chunk; `None` when every document was read.
    ///
    /// `room` hears how many bytes are about to come out.
    pub(crate) fn next_chunk(&mut self, mut room: impl FnMut(u64)) -> Result<Option<ChunkDocuments<'_>>> {
        if self.next == self.documents.end {
            return Ok(None);
        }
        let first = self.stream.vint()?;
        if first != self.next {
            return Err(self.stream.corrupt(format!("a chunk begins at document {first}, not at {}", self.next)));
        }
        let token = self.stream.vint()?;
        let sliced = token & 1 == 1;
        let documents = token >> self.format.token_shift;
        if documents == 0 || documents > (self.documents.end - first).min(MAX_DOCS_PER_CHUNK) {
            return Err(self.stream.corrupt(format!("a chunk of {documents} documents")));
        }
        let read = match self.format.integers {
            Integers::PackedInts => packed_ints::read,
            Integers::StoredFieldsInts => stored_fields_ints::read,
        };
        read(&mut self.stream, documents as usize, &mut self.counts)?;
        read(&mut self.stream, documents as usize, &mut self.lengths)?;
        let total: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        let empty = |(count, length): (&u32, &u32)| (*count == 0) != (*length == 0);
        if self.counts.iter().zip(&self.lengths).any(empty) {
            return Err(self.stream.corrupt("fields without bytes, or bytes without fields"));
        }
        let total = self.checked_size(sliced, total)?;
        room(total as u64);
        self.decompress(sliced, total)?;
        self.next = first + documents;
        self.chunks += 1;
        let bytes = &self.raw[..total];
        Ok(Some(ChunkDocuments { first, bytes, counts: &self.counts, lengths: &self.lengths }))
    }

    /// The size of a chunk, if it can be. The memory of a huge one is given back before there is room for the next.
    fn checked_size(&mut self, sliced: bool, total: u64) -> Result<usize> {
        let usual = 4 * self.chunk_size as usize;
        let Some(total) =
            usize::try_from(total).ok().filter(|_| i32::try_from(total).is_ok() && (sliced || total <= MAX_UNSLICED))
        else {
            return Err(self.stream.corrupt(format!("a chunk of {total} bytes")));
        };
        if total.max(self.raw.capacity()) > usual + SLACK {
            self.raw = Vec::new();
        }
        Ok(total)
    }

    fn decompress(&mut self, sliced: bool, total: usize) -> Result<()> {
        // Not twice as much as is needed, which growing by doubling may take; nor what a lie may ask for.
        let reserved = total.min(MAX_RESERVED) + SLACK;
        let reserved = if total > LARGE { reserved.max(MAPPED) } else { reserved };
        self.raw.reserve_exact(reserved.saturating_sub(self.raw.len()));
        let step = if sliced { self.chunk_size as usize } else { total };
        let mut begin = 0;
        loop {
            let length = step.min(total - begin);
            let end = begin + length + SLACK;
            if self.raw.len() < end {
                self.raw.resize(end, 0);
            }
            self.format.decompressor.decompress(&mut self.stream, length, &mut self.raw[begin..end])?;
            begin += length;
            if begin == total {
                return Ok(());
            }
        }
    }

    /// Checks what follows the last chunk; the rest is checked when all parts are together.
    pub(crate) fn finish(mut self) -> Result<PartSum> {
        let mut tail = Tail::default();
        if self.last && self.format.counters {
            tail.chunks = Some(self.stream.vlong()?);
            self.stream.vlong()?;
        }
        let (checksum, footer) = self.stream.end()?;
        tail.checksum = footer;
        Ok(PartSum { documents: self.documents, bytes: self.bytes, checksum, chunks: self.chunks, tail })
    }
}

/// What a document's bytes hold in one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    String(Text<'a>),
    Bytes(&'a [u8]),
    /// Numbers are passed over.
    Number,
}

/// Calls `visit` with the number and value of each field of a document.
pub(crate) fn visit_fields<'a>(
    file: &'a str,
    document: &'a [u8],
    count: u32,
    mut visit: impl FnMut(u64, Value<'a>) -> Result<()>,
) -> Result<()> {
    let mut input = DataInput::new(file, document);
    for _ in 0..count {
        let key = input.vlong()?;
        let kind = key & 7;
        let value = if kind > 1 {
            input = skip_number(input, kind)?;
            Value::Number
        } else {
            let bytes = input.prefixed()?;
            if kind == 1 {
                Value::Bytes(bytes)
            } else {
                Value::String(Text::new(bytes).ok_or_else(|| input.corrupt("a text that is not UTF-8"))?)
            }
        };
        visit(key >> 3, value)?;
    }
    input.expect_end()
}

#[inline(never)]
fn skip_number(mut input: DataInput<'_>, kind: u64) -> Result<DataInput<'_>> {
    match kind {
        2 => input.skip_zigzag(),
        3 => match input.u8()? {
            0xFF => input.skip(4),
            0x80.. => Ok(()),
            _ => input.skip(3),
        },
        4 => {
            if input.u8()? & 0x20 == 0 {
                Ok(())
            } else {
                input.skip_zigzag()
            }
        }
        5 => match input.u8()? {
            0xFF => input.skip(8),
            0xFE => input.skip(4),
            0x80.. => Ok(()),
            _ => input.skip(7),
        },
        other => Err(input.corrupt(format!("a stored value of type {other}"))),
    }?;
    Ok(input)
}
