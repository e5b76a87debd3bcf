//! `Lucene94FieldInfosFormat`: Lucene 9.4 to 10; version 2 (Lucene 10) knows skip indexes.

use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::field_infos::{FieldInfo, field, list, skip_points};

pub(crate) const CODEC: &str = "Lucene94FieldInfos";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<Vec<FieldInfo>> {
    header.expect_version(file, 0..=2)?;
    list(input, |input| {
        let mut info = field(input, header.version >= 2)?;
        info.attributes = input.string_map()?;
        skip_points(input, true)?;
        input.vint()?;
        input.u8()?;
        input.u8()?;
        Ok(info)
    })
}
