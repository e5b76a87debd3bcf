//! Indices as they stand on the source: missing, closed, red, of the cluster's own, or passed over by a wildcard.

use es_cli::Fault;
use es_client::Path;
use serde_json::Value;

use super::Look;
use crate::finding::{Findings, Level};

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    for (index, _) in &look.wish.pairs {
        of(look, index, findings);
    }
    findings.well("closed", "all indices are open");
    findings.well("primaries", "all primary shards are started");
    at_work(look, findings)
}

fn of(look: &Look<'_>, index: &str, findings: &mut Findings) {
    let Some(info) = look.from.indices.get(index) else {
        findings.blocker(
            "indices",
            Some(index),
            format!("no such index on the source: {index}"),
            "take it out of the plan",
        );
        return;
    };
    if info.closed {
        let fix = "open it: curl -XPOST \"$ES_SOURCE_URL/INDEX/_open\"; or leave it out";
        // 7.2 and later snapshot closed indices, as es-snapshot has it; a count is not taken of them anywhere.
        let version = look.from.version;
        if !version.opensearch && (version.major, version.minor) < (7, 2) {
            findings.blocker("closed", Some(index), format!("{index} is closed, and cannot be snapshotted"), fix);
        } else {
            findings.warning("closed", Some(index), format!("{index} is closed, and cannot be counted"), fix);
        }
    }
    if info.health.as_deref() == Some("red") && !info.closed {
        let message = format!("{index} is red: a primary shard is missing, and its documents with it");
        let fix = "ask why: curl \"$ES_SOURCE_URL/_cluster/allocation/explain\"";
        let level = if look.wish.partial { Level::Warning } else { Level::Blocker };
        findings.add("primaries", level, Some(index), message, Some(fix));
    }
    // What belongs to a data stream is another check's matter.
    if index.starts_with('.') && !index.starts_with(".ds-") {
        findings.warning(
            "system",
            Some(index),
            format!("{index} is an index of the cluster's own features"),
            "leave it out: the target makes its own, and one of another version can break them",
        );
    }
}

/// Another snapshot at work on the source.
fn at_work(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let listed = |answer: &Value| answer["snapshots"].is_array();
    let path = Path::of(["_snapshot", "_status"]);
    let Some(status) = look.from.ask("snapshot_running", &path, listed, findings)? else { return Ok(()) };
    if let Some(running) = status["snapshots"].as_array().and_then(|all| all.first()) {
        let name = |key: &str| running[key].as_str().unwrap_or("?").to_string();
        findings.warning(
            "snapshot_running",
            None,
            format!("snapshot {}/{} runs on the source", name("repository"), name("snapshot")),
            "servers up to 7.8 take one at a time: --wait-for-running (es-migrate: --queue) waits for it",
        );
    }
    findings.well("snapshot_running", "no snapshot runs on the source");
    Ok(())
}
