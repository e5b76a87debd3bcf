//! `--list` and `--metadata`: what a repository holds, without reading documents.

use std::convert::Infallible;
use std::ops::ControlFlow;

use es_cli::{Exit, Fault, Io, record_line};
use es_lucene::{Mapping, Segment, SegmentInfos};
use es_repository::{ErrorKind, IndexEntry, IndexMetadata, Repository, ShardFiles, SnapshotEntry, SnapshotInfo};
use serde_json::{Value, json};

use crate::side_by_side::{AT_A_TIME, side_by_side};
use crate::{Args, List, fault, plan, with_deletion};

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
    for some in chosen.chunks(AT_A_TIME) {
        let infos = side_by_side(args.jobs().most, some, |snapshot| {
            let described = !matches!(snapshot.state, Some("IN_PROGRESS" | "INCOMPATIBLE"));
            Ok::<_, Infallible>(described.then(|| repository.snapshot_info(snapshot)))
        });
        for (snapshot, Ok(info)) in some.iter().zip(infos) {
            let mut record = json!({
                "type": "snapshot-in-repository",
                "snapshot": snapshot.name,
                "uuid": snapshot.uuid,
                "state": snapshot.state,
                "version": snapshot.version,
            });
            let info = info.transpose().map_err(|error| with_deletion(repository, snapshot, fault(&error)));
            let described = info.and_then(|info| match info {
                Some(info) => describe(repository, args, snapshot, &info, &mut record),
                None => Ok(()),
            });
            match described {
                Ok(()) => {}
                // Asked for by its name it is missed.
                Err(fault)
                    if fault.exit == Exit::Failed && args.snapshot.is_none() && repository.was_deleted(snapshot) =>
                {
                    io.warn(&format!("snapshot {:?} was deleted while they were listed", snapshot.name));
                    continue;
                }
                // One that is damaged hides no other.
                Err(fault) if fault.exit == Exit::Failed => {
                    exit = exit.worst(io.report(&fault.context(format!("snapshot {:?}", snapshot.name))));
                }
                Err(fault) => return Err(fault),
            }
            io.emit(&record)?;
            if io.reader_is_gone() {
                return Ok(exit);
            }
        }
    }
    Ok(exit)
}

/// What the list of snapshots does not say of one.
fn describe(
    repository: &Repository,
    args: &Args,
    snapshot: &SnapshotEntry,
    info: &SnapshotInfo,
    record: &mut Value,
) -> Result<(), Fault> {
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
    let indices = repository.indices(snapshot, info).map_err(|error| fault(&error))?;
    let (mut sum, mut nested) = (Size::default(), false);
    let told = plan::for_metadata(repository, snapshot, &indices, args.jobs(), Shape::of, |some| {
        let some = some.into_iter().collect::<Result<Vec<_>, _>>()?;
        nested |= some.iter().any(|shape| shape.may_have_nested);
        // Bytes of stored fields would take requests for each segment, too.
        for size in sizes(repository, args, snapshot, info, &some, false)? {
            sum.add(&size?);
        }
        Ok(ControlFlow::Continue(()))
    });
    told.map_err(|fault| match fault.exit {
        Exit::Failed if !repository.was_deleted(snapshot) => fault.hint("--without-sizes asks for no index"),
        _ => fault,
    })?;
    sum.tell(record, nested);
    Ok(())
}

/// A snapshot, what it says of itself, and those of its indices that were asked for.
type Chosen<'a> = (&'a SnapshotEntry, SnapshotInfo, Vec<&'a IndexEntry>);

fn chosen<'a>(repository: &'a Repository, args: &Args, io: &mut Io) -> Result<Chosen<'a>, Fault> {
    let snapshot = plan::snapshot(repository, args)?;
    let info = plan::info(repository, snapshot)?;
    let indices = plan::choose(repository, snapshot, &info, &args.indices, io)?;
    Ok((snapshot, info, indices))
}

/// What of an index has to be known to tell its sizes.
#[derive(Clone, Copy)]
struct Shape<'a> {
    index: &'a IndexEntry,
    shards: u32,
    may_have_nested: bool,
}

impl<'a> Shape<'a> {
    fn of(index: &'a IndexEntry, metadata: &IndexMetadata) -> Self {
        Self { index, shards: metadata.shards, may_have_nested: metadata.may_have_nested() }
    }

    fn shards(&self) -> impl Iterator<Item = (&Self, u32)> {
        (0..self.shards).map(move |number| (self, number))
    }
}

