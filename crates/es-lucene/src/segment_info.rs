//! `.si`: how many documents a segment has, and whether its files are packed into one.
//!
//! What the five formats share is here; what differs is in the module of each.

use crate::codec_util::{Checked, check_owner, read_header};
use crate::data_input::DataInput;
use crate::error::{Error, Result};
use crate::segment_infos::SegmentCommitInfo;
use crate::source::Directory;
use crate::{
    lucene50_segment_info, lucene62_segment_info, lucene70_segment_info, lucene86_segment_info, lucene90_segment_info,
};

/// Facts about one segment that never change.
#[derive(Debug, Clone)]
pub(crate) struct SegmentInfo {
    /// Documents in the segment, dead ones and children included.
    pub(crate) max_doc: u32,
    /// Whether its files are inside a `.cfs`.
    pub(crate) compound: bool,
    /// Version of Lucene that wrote it.
    pub(crate) version: (u32, u32, u32),
    /// What each format noted about itself.
    pub(crate) attributes: Vec<(String, String)>,
}

impl SegmentInfo {
    pub(crate) fn read(directory: &dyn Directory, commit: &SegmentCommitInfo) -> Result<Self> {
        let name = format!("{}.si", commit.name);
        let file = Checked::open(directory, &name)?;
        let mut input = file.input();
        let header = read_header(&mut input)?;
        check_owner(&name, &header, &commit.id, "")?;
        let info = match header.codec.as_str() {
            lucene50_segment_info::CODEC => lucene50_segment_info::read(&name, &header, &mut input),
            lucene62_segment_info::CODEC => lucene62_segment_info::read(&name, &header, &mut input),
            lucene70_segment_info::CODEC => lucene70_segment_info::read(&name, &header, &mut input),
            lucene86_segment_info::CODEC => lucene86_segment_info::read(&name, &header, &mut input),
            lucene90_segment_info::CODEC => lucene90_segment_info::read(&name, &header, &mut input),
            _ => Err(header.unknown(&name)),
        }?;
        if info.max_doc == 0 || commit.deleted > info.max_doc {
            return Err(Error::corrupt(&name, format!("{} of {} documents deleted", commit.deleted, info.max_doc)));
        }
        Ok(info)
    }

    /// How the stored fields were compressed, for messages.
    pub(crate) fn mode(&self) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key.contains("StoredFieldsFormat.mode")).map(|(_, value)| value.as_str())
    }
}

/// The version of Lucene at the beginning.
pub(crate) fn version(input: &mut DataInput<'_>) -> Result<(u32, u32, u32)> {
    Ok((input.count_i32()?, input.count_i32()?, input.count_i32()?))
}

/// The lowest version whose documents are in here: absent, or three numbers.
pub(crate) fn skip_min_version(input: &mut DataInput<'_>) -> Result<()> {
    match input.u8()? {
        0 => Ok(()),
        1 => version(input).map(|_| ()),
        other => Err(input.corrupt(format!("a flag of {other}"))),
    }
}

/// The number of documents and the compound flag.
pub(crate) fn size(input: &mut DataInput<'_>) -> Result<(u32, bool)> {
    let max_doc = input.count_i32()?;
    match input.u8()? {
        1 => Ok((max_doc, true)),
        0xFF => Ok((max_doc, false)),
        other => Err(input.corrupt(format!("a compound flag of {other}"))),
    }
}

/// Diagnostics and files are passed over; the attributes are kept. The index sort that follows is not read.
pub(crate) fn attributes(input: &mut DataInput<'_>) -> Result<Vec<(String, String)>> {
    input.string_map()?;
    input.strings()?;
    input.string_map()
}
