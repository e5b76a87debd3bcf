//! From Lucene documents to documents as the server's users know them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::compound::CompoundDirectory;
use crate::compressing_stored_fields::{Part, PartSum, StoredFields, Value, visit_fields};
use crate::doc_values::DocValues;
use crate::error::{Error, ErrorKind, Result};
use crate::field_infos::FieldInfos;
use crate::live_docs::{LiveDocs, Living};
use crate::segment_info::SegmentInfo;
use crate::segment_infos::SegmentCommitInfo;
use crate::sorted_doc_values::SortedDocValues;
use crate::source::{Directory, Source};
use crate::text::Text;
use crate::uid;

/// One living document.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its number in the segment.
    pub number: u32,
    /// Its id.
    pub id: Text<'a>,
    /// Its type, where the id carries one: indices created before 6.0.
    pub doc_type: Option<Text<'a>>,
    /// Its routing, if it was given one.
    pub routing: Option<Text<'a>>,
    /// The id of its parent, if it has one: indices created before 6.0.
    pub parent: Option<Text<'a>>,
    /// The bytes the client sent, if they were kept.
    pub source: Option<&'a [u8]>,
}

/// What has to be known of an index to read its segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Whether every document and no nested object has a primary term: the index was created on 6.1 or later. Then both
    /// are counted and compared.
    pub primary_terms: bool,
    /// Types whose documents have parents, and the type of those: indices created before 6.0.
    pub parents: Vec<(String, String)>,
}

/// What became of the Lucene documents of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub lucene_documents: u64,
    /// Deleted.
    pub deleted: u64,
    /// Updated or deleted, but kept for a while: soft deletes and tombstones.
    pub soft_deleted: u64,
    /// Living nested objects, which are part of another document.
    pub children: u64,
    /// Living documents.
    pub documents: u64,
    /// Bytes of `.fdt`.
    pub stored_bytes: u64,
}

impl Counts {
    /// Adds those of other documents.
    pub fn add(&mut self, other: &Self) {
        self.lucene_documents += other.lucene_documents;
        self.deleted += other.deleted;
        self.soft_deleted += other.soft_deleted;
        self.children += other.children;
        self.documents += other.documents;
        self.stored_bytes += other.stored_bytes;
    }
}

/// A segment that is ready to be read.
pub struct Segment {
    commit: SegmentCommitInfo,
    info: SegmentInfo,
    roles: Vec<Role>,
    /// Absent if every document lives.
    live: Option<Mutex<LiveDocs>>,
    /// Number of values of `_primary_term`, which documents have and nested objects have not.
    primary_terms: Option<u64>,
    parents: Vec<Parents>,
    data: StoredFields,
    /// The other files of stored fields: they may lie in the compound file.
    files: Files,
}

/// The parents of the documents of one type.
struct Parents {
    doc_type: String,
    /// Ids of parents; they are looked up while documents are read, which changes what is held of the file.
    ids: Mutex<SortedDocValues>,
}

/// The files of stored fields beside `.fdt`.
struct Files(Vec<(String, Arc<dyn Source>)>);

impl Directory for Files {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, source)| Arc::clone(source))
    }
}

/// A part of a segment that was read: nothing of it counts before [`Segment::finish`] has seen all parts.
#[derive(Debug)]
pub struct PartRead {
    sum: PartSum,
    counts: Counts,
    /// Documents that are no nested objects, deleted ones too.
    roots: u64,
}

/// What a stored field is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Absent,
    Other,
    Id,
    Uid,
    Routing,
    Source,
}

/// More documents in a byte of stored fields are taken for damage: no writer puts more than 4,096 into a chunk, which takes
/// several bytes.
const DOCUMENTS_PER_BYTE: u64 = 1 << 12;
/// Field numbers above this are taken for damage.
const MAX_FIELD_NUMBER: u32 = 1 << 24;

