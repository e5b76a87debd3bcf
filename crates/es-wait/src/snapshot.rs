//! Waiting for a snapshot.

use crate::{Ended, Pace};
use es_cli::{Fault, Io};
use es_client::{CallError, Cluster, Path, snapshot_named};
use es_records::{Record, Shards, Snapshot, State};
use serde_json::Value;
use std::time::Duration;

/// A snapshot that was accepted can be gone: the master died, or the repository was lost (servers then answer 404 for
/// ever). That many looks in a row must agree, this long apart, before it is believed.
const AGREEING: u32 = 3;
const APART: Duration = Duration::from_millis(700);

pub(crate) fn wait(cluster: &Cluster, mut snapshot: Snapshot, pace: &mut Pace, io: &mut Io) -> Result<Ended, Fault> {
    let title = format!("{}/{}", snapshot.repository, snapshot.snapshot);
    let what = format!("snapshot {title}");
    if snapshot.state.is_final() && snapshot.state != State::Success {
        // The stage before this one said what is wrong; looking would only find another answer to the same question.
        let fault = Fault::no(format!("{what} is {} already: {}", snapshot.state, reasons(&snapshot)));
        return Ok((Record::Snapshot(snapshot), Some(fault)));
    }
    if snapshot.cluster.is_none() {
        snapshot.cluster = Some(cluster.identity()?.clone());
    }
    let path = Path::of(["_snapshot", &snapshot.repository, &snapshot.snapshot]);
    let mut gone = 0;
    let mut progress = io.shows_progress();
    pace.restart(io);
    loop {
        let seen = pace.until(io, |_| match cluster.look(&path) {
            // One whose file is gone from the repository is listed still: that is damage, and its name is taken.
            Err(CallError::Server(error)) if error.is_snapshot_missing() => Ok(None),
            // The repository is out of reach for a moment (S3 away): that says nothing about the snapshot.
            Err(CallError::Server(error)) if error.repository_away() => {
                Err(CallError::Lost { why: error.to_string(), sent: true })
            }
            other => other.and_then(|answer| snapshot_named(&answer, &snapshot.snapshot)),
        });
        let seen = seen.map_err(|fault| fault.context(&what))?;
        match seen {
            None => {
                gone += 1;
                if gone >= AGREEING {
                    snapshot.state = State::Missing;
                    let fault =
                        Fault::no(format!("{what} is gone: it was accepted, and the cluster has no such snapshot"))
                            .hint("its name is free: take it again");
                    return Ok((Record::Snapshot(snapshot), Some(fault)));
                }
                io.sleep(APART);
            }
            Some(seen) => {
                gone = 0;
                let uuid = seen["uuid"].as_str().map(str::to_string);
                if let (Some(known), Some(here)) = (&snapshot.uuid, &uuid)
                    && known != here
                {
                    return Err(Fault::failed(format!(
                        "{what}: another snapshot has taken this name (uuid {here}, not {known})"
                    )));
                }
                snapshot.uuid = uuid.or(snapshot.uuid);
                read(&mut snapshot, &seen);
                if snapshot.state.is_final() {
                    let fault = verdict(&mut snapshot, &seen, &what);
                    return Ok((Record::Snapshot(snapshot), fault));
                }
            }
        }
        if progress {
            progress = show(cluster, &path_of_status(&snapshot), &title, io);
        }
        pace.rest(io).map_err(|fault| fault.context(&what))?;
    }
}

fn path_of_status(snapshot: &Snapshot) -> Path {
    Path::of(["_snapshot", &snapshot.repository, &snapshot.snapshot, "_status"])
}

/// Takes over what the server says.
fn read(snapshot: &mut Snapshot, seen: &Value) {
    // A word this version does not know becomes State::Other, which is final and never success.
    snapshot.state = serde_json::from_value(seen["state"].clone()).unwrap_or(State::Other("unreadable".into()));
    snapshot.version = seen["version"].as_str().map(str::to_string).or(snapshot.version.take());
    snapshot.start_time_in_millis = seen["start_time_in_millis"].as_i64();
    if snapshot.state.is_final() {
        // While it runs, servers say 1970-01-01 and a negative duration.
        snapshot.end_time_in_millis = seen["end_time_in_millis"].as_i64();
        snapshot.duration_in_millis = seen["duration_in_millis"].as_i64();
        snapshot.shards = serde_json::from_value::<Shards>(seen["shards"].clone()).unwrap_or_default();
        snapshot.failures = serde_json::from_value(seen["failures"].clone()).unwrap_or_default();
        snapshot.metadata = Some(seen["metadata"].clone()).filter(|m| !m.is_null());
        if let Some(global) = seen["include_global_state"].as_bool() {
            snapshot.include_global_state = Some(global);
        }
    }
}

