//! `--list` and `--metadata`: what a repository holds, without reading documents.

use es_cli::{Exit, Fault, Io};
use es_lucene::{Mapping, Segment, SegmentInfos};
use es_repository::Repository;
use serde_json::{Value, json};

use crate::{Args, List, fault, plan};

/// Prints the records.
pub(crate) fn list(repository: &Repository, args: &Args, what: List, io: &mut Io) -> Result<Exit, Fault> {
    match what {
        List::Snapshots => snapshots(repository, io),
        List::Indices => indices(repository, args, io),
        List::Shards => shards(repository, args, io),
    }
}

fn snapshots(repository: &Repository, io: &mut Io) -> Result<Exit, Fault> {
    for snapshot in &repository.data().snapshots {
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
        io.emit(&json!({
            "type": "index-in-snapshot",
            "snapshot": snapshot.name,
            "index": index.name,
            "id": index.id,
            "shards": { "total": metadata.shards, "failed": failed },
            "state": metadata.fields.get("state"),
            "version_created": metadata.setting("version.created"),
            "readable": readable(&metadata.verdict()),
        }))?;
    }
    Ok(Exit::Ok)
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
        for number in 0..metadata.shards {
            let mut record = json!({
                "type": "shard-in-snapshot",
                "snapshot": snapshot.name,
                "index": index.name,
                "shard": number,
            });
            let failure =
                info.failures.iter().find(|failure| failure.index == index.name && failure.shard_id == number);
            if let Some(failure) = failure {
                record["failure"] = json!(failure.reason);
                exit = Exit::No;
            } else {
                let files = repository.shard(snapshot, index, number).map_err(|error| fault(&error))?;
                let lucene = |error| fault(&es_repository::Error::from(error));
                let commit = SegmentInfos::read(&files).map_err(lucene)?;
                let (mut documents, mut stored) = (0, 0);
                for segment in &commit.segments {
                    let open = Segment::open(&files, segment, &Mapping::default()).map_err(lucene)?;
                    let dead = segment.deleted + segment.soft_deleted.unwrap_or(0);
                    documents += u64::from(open.max_doc().saturating_sub(dead));
                    stored += open.stored_bytes();
                }
                record["segments"] = json!(commit.segments.len());
                record["files"] = json!(files.count());
                record["bytes"] = json!(files.bytes());
                record["stored_bytes"] = json!(stored);
                // Nested objects are counted too: only reading tells them from documents.
                record["lucene_documents"] = json!(documents);
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
