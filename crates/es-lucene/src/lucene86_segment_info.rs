//! `Lucene86SegmentInfoFormat`: Lucene 8.6 to 8.11.

use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::segment_info::{SegmentInfo, attributes, size, skip_min_version, version};

pub(crate) const CODEC: &str = "Lucene86SegmentInfo";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<SegmentInfo> {
    header.expect_version(file, 0..=0)?;
    let version = version(input)?;
    skip_min_version(input)?;
    let (max_doc, compound) = size(input)?;
    Ok(SegmentInfo { max_doc, compound, version, attributes: attributes(input)? })
}
