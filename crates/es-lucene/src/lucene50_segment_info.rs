//! `Lucene50SegmentInfoFormat`: Lucene 5.0 to 6.1.

use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::segment_info::{SegmentInfo, attributes, size, version};

pub(crate) const CODEC: &str = "Lucene50SegmentInfo";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<SegmentInfo> {
    header.expect_version(file, 0..=1)?;
    let version = version(input)?;
    let (max_doc, compound) = size(input)?;
    Ok(SegmentInfo { max_doc, compound, version, attributes: attributes(input)? })
}
