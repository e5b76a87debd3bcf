//! `Lucene62SegmentInfoFormat`: Lucene 6.2 to 6.6, the first with index sorting.

use crate::codec_util::Header;
use crate::data_input::DataInput;
use crate::error::Result;
use crate::segment_info::{SegmentInfo, attributes, size, version};

pub(crate) const CODEC: &str = "Lucene62SegmentInfo";

pub(crate) fn read(file: &str, header: &Header, input: &mut DataInput<'_>) -> Result<SegmentInfo> {
    header.expect_version(file, 0..=1)?;
    let version = version(input)?;
    let (max_doc, compound) = size(input)?;
    Ok(SegmentInfo { max_doc, compound, version, attributes: attributes(input)? })
}
