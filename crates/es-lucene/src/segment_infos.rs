//! `segments_N`: the commit, that is the list of segments and how many documents of each are gone.

use crate::codec_util::{Checked, Id, read_header};
use crate::error::{Error, Result};
use crate::segment_info::SegmentInfo;
use crate::source::Directory;

/// One segment as the commit lists it.
#[derive(Debug, Clone)]
pub struct SegmentCommitInfo {
    /// Name of the segment, the beginning of all its file names.
    pub name: String,
    /// Id that the header of each of its files must carry.
    pub id: Id,
    /// Name of the codec that wrote it; for messages only.
    pub codec: String,
    /// Generation of the live documents file, if documents were deleted.
    pub deletion_generation: Option<u64>,
    /// Number of documents deleted in that file.
    pub deleted: u32,
    /// Generation of the field infos, if they were rewritten.
    pub field_infos_generation: Option<u64>,
    /// Number of documents soft-deleted and not deleted; commits before Lucene 7.4 know none.
    pub soft_deleted: Option<u32>,
}

impl SegmentCommitInfo {
    /// Its documents that are not deleted, nested objects included, for which no more than `.si` is read: snapshots have it in
    /// their lists of files.
    pub fn living(&self, directory: &dyn Directory) -> Result<u32> {
        let max_doc = SegmentInfo::read(directory, self)?.max_doc;
        Ok(max_doc.saturating_sub(self.deleted).saturating_sub(self.soft_deleted.unwrap_or(0)))
    }
}

/// A commit: the content of `segments_N`.
#[derive(Debug, Clone)]
pub struct SegmentInfos {
    /// Segments in the order of the commit.
    pub segments: Vec<SegmentCommitInfo>,
    /// What the server noted: sequence numbers, translog, history.
    pub user_data: Vec<(String, String)>,
}

impl SegmentInfos {
    /// Reads the one `segments_N` of a directory.
    pub fn read(directory: &dyn Directory) -> Result<Self> {
        let mut names = directory.names().into_iter().filter(|name| name.starts_with("segments_"));
        let Some(name) = names.next() else {
            return Err(Error::missing("segments_N"));
        };
        if let Some(second) = names.next() {
            return Err(Error::corrupt(&second, format!("there is also {name}: two commits in one shard")));
        }
        let file = Checked::open(directory, &name)?;
        Self::parse(&name, &file)
    }

    fn parse(name: &str, file: &Checked) -> Result<Self> {
        let mut input = file.input();
        let header = read_header(&mut input)?;
        if header.codec != "segments" {
            return Err(header.unknown(name));
        }
        header.expect_version(name, 4..=10)?;
        if name.strip_prefix("segments_") != Some(header.suffix.as_str()) {
            return Err(Error::corrupt(name, "carries the name of another commit"));
        }
        // The one file that never changed its byte order.
        input.set_endian(crate::data_input::Endian::Big);
        let format = header.version;
        if format >= 6 {
            skip_version(&mut input)?;
        }
        if format >= 7 {
            input.vint()?;
        }
        input.i64()?;
        if format <= 7 {
            input.i32()?;
        } else {
            input.vlong()?;
        }
        let count = input.count_i32()?;
        if format >= 6 && count > 0 {
            skip_version(&mut input)?;
        }
        let mut segments = Vec::new();
        for _ in 0..count {
            segments.push(segment(&mut input, format)?);
        }
        let user_data = if format <= 4 {
            let count = input.count_i32()?;
            (0..count).map(|_| Ok((input.string()?.to_owned(), input.string()?.to_owned()))).collect::<Result<_>>()?
        } else {
            input.string_map()?
        };
        input.expect_end()?;
        Ok(Self { segments, user_data })
    }
}

fn skip_version(input: &mut crate::data_input::DataInput<'_>) -> Result<()> {
    for _ in 0..3 {
        input.vint()?;
    }
    Ok(())
}

fn segment(input: &mut crate::data_input::DataInput<'_>, format: u32) -> Result<SegmentCommitInfo> {
    let name = input.string()?.to_owned();
    if format < 7 && input.u8()? != 1 {
        return Err(input.corrupt("a segment without an id"));
    }
    let mut id = Id::default();
    id.copy_from_slice(input.bytes(16)?);
    let codec = input.string()?.to_owned();
    let deletion_generation = generation(input)?;
    let deleted = input.count_i32()?;
    let field_infos_generation = generation(input)?;
    generation(input)?;
    let soft_deleted = if format >= 9 { Some(input.count_i32()?) } else { None };
    if format >= 10 && input.u8()? == 1 {
        input.skip(16)?;
    }
    if format <= 4 {
        let files = input.count_i32()?;
        for _ in 0..files {
            input.string()?;
        }
    } else {
        input.strings()?;
    }
    let updates = input.count_i32()?;
    for _ in 0..updates {
        input.i32()?;
        if format <= 4 {
            let files = input.count_i32()?;
            for _ in 0..files {
                input.string()?;
            }
        } else {
            input.strings()?;
        }
    }
    Ok(SegmentCommitInfo { name, id, codec, deletion_generation, deleted, field_infos_generation, soft_deleted })
}

fn generation(input: &mut crate::data_input::DataInput<'_>) -> Result<Option<u64>> {
    match input.i64()? {
        -1 => Ok(None),
        value => match u64::try_from(value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(input.corrupt(format!("a generation of {value}"))),
        },
    }
}
