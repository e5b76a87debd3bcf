//! `Lucene54DocValuesFormat`: Lucene 5.4 to 6.

use crate::data_input::DataInput;
use crate::direct_monotonic_reader::Monotonic;
use crate::direct_reader::DirectReader;
use crate::doc_values::DocValuesFile;
use crate::error::{Error, Result};
use crate::field_infos::{FieldInfo, FieldInfos};
use crate::pages::{Pages, PagesInput, Use};
use crate::segment_infos::SegmentCommitInfo;
use crate::sorted_doc_values::{Ordinals, SortedEntry, Terms};
use crate::source::Directory;

pub(crate) const METADATA: &str = "Lucene54DocValuesMetadata";
const DATA: &str = "Lucene54DocValuesData";

/// -1 as a vint: no more fields.
const END: u64 = 0xFFFF_FFFF;

const NUMERIC: u8 = 0;
const BINARY: u8 = 1;
const SORTED: u8 = 2;
const SORTED_SET: u8 = 3;
const SORTED_NUMERIC: u8 = 4;

/// Terms that share their beginnings come in blocks of 16.
const TERMS_OF_BLOCK: u64 = 16;

/// The entry of a sorted field, and the file with its values.
pub(crate) fn sorted(
    file: &DocValuesFile,
    directory: &dyn Directory,
    commit: &SegmentCommitInfo,
    fields: &FieldInfos,
    field: &FieldInfo,
    max_doc: u32,
) -> Result<(Pages, SortedEntry)> {
    file.header.expect_version(&file.name, 0..=0)?;
    let mut walker = Walker { input: file.body()?, number: 0, max_doc };
    let mut found = None;
    while walker.next(fields)? {
        if let Some(entry) = walker.entry()?
            && walker.number == u64::from(field.number)
        {
            found = Some(entry);
        }
    }
    walker.input.expect_end()?;
    let (terms, numbers) =
        found.ok_or_else(|| Error::corrupt(&file.name, format!("has no sorted values for {:?}", field.name)))?;
    let mut pages = file.pages(directory, commit, DATA, Use::All)?;
    let size = terms.count;
    if size > u64::from(max_doc) {
        return Err(pages.corrupt(format!("{size} terms of {max_doc} documents")));
    }
    let terms = terms.locate(&mut pages)?;
    let ordinals = numbers.ordinals(&pages, max_doc)?;
    Ok((pages, SortedEntry { ordinals, terms, size }))
}

/// Passes over the entries of all fields.
struct Walker<'a> {
    input: DataInput<'a>,
    /// Of the field whose entry it is at.
    number: u64,
    max_doc: u32,
}

/// Numbers, one a document or one a value.
struct Numbers {
    count: u64,
    packing: Packing,
}

enum Packing {
    Delta {
        numbers: DirectReader,
        minimum: i64,
    },
    /// Of few documents only.
    Sparse {
        documents: Monotonic,
        listed: u64,
        inner: Box<Numbers>,
    },
    /// Not used for the numbers of terms.
    Other,
}

/// Strings of bytes.
struct Binary {
    count: u64,
    offset: u64,
    shape: Shape,
}

enum Shape {
    Fixed { length: u64 },
    Variable { addresses: Monotonic },
    Shared { addresses: u64, block_size: u32 },
}