/// What a final state means for what was asked.
fn verdict(snapshot: &mut Snapshot, seen: &Value, what: &str) -> Option<Fault> {
    let held: Vec<&str> = seen["indices"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if snapshot.indices.is_empty() {
        // Waiting by name: what the snapshot holds is what is meant.
        snapshot.indices = held.iter().map(|name| (*name).to_string()).collect();
        snapshot.indices.sort();
    }
    snapshot.missing_indices = snapshot.indices.iter().filter(|name| !held.contains(&name.as_str())).cloned().collect();
    if snapshot.is_whole() {
        return None;
    }
    let mut message = format!("{what} is {}: {}", snapshot.state, reasons(snapshot));
    if let Some(reason) = seen["reason"].as_str() {
        message.push_str(&format!("; {reason}"));
    }
    let partial_as_asked = snapshot.state == State::Partial && snapshot.partial && snapshot.missing_indices.is_empty();
    let hint = if partial_as_asked {
        "it is as --partial allowed; es-restore --partial takes what is there"
    } else {
        "mend the cause, then take another under another name (or delete this one on the cluster)"
    };
    Some(Fault::no(message).hint(hint))
}

/// What a look at a snapshot comes to, for fuzzing.
pub(crate) fn judged(seen: &Value, indices: &[String]) -> Option<Result<Snapshot, Fault>> {
    let mut snapshot = Snapshot { indices: indices.to_vec(), ..Snapshot::default() };
    read(&mut snapshot, seen);
    snapshot.state.is_final().then(|| match verdict(&mut snapshot, seen, "snapshot") {
        Some(fault) => Err(fault),
        None => Ok(snapshot),
    })
}

/// What is wrong with it, in the server's words where it has some.
fn reasons(snapshot: &Snapshot) -> String {
    let mut reasons = Vec::new();
    if !snapshot.missing_indices.is_empty() {
        reasons.push(format!("not in it: {}", snapshot.missing_indices.join(", ")));
    }
    if snapshot.indices.is_empty() {
        reasons.push("it holds no index at all".into());
    }
    if snapshot.shards.failed > 0 {
        reasons.push(format!("{} of {} shards failed", snapshot.shards.failed, snapshot.shards.total));
    } else if !snapshot.indices.is_empty() && !snapshot.shards.are_all_there() {
        reasons.push(format!("{} of {} shards are in it", snapshot.shards.successful, snapshot.shards.total));
    } else if snapshot.shards.total < snapshot.fewest_shards() {
        let (total, fewest) = (snapshot.shards.total, snapshot.fewest_shards());
        reasons.push(format!("{total} shards are in it, and its indices have {fewest}"));
    }
    for failure in snapshot.failures.iter().take(3) {
        let shard = failure.shard_id.map_or(String::new(), |id| format!("[{id}]"));
        reasons.push(format!("[{}]{shard} {}", failure.index, failure.reason));
    }
    reasons.join("; ")
}

/// Shows bytes and shards; false where the service does not allow the question.
fn show(cluster: &Cluster, path: &Path, title: &str, io: &mut Io) -> bool {
    match cluster.look(path) {
        Ok(answer) => {
            let status = &answer["snapshots"][0];
            let shards = &status["shards_stats"];
            let (done, total) = bytes(&status["stats"]);
            let finished = shards["done"].as_u64().unwrap_or(0) + shards["failed"].as_u64().unwrap_or(0);
            let words = format!("{finished}/{} shards", shards["total"].as_u64().unwrap_or(0));
            io.meter(title).show(done, total, &words);
            true
        }
        Err(error) if error.may_pass() => true,
        Err(_) => {
            // Amazon's service of 5.1 to 5.4 answers 401 "not allowed"; the wait itself needs nothing of it.
            io.meter(title).show(0, 0, "IN_PROGRESS");
            true
        }
    }
}

/// Bytes done and to do. Up to 6.3 flat, later in two groups (`incremental`: the bytes that this snapshot adds).
fn bytes(stats: &Value) -> (u64, u64) {
    let number = |v: &Value| v.as_u64().unwrap_or(0);
    if stats["incremental"].is_object() {
        let total = number(&stats["incremental"]["size_in_bytes"]);
        let done = if stats["processed"].is_object() { number(&stats["processed"]["size_in_bytes"]) } else { 0 };
        return (done, total);
    }
    (number(&stats["processed_size_in_bytes"]), number(&stats["total_size_in_bytes"]))
}
