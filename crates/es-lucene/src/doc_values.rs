//! `.dvm` and `.dvd`: which documents have a value in a field, and how many values there are.
//!
//! What three formats share is here: the walk over the entries of all fields, each of which must be passed over exactly.
//! What differs is in the module of each. Values are read of sorted fields alone: see [`crate::sorted_doc_values`].

use crate::bit_set::{Block, size_of};
use crate::codec_util::{Checked, Header, base36, check_owner, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::field_infos::{FieldInfo, FieldInfos};
use crate::indexed_disi::IndexedDisi;
use crate::pages::{Pages, Use};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::{lucene70_doc_values, lucene80_doc_values, lucene90_doc_values};

/// Documents that have a value in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocsWithField {
    None,
    All,
    /// A range of the data file.
    Set {
        offset: u64,
        length: u64,
        /// Rank bytes before each dense block exist iff this is not -1.
        dense_rank_power: u8,
    },
}

/// What the metadata says about one field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) number: u32,
    /// 0 numeric, 1 binary, 2 sorted, 3 sorted sets, 4 sorted numbers.
    pub(crate) kind: u8,
    /// Where it begins in the file, after the kind.
    pub(crate) at: usize,
    pub(crate) docs: DocsWithField,
    /// Number of values, where the entry begins with it (numeric fields).
    pub(crate) values: Option<u64>,
}

/// Differences between the three formats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) data: &'static str,
    /// Jump tables and rank bytes: from Lucene 8 on.
    pub(crate) jump_tables: bool,
    /// Lucene 9: ordinals are a numeric field, terms are always compressed.
    pub(crate) lucene90: bool,
    /// Bytes that describe a skip index, where a field has one.
    pub(crate) skip_index: usize,
    /// Lucene 8 alone: whether a field's binary values are compressed.
    pub(crate) compressed_binary: fn(version: u32, field: &FieldInfo) -> bool,
}

/// The names of a field's doc values files, without the extension, and what they carry as a suffix.
fn base_name(commit: &SegmentCommitInfo, field: &FieldInfo) -> Result<(String, String)> {
    let attribute = |key: &str| field.attribute(&format!("PerFieldDocValuesFormat.{key}"));
    let generation = field.doc_values_generation.map(base36);
    let suffix = match (generation, attribute("format"), attribute("suffix")) {
        (None, Some(format), Some(suffix)) => format!("{format}_{suffix}"),
        (Some(generation), Some(format), Some(suffix)) => format!("{generation}_{format}_{suffix}"),
        // All fields of a segment are in one file where OpenSearch keeps star trees beside it.
        (generation, None, None) => generation.unwrap_or_default(),
        _ => {
            let what = format!("{:?} names half a format", field.name);
            return Err(Error::corrupt(&format!("{}.fnm", commit.name), what));
        }
    };
    let base = if suffix.is_empty() { commit.name.clone() } else { format!("{}_{suffix}", commit.name) };
    Ok((base, suffix))
}

/// The metadata of the file in which a field lives, verified.
pub(crate) struct DocValuesFile {
    /// Of the metadata.
    pub(crate) name: String,
    /// Of the file that holds the values.
    pub(crate) data_name: String,
    pub(crate) suffix: String,
    pub(crate) header: Header,
    checked: Checked,
}

impl DocValuesFile {
    pub(crate) fn open(directory: &dyn Directory, commit: &SegmentCommitInfo, field: &FieldInfo) -> Result<Self> {
        let (base, suffix) = base_name(commit, field)?;
        let name = format!("{base}.dvm");
        let checked = Checked::open(directory, &name)?;
        let header = read_header(&mut checked.input())?;
        check_owner(&name, &header, &commit.id, &suffix)?;
        Ok(Self { name, data_name: format!("{base}.dvd"), suffix, header, checked })
    }

    /// What follows the header.
    pub(crate) fn body(&self) -> Result<DataInput<'_>> {
        let mut input = self.checked.input();
        read_header(&mut input)?;
        Ok(input)
    }

    /// The file that holds the values.
    pub(crate) fn pages(
        &self,
        directory: &dyn Directory,
        commit: &SegmentCommitInfo,
        codec: &str,
        used: Use,
    ) -> Result<Pages> {
        let known = |header: &Header| {
            if header.codec != codec {
                return Err(header.unknown(&self.data_name));
            }
            header.expect_version(&self.data_name, self.header.version..=self.header.version)
        };
        Pages::open(directory, commit, &self.data_name, &self.suffix, used, known)
    }

    /// What follows a place that the walk noted.
    pub(crate) fn input_at(&self, position: usize) -> Result<DataInput<'_>> {
        let mut input = self.checked.input();
        input.set_endian(self.header.endian());
        input.skip(position)?;
        Ok(input)
    }
}

