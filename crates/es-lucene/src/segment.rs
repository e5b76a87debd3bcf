//! From Lucene documents to documents as the server's users know them.

use std::sync::Arc;

use crate::bit_set::BitSet;
use crate::compound::CompoundDirectory;
use crate::compressing_stored_fields::{StoredFieldsReader, Value, open_data, visit_fields};
use crate::doc_values::DocValues;
use crate::error::{Error, ErrorKind, Result};
use crate::field_infos::FieldInfos;
use crate::live_docs;
use crate::segment_info::SegmentInfo;
use crate::segment_infos::SegmentCommitInfo;
use crate::source::{Directory, Source};
use crate::uid;

/// One living document.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its number in the segment.
    pub number: u32,
    /// Its id.
    pub id: &'a str,
    /// Its type, where the id carries one: indices created before 6.0.
    pub doc_type: Option<&'a str>,
    /// Its routing, if it was given one.
    pub routing: Option<&'a str>,
    /// The bytes the client sent, if they were kept.
    pub source: Option<&'a [u8]>,
    /// What the server kept for recoveries where `_source` is reduced or absent.
    pub recovery_source: Option<&'a [u8]>,
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

/// A segment that is ready to be read.
pub struct Segment {
    commit: SegmentCommitInfo,
    info: SegmentInfo,
    roles: Vec<Role>,
    /// Absent if every document lives.
    live: Option<BitSet>,
    soft_deleted: u32,
    /// Number of values of `_primary_term`, which documents have and nested objects have not.
    primary_terms: Option<u64>,
    data_name: String,
    data: Arc<dyn Source>,
    /// `.fdm` may lie in the compound file.
    metadata: Metadata,
}

/// The one more file that stored fields need.
struct Metadata(Option<(String, Arc<dyn Source>)>);

impl Directory for Metadata {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        self.0.as_ref().filter(|(own, _)| own == name).map(|(_, source)| Arc::clone(source))
    }
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
    RecoverySource,
}

/// More documents in a byte of stored fields are taken for damage: no writer puts more than 4,096 into a chunk, which takes
/// several bytes.
const DOCUMENTS_PER_BYTE: u64 = 1 << 12;
/// Field numbers above this are taken for damage.
const MAX_FIELD_NUMBER: u32 = 1 << 24;

