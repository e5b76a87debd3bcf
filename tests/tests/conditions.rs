//! What others do to the clusters while a move is under way: a full disk, a repository that is gone or points elsewhere, a snapshot of
//! someone else's, an index that is deleted, closed or written to. No verdict is 0 unless it is so, and when the cause is mended the
//! next run is whole.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use es_testkit::bed::{self, Options, Server};
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use es_testkit::tool::Output;
use es_tests::{End, ask, count, eventually, fill, kind, moved, must_be, put_documents, sh, shell, told};
use serde_json::{Value, json};

const VERSIONS: [&str; 5] =
    ["elasticsearch-5.5.2", "elasticsearch-6.8.9", "elasticsearch-7.10.2", "elasticsearch-9.5.3", "opensearch-3.8.0"];

const FLOOD_STAGE: &str = "the flood stage is reached before settings are put back";

type Condition = (&'static str, fn(&Server) -> End);

const CONDITIONS: [Condition; 17] = [
    ("the disk is full while it is restored", a_full_disk),
    (FLOOD_STAGE, the_flood_stage),
    ("the restore stays red", a_restore_that_stays_red),
    ("the repository is removed before the wait", a_repository_removed),
    ("the repository is removed before the restore", a_repository_removed_before_the_restore),
    ("the repository points elsewhere before the wait", a_repository_moved),
    ("the repository points to another snapshot of that name", another_snapshot_of_that_name),
    ("the target restarts after an older snapshot was restored", an_older_one_restored),
    ("a snapshot is deleted and taken again after its restore", taken_again_after_its_restore),
    ("someone else's snapshot is running", a_concurrent_snapshot),
    ("the index is deleted while it is snapshotted", |server| changed_while_snapshotted(server, "deleted")),
    ("the index is closed while it is snapshotted", |server| changed_while_snapshotted(server, "closed")),
    ("the index is written to while it is snapshotted", |server| changed_while_snapshotted(server, "written")),
    ("the index is deleted while it is restored", deleted_while_restored),
    ("the index is deleted before it is compared", deleted_before_the_counts),
    ("the index is closed before it is compared", closed_before_the_counts),
    ("the index is written to while it is compared", written_while_compared),
];

#[test]
fn what_others_do_meanwhile_is_told_and_mended_by_the_next_run() {
    let mut score = Score::new("conditions");
    let versions = if whole() { &VERSIONS[..] } else { &VERSIONS[2..3] };
    // Most of the time is spent waiting: the versions wait at the same time.
    let cells = thread::scope(|scope| {
        let running: Vec<_> = versions.iter().map(|version| scope.spawn(|| tried_on(version))).collect();
        running.into_iter().flat_map(|one| one.join().expect("the cells of a version")).collect::<Vec<_>>()
    });
    for (version, what, end) in cells {
        score.cell(version, what, end);
    }
    score.finish();
}

fn tried_on(version: &'static str) -> Vec<(&'static str, &'static str, End)> {
    // Watermarks are of the test's making, and one node with data is not let pass where the version can be told so.
    let mut settings = vec![("cluster.info.update.interval".to_owned(), "10s".to_owned())];
    if matches!(version, "elasticsearch-7.10.2" | "opensearch-3.8.0") {
        let key = "cluster.routing.allocation.disk.watermark.enable_for_single_data_node";
        settings.push((key.to_owned(), "true".to_owned()));
    }
    let options = Options { settings, ..Options::default() };
    let server = bed::with(version, &format!("conditions-{version}"), &options);
    let mut ends = Vec::new();
    for (place, (what, condition)) in CONDITIONS.into_iter().enumerate() {
        // The flood stage came with 6.0.
        let known = what != FLOOD_STAGE || number(&server) >= (6, 0);
        // Half of them, the other half with the next seed, is the short part.
        if known && (whole() || (place as u64 + seed()).is_multiple_of(2)) {
            ends.push((version, what, condition(&server)));
            drop(server.call("DELETE", "/back", None));
        }
    }
    server.kill();
    ends
}

/// The version, as its first two numbers; `OpenSearch` as what it came from.
fn number(server: &Server) -> (u32, u32) {
    if server.server.starts_with("opensearch") {
        return (7, 10);
    }
    let mut parts = server.version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Registers a repository of this name, in a place of this name.
fn register(server: &Server, name: &str, place: &str, rate: Option<&str>) {
    let mut settings = json!({"location": server.repository_root.join(format!("{}-{place}", server.name))});
    if let Some(rate) = rate {
        settings["max_snapshot_bytes_per_sec"] = json!(rate);
        settings["max_restore_bytes_per_sec"] = json!(rate);
    }
    ask(server, "PUT", &format!("/_snapshot/{name}"), Some(&json!({"type": "fs", "settings": settings})));
}

/// An index of this name with three documents, and its snapshot in a repository of the same name; the record of it.
fn snapshotted(server: &Server, name: &str) -> String {
    put_documents(server, name, 3);
    register(server, name, name, None);
    let output = sh(server, &format!("es-snapshot --repository {name} --indices {name} | es-wait"));
    output.exit(0).out().to_owned()
}

/// Restores what a record is of, as `back`, to the counts.
fn restored(server: &Server, name: &str, record: &str) -> Output {
    moved(server, name, &format!("printf '%s' '{record}'"), "back")
}

/// The whole of it is there once the cause is mended.
fn whole_now(server: &Server, output: &Output, documents: u64) -> End {
    must_be(output.code() == 0, &format!("the next run: exit {}: {}", output.code(), output.err()))?;
    let there = count(server, "back");
    must_be(there == Some(documents), &format!("the next run: {there:?} documents"))
}

/// It ended with this code, and said this.
fn ended(output: &Output, code: i32, words: &str) -> End {
    let so = output.code() == code && output.err().contains(words);
    must_be(so, &format!("exit {}, not {code} and {words:?}: {}", output.code(), output.err()))
}

fn set(server: &Server, settings: &Value) {
    ask(server, "PUT", "/_cluster/settings", Some(&json!({"transient": settings})));
}

/// Watermarks above all the space there is, and the disk looked at.
fn watermarks(server: &Server, full: bool) {
    let disk = "cluster.routing.allocation.disk";
    let much = if full { json!("900000gb") } else { Value::Null };
    let mut settings = json!({format!("{disk}.threshold_enabled"): if full { json!(true) } else { Value::Null }});
    for mark in ["low", "high", "flood_stage"] {
        if mark != "flood_stage" || number(server) >= (6, 0) {
            settings[format!("{disk}.watermark.{mark}")] = much.clone();
        }
    }
    set(server, &settings);
    if !full && server.server.starts_with("opensearch") {
        // OpenSearch also forbids new indices, and lets them be again only while it looks at the disk.
        let open = json!({"cluster.blocks.create_index": null});
        ask(server, "PUT", "/_cluster/settings", Some(&json!({"transient": open, "persistent": open})));
    }
}

fn a_full_disk(server: &Server) -> End {
    let record = snapshotted(server, "full");
    watermarks(server, true);
    if number(server) >= (7, 0) {
        eventually("a look at the disk", || {
            // A new index shows whether the node has looked: it is started at once, or never.
            drop(server.call("DELETE", "/probe", None));
            let made = server.call("PUT", "/probe?wait_for_active_shards=0", Some(&json!({}))).0 == 200;
            let (_, health) = server.call("GET", "/_cluster/health/probe?wait_for_status=yellow&timeout=1s", None);
            !made || health["timed_out"] == true
        });
        drop(server.call("DELETE", "/probe", None));
    }
    let output = restored(server, "full", &record);
    let end = match number(server) {
        // One node with data takes everything, whatever the watermark: then every document is there.
        (..=6, _) => whole_now(server, &output, 3),
        _ => told(&output).and_then(|()| {
            let why = ["disk", "create-index blocked"].iter().any(|words| output.err().contains(words));
            must_be(why, output.err())
        }),
    };
    watermarks(server, false);
    end?;
    drop(server.call("DELETE", "/back", None));
    whole_now(server, &restored(server, "full", &record), 3)
}

fn the_flood_stage(server: &Server) -> End {
    let record = snapshotted(server, "flood");
    let script = format!(
        "printf '%s' '{record}' | es-restore --rename-pattern flood --rename-replacement back --replicas 0 \
         --refresh-interval -1 | es-wait --timeout 60s"
    );
    let waited = sh(server, &script);
    waited.exit(0);
    watermarks(server, true);
    let blocked = || {
        let settings = ask(server, "GET", "/back/_settings", None);
        settings["back"]["settings"]["index"]["blocks"]["read_only_allow_delete"] == "true"
    };
    eventually("the block of the flood stage", blocked);
    let finish = format!("printf '%s' '{}' | es-finish-restore", waited.out().trim());
    let output = sh(server, &finish);
    let refresh =
        || ask(server, "GET", "/back/_settings", None)["back"]["settings"]["index"]["refresh_interval"].clone();
    // Newer servers let settings through; then they are put back.
    let end =
        if output.code() == 0 { must_be(refresh().is_null(), "exit 0, and it is not put back") } else { told(&output) };
    watermarks(server, false);
    drop(server.call("PUT", "/back/_settings", Some(&json!({"index.blocks.read_only_allow_delete": null}))));
    drop(server.call("PUT", "/flood/_settings", Some(&json!({"index.blocks.read_only_allow_delete": null}))));
    drop(server.call("PUT", "/_all/_settings", Some(&json!({"index.blocks.read_only_allow_delete": null}))));
    end?;
    ended(&sh(server, &finish), 0, "")?;
    must_be(refresh().is_null() && count(server, "back") == Some(3), "the next run did not put it back")
}

fn a_restore_that_stays_red(server: &Server) -> End {
    let record = snapshotted(server, "red");
    set(server, &json!({"cluster.routing.allocation.require._name": "nobody"}));
    let output = restored(server, "red", &record);
    set(server, &json!({"cluster.routing.allocation.require._name": null}));
    told(&output)?;
    must_be(output.err().contains("will not come to its end"), output.err())?;
    drop(server.call("DELETE", "/back", None));
    whole_now(server, &restored(server, "red", &record), 3)
}

fn a_repository_removed(server: &Server) -> End {
    let record = snapshotted(server, "removed");
    ask(server, "DELETE", "/_snapshot/removed", None);
    let output = sh(server, "es-wait --repository removed --snapshot removed --cluster source --timeout 20s");
    told(&output)?;
    must_be(matches!(output.code(), 1 | 3), &format!("exit {}: {}", output.code(), output.err()))?;
    register(server, "removed", "removed", None);
    whole_now(server, &restored(server, "removed", &record), 3)
}

fn a_repository_removed_before_the_restore(server: &Server) -> End {
    let record = snapshotted(server, "taken-away");
    ask(server, "DELETE", "/_snapshot/taken-away", None);
    let output = restored(server, "taken-away", &record);
    told(&output)?;
    must_be(output.err().contains("es-register-repository"), output.err())?;
    register(server, "taken-away", "taken-away", None);
    whole_now(server, &restored(server, "taken-away", &record), 3)
}

fn a_repository_moved(server: &Server) -> End {
    put_documents(server, "elsewhere", 3);
    register(server, "elsewhere", "elsewhere", None);
    let started = sh(server, "es-snapshot --repository elsewhere --indices elsewhere");
    started.exit(0);
    eventually("the end of the snapshot", || {
        server.call("GET", "/_snapshot/elsewhere/elsewhere", None).1["snapshots"][0]["state"] == "SUCCESS"
    });
    register(server, "elsewhere", "nowhere", None);
    let waited = sh(server, &format!("printf '%s' '{}' | es-wait --timeout 30s", started.out().trim()));
    ended(&waited, 1, "is gone")?;
    register(server, "elsewhere", "elsewhere", None);
    let record = sh(server, &format!("printf '%s' '{}' | es-wait --timeout 30s", started.out().trim()));
    record.exit(0);
    whole_now(server, &restored(server, "elsewhere", record.out().trim()), 3)
}

fn another_snapshot_of_that_name(server: &Server) -> End {
    let record = snapshotted(server, "twins");
    // Another snapshot of the same name, of an index of the same name with fewer documents, in another place.
    register(server, "twins", "other-twins", None);
    ask(server, "DELETE", "/twins", None);
    put_documents(server, "twins", 1);
    let other = json!({"indices": "twins", "include_global_state": false});
    ask(server, "PUT", "/_snapshot/twins/twins?wait_for_completion=true", Some(&other));
    put_documents(server, "twins", 3);
    let output = restored(server, "twins", &record);
    ended(&output, 2, "another snapshot of that name").or_else(|_| told(&output))?;
    register(server, "twins", "twins", None);
    drop(server.call("DELETE", "/back", None));
    whole_now(server, &restored(server, "twins", &record), 3)
}

fn an_older_one_restored(server: &Server) -> End {
    let older = snapshotted(server, "aged");
    restored(server, "aged", &older).exit(0);
    put_documents(server, "aged", 5);
    let newer = sh(server, "es-snapshot --repository aged --indices aged --snapshot newer | es-wait");
    let newer = newer.exit(0).out().trim();
    // The last stage of the pipe speaks of its empty input; what counts is that none of it says yes, and why.
    let refused = |record: &str, words: &str| {
        let output = restored(server, "aged", record);
        told(&output).and_then(|()| must_be(output.err().contains(words), output.err()))
    };
    refused(newer, "was not restored from this snapshot")?;
    drop(server.restart());
    for name in ["aged", "back"] {
        let started = || ask(server, "GET", &format!("/_cluster/health/{name}"), None)["status"] != "red";
        eventually("the primaries after the restart", started);
    }
    for record in [older.as_str(), newer] {
        refused(record, "nothing shows any more that it was restored from this snapshot")?;
    }
    ask(server, "DELETE", "/back", None);
    whole_now(server, &restored(server, "aged", newer), 5)
}

fn taken_again_after_its_restore(server: &Server) -> End {
    let older = snapshotted(server, "stale");
    restored(server, "stale", &older).exit(0);
    let recovery = ask(server, "GET", "/back/_recovery", None);
    let began = recovery["back"]["shards"][0]["start_time_in_millis"].as_i64().unwrap_or(i64::MAX);
    // As many documents as before: counts do not tell.
    put_documents(server, "stale", 3);
    let mut newer = String::new();
    eventually("a snapshot that ended well after the restore began", || {
        ask(server, "DELETE", "/_snapshot/stale/stale", None);
        let taken = sh(server, "es-snapshot --repository stale --indices stale | es-wait");
        taken.exit(0).out().clone_into(&mut newer);
        let ended = serde_json::from_str::<Value>(&newer).ok().and_then(|record| record["end_time_in_millis"].as_i64());
        ended.is_some_and(|ended| ended > began.saturating_add(6_000))
    });
    let output = restored(server, "stale", &newer);
    told(&output).and_then(|()| must_be(output.err().contains("so from an older one"), output.err()))?;
    ask(server, "DELETE", "/back", None);
    whole_now(server, &restored(server, "stale", &newer), 3)
}

/// An index that takes some seconds to copy at this rate.
fn large(server: &Server, name: &str) {
    let settings = json!({"number_of_shards": 1, "number_of_replicas": 0});
    fill(server, name, &settings, 40, 400, &mut Random::new(9, &[]));
}

fn a_concurrent_snapshot(server: &Server) -> End {
    large(server, "theirs");
    put_documents(server, "ours", 3);
    register(server, "theirs", "theirs", Some("60kb"));
    register(server, "ours", "ours", None);
    ask(server, "PUT", "/_snapshot/theirs/theirs", Some(&json!({"indices": "theirs"})));
    let from = "es-snapshot --repository ours --indices ours";
    let output = sh(server, from);
    // Up to 7.8 and where one is allowed: later, and nothing was started. Newer servers take several at a time.
    let busy = output.code() == 75 && output.err().contains("another snapshot is running");
    must_be(busy || output.code() == 0, &format!("exit {}: {}", output.code(), output.err()))?;
    must_be(!busy || server.call("GET", "/_snapshot/ours/ours", None).0 == 404, "75, and it was started")?;
    whole_now(server, &moved(server, "ours", &format!("{from} --wait-for-running 60s | es-wait"), "back"), 3)
}

fn changed_while_snapshotted(server: &Server, how: &str) -> End {
    let name = format!("s-{how}");
    large(server, &name);
    register(server, &name, &name, Some("60kb"));
    let started = sh(server, &format!("es-snapshot --repository {name} --indices {name}"));
    started.exit(0);
    match how {
        "deleted" => drop(server.call("DELETE", &format!("/{name}"), None)),
        "closed" => drop(server.call("POST", &format!("/{name}/_close"), None)),
        _ => put_documents(server, &name, 50),
    }
    let from = format!("printf '%s' '{}' | es-wait --timeout 60s", started.out().trim());
    let output = moved(server, &name, &from, "back");
    let (source, back) = (count(server, &name), count(server, "back"));
    if output.code() == 0 {
        return must_be(back.is_some() && source == back, &format!("exit 0 with {back:?} of {source:?} documents"));
    }
    told(&output)?;
    // What stood in the way is mended: the index is there, open and at rest, and is snapshotted under another name.
    drop(server.call("POST", &format!("/{name}/_open"), None));
    if server.call("GET", &format!("/{name}"), None).0 == 404 {
        large(server, &name);
    }
    eventually("the primaries", || ask(server, "GET", &format!("/_cluster/health/{name}"), None)["status"] != "red");
    drop(server.call("DELETE", "/back", None));
    register(server, &name, &name, None);
    let documents = count(server, &name).unwrap_or_default();
    let from =
        format!("es-snapshot --repository {name} --indices {name} --snapshot again --wait-for-running 60s | es-wait");
    whole_now(server, &moved(server, &name, &from, "back"), documents)
}

fn deleted_while_restored(server: &Server) -> End {
    large(server, "unwanted");
    register(server, "unwanted", "unwanted", None);
    let record = sh(server, "es-snapshot --repository unwanted --indices unwanted | es-wait");
    record.exit(0);
    let record = record.out().trim().to_owned();
    register(server, "unwanted", "unwanted", Some("60kb"));
    let begin = format!("printf '%s' '{record}' | es-restore --rename-pattern unwanted --rename-replacement back");
    let restoring = sh(server, &begin);
    restoring.exit(0);
    ask(server, "DELETE", "/back", None);
    let output = sh(server, &format!("printf '%s' '{}' | es-wait --timeout 60s", restoring.out().trim()));
    ended(&output, 1, "not on the target: back")?;
    register(server, "unwanted", "unwanted", None);
    whole_now(server, &restored(server, "unwanted", &record), 40)
}

fn deleted_before_the_counts(server: &Server) -> End {
    put_documents(server, "kept", 3);
    put_documents(server, "lost", 3);
    ask(server, "DELETE", "/lost", None);
    let verdict = |index: &str, target: &str, words: &str| {
        let output = sh(server, &format!("es-compare-counts --index {index} --target-index {target}"));
        ended(&output, 1, words)?;
        must_be(output.out().contains(words), output.out())
    };
    verdict("kept", "lost", "missing_on_target")?;
    verdict("lost", "kept", "missing_on_source")?;
    put_documents(server, "lost", 3);
    ended(&sh(server, "es-compare-counts --index kept --target-index lost"), 0, "")
}

fn closed_before_the_counts(server: &Server) -> End {
    put_documents(server, "opened", 3);
    put_documents(server, "shut", 3);
    ask(server, "POST", "/shut/_close", None);
    for (index, target) in [("opened", "shut"), ("shut", "opened")] {
        let output = sh(server, &format!("es-compare-counts --index {index} --target-index {target}"));
        ended(&output, 1, "closed")?;
    }
    ask(server, "POST", "/shut/_open", None);
    eventually("the primaries", || ask(server, "GET", "/_cluster/health/shut", None)["status"] != "red");
    ended(&sh(server, "es-compare-counts --index opened --target-index shut"), 0, "")
}

fn written_while_compared(server: &Server) -> End {
    put_documents(server, "busy", 3);
    put_documents(server, "still", 3);
    let done = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            let mut documents = 3;
            while !done.load(Ordering::Relaxed) && documents < 2000 {
                documents += 1;
                // One more each time; what was there is written again.
                put_one(server, "busy", documents);
            }
        });
        eventually("a first write", || count(server, "busy") > Some(3));
        let run = shell("es-compare-counts --index busy --target-index still --settle 2s", server, server);
        let output = run.limit(Duration::from_mins(1)).run();
        done.store(true, Ordering::Relaxed);
        output
    });
    ended(&output, 1, "still_changing")?;
    let written = count(server, "busy").and_then(|count| count.try_into().ok());
    put_documents(server, "calm", written.expect("a small count"));
    let at_rest = sh(server, "es-compare-counts --index busy --target-index calm");
    ended(&at_rest, 0, "")
}

/// One more document, visible at once.
fn put_one(server: &Server, index: &str, number: u32) {
    let path = format!("/{index}/{}/{number}?refresh=true", kind(server));
    ask(server, "PUT", &path, Some(&json!({"n": number})));
}