impl Segment {
    /// Opens a segment: everything but its documents is read and checked.
    pub fn open(directory: &dyn Directory, commit: &SegmentCommitInfo, mapping: &Mapping) -> Result<Self> {
        let info = SegmentInfo::read(directory, commit)?;
        let compound = if info.compound { Some(CompoundDirectory::read(directory, commit)?) } else { None };
        let files: &dyn Directory = match &compound {
            Some(compound) => compound,
            None => directory,
        };
        let data = StoredFields::open(files, commit, info.max_doc)?;
        let size = data.data.size();
        if u64::from(info.max_doc) > size.saturating_mul(DOCUMENTS_PER_BYTE) {
            // Blocks of documents are looked through by their number, before any of them is seen.
            return Err(Error::corrupt(
                &format!("{}.si", commit.name),
                format!("{} documents in {size} bytes of stored fields", info.max_doc),
            ));
        }
        let fields = match commit.field_infos_generation {
            Some(generation) => FieldInfos::read_generation(files, commit, generation)?,
            None => FieldInfos::read(files, commit)?,
        };
        let live = LiveDocs::open(files, commit, &fields, info.max_doc)?.map(Mutex::new);
        let primary_terms = if mapping.primary_terms { count_primary_terms(files, commit, &fields)? } else { None };
        let parents = parents(files, commit, &fields, &mapping.parents, info.max_doc)?;
        let others = ["fdm", "fdx"].map(|extension| format!("{}.{extension}", commit.name));
        let others = others.into_iter().filter_map(|name| files.open(&name).map(|source| (name, source))).collect();
        Ok(Self {
            commit: commit.clone(),
            roles: roles(&fields, commit)?,
            info,
            live,
            primary_terms,
            parents,
            data,
            files: Files(others),
        })
    }

    /// Lucene documents in the segment.
    #[must_use]
    pub fn max_doc(&self) -> u32 {
        self.info.max_doc
    }

    /// Bytes of stored fields to be read.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.data.data.size()
    }

    /// Whether a document of the segment can have a routing or a parent.
    #[must_use]
    pub fn may_have_routings(&self) -> bool {
        self.roles.contains(&Role::Routing) || !self.parents.is_empty()
    }

    /// How the stored fields are compressed, in the server's words.
    #[must_use]
    pub fn mode(&self) -> Option<&str> {
        self.info.mode()
    }

    /// Version of Lucene that wrote the segment.
    #[must_use]
    pub fn lucene_version(&self) -> (u32, u32, u32) {
        self.info.version
    }

    /// The segment in parts of about `step` bytes, which can be read side by side.
    pub fn parts(&self, step: u64) -> Result<Vec<Part>> {
        self.data.parts(&self.files, step)
    }

    /// Reads all documents from front to back and gives the living ones to `visit`.
    ///
    /// A segment was read only if this returns `Ok`: the checksum comes last.
    pub fn read<E: From<Error>>(&self, mut visit: impl FnMut(Document<'_>) -> Result<(), E>) -> Result<Counts, E> {
        let mut read = Vec::new();
        for part in self.parts(u64::MAX)? {
            read.push(self.read_part(&part, |_| (), &mut visit)?);
        }
        Ok(self.finish(read)?)
    }

    /// Reads the documents of a part from front to back and gives the living ones to `visit`.
    ///
    /// Documents are decompressed in chunks: `room` is told the size of each, in bytes, before memory is taken for it and after
    /// that of the one before may be given back. A chunk is small but for documents that are large.
    pub fn read_part<E: From<Error>>(
        &self,
        part: &Part,
        mut room: impl FnMut(u64),
        mut visit: impl FnMut(Document<'_>) -> Result<(), E>,
    ) -> Result<PartRead, E> {
        let file = &self.data.name;
        let mut reader = self.data.reader(&self.files, part)?;
        let mut buffer = Vec::new();
        let mut parent = String::new();
        let mut living = self.live.as_ref().map(Living::new);
        let mut counts = Counts { stored_bytes: part.bytes(), ..Counts::default() };
        let mut roots = 0;
        while let Some(documents) = reader.next_chunk(&mut room)? {
            for (number, (fields, bytes)) in (documents.first..).zip(documents.iter()) {
                let stored = self.stored(bytes, fields)?;
                let identity = stored.identity(file, &mut buffer)?;
                // A no-op leaves a tombstone with a reason for a source, and no id.
                roots += u64::from(identity.is_some() || stored.source.is_some());
                counts.lucene_documents += 1;
                if let Some(living) = &mut living
                    && !living.contains(number)?
                {
                    continue;
                }
                let Some(Identity { doc_type, id }) = identity else {
                    if stored.source.is_some() {
                        return Err(without_id(file, number).into());
                    }
                    counts.children += 1;
                    continue;
                };
                counts.documents += 1;
                let has_parent = !self.parents.is_empty() && self.parent(number, doc_type, &mut parent)?;
                let document = Document {
                    number,
                    id,
                    doc_type,
                    routing: stored.routing,
                    parent: has_parent.then_some(Text::from(parent.as_str())),
                    source: stored.source,
                };
                visit(document)?;
            }
        }
        Ok(PartRead { sum: reader.finish()?, counts, roots })
    }

    /// Decompresses a part, hands on its bytes and looks at nothing: what reading costs at least.
    pub fn decompress<E: From<Error>>(
        &self,
        part: &Part,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = self.data.reader(&self.files, part)?;
        while let Some(documents) = reader.next_chunk(|_| ())? {
            each(documents.bytes)?;
        }
        reader.finish()?;
        Ok(())
    }

    /// Fails if the stored fields are damaged, as far as their checksum tells: they are taken once more from the source.
    pub fn check(&self) -> Result<()> {
        self.data.check()
    }

    /// Fails unless these are all parts and together what was written: the segment was read only if this returns `Ok`.
    pub fn finish(&self, parts: Vec<PartRead>) -> Result<Counts> {
        let mut counts = Counts {
            deleted: u64::from(self.commit.deleted),
            soft_deleted: u64::from(self.commit.soft_deleted.unwrap_or(0)),
            ..Counts::default()
        };
        let mut roots = 0;
        let mut sums = Vec::new();
        for part in parts {
            counts.add(&part.counts);
            roots += part.roots;
            sums.push(part.sum);
        }
        self.data.finish(sums)?;
        if let Some(terms) = self.primary_terms.filter(|terms| *terms != roots) {
            return Err(Error::unknown(
                &self.data.name,
                format!("{roots} documents have a stored id, {terms} have a primary term"),
            ));
        }
        Ok(counts)
    }

    /// Puts the id of a document's parent into `parent`; false if it has none.
    fn parent(&self, number: u32, doc_type: Option<Text<'_>>, parent: &mut String) -> Result<bool> {
        let Some(parents) = self.parents.iter().find(|parents| doc_type == Some(Text::from(&*parents.doc_type))) else {
            return Ok(false);
        };
        let mut ids = parents.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Servers take the empty id for none, too.
        let Some(id) = ids.get(number)?.filter(|id| !id.is_empty()) else {
            return Ok(false);
        };
        parent.clear();
        parent.push_str(id);
        Ok(true)
    }

    /// The fields we know of one Lucene document.
    #[inline]
    fn stored<'a>(&'a self, bytes: &'a [u8], fields: u32) -> Result<Stored<'a>> {
        let mut stored = Stored::default();
        let file = &self.data.name;
        visit_fields(file, bytes, fields, |number, value| {
            let role =
                usize::try_from(number).ok().and_then(|number| self.roles.get(number)).copied().unwrap_or(Role::Absent);
            let twice = match (value, role) {
                (Value::Bytes(value), Role::Source) => stored.source.replace(value).is_some(),
                (value, Role::Id) => stored.id.replace(value).is_some(),
                (Value::String(value), Role::Uid) => stored.uid.replace(value).is_some(),
                (Value::String(value), Role::Routing) => stored.routing.replace(value).is_some(),
                (_, Role::Other) => false,
                _ => true,
            };
            if twice {
                return Err(stray(file, number));
            }
            Ok(())
        })?;
        Ok(stored)
    }
}

/// Stored fields of one Lucene document.
#[derive(Default)]
struct Stored<'a> {
    id: Option<Value<'a>>,
    uid: Option<Text<'a>>,
    routing: Option<Text<'a>>,
    source: Option<&'a [u8]>,
}