impl Segment {
    /// Opens a segment: everything but its documents is read and checked.
    ///
    /// `primary_terms` says whether the index was created on 6.1 or later, where every document and no
    /// nested object has a primary term: then both are counted and compared.
    pub fn open(directory: &dyn Directory, commit: &SegmentCommitInfo, primary_terms: bool) -> Result<Self> {
        let info = SegmentInfo::read(directory, commit)?;
        let compound = if info.compound { Some(CompoundDirectory::read(directory, commit)?) } else { None };
        let files: &dyn Directory = match &compound {
            Some(compound) => compound,
            None => directory,
        };
        let (data_name, data) = open_data(files, commit)?;
        if u64::from(info.max_doc) > data.size().saturating_mul(DOCUMENTS_PER_BYTE) {
            // Sets of documents take memory by their number, before any of them is seen.
            return Err(Error::corrupt(
                &format!("{}.si", commit.name),
                format!("{} documents in {} bytes of stored fields", info.max_doc, data.size()),
            ));
        }
        let fields = match commit.field_infos_generation {
            Some(generation) => FieldInfos::read_generation(files, commit, generation)?,
            None => FieldInfos::read(files, commit)?,
        };
        let mut live = match commit.deletion_generation {
            Some(generation) => Some(live_docs::read(files, commit, generation, info.max_doc)?),
            None if commit.deleted > 0 => {
                return Err(Error::corrupt(
                    &format!("{}.si", commit.name),
                    format!("{} deleted documents without a list", commit.deleted),
                ));
            }
            None => None,
        };
        let soft_deleted = commit.soft_deleted.unwrap_or(0);
        if soft_deleted > 0 {
            let dead = soft_deletes(files, commit, &fields, info.max_doc)?;
            let live = live.get_or_insert_with(|| BitSet::full(info.max_doc));
            let both = live.remove_all(&dead);
            if both != soft_deleted {
                return Err(Error::corrupt(
                    &format!("{}.dvd", commit.name),
                    format!("{both} documents are soft-deleted, {soft_deleted} in the commit"),
                ));
            }
        }
        let primary_terms = if primary_terms { count_primary_terms(files, commit, &fields)? } else { None };
        let metadata = format!("{}.fdm", commit.name);
        let metadata = Metadata(files.open(&metadata).map(|source| (metadata, source)));
        Ok(Self {
            commit: commit.clone(),
            roles: roles(&fields, commit)?,
            info,
            live,
            soft_deleted,
            primary_terms,
            data_name,
            data,
            metadata,
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
        self.data.size()
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

    /// Reads all documents from front to back and gives the living ones to `visit`.
    ///
    /// A segment was read only if this returns `Ok`: the checksum comes last.
    pub fn read<E: From<Error>>(&self, mut visit: impl FnMut(Document<'_>) -> Result<(), E>) -> Result<Counts, E> {
        let mut reader = StoredFieldsReader::open(
            &self.metadata,
            &self.commit,
            self.info.max_doc,
            &self.data_name,
            self.data.as_ref(),
        )?;
        let mut id = String::new();
        let mut counts = Counts { stored_bytes: self.data.size(), ..Counts::default() };
        let mut roots = 0;
        while let Some(chunk) = reader.next_chunk()? {
            for (number, (fields, bytes)) in (chunk.first..).zip(chunk.documents()) {
                let stored = self.stored(bytes, fields)?;
                let identity = stored.id(&self.data_name, &mut id)?;
                // A no-op leaves a tombstone with a reason for a source, and no id.
                roots += u64::from(identity.is_some() || stored.source.is_some());
                counts.lucene_documents += 1;
                if self.live.as_ref().is_some_and(|live| !live.contains(number)) {
                    continue;
                }
                let Some(identity) = identity else {
                    if stored.source.is_some() {
                        return Err(Error::unknown(
                            &self.data_name,
                            format!("document {number} has a source and no stored id"),
                        )
                        .into());
                    }
                    counts.children += 1;
                    continue;
                };
                counts.documents += 1;
                let (doc_type, id) = match identity {
                    Identity::Plain => (None, id.as_str()),
                    Identity::Typed(name) => (Some(name), &id[name.len() + 1..]),
                };
                visit(Document {
                    number,
                    id,
                    doc_type,
                    routing: stored.routing,
                    source: stored.source,
                    recovery_source: stored.recovery_source,
                })?;
            }
        }
        reader.finish()?;
        if let Some(terms) = self.primary_terms.filter(|terms| *terms != roots) {
            return Err(Error::unknown(
                &self.data_name,
                format!("{roots} documents have a stored id, {terms} have a primary term"),
            )
            .into());
        }
        counts.deleted = u64::from(self.commit.deleted);
        counts.soft_deleted = u64::from(self.soft_deleted);
        Ok(counts)
    }

    /// The fields we know of one Lucene document.
    fn stored<'a>(&'a self, bytes: &'a [u8], fields: u32) -> Result<Stored<'a>> {
        let mut stored = Stored::default();
        let file = &self.data_name;
        visit_fields(file, bytes, fields, |number, value| {
            let role =
                usize::try_from(number).ok().and_then(|number| self.roles.get(number)).copied().unwrap_or(Role::Absent);
            let twice = match (role, value) {
                (Role::Id, value) => stored.id.replace(value).is_some(),
                (Role::Uid, Value::String(value)) => stored.uid.replace(value).is_some(),
                (Role::Routing, Value::String(value)) => stored.routing.replace(value).is_some(),
                (Role::Source, Value::Bytes(value)) => stored.source.replace(value).is_some(),
                (Role::RecoverySource, Value::Bytes(value)) => stored.recovery_source.replace(value).is_some(),
                // Elasticsearch 9 may note the size of what it left out.
                (Role::Other | Role::RecoverySource, _) => false,
                _ => true,
            };
            if twice {
                return Err(Error::corrupt(file, format!("a stray value of field {number}")));
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
    uid: Option<&'a str>,
    routing: Option<&'a str>,
    source: Option<&'a [u8]>,
    recovery_source: Option<&'a [u8]>,
}

/// What the stored id of a document is made of.
enum Identity<'a> {
    /// The id alone.
    Plain,
    /// A type, '#' and the id.
    Typed(&'a str),
}

impl<'a> Stored<'a> {
    /// Puts the whole id into `id`; `None` if there is none.
    fn id(&self, file: &str, id: &mut String) -> Result<Option<Identity<'a>>> {
        match (self.id, self.uid) {
            (None, None) => Ok(None),
            // Indices of 5.x with one type store the text itself.
            (Some(Value::String(text)), None) => {
                id.clear();
                id.push_str(text);
                Ok(Some(Identity::Plain))
            }
            (Some(Value::Bytes(bytes)), None) => {
                if uid::decode(bytes, id) {
                    Ok(Some(Identity::Plain))
                } else {
                    Err(Error::corrupt(file, format!("{bytes:02x?} is no id")))
                }
            }
            // Types have no '#', ids may.
            (None, Some(uid)) => match uid.split_once('#') {
                Some((doc_type, _)) => {
                    id.clear();
                    id.push_str(uid);
                    Ok(Some(Identity::Typed(doc_type)))
                }
                None => Err(Error::corrupt(file, format!("{uid:?} is no id with a type"))),
            },
            _ => Err(Error::corrupt(file, "a document with two ids")),
        }
    }
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
            "_uid" => Role::Uid,
            "_routing" => Role::Routing,
            "_source" => Role::Source,
            "_recovery_source" => Role::RecoverySource,
            _ => Role::Other,
        };
    }
    Ok(roles)
}

fn soft_deletes(
    files: &dyn Directory,
    commit: &SegmentCommitInfo,
    fields: &FieldInfos,
    max_doc: u32,
) -> Result<BitSet> {
    let field = fields.soft_deletes().filter(|field| field.doc_values_type != 0).ok_or_else(|| {
        Error::corrupt(&format!("{}.fnm", commit.name), "documents are soft-deleted, but no field says which")
    })?;
    DocValues::read(files, commit, fields, field)?.docs_with_field(files, commit, field, max_doc)
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
