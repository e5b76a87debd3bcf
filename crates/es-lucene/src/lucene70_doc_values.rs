//! `Lucene70DocValuesFormat`: Lucene 7.

use crate::codec_util::Header;
use crate::direct_monotonic_reader::Monotonic;
use crate::direct_reader::DirectReader;
use crate::doc_values::{DocValuesFile, DocsWithField, Layout, walk};
use crate::error::{Error, Result};
use crate::field_infos::{FieldInfo, FieldInfos};
use crate::indexed_disi::IndexedDisi;
use crate::pages::{Pages, Use};
use crate::segment_infos::SegmentCommitInfo;
use crate::sorted_doc_values::{Ordinals, SortedEntry, Terms};
use crate::source::Directory;

pub(crate) const METADATA: &str = "Lucene70DocValuesMetadata";
const DATA: &str = "Lucene70DocValuesData";
const SORTED: u8 = 2;

pub(crate) fn layout(file: &str, header: &Header) -> Result<(Layout, u32)> {
    header.expect_version(file, 0..=0)?;
    let layout =
        Layout { data: DATA, jump_tables: false, lucene90: false, skip_index: 0, compressed_binary: |_, _| false };
    Ok((layout, header.version))
}

/// The entry of a sorted field, and the file with its values.
pub(crate) fn sorted(
    file: &DocValuesFile,
    directory: &dyn Directory,
    commit: &SegmentCommitInfo,
    fields: &FieldInfos,
    field: &FieldInfo,
    max_doc: u32,
) -> Result<(Pages, SortedEntry)> {
    let (layout, version) = layout(&file.name, &file.header)?;
    let entries = walk(&mut file.body()?, layout, version, fields)?;
    let entry = entries
        .iter()
        .find(|entry| entry.number == field.number && entry.kind == SORTED)
        .ok_or_else(|| Error::corrupt(&file.name, format!("has no sorted values for {:?}", field.name)))?;
    let mut pages = file.pages(directory, commit, DATA, Use::All)?;

    let mut input = file.input_at(entry.at)?;
    input.skip(16)?; // the documents, which the walk has read
    let count = input.count_i32()?;
    let bits = input.u8()?;
    let offset = input.offset_i64()?;
    input.offset_i64()?;
    let numbers = DirectReader { offset, bits };
    let (documents, ordinals) = match entry.docs {
        DocsWithField::None => (0, Ordinals::None),
        DocsWithField::All => (max_doc, Ordinals::Dense { numbers, minimum: 0 }),
        DocsWithField::Set { offset, length, dense_rank_power } => {
            let set = IndexedDisi::open(&mut pages, offset, length, dense_rank_power, max_doc)?;
            (set.count(), Ordinals::Ranked { documents: set, block: None, numbers })
        }
    };
    if documents != count {
        return Err(input.corrupt(format!("{count} documents have a value, {documents} are listed")));
    }

    let size = input.vlong()?;
    let shift = input.count_i32()?;
    if shift > 62 || size > u64::from(count) {
        return Err(input.corrupt(format!("{size} terms of {count} documents in blocks of 2^{shift}")));
    }
    let block_shift = input.count_i32()?;
    let blocks = Monotonic::read_meta(&mut input, size.div_ceil(1 << shift), block_shift)?;
    input.count_i32()?;
    let offset = input.offset_i64()?;
    input.offset_i64()?;
    let blocks = blocks.rebase(input.offset_i64()?);
    Ok((pages, SortedEntry { ordinals, terms: Terms::SharedWithPrevious { offset, blocks, shift }, size }))
}
