//! `.fdx`: where chunks begin. Documents are read without it; it is what lets several readers share one `.fdt`.
//!
//! What the formats share is here; what differs is in the module of each.

use std::ops::Range;

use crate::codec_util::{check_owner, open};
use crate::compressing_stored_fields::read_metadata;
use crate::error::{Error, Result};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::stream::Stream;
use crate::{lucene50_fields_index, lucene85_fields_index};

/// How the index of a segment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// Blocks of 1,024 chunks, through Lucene 8.4; the codec of the file.
    Lucene50(&'static str),
    /// Two lists of growing numbers, described in `.fdm`.
    Lucene85 {
        /// Codec of `.fdx`.
        data: &'static str,
        /// Codec of `.fdm`.
        metadata: &'static str,
        /// Numbers before the description in `.fdm`.
        prefix: u32,
    },
}

/// Where a chunk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// Number of its first document.
    pub(crate) document: u32,
    /// Place in `.fdt`.
    pub(crate) pointer: u64,
}

/// Chunks at which to part the `chunks` of a `.fdt`, about `step` bytes apart; neither the first nor the end is among them.
pub(crate) fn split(
    index: Index,
    directory: &dyn Directory,
    commit: &SegmentCommitInfo,
    max_doc: u32,
    chunks: &Range<u64>,
    step: u64,
) -> Result<Vec<Start>> {
    let name = format!("{}.fdx", commit.name);
    let source = open(directory, &name)?;
    let mut stream = Stream::new(&name, source.as_ref())?;
    let header = stream.header()?;
    check_owner(&name, &header, &commit.id, "")?;
    let codec = match index {
        Index::Lucene50(codec) => codec,
        Index::Lucene85 { data, .. } => data,
    };
    if header.codec != codec {
        return Err(header.unknown(&name));
    }
    let starts = match index {
        Index::Lucene50(_) => {
            header.expect_version(&name, 0..=1)?;
            lucene50_fields_index::split(&mut stream, chunks.start, step, max_doc)?
        }
        Index::Lucene85 { metadata, prefix, .. } => {
            header.expect_version(&name, 0..=0)?;
            let described = read_metadata(directory, commit, metadata, |input| {
                lucene85_fields_index::Metadata::read(input, prefix, max_doc)
            })?;
            lucene85_fields_index::split(&mut stream, header.endian(), &described, chunks, step, max_doc)?
        }
    };
    stream.finish(source.expected_checksum())?;
    let mut last = Start { document: 0, pointer: chunks.start };
    for start in &starts {
        let grows = start.document > last.document && start.pointer > last.pointer;
        if !grows || start.document >= max_doc || start.pointer >= chunks.end {
            return Err(Error::corrupt(&name, format!("a chunk begins at byte {}: out of order", start.pointer)));
        }
        last = *start;
    }
    Ok(starts)
}
