//! `Lucene90SegmentInfoFormat`: Lucene 9.0 to 10.

use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::segment_info::{SegmentInfo, attributes, size, skip_min_version, version};

pub(crate) const CODEC: &str = "Lucene90SegmentInfo";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<SegmentInfo> {
    header.expect_version(file, 0..=0)?;
    let version = version(input)?;
    skip_min_version(input)?;
    let (max_doc, compound) = size(input)?;
    // Lucene 9.9 added `hasBlocks` without a new codec name or version (its codec is called
    // Lucene99, this name stayed): the version of the segment decides.
    if version >= (9, 9, 0) {
        input.skip(1)?;
    }
    Ok(SegmentInfo { max_doc, compound, version, attributes: attributes(input)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_input::Endian;

    #[test]
    fn the_version_of_the_segment_says_whether_a_flag_follows() {
        let header = Header { codec: CODEC.into(), version: 0, id: [0; 16], suffix: String::new() };
        for (version, flag) in [((9, 8, 9), &b""[..]), ((9, 9, 0), b"\x01"), ((10, 0, 0), b"\xFF")] {
            let mut bytes = Vec::new();
            for number in [version.0, version.1, version.2] {
                bytes.extend(i32::to_le_bytes(number));
            }
            bytes.extend(b"\0\x07\0\0\0\xFF"); // no lowest version, seven documents, not compound
            bytes.extend(flag);
            bytes.extend(b"\0\0\x01\x01a\x01b"); // no diagnostics, no files, an attribute
            let mut input = DataInput::new("_0.si", &bytes);
            input.set_endian(Endian::Little);
            let info = read("_0.si", &header, &mut input).unwrap();
            assert_eq!((info.max_doc, info.attributes), (7, vec![("a".into(), "b".into())]), "{version:?}");
        }
    }
}