impl Walker<'_> {
    /// Goes to the next field.
    fn next(&mut self, fields: &FieldInfos) -> Result<bool> {
        self.number = self.input.vlong()?;
        if self.number == END {
            return Ok(false);
        }
        match u32::try_from(self.number).ok().and_then(|number| fields.by_number(number)) {
            Some(_) => Ok(true),
            None => Err(self.input.corrupt(format!("there is no field {}", self.number))),
        }
    }

    /// Passes over an entry; gives its parts if it is of a sorted field.
    fn entry(&mut self) -> Result<Option<(Binary, Numbers)>> {
        match self.input.u8()? {
            NUMERIC => self.numbers(true).map(|_| None),
            BINARY => self.binary().map(|_| None),
            SORTED => self.sorted().map(Some),
            SORTED_SET => match self.sets()? {
                0 => {
                    self.sorted()?;
                    self.inner_numbers()?;
                    Ok(None)
                }
                1 => {
                    self.expect(SORTED)?;
                    self.sorted().map(|_| None)
                }
                _ => self.sorted().map(|_| None),
            },
            SORTED_NUMERIC => {
                if self.sets()? == 0 {
                    self.inner_numbers()?;
                }
                self.inner_numbers()?;
                Ok(None)
            }
            other => Err(self.input.corrupt(format!("doc values of type {other}"))),
        }
    }

    /// Entries are made of entries, each of which names field and type again.
    fn expect(&mut self, kind: u8) -> Result<()> {
        let (number, found) = (self.input.vlong()?, self.input.u8()?);
        if number == self.number && found == kind {
            return Ok(());
        }
        Err(self.input.corrupt(format!("type {found} of field {number} within field {}", self.number)))
    }

    fn inner_numbers(&mut self) -> Result<Numbers> {
        self.expect(NUMERIC)?;
        self.numbers(true)
    }

    fn sorted(&mut self) -> Result<(Binary, Numbers)> {
        self.expect(BINARY)?;
        let terms = self.binary()?;
        Ok((terms, self.inner_numbers()?))
    }

    /// How sets are kept: 0 by addresses, 1 one value each, 2 in a table, which is passed over.
    fn sets(&mut self) -> Result<u32> {
        let format = self.input.vint()?;
        match format {
            0 | 1 => {}
            2 => {
                let values = self.input.count_i32()?;
                self.input.skip(8 * values as usize)?;
                let sets = self.input.count_i32()?;
                self.input.skip(4 * sets as usize)?;
            }
            other => return Err(self.input.corrupt(format!("sets of format {other}"))),
        }
        Ok(format)
    }

    fn numbers(&mut self, may_be_sparse: bool) -> Result<Numbers> {
        const DELTA: u32 = 0;
        const GCD: u32 = 1;
        const TABLE: u32 = 2;
        const MONOTONIC: u32 = 3;
        const CONSTANT: u32 = 4;
        const SPARSE: u32 = 5;
        let format = self.input.vint()?;
        let missing = self.input.i64()?;
        let mut documents = None;
        if format == SPARSE {
            let base = u64::try_from(missing).map_err(|_| self.input.corrupt(format!("a list at {missing}")))?;
            let listed = self.input.vlong()?;
            let shift = self.input.vint()?;
            documents = Some((Monotonic::read_meta(&mut self.input, listed, shift)?.rebase(base), listed));
        }
        let offset = self.input.offset_i64()?;
        let count = self.input.vlong()?;
        let packing = match (format, documents) {
            (DELTA, _) => {
                let minimum = self.input.i64()?;
                Packing::Delta { numbers: DirectReader { offset, bits: self.bits()? }, minimum }
            }
            (GCD, _) => {
                self.input.skip(16)?;
                self.bits()?;
                Packing::Other
            }
            (TABLE, _) => {
                let values = self.input.vint()?;
                self.input.skip(8 * values as usize)?;
                self.bits()?;
                Packing::Other
            }
            (MONOTONIC, _) => {
                let shift = self.input.vint()?;
                Monotonic::read_meta(&mut self.input, u64::from(self.max_doc) + 1, shift)?;
                Packing::Other
            }
            (CONSTANT, _) => {
                self.input.skip(8)?;
                Packing::Other
            }
            (SPARSE, Some((documents, listed))) if may_be_sparse => {
                self.input.u8()?; // whether 0 or -1 stands for no value
                self.expect(NUMERIC)?;
                Packing::Sparse { documents, listed, inner: Box::new(self.numbers(false)?) }
            }
            _ => return Err(self.input.corrupt(format!("numbers of format {format}"))),
        };
        self.input.offset_i64()?;
        Ok(Numbers { count, packing })
    }

    fn bits(&mut self) -> Result<u8> {
        let bits = self.input.vint()?;
        match u8::try_from(bits) {
            Ok(bits @ 0..=64) => Ok(bits),
            _ => Err(self.input.corrupt(format!("numbers of {bits} bits"))),
        }
    }

    fn binary(&mut self) -> Result<Binary> {
        const FIXED: u32 = 0;
        const VARIABLE: u32 = 1;
        const SHARED: u32 = 2;
        let format = self.input.vint()?;
        self.input.skip(8)?; // which have none, where they are not terms
        // Of no terms at all, the longest is below 0.
        self.input.vlong()?;
        let longest = self.input.vlong()?;
        let count = self.input.vlong()?;
        let offset = self.input.offset_i64()?;
        let shape = match format {
            FIXED => Shape::Fixed { length: longest },
            VARIABLE => {
                let addresses = self.input.offset_i64()?;
                let shift = self.input.vint()?;
                let meta = Monotonic::read_meta(&mut self.input, count.saturating_add(1), shift)?;
                self.input.offset_i64()?;
                Shape::Variable { addresses: meta.rebase(addresses) }
            }
            SHARED => {
                let addresses = self.input.offset_i64()?;
                self.input.vint()?;
                let block_size = self.input.vint()?;
                self.input.offset_i64()?;
                Shape::Shared { addresses, block_size }
            }
            other => return Err(self.input.corrupt(format!("binary values of format {other}"))),
        };
        Ok(Binary { count, offset, shape })
    }
}

impl Binary {
    fn locate(self, pages: &mut Pages) -> Result<Terms> {
        let offset = self.offset;
        Ok(match self.shape {
            Shape::Fixed { length } => Terms::Fixed { offset, length },
            Shape::Variable { addresses } => Terms::Variable { offset, addresses },
            Shape::Shared { addresses, block_size } => {
                if !block_size.is_power_of_two() {
                    return Err(pages.corrupt(format!("blocks of {block_size} values")));
                }
                let mut input = PagesInput::at(pages, addresses);
                let blocks = self.count.div_ceil(TERMS_OF_BLOCK);
                Terms::SharedWithFirst {
                    offset,
                    blocks: Monotonic::read_blocks(&mut input, blocks, block_size.trailing_zeros())?,
                }
            }
        })
    }
}

impl Numbers {
    fn ordinals(self, pages: &Pages, max_doc: u32) -> Result<Ordinals> {
        let all = self.count == u64::from(max_doc);
        match self.packing {
            Packing::Delta { numbers, minimum } if all => Ok(Ordinals::Dense { numbers, minimum }),
            Packing::Sparse { documents, listed, inner } if all && inner.count == listed => match inner.packing {
                Packing::Delta { numbers, minimum } => {
                    Ok(Ordinals::Sparse { documents, count: listed, numbers, minimum })
                }
                _ => Err(pages.corrupt("numbers of terms that are no ordinals")),
            },
            _ => Err(pages.corrupt("numbers of terms that are no ordinals")),
        }
    }
}