/// What the stored id of a document is made of.
struct Identity<'a> {
    doc_type: Option<Text<'a>>,
    id: Text<'a>,
}

impl<'a> Stored<'a> {
    /// The whole id; `None` if there is none. `buffer` takes it if it is not stored as the text that it is.
    #[inline]
    fn identity<'b>(&self, file: &str, buffer: &'b mut Vec<u8>) -> Result<Option<Identity<'b>>>
    where
        'a: 'b,
    {
        match (self.id, self.uid) {
            (None, None) => Ok(None),
            // Indices of 5.x with one type store the text itself.
            (Some(Value::String(id)), None) => Ok(Some(Identity { doc_type: None, id })),
            (Some(Value::Bytes(bytes)), None) => {
                let id = uid::decode(bytes, buffer);
                Ok(Some(Identity { doc_type: None, id: id.ok_or_else(|| no_id(file, bytes))? }))
            }
            // Types have no '#', ids may.
            (None, Some(uid)) => match uid.split_once(b'#') {
                Some((doc_type, id)) => Ok(Some(Identity { doc_type: Some(doc_type), id })),
                None => Err(no_uid(file, uid)),
            },
            _ => Err(Error::corrupt(file, "a document with two ids")),
        }
    }
}

#[cold]
fn stray(file: &str, field: u64) -> Error {
    Error::corrupt(file, format!("a stray value of field {field}"))
}

#[cold]
fn without_id(file: &str, number: u32) -> Error {
    Error::unknown(file, format!("document {number} has a source and no stored id"))
}