/// What the metadata of a file says about its fields.
pub(crate) struct DocValues {
    file: DocValuesFile,
    layout: Layout,
    entries: Vec<Entry>,
}

impl DocValues {
    pub(crate) fn read(
        directory: &dyn Directory,
        commit: &SegmentCommitInfo,
        fields: &FieldInfos,
        field: &FieldInfo,
    ) -> Result<Self> {
        let file = DocValuesFile::open(directory, commit, field)?;
        let (name, header) = (&file.name, &file.header);
        let (layout, version) = match header.codec.as_str() {
            lucene70_doc_values::METADATA => lucene70_doc_values::layout(name, header),
            lucene80_doc_values::METADATA => lucene80_doc_values::layout(name, header),
            lucene90_doc_values::METADATA => lucene90_doc_values::layout(name, header),
            _ => Err(header.unknown(name)),
        }?;
        let entries = walk(&mut file.body()?, layout, version, fields)?;
        Ok(Self { file, layout, entries })
    }

    pub(crate) fn entry(&self, field: &FieldInfo) -> Result<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.number == field.number)
            .ok_or_else(|| Error::corrupt(&self.file.name, format!("has no entry for {:?}", field.name)))
    }

    /// The documents that have a value in `field`.
    ///
    /// The whole data file is read, not only the range of this field: its checksum is all that proves
    /// that no living document is taken for a dead one.
    pub(crate) fn docs_with_field(
        &self,
        directory: &dyn Directory,
        commit: &SegmentCommitInfo,
        field: &FieldInfo,
        max_doc: u32,
    ) -> Result<Documents> {
        Ok(match self.entry(field)?.docs {
            DocsWithField::None => Documents::None,
            DocsWithField::All => Documents::All { max_doc },
            DocsWithField::Set { offset, length, dense_rank_power } => {
                let used = Use::InOrder(offset..offset.saturating_add(length));
                let mut pages = self.file.pages(directory, commit, self.layout.data, used)?;
                let set = IndexedDisi::open(&mut pages, offset, length, dense_rank_power, max_doc)?;
                Documents::Set(Box::new(pages), set)
            }
        })
    }
}

/// Documents of which those of one block at a time are in memory.
pub(crate) enum Documents {
    None,
    All { max_doc: u32 },
    Set(Box<Pages>, IndexedDisi),
}

impl Documents {
    pub(crate) fn block(&mut self, number: u32) -> Result<Block> {
        match self {
            Self::None => Ok(Block::empty()),
            Self::All { max_doc } => Ok(Block::full(size_of(number, *max_doc))),
            Self::Set(pages, set) => Ok(set.block(pages, number)?.0),
        }
    }
}

pub(crate) fn walk(input: &mut DataInput<'_>, layout: Layout, version: u32, fields: &FieldInfos) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let number = input.i32()?;
        if number == -1 {
            break;
        }
        let field = u32::try_from(number)
            .ok()
            .and_then(|number| fields.by_number(number))
            .ok_or_else(|| input.corrupt(format!("there is no field {number}")))?;
        let kind = input.u8()?;
        if field.skip_index_type != 0 {
            input.skip(layout.skip_index)?;
        }
        let at = input.position();
        let mut walker = Walker { input, layout, docs: None };
        let values = match kind {
            0 => Some(walker.numeric()?),
            1 => {
                walker.binary((layout.compressed_binary)(version, field))?;
                None
            }
            2 => {
                walker.sorted()?;
                None
            }
            3 => {
                walker.sorted_set()?;
                None
            }
            4 => Some(walker.sorted_numeric()?),
            other => {
                return Err(input.corrupt(format!("doc values of type {other}")));
            }
        };
        let docs = walker.docs.unwrap_or(DocsWithField::None);
        entries.push(Entry { number: field.number, kind, at, docs, values });
    }
    input.expect_end()?;
    Ok(entries)
}

/// Passes over the entry of one field.
struct Walker<'a, 'b> {
    input: &'a mut DataInput<'b>,
    layout: Layout,
    /// The first set of documents of the entry is the field's.
    docs: Option<DocsWithField>,
}

impl Walker<'_, '_> {
    fn docs(&mut self) -> Result<()> {
        let offset = self.input.i64()?;
        let length = self.input.i64()?;
        let mut dense_rank_power = 0xFF;
        if self.layout.jump_tables {
            self.input.u16()?;
            dense_rank_power = self.input.u8()?;
        }
        let docs = match offset {
            -2 => DocsWithField::None,
            -1 => DocsWithField::All,
            _ => match (u64::try_from(offset), u64::try_from(length)) {
                (Ok(offset), Ok(length)) => DocsWithField::Set { offset, length, dense_rank_power },
                _ => return Err(self.input.corrupt(format!("a set at {offset}"))),
            },
        };
        self.docs.get_or_insert(docs);
        Ok(())
    }

