//! `.fdt`: the stored fields of a segment, chunk after chunk, decoded from front to back.
//!
//! `.fdx` is never needed, and of `.fdm` only the size of chunks. What the formats share is here;
//! what differs is in the module of each.

use crate::codec_util::{Checked, Header, check_owner, open, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::stream::Stream;
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
/// Raw bytes of a slice.
const MAX_CHUNK_SIZE: u32 = 1 << 24;

/// How the raw bytes of one piece of a chunk are got back.
pub(crate) trait Decompressor: Send {
    /// Reads one piece and appends exactly `length` raw bytes.
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut Vec<u8>) -> Result<()>;
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

/// Reads the documents of one segment in their order.
pub(crate) struct StoredFieldsReader<'a> {
    stream: Stream<'a>,
    expected_checksum: Option<u32>,
    format: Format,
    chunk_size: u32,
    max_doc: u32,
    /// Documents decoded so far.
    next: u32,
    chunks: u64,
    counts: Vec<u32>,
    lengths: Vec<u32>,
    raw: Vec<u8>,
}

/// The raw documents of a chunk.
pub(crate) struct Chunk<'a> {
    pub(crate) first: u32,
    counts: &'a [u32],
    lengths: &'a [u32],
    raw: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Number of fields and bytes of each document.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        let mut rest = self.raw;
        self.counts.iter().zip(self.lengths).map(move |(count, length)| {
            let (document, tail) = rest.split_at((*length as usize).min(rest.len()));
            rest = tail;
            (*count, document)
        })
    }
}

/// The size of chunks, from `.fdm`.
fn read_metadata(directory: &dyn Directory, commit: &SegmentCommitInfo, codec: &str) -> Result<u32> {
    let name = format!("{}.fdm", commit.name);
    let file = Checked::open(directory, &name)?;
    let mut input = file.input();
    let header = read_header(&mut input)?;
    if header.codec != codec {
        return Err(header.unknown(&name));
    }
    check_owner(&name, &header, &commit.id, "")?;
    input.vint()
}

impl<'a> StoredFieldsReader<'a> {
    /// `file` and `source` are the segment's `.fdt`.
    pub(crate) fn open(
        directory: &dyn Directory,
        commit: &SegmentCommitInfo,
        max_doc: u32,
        file: &'a str,
        source: &'a dyn crate::source::Source,
    ) -> Result<Self> {
        let expected_checksum = source.expected_checksum();
        let mut stream = Stream::new(file, source)?;
        let header = stream.header()?;
        check_owner(file, &header, &commit.id, "")?;
        let format = format(file, &header)?;
        let chunk_size = match format.chunk_size {
            ChunkSize::Data => {
                let chunk_size = stream.vint()?;
                stream.vint()?;
                chunk_size
            }
            ChunkSize::Metadata(codec) => read_metadata(directory, commit, codec)?,
        };
        if chunk_size == 0 || chunk_size > MAX_CHUNK_SIZE {
            return Err(Error::corrupt(file, format!("chunks of {chunk_size} bytes")));
        }
        Ok(Self {
            stream,
            expected_checksum,
            format,
            chunk_size,
            max_doc,
            next: 0,
            chunks: 0,
            counts: Vec::new(),
            lengths: Vec::new(),
            raw: Vec::new(),
        })
    }

    /// The next chunk; `None` when every document was read.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>> {
        if self.next == self.max_doc {
            return Ok(None);
        }
        let first = self.stream.vint()?;
        if first != self.next {
            return Err(self.stream.corrupt(format!("a chunk begins at document {first}, not at {}", self.next)));
        }
        let token = self.stream.vint()?;
        let sliced = token & 1 == 1;
        let documents = token >> self.format.token_shift;
        if documents == 0 || documents > (self.max_doc - first).min(MAX_DOCS_PER_CHUNK) {
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
        self.decompress(sliced, total)?;
        self.next = first + documents;
        self.chunks += 1;
        Ok(Some(Chunk { first, counts: &self.counts, lengths: &self.lengths, raw: &self.raw }))
    }

    fn decompress(&mut self, sliced: bool, total: u64) -> Result<()> {
        let usual = 4 * self.chunk_size as usize;
        let Some(total) =
            usize::try_from(total).ok().filter(|_| i32::try_from(total).is_ok() && (sliced || total <= MAX_UNSLICED))
        else {
            return Err(self.stream.corrupt(format!("a chunk of {total} bytes")));
        };
        self.raw.clear();
        if total < usual {
            // After a huge document: give its memory back.
            self.raw.shrink_to(usual);
        }
        // Not twice as much as is needed, which growing by doubling may take; nor what a lie may ask for.
        self.raw.reserve_exact(total.min(MAX_RESERVED));
        let step = if sliced { self.chunk_size as usize } else { total };
        loop {
            let length = step.min(total - self.raw.len());
            let old = self.raw.len();
            self.format.decompressor.decompress(&mut self.stream, length, &mut self.raw)?;
            if self.raw.len() != old + length {
                return Err(self.stream.corrupt("a chunk of another length"));
            }
            if self.raw.len() == total {
                return Ok(());
            }
        }
    }

    /// Checks what follows the last chunk, and the checksum of the whole file.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.format.counters {
            let chunks = self.stream.vlong()?;
            self.stream.vlong()?;
            if chunks > self.chunks {
                return Err(self.stream.corrupt(format!("{} chunks were read, {chunks} were written", self.chunks)));
            }
        }
        self.stream.finish(self.expected_checksum)
    }
}

/// Opens the `.fdt` of a segment.
pub(crate) fn open_data(
    directory: &dyn Directory,
    commit: &SegmentCommitInfo,
) -> Result<(String, std::sync::Arc<dyn crate::source::Source>)> {
    let name = format!("{}.fdt", commit.name);
    let source = open(directory, &name)?;
    Ok((name, source))
}

/// What a document's bytes hold in one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    String(&'a str),
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
        let value = match key & 7 {
            0 => Value::String(input.string()?),
            1 => Value::Bytes(input.prefixed()?),
            kind => {
                skip_number(&mut input, kind)?;
                Value::Number
            }
        };
        visit(key >> 3, value)?;
    }
    input.expect_end()
}

fn skip_number(input: &mut DataInput<'_>, kind: u64) -> Result<()> {
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
    }
}
