//! `Lucene50FieldInfosFormat`: Lucene 5.

use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::field_infos::{FieldInfo, field, list};

pub(crate) const CODEC: &str = "Lucene50FieldInfos";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<Vec<FieldInfo>> {
    header.expect_version(file, 0..=1)?;
    list(input, |input| {
        let mut info = field(input, false)?;
        if header.version == 0 {
            let count = input.count_i32()?;
            for _ in 0..count {
                let key = input.string()?.to_owned();
                info.attributes.push((key, input.string()?.to_owned()));
            }
        } else {
            info.attributes = input.string_map()?;
        }
        Ok(info)
    })
}
