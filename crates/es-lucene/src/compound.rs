//! Compound segments: the files of a segment inside one `.cfs`, listed by its `.cfe`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::codec_util::{Checked, check_owner, open, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::{Directory, Source, SubSource};
use crate::{lucene50_compound, lucene90_compound};

/// A directory that looks into the compound file first.
pub(crate) struct CompoundDirectory<'a> {
    outer: &'a dyn Directory,
    data: Arc<dyn Source>,
    entries: HashMap<String, (u64, u64)>,
}

impl<'a> CompoundDirectory<'a> {
    pub(crate) fn read(outer: &'a dyn Directory, commit: &SegmentCommitInfo) -> Result<Self> {
        let name = format!("{}.cfe", commit.name);
        let file = Checked::open(outer, &name)?;
        let mut input = file.input();
        let header = read_header(&mut input)?;
        check_owner(&name, &header, &commit.id, "")?;
        let list = match header.codec.as_str() {
            lucene50_compound::ENTRIES => lucene50_compound::read(&name, &header, &mut input),
            lucene90_compound::ENTRIES => lucene90_compound::read(&name, &header, &mut input),
            _ => Err(header.unknown(&name)),
        }?;
        let data = open(outer, &format!("{}.cfs", commit.name))?;
        let mut entries = HashMap::new();
        for (key, offset, length) in list {
            let full = format!("{}{key}", commit.name);
            if offset.checked_add(length).is_none_or(|end| end > data.size()) {
                return Err(Error::corrupt(&name, format!("{full} does not lie within the compound file")));
            }
            if entries.insert(full, (offset, length)).is_some() {
                return Err(Error::corrupt(&name, format!("lists {key} twice")));
            }
        }
        Ok(Self { outer, data, entries })
    }
}

impl Directory for CompoundDirectory<'_> {
    fn names(&self) -> Vec<String> {
        let mut names = self.outer.names();
        names.extend(self.entries.keys().cloned());
        names
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        match self.entries.get(name) {
            Some(&(offset, length)) => {
                SubSource::new(Arc::clone(&self.data), offset, length).map(|source| Arc::new(source) as Arc<dyn Source>)
            }
            None => self.outer.open(name),
        }
    }
}

/// Key, offset and length of each file.
pub(crate) type Entries = Vec<(String, u64, u64)>;

pub(crate) fn entries(input: &mut DataInput<'_>) -> Result<Entries> {
    let count = input.vint()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let key = input.string()?.to_owned();
        entries.push((key, input.offset_i64()?, input.offset_i64()?));
    }
    input.expect_end()?;
    Ok(entries)
}