    fn longs(&mut self, count: usize) -> Result<()> {
        self.input.skip(8 * count)
    }

    /// The blocks of a monotonic sequence: 21 bytes each.
    fn monotonic(&mut self, count: u64, shift: u64) -> Result<()> {
        if shift > 62 {
            return Err(self.input.corrupt(format!("blocks of 2^{shift} values")));
        }
        let blocks = count.div_ceil(1 << shift);
        usize::try_from(blocks)
            .ok()
            .and_then(|blocks| blocks.checked_mul(21))
            .ok_or_else(|| self.input.corrupt(format!("{blocks} blocks")))
            .and_then(|bytes| self.input.skip(bytes))
    }

    fn numeric(&mut self) -> Result<u64> {
        self.docs()?;
        let values = self.input.offset_i64()?;
        // -1: every value alike or none; -2 and below: blocks of various widths.
        let table = self.input.i32()?;
        if let Ok(table @ 1..) = usize::try_from(table) {
            if table > 1 << 16 {
                return Err(self.input.corrupt(format!("a table of {table} values")));
            }
            self.longs(table)?;
        }
        self.input.u8()?;
        self.longs(4)?;
        if self.layout.jump_tables {
            self.longs(1)?;
        }
        Ok(values)
    }

    fn addresses(&mut self, count: u64) -> Result<()> {
        self.longs(1)?;
        let shift = u64::from(self.input.vint()?);
        self.monotonic(count, shift)?;
        self.longs(1)
    }

    fn binary(&mut self, compressed: bool) -> Result<()> {
        self.longs(2)?;
        self.docs()?;
        let documents = u64::from(self.input.count_i32()?);
        let shortest = self.input.i32()?;
        let longest = self.input.i32()?;
        if compressed {
            if documents > 0 {
                self.longs(1)?;
                let chunks = u64::from(self.input.vint()?);
                self.input.vint()?;
                self.input.vint()?;
                let shift = u64::from(self.input.vint()?);
                self.monotonic(chunks, shift)?;
                self.longs(1)?;
            }
        } else if shortest < longest {
            self.addresses(documents + 1)?;
        }
        Ok(())
    }

    fn sorted(&mut self) -> Result<()> {
        if self.layout.lucene90 {
            self.numeric()?;
        } else {
            self.docs()?;
            self.input.i32()?;
            self.input.u8()?;
            self.longs(2)?;
        }
        self.terms()
    }

    fn sorted_set(&mut self) -> Result<()> {
        match self.input.u8()? {
            0 => self.sorted(),
            1 if self.layout.lucene90 => {
                self.sorted_numeric()?;
                self.terms()
            }
            1 => {
                self.docs()?;
                self.input.u8()?;
                self.longs(2)?;
                let documents = u64::from(self.input.count_i32()?);
                self.addresses(documents + 1)?;
                self.terms()
            }
            other => Err(self.input.corrupt(format!("a flag of {other}"))),
        }
    }

    fn sorted_numeric(&mut self) -> Result<u64> {
        let values = self.numeric()?;
        let documents = u64::from(self.input.count_i32()?);
        if documents != values {
            self.addresses(documents + 1)?;
        }
        Ok(values)
    }

    fn terms(&mut self) -> Result<()> {
        /// Lucene 8 says with this number that blocks of 64 terms are LZ4.
        const LZ4_BLOCKS: u32 = 0x6_0001;
        let size = self.input.vlong()?;
        let (shift, compressed) = if self.layout.lucene90 {
            (6, true)
        } else {
            match self.input.count_i32()? {
                LZ4_BLOCKS if self.layout.jump_tables => (6, true),
                shift => (shift, false),
            }
        };
        if shift > 62 {
            return Err(self.input.corrupt(format!("blocks of 2^{shift} terms")));
        }
        let block_shift = u64::from(self.input.count_i32()?);
        self.monotonic(size.div_ceil(1 << shift), block_shift)?;
        self.input.i32()?;
        if compressed {
            self.input.i32()?;
        }
        self.longs(4)?;
        let index_shift = self.input.count_i32()?;
        if index_shift > 62 {
            return Err(self.input.corrupt(format!("an index of 2^{index_shift}")));
        }
        self.monotonic(1 + size.div_ceil(1 << index_shift), block_shift)?;
        self.longs(4)
    }
}
