//! `FieldsIndexReader`: the `.fdx` of Lucene 8.5 and later, two lists of growing numbers that `.fdm` describes.

use std::ops::Range;

use crate::compressing_stored_fields_index::{Index, Start};
use crate::data_input::{DataInput, Endian};
use crate::direct_monotonic_reader::Monotonic;
use crate::error::Result;
use crate::stream::Stream;

/// Codec of the `.fdm` of Lucene 8.
pub(crate) const METADATA: &str = "Lucene85FieldsIndexMeta";

/// The index of Lucene 8, described in `.fdm` after so many numbers.
pub(crate) fn lucene85(prefix: u32) -> Index {
    Index::Lucene85 { data: "Lucene85FieldsIndexIdx", metadata: METADATA, prefix }
}

/// What `.fdm` says of the index.
pub(crate) struct Metadata {
    chunks: u32,
    documents: Monotonic,
    pointers: Monotonic,
}

impl Metadata {
    pub(crate) fn read(input: &mut DataInput<'_>, prefix: u32, max_doc: u32) -> Result<Self> {
        for _ in 0..prefix {
            input.vint()?;
        }
        let documents = input.count_i32()?;
        if documents != max_doc {
            return Err(input.corrupt(format!("an index of {documents} documents, of {max_doc}")));
        }
        let shift = input.count_i32()?;
        // One more for the end.
        let values = input.count_i32()?;
        let Some(chunks) = values.checked_sub(1) else {
            return Err(input.corrupt("an index of nothing"));
        };
        let documents_at = input.offset_i64()?;
        let documents = Monotonic::read_meta(input, values.into(), shift)?.rebase(documents_at);
        let pointers_at = input.offset_i64()?;
        let pointers = Monotonic::read_meta(input, values.into(), shift)?.rebase(pointers_at);
        Ok(Self { chunks, documents, pointers })
    }
}

/// Chunks as many apart as take about `step` bytes.
pub(crate) fn split(
    stream: &mut Stream<'_>,
    endian: Endian,
    metadata: &Metadata,
    bytes: &Range<u64>,
    step: u64,
    max_doc: u32,
) -> Result<Vec<Start>> {
    let parts = (bytes.end - bytes.start).div_ceil(step).max(1);
    let apart = u64::from(metadata.chunks).div_ceil(parts).max(1);
    let chosen = || (0..metadata.chunks).step_by(usize::try_from(apart).unwrap_or(usize::MAX)).skip(1);
    let mut documents = Vec::new();
    for chunk in chosen() {
        let document = metadata.documents.next(stream, endian, chunk.into())?;
        let document = u32::try_from(document).ok().filter(|document| *document < max_doc);
        documents.push(document.ok_or_else(|| stream.corrupt("a chunk that begins at no document"))?);
    }
    let mut starts = Vec::new();
    for (chunk, document) in chosen().zip(documents) {
        starts.push(Start { document, pointer: metadata.pointers.next(stream, endian, chunk.into())? });
    }
    let left = stream.body_end() - stream.position();
    stream.skip(left)?;
    Ok(starts)
}
