//! `--list` and `--metadata`: what a repository holds, without reading documents.

use es_cli::{Exit, Fault, Io};
use es_lucene::{Mapping, Segment, SegmentInfos};
use es_repository::{ErrorKind, IndexEntry, Repository, ShardFiles, SnapshotEntry, SnapshotInfo};
use serde_json::{Value, json};

use crate::{Args, List, fault, plan};

/// Prints the records.
pub(crate) fn list(repository: &Repository, args: &Args, what: List, io: &mut Io) -> Result<Exit, Fault> {
    match what {
        List::Snapshots => snapshots(repository, args, io),
        List::Indices => indices(repository, args, io),
        List::Shards => shards(repository, args, io),
    }
}

fn snapshots(repository: &Repository, args: &Args, io: &mut Io) -> Result<Exit, Fault> {
    let chosen: Vec<_> = match &args.snapshot {
        Some(_) => vec![plan::snapshot(repository, args)?],
        None => repository.data().snapshots.iter().collect(),
    };
    for snapshot in chosen {
        let mut record = json!({
            "type": "snapshot-in-repository",
            "snapshot": snapshot.name,
            "uuid": snapshot.uuid,
            "state": snapshot.state,
            "version": snapshot.version,
        });
        if !matches!(snapshot.state, Some("IN_PROGRESS" | "INCOMPATIBLE")) {
            let info = repository.snapshot_info(snapshot).map_err(|error| fault(&error))?;
            record["state"] = json!(info.state);
            record["version_id"] = json!(info.version_id);
            record["indices"] = json!(info.indices);
            record["include_global_state"] = json!(info.include_global_state);
            record["start_time_in_millis"] = json!(info.start_time);
            record["end_time_in_millis"] = json!(info.end_time);
            record["shards"] = json!({
                "total": info.total_shards,
                "successful": info.successful_shards,
                "failed": info.failures.len(),
            });
        }
        io.emit(&record)?;
    }
    Ok(Exit::Ok)
}

fn indices(repository: &Repository, args: &Args, io: &mut Io) -> Result<Exit, Fault> {
    let snapshot = plan::snapshot(repository, args)?;
    let info = plan::info(repository, snapshot)?;
    for index in plan::choose(repository, snapshot, &info, &args.indices, io)? {
        let metadata = repository.index_metadata(snapshot, index).map_err(|error| fault(&error))?;
        let failed = info.failures.iter().filter(|failure| failure.index == index.name).count();
        let mut record = json!({
            "type": "index-in-snapshot",
            "snapshot": snapshot.name,
            "index": index.name,
            "id": index.id,
            "shards": { "total": metadata.shards, "failed": failed },
            "state": metadata.fields.get("state"),
            "version_created": metadata.setting("version.created"),
            "readable": readable(&metadata.verdict()),
        });
        if let Some(size) = size(repository, snapshot, &info, index, metadata.shards)? {
            size.tell(&mut record);
        }
        io.emit(&record)?;
    }
    Ok(Exit::Ok)
}

/// Of the shards of an index that are in the snapshot; none where their files lie elsewhere.
fn size(
    repository: &Repository,
    snapshot: &SnapshotEntry,
    info: &SnapshotInfo,
    index: &IndexEntry,
    shards: u32,
) -> Result<Option<Size>, Fault> {
    if info.is_shallow() {
        return Ok(None);
    }
    let mut sum = Size::default();
    for number in (0..shards).filter(|number| info.failure(&index.name, *number).is_none()) {
        match repository.shard(snapshot, index, number) {
            Ok(files) => sum.add(&Size::of(&files)?),
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            Err(error) => return Err(fault(&error)),
        }
    }
    Ok(Some(sum))
}

/// How much there is in shards, without reading documents.
#[derive(Default)]
struct Size {
    segments: usize,
    bytes: u64,
    stored_bytes: u64,
    lucene_documents: u64,
}

impl Size {
    fn of(files: &ShardFiles) -> Result<Self, Fault> {
        let lucene = |error| fault(&es_repository::Error::from(error));
        let commit = SegmentInfos::read(files).map_err(lucene)?;
        let mut size = Self { segments: commit.segments.len(), bytes: files.bytes(), ..Self::default() };
        for segment in &commit.segments {
            let open = Segment::open(files, segment, &Mapping::default()).map_err(lucene)?;
            let dead = segment.deleted + segment.soft_deleted.unwrap_or(0);
            // Nested objects are counted too: only reading tells them from documents.
            size.lucene_documents += u64::from(open.max_doc().saturating_sub(dead));
            size.stored_bytes += open.stored_bytes();
        }
        Ok(size)
    }

    fn add(&mut self, other: &Self) {
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.stored_bytes += other.stored_bytes;
        self.lucene_documents += other.lucene_documents;
    }

    fn tell(&self, record: &mut Value) {
        record["bytes"] = json!(self.bytes);
        record["stored_bytes"] = json!(self.stored_bytes);
        record["lucene_documents"] = json!(self.lucene_documents);
    }
}

fn readable(verdict: &es_repository::Verdict) -> Value {
    use es_repository::Verdict;
    match verdict {
        Verdict::Readable => json!(true),
        Verdict::Filtered(reason) => json!(reason),
        Verdict::WithoutVectors(reason) | Verdict::Unreadable(reason) => json!({ "no": reason }),
    }
}

fn shards(repository: &Repository, args: &Args, io: &mut Io) -> Result<Exit, Fault> {
    let snapshot = plan::snapshot(repository, args)?;
    let info = plan::info(repository, snapshot)?;
    let mut exit = Exit::Ok;
    for index in plan::choose(repository, snapshot, &info, &args.indices, io)? {
        let metadata = repository.index_metadata(snapshot, index).map_err(|error| fault(&error))?;
        for number in (0..metadata.shards).filter(|number| args.shards.is_empty() || args.shards.contains(number)) {
            let mut record = json!({
                "type": "shard-in-snapshot",
                "snapshot": snapshot.name,
                "index": index.name,
                "shard": number,
            });
            let failure = info.failure(&index.name, number);
            if let Some(failure) = failure {
                record["failure"] = json!(failure.reason);
                exit = Exit::No;
            } else {
                let files = repository.shard(snapshot, index, number).map_err(|error| fault(&error))?;
                let size = Size::of(&files)?;
                record["segments"] = json!(size.segments);
                record["files"] = json!(files.count());
                size.tell(&mut record);
            }
            io.emit(&record)?;
        }
    }
    Ok(exit)
}

/// Prints settings, mappings and aliases, an index a line.
pub(crate) fn metadata(repository: &Repository, args: &Args, io: &mut Io) -> Result<Exit, Fault> {
    let snapshot = plan::snapshot(repository, args)?;
    let info = plan::info(repository, snapshot)?;
    let with_types = plan::written_before(&info, snapshot, 7);
    for index in plan::choose(repository, snapshot, &info, &args.indices, io)? {
        let metadata = repository.index_metadata(snapshot, index).map_err(|error| fault(&error))?;
        let stream =
            metadata.data_stream(&info.data_streams).filter(|stream| info.data_streams.iter().any(|s| s == stream));
        io.emit(&metadata.as_server_prints(with_types, stream))?;
    }
    Ok(Exit::Ok)
}