fn indices(repository: &Repository, args: &Args, io: &mut Io) -> Result<Exit, Fault> {
    let (snapshot, info, chosen) = chosen(repository, args, io)?;
    let described = |metadata: &IndexMetadata, id: &str| {
        let failed = info.failures.iter().filter(|failure| failure.index == metadata.name).count();
        json!({
            "type": "index-in-snapshot",
            "snapshot": snapshot.name,
            "index": metadata.name,
            "id": id,
            "shards": { "total": metadata.shards, "failed": failed },
            "state": metadata.fields.get("state"),
            "version_created": metadata.setting("version.created"),
            "readable": readable(&metadata.verdict()),
        })
    };
    let take = |index, metadata: &_| (Shape::of(index, metadata), described(metadata, &index.id));
    let mut exit = Exit::Ok;
    let mut names = chosen.iter();
    plan::for_metadata(repository, snapshot, &chosen, args.jobs(), take, |some| {
        let shapes: Vec<_> = some.iter().flatten().filter(|_| !args.without_sizes).map(|(shape, _)| *shape).collect();
        let mut sizes = sizes(repository, args, snapshot, &info, &shapes, true)?.into_iter();
        for (taken, index) in some.into_iter().zip(names.by_ref()) {
            let record = match taken {
                Ok((shape, mut record)) => {
                    match sizes.next() {
                        None => {}
                        Some(Ok(size)) => size.tell(&mut record, shape.may_have_nested),
                        Some(Err(fault)) => exit = exit.worst(io.report(&fault)),
                    }
                    record
                }
                Err(fault) => {
                    exit = exit.worst(io.report(&fault));
                    json!({
                        "type": "index-in-snapshot",
                        "snapshot": snapshot.name,
                        "index": index.name,
                        "id": index.id,
                        "readable": { "no": fault.message },
                    })
                }
            };
            io.emit(&record)?;
            if io.reader_is_gone() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(exit)
}

/// Of indices, in their order; of shards that are not in the snapshot there is nothing.
fn sizes(
    repository: &Repository,
    args: &Args,
    snapshot: &SnapshotEntry,
    info: &SnapshotInfo,
    shapes: &[Shape<'_>],
    with_stored: bool,
) -> Result<Vec<Result<Size, Fault>>, Fault> {
    let nothing = |elsewhere| Size { stored_bytes: with_stored.then_some(0), elsewhere, ..Size::default() };
    let shards: Vec<_> = shapes.iter().flat_map(Shape::shards).collect();
    let mut sizes = plan::parts_of(repository, snapshot, args.jobs(), &shards, |(shape, number)| {
        let index = shape.index;
        if info.is_shallow() || info.failure(&index.name, *number).is_some() {
            return Ok(nothing(info.is_shallow()));
        }
        let size = match repository.shard(snapshot, index, *number) {
            Ok(files) => Size::of(&files, with_stored),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(nothing(true)),
            Err(error) => Err(fault(&error)),
        };
        size.map_err(|fault| fault.context(format!("{}[{number}]", index.name)))
    })
    .into_iter();
    let of_one = |shape: &Shape<'_>| {
        let mut sum = Ok(nothing(false));
        for size in sizes.by_ref().take(shape.shards as usize) {
            match (&mut sum, size?) {
                (Ok(sum), Ok(size)) => sum.add(&size),
                // The first of its shards that is damaged.
                (Ok(_), Err(damage)) => sum = Err(damage),
                (Err(_), _) => {}
            }
        }
        Ok(sum)
    };
    shapes.iter().map(of_one).collect()
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
        self.elsewhere |= other.elsewhere;
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
    let (snapshot, info, chosen) = chosen(repository, args, io)?;
    let mut exit = Exit::Ok;
    plan::for_metadata(repository, snapshot, &chosen, args.jobs(), Shape::of, |some| {
        let mut shapes = Vec::new();
        for shape in some {
            match shape {
                Ok(shape) => shapes.push(shape),
                Err(fault) => exit = exit.worst(io.report(&fault)),
            }
        }
        for shape in &shapes {
            plan::check_shards(args, &shape.index.name, shape.shards)?;
        }
        let is_wanted = |number| args.shards.is_empty() || args.shards.contains(&number);
        let shards = shapes.iter().flat_map(Shape::shards);
        let wanted: Vec<_> = shards.filter(|(_, number)| is_wanted(*number)).collect();
        let sizes = plan::parts_of(repository, snapshot, args.jobs(), &wanted, |(shape, number)| {
            if info.failure(&shape.index.name, *number).is_some() {
                return Ok(None);
            }
            let files = repository.shard(snapshot, shape.index, *number).map_err(|error| fault(&error));
            let size = files.and_then(|files| Ok(Some((files.count(), Size::of(&files, true)?))));
            size.map_err(|fault| fault.context(format!("{}[{number}]", shape.index.name)))
        });
        for ((shape, number), size) in wanted.iter().zip(sizes) {
            let index = shape.index;
            let mut record = json!({
                "type": "shard-in-snapshot",
                "snapshot": snapshot.name,
                "index": index.name,
                "shard": number,
            });
            if let Some(failure) = info.failure(&index.name, *number) {
                record["failure"] = json!(failure.reason);
                exit = exit.worst(Exit::No);
            }
            match size? {
                Ok(Some((files, size))) => {
                    record["segments"] = json!(size.segments);
                    record["files"] = json!(files);
                    size.tell(&mut record, shape.may_have_nested);
                }
                Ok(None) => {}
                Err(fault) => exit = exit.worst(io.report(&fault)),
            }
            io.emit(&record)?;
            if io.reader_is_gone() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(exit)
}

/// Prints settings, mappings and aliases, an index a line.
pub(crate) fn metadata(repository: &Repository, args: &Args, io: &mut Io) -> Result<Exit, Fault> {
    let (snapshot, info, chosen) = chosen(repository, args, io)?;
    let with_types = plan::written_before(&info, snapshot, 7);
    // As a line they take a small part of the memory.
    let take = |_, metadata: &IndexMetadata| {
        let stream = metadata.data_stream(&info.data_streams);
        let stream = stream.filter(|stream| info.data_streams.iter().any(|held| held == stream));
        record_line(&metadata.as_server_prints(with_types, stream))
    };
    let mut exit = Exit::Ok;
    plan::for_metadata(repository, snapshot, &chosen, args.jobs(), take, |lines| {
        for line in lines {
            match line {
                Ok(line) => io.write(line?.as_bytes())?,
                Err(fault) => exit = exit.worst(io.report(&fault)),
            }
        }
        io.flush()?;
        Ok(if io.reader_is_gone() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(exit)
}
