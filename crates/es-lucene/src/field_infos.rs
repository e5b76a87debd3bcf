//! `.fnm`: the number and the doc values of each field.
//!
//! What the formats share is here; what differs is in the module of each.

use std::collections::HashMap;

use crate::codec_util::{Checked, base36, check_owner, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::{lucene50_field_infos, lucene60_field_infos, lucene90_field_infos, lucene94_field_infos};

/// The bit that marks the field whose presence means "deleted".
const SOFT_DELETES: u8 = 0x08;

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct FieldInfo {
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) soft_deletes: bool,
    /// 0 means none.
    pub(crate) doc_values_type: u8,
    /// 0 means none.
    pub(crate) skip_index_type: u8,
    pub(crate) doc_values_generation: Option<u64>,
    pub(crate) attributes: Vec<(String, String)>,
}

impl FieldInfo {
    pub(crate) fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// All fields of a segment.
#[derive(Debug, Clone)]
pub(crate) struct FieldInfos {
    pub(crate) fields: Vec<FieldInfo>,
}

impl FieldInfos {
    /// The fields as they were when the segment was written.
    pub(crate) fn read(directory: &dyn Directory, commit: &SegmentCommitInfo) -> Result<Self> {
        Self::read_file(directory, commit, &format!("{}.fnm", commit.name), "")
    }

    /// The fields as they are now, if doc values were updated since.
    pub(crate) fn read_generation(
        directory: &dyn Directory,
        commit: &SegmentCommitInfo,
        generation: u64,
    ) -> Result<Self> {
        let suffix = base36(generation);
        let name = format!("{}_{suffix}.fnm", commit.name);
        Self::read_file(directory, commit, &name, &suffix)
    }

    fn read_file(directory: &dyn Directory, commit: &SegmentCommitInfo, name: &str, suffix: &str) -> Result<Self> {
        let file = Checked::open(directory, name)?;
        let mut input = file.input();
        let header = read_header(&mut input)?;
        check_owner(name, &header, &commit.id, suffix)?;
        let fields = match header.codec.as_str() {
            lucene50_field_infos::CODEC => lucene50_field_infos::read(name, &header, &mut input),
            lucene60_field_infos::CODEC => lucene60_field_infos::read(name, &header, &mut input),
            lucene90_field_infos::CODEC => lucene90_field_infos::read(name, &header, &mut input),
            lucene94_field_infos::CODEC => lucene94_field_infos::read(name, &header, &mut input),
            _ => Err(header.unknown(name)),
        }?;
        input.expect_end()?;
        let mut numbers = HashMap::new();
        for field in &fields {
            if let Some(other) = numbers.insert(field.number, &field.name) {
                return Err(Error::corrupt(name, format!("{other:?} and {:?} have one number", field.name)));
            }
        }
        Ok(Self { fields })
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&FieldInfo> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<&FieldInfo> {
        self.fields.iter().find(|field| field.number == number)
    }

    pub(crate) fn soft_deletes(&self) -> Option<&FieldInfo> {
        self.fields.iter().find(|field| field.soft_deletes)
    }
}

/// Reads as many fields as the list says.
pub(crate) fn list(
    input: &mut DataInput<'_>,
    mut read: impl FnMut(&mut DataInput<'_>) -> Result<FieldInfo>,
) -> Result<Vec<FieldInfo>> {
    let count = input.vint()?;
    let mut fields = Vec::new();
    for _ in 0..count {
        fields.push(read(input)?);
    }
    Ok(fields)
}

/// What every format begins a field with. The bytes in the middle are what Lucene 10 adds.
pub(crate) fn field(input: &mut DataInput<'_>, skip_index: bool) -> Result<FieldInfo> {
    let name = input.string()?.to_owned();
    let number = input.vint()?;
    let bits = input.u8()?;
    input.u8()?;
    let doc_values_type = input.u8()?;
    if doc_values_type > 5 {
        return Err(input.corrupt(format!("doc values of type {doc_values_type}")));
    }
    let skip_index_type = if skip_index { input.u8()? } else { 0 };
    let doc_values_generation = match input.i64()? {
        -1 => None,
        value => Some(u64::try_from(value).map_err(|_| input.corrupt(format!("a generation of {value}")))?),
    };
    Ok(FieldInfo {
        name,
        number,
        soft_deletes: bits & SOFT_DELETES != 0,
        doc_values_type,
        skip_index_type,
        doc_values_generation,
        attributes: Vec::new(),
    })
}

/// Dimensions of points; the second number is absent in old formats.
pub(crate) fn skip_points(input: &mut DataInput<'_>, index_dimensions: bool) -> Result<()> {
    if input.vint()? != 0 {
        if index_dimensions {
            input.vint()?;
        }
        input.vint()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::tests::commit;
    use crate::source::Source;
    use std::sync::Arc;

    /// A directory of one file.
    struct Only(Vec<u8>);

    impl Directory for Only {
        fn names(&self) -> Vec<String> {
            Vec::new()
        }

        fn open(&self, _name: &str) -> Option<Arc<dyn Source>> {
            Some(Arc::new(self.0.clone()))
        }
    }

    /// A whole `.fnm` of these fields.
    fn read(fields: &[(&str, u8)]) -> Result<FieldInfos> {
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend(text.as_bytes());
        };
        let mut bytes = 0x3FD7_6C17_u32.to_be_bytes().to_vec();
        text(&mut bytes, lucene60_field_infos::CODEC);
        bytes.extend(2_u32.to_be_bytes());
        bytes.extend([7; 16]); // the segment
        bytes.push(0);
        bytes.push(u8::try_from(fields.len()).unwrap());
        for (name, number) in fields {
            text(&mut bytes, name);
            bytes.extend([*number, 0, 0, 0]);
            bytes.extend((-1_i64).to_be_bytes());
            bytes.extend([0, 0]); // no attributes, no points
        }
        bytes.extend(0xC028_93E8_u32.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(u64::from(crc32fast::hash(&bytes)).to_be_bytes());
        FieldInfos::read(&Only(bytes), &commit())
    }

    #[test]
    fn fields_of_one_number_are_refused() {
        assert_eq!(read(&[("_id", 0), ("_source", 1)]).unwrap().by_number(1).unwrap().name, "_source");
        let error = read(&[("_id", 0), ("_source", 1), ("other", 1)]).unwrap_err().to_string();
        assert!(error.contains("\"_source\" and \"other\" have one number"), "{error}");
    }
}
