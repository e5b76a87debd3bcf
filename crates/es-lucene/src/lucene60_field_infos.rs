//! `Lucene60FieldInfosFormat`: Lucene 6 to 8.

use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::field_infos::{FieldInfo, field, list, skip_points};

pub(crate) const CODEC: &str = "Lucene60FieldInfos";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<Vec<FieldInfo>> {
    header.expect_version(file, 0..=2)?;
    list(input, |input| {
        let mut info = field(input, false)?;
        info.attributes = input.string_map()?;
        skip_points(input, header.version >= 2)?;
        Ok(info)
    })
}
