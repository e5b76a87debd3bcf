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