#[cold]
fn no_id(file: &str, bytes: &[u8]) -> Error {
    Error::corrupt(file, format!("{bytes:02x?} is no id"))
}

#[cold]
fn no_uid(file: &str, uid: Text<'_>) -> Error {
    Error::corrupt(file, format!("{uid:?} is no id with a type"))
}

fn roles(fields: &FieldInfos, commit: &SegmentCommitInfo) -> Result<Vec<Role>> {
    let mut roles = Vec::new();
    for field in &fields.fields {
        if field.number > MAX_FIELD_NUMBER {
            return Err(Error::corrupt(&format!("{}.fnm", commit.name), format!("a field of number {}", field.number)));
        }
        let number = field.number as usize;
        if roles.len() <= number {
            roles.resize(number + 1, Role::Absent);
        }
        roles[number] = match field.name.as_str() {
            "_id" => Role::Id,
            // Beside an id it is a field of the user's own, which versions since 7.0 allow.
            "_uid" if fields.by_name("_id").is_none() => Role::Uid,
            "_routing" => Role::Routing,
            "_source" => Role::Source,
            _ => Role::Other,
        };
    }
    Ok(roles)
}

/// Opens the values that say which parent a document has: a field of its own for each type of parents, which parents
/// have too, with their own id.
fn parents(
    files: &dyn Directory,
    commit: &SegmentCommitInfo,
    fields: &FieldInfos,
    types: &[(String, String)],
    max_doc: u32,
) -> Result<Vec<Parents>> {
    let mut parents = Vec::new();
    for (doc_type, parent_type) in types {
        let name = format!("_parent#{parent_type}");
        // A segment may hold no document of these types.
        if let Some(field) = fields.by_name(&name).filter(|field| field.doc_values_type != 0) {
            let ids = SortedDocValues::read(files, commit, fields, field, max_doc)?;
            parents.push(Parents { doc_type: doc_type.clone(), ids: Mutex::new(ids) });
        }
    }
    Ok(parents)
}

fn count_primary_terms(files: &dyn Directory, commit: &SegmentCommitInfo, fields: &FieldInfos) -> Result<Option<u64>> {
    let Some(field) = fields.by_name("_primary_term").filter(|field| field.doc_values_type != 0) else {
        return Ok(None);
    };
    match DocValues::read(files, commit, fields, field) {
        Ok(values) => Ok(values.entry(field)?.values),
        // Servers' own formats for other fields: the check is lost, not the documents.
        Err(error) if error.kind() == ErrorKind::Unknown => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment_infos::SegmentInfos;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn golden() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/lucene")
    }

    fn files(index: &Path) -> Files {
        let entries = fs::read_dir(index).unwrap().map(|entry| entry.unwrap());
        let file = |entry: fs::DirEntry| {
            let source: Arc<dyn Source> = Arc::new(fs::read(entry.path()).unwrap());
            (entry.file_name().into_string().unwrap(), source)
        };
        Files(entries.map(file).collect())
    }

    #[test]
    fn stored_fields_that_were_changed_are_told_by_their_checksum_alone() {
        for index in ["7.1.0-best-compression", "8.4.1-best-speed", "9.9.2-best-speed"] {
            let files = files(&golden().join(index));
            for commit in SegmentInfos::read(&files).unwrap().segments {
                let mut segment = Segment::open(&files, &commit, &Mapping::default()).unwrap();
                segment.check().unwrap();
                let mut bytes = vec![0; usize::try_from(segment.stored_bytes()).unwrap()];
                segment.data.data.read_at(0, &mut bytes).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                segment.data.data = Arc::new(bytes);
                assert_eq!(segment.check().unwrap_err().kind(), ErrorKind::Corrupt);
            }
        }
    }

    #[test]
    fn a_document_more_or_less_than_there_are_primary_terms_is_missed() {
        let mut tried = 0;
        for index in ["7.4.0-best-speed", "9.9.2-best-speed"] {
            let files = files(&golden().join(index));
            for commit in SegmentInfos::read(&files).unwrap().segments {
                let mapping = Mapping { primary_terms: true, ..Mapping::default() };
                let mut segment = Segment::open(&files, &commit, &mapping).unwrap();
                let terms = segment.primary_terms.unwrap();
                for (said, right) in [(terms, true), (terms + 1, false), (terms - 1, false)] {
                    segment.primary_terms = Some(said);
                    let read = segment.read(|_| -> Result<()> { Ok(()) });
                    let missed = read
                        .err()
                        .is_some_and(|error| error.to_string().contains(&format!("{said} have a primary term")));
                    assert_eq!(missed, !right, "{index}: {said} of {terms}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 6);
    }
}
