//! `--list` and `--metadata`: what a repository holds, without reading documents.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

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
    let mut exit = Exit::Ok;
    for snapshot in chosen {
        let mut record = json!({
            "type": "snapshot-in-repository",
            "snapshot": snapshot.name,
            "uuid": snapshot.uuid,
            "state": snapshot.state,
            "version": snapshot.version,
        });
        if !matches!(snapshot.state, Some("IN_PROGRESS" | "INCOMPATIBLE")) {
            match describe(repository, args, snapshot, &mut record) {
                Ok(()) => {}
                // One that is damaged hides no other.
                Err(fault) if fault.exit == Exit::Failed => {
                    exit = exit.worst(io.report(&fault.context(format!("snapshot {:?}", snapshot.name))));
                }
                Err(fault) => return Err(fault),
            }
        }
        io.emit(&record)?;
    }
    Ok(exit)
}

/// What the list of snapshots does not say of one.
fn describe(repository: &Repository, args: &Args, snapshot: &SnapshotEntry, record: &mut Value) -> Result<(), Fault> {
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
    if args.without_sizes {
        return Ok(());
    }
    let indices = repository.indices(snapshot, &info).map_err(|error| fault(&error))?;
    let known = side_by_side(args.jobs().most, &indices, |index| {
        let metadata = repository.index_metadata(snapshot, index).map_err(|error| fault(&error))?;
        Ok((metadata.shards, metadata.may_have_nested()))
    });
    let (mut shards, mut nested) = (Vec::new(), false);
    for (index, known) in indices.into_iter().zip(known) {
        let (count, may_have_nested) = known?;
        nested |= may_have_nested;
        shards.extend((0..count).map(|number| (index, number)));
    }
    // Bytes of stored fields would take requests for each segment, too.
    size(repository, args, snapshot, &info, &shards, false)?.tell(record, nested);
    Ok(())
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
        if !args.without_sizes {
            let shards: Vec<_> = (0..metadata.shards).map(|number| (index, number)).collect();
            size(repository, args, snapshot, &info, &shards, true)?.tell(&mut record, metadata.may_have_nested());
        }
        io.emit(&record)?;
    }
    Ok(Exit::Ok)
}

/// Of those of these shards that are in the snapshot.
fn size(
    repository: &Repository,
    args: &Args,
    snapshot: &SnapshotEntry,
    info: &SnapshotInfo,
    shards: &[(&IndexEntry, u32)],
    with_stored: bool,
) -> Result<Size, Fault> {
    let mut sum = Size { stored_bytes: with_stored.then_some(0), ..Size::default() };
    if info.is_shallow() {
        sum.elsewhere = true;
        return Ok(sum);
    }
    let there: Vec<_> =
        shards.iter().filter(|(index, number)| info.failure(&index.name, *number).is_none()).copied().collect();
    let sizes =
        side_by_side(args.jobs().most, &there, |(index, number)| match repository.shard(snapshot, index, *number) {
            Ok(files) => {
                let size = Size::of(&files, with_stored);
                size.map(Some).map_err(|fault| fault.context(format!("{}[{number}]", index.name)))
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(fault(&error)),
        });
    for size in sizes {
        match size? {
            Some(size) => sum.add(&size),
            None => sum.elsewhere = true,
        }
    }
    Ok(sum)
}

/// Does the same to all items, so many at a time. What comes back is in their order, and ends after one that failed.
fn side_by_side<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    each: impl Fn(&T) -> Result<R, Fault> + Sync,
) -> Vec<Result<R, Fault>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else {
                return;
            };
            let result = each(item);
            if result.is_err() {
                // Those before it have been begun.
                next.store(items.len(), Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(place, result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..jobs.min(items.len()) {
            scope.spawn(work);
        }
        work();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// How much there is in shards, without reading documents.
#[derive(Default)]
struct Size {
    segments: usize,
    bytes: u64,
    stored_bytes: Option<u64>,
    lucene_documents: u64,
    /// Whether files of some shard lie elsewhere, so that nothing of this is whole.
    elsewhere: bool,
}

impl Size {
    fn of(files: &ShardFiles, with_stored: bool) -> Result<Self, Fault> {
        let lucene = |error| fault(&es_repository::Error::from(error));
        let commit = SegmentInfos::read(files).map_err(lucene)?;
        let mut size = Self {
            segments: commit.segments.len(),
            bytes: files.bytes(),
            stored_bytes: with_stored.then_some(0),
            ..Self::default()
        };
        for segment in &commit.segments {
            size.lucene_documents += u64::from(segment.living(files).map_err(lucene)?);
            if let Some(stored) = &mut size.stored_bytes {
                *stored += Segment::open(files, segment, &Mapping::default()).map_err(lucene)?.stored_bytes();
            }
        }
        Ok(size)
    }

    fn add(&mut self, other: &Self) {
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.stored_bytes = self.stored_bytes.zip(other.stored_bytes).map(|(own, other)| own + other);
        self.lucene_documents += other.lucene_documents;
    }

    fn tell(&self, record: &mut Value, may_have_nested: bool) {
        let whole = |number: u64| if self.elsewhere { Value::Null } else { number.into() };
        record["bytes"] = whole(self.bytes);
        if let Some(stored) = self.stored_bytes {
            record["stored_bytes"] = whole(stored);
        }
        record["lucene_documents"] = whole(self.lucene_documents);
        // Nested objects are counted too: only reading tells them from documents.
        record["documents"] = if may_have_nested { Value::Null } else { whole(self.lucene_documents) };
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
        let numbers: Vec<_> = (0..metadata.shards)
            .filter(|number| args.shards.is_empty() || args.shards.contains(number))
            .map(|number| (number, info.failure(&index.name, number)))
            .collect();
        let sizes = side_by_side(args.jobs().most, &numbers, |(number, failure)| {
            if failure.is_some() {
                return Ok(None);
            }
            let files = repository.shard(snapshot, index, *number).map_err(|error| fault(&error))?;
            Ok(Some((files.count(), Size::of(&files, true)?)))
        });
        for ((number, failure), size) in numbers.iter().zip(sizes) {
            let mut record = json!({
                "type": "shard-in-snapshot",
                "snapshot": snapshot.name,
                "index": index.name,
                "shard": number,
            });
            if let Some(failure) = failure {
                record["failure"] = json!(failure.reason);
                exit = Exit::No;
            }
            if let Some((files, size)) = size.map_err(|fault| fault.context(format!("{}[{number}]", index.name)))? {
                record["segments"] = json!(size.segments);
                record["files"] = json!(files);
                size.tell(&mut record, metadata.may_have_nested());
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
