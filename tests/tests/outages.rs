//! Nodes killed at work, and an object store that is away: the move says so, and the same command brings everything over.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use es_testkit::bed::{self, Options, Server};
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use es_testkit::tool::Output;
use es_tests::{End, ask, count, eventually, must_be, run, shell, told, verdicts};
use serde_json::json;

const DOCUMENTS: u64 = 40;

/// Versions of source and target.
const PAIRS: [(&str, &str); 5] = [
    ("elasticsearch-5.5.2", "elasticsearch-6.1.2"),
    ("elasticsearch-6.1.2", "elasticsearch-6.8.9"),
    ("elasticsearch-7.10.2", "elasticsearch-7.17.29"),
    ("elasticsearch-9.5.3", "elasticsearch-9.5.3"),
    ("opensearch-3.8.0", "opensearch-3.8.0"),
];

/// Documents of text that nothing compresses, so that copying them takes as long as the throttle makes it.
fn fill(server: &Server, index: &str) {
    let settings = json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0}});
    ask(server, "PUT", &format!("/{index}"), Some(&settings));
    let kind = if server.version.starts_with("5.") || server.version.starts_with("6.1") { "doc" } else { "_doc" };
    let mut random = Random::new(seed(), &[7]);
    for number in 0..DOCUMENTS {
        let mut text = String::new();
        for _ in 0..400 {
            write!(text, "{:016x}", random.bits()).unwrap();
        }
        ask(server, "PUT", &format!("/{index}/{kind}/{number}"), Some(&json!({"text": text})));
    }
    ask(server, "POST", &format!("/{index}/_refresh"), None);
}

fn move_of(place: &str, index: &str, work: &Path, throttles: &str) -> String {
    format!(
        "es-migrate --repository {index} {place} --indices {index} --work-dir {} --format jsonl --timeout 2m {throttles}",
        work.display()
    )
}

/// The same command again until it ends with 0, a few times; what else it says must be an answer.
fn again(command: &str, source: &Server, target: &Server, mend: impl Fn(&Output)) -> End {
    let mut last = String::new();
    for _ in 0..4 {
        let output = run(command, source, target);
        if output.code() == 0 {
            let equal = verdicts(&output).iter().all(|(_, verdict)| verdict == "equal");
            return must_be(equal && !verdicts(&output).is_empty(), output.out());
        }
        told(&output)?;
        mend(&output);
        last = format!("exit {}: {}", output.code(), output.err());
    }
    Err(format!("four runs did not bring it over; the last: {last}"))
}

#[test]
fn a_node_killed_at_work_is_recognised_and_the_same_command_brings_everything() {
    let mut score = Score::new("node-kills");
    let mut recoveries = Vec::new();
    for (from, to) in if whole() { &PAIRS[..] } else { &PAIRS[..1] } {
        let source = bed::named(from, &format!("killed-source-{from}"));
        let target = bed::named(to, &format!("killed-target-{to}"));
        for victim in ["source", "target"] {
            let index = format!("kill-{victim}");
            fill(&source, &index);
            let work = tempfile::tempdir().expect("a work directory");
            let place = format!("--type fs --location {}/outages-{from}-{victim}", source.repository_root.display());
            let throttles = match victim {
                "source" => "--max-snapshot-bytes-per-sec 60kb",
                _ => "--max-restore-bytes-per-sec 60kb",
            };
            let command = move_of(&place, &index, work.path(), throttles);
            let running = shell(&format!("exec {command}"), &source, &target).limit(Duration::from_mins(4)).spawn();
            // The work itself, not only the request for it.
            let begun = if victim == "source" { "started.json" } else { "restoring.json" };
            eventually("work under way", || work.path().join(begun).exists());
            let (killed, restarted) = if victim == "source" {
                source.kill();
                (Instant::now(), source.restart())
            } else {
                target.kill();
                (Instant::now(), target.restart())
            };
            let first = running.wait();
            // Either it was at its end before the kill, or it says what happened.
            let mut end = if first.code() == 0 { Ok(()) } else { told(&first) };
            if end.is_ok() {
                end = again(&command, &source, &target, |output| {
                    // A restore that died with its node leaves an index that no server repairs: the tools say which one stands
                    // in the way, and deleting it is the operator's.
                    if victim == "target" && output.code() != 75 {
                        drop(target.call("DELETE", &format!("/{index}"), None));
                    }
                });
            }
            recoveries.push(u64::try_from(killed.elapsed().as_millis()).unwrap_or(u64::MAX));
            let there = count(&target, &index);
            let end = end.and_then(|()| must_be(there == Some(DOCUMENTS), &format!("{there:?} documents")));
            score.cell(if victim == "source" { from } else { to }, &format!("{victim} killed"), end);
            drop(restarted);
        }
        source.kill();
        target.kill();
    }
    recoveries.sort_unstable();
    score.note("median_millis_to_recover", recoveries[recoveries.len() / 2]);
    score.finish();
}

#[test]
fn an_object_store_that_is_away_for_a_while_is_told_and_one_more_run_heals_it() {
    let mut score = Score::new("s3-outages");
    let store = bed::s3("outages-s3", "outages");
    let options = Options { s3: Some(store.name.clone()), ..Options::default() };
    let source = bed::with("opensearch-3.8.0", "outages-source", &options);
    let target = bed::with("opensearch-3.8.0", "outages-target", &options);
    let outages = if whole() { &[500, 3_000, 20_000][..] } else { &[500][..] };
    for away in outages {
        for step in ["snapshot", "restore"] {
            let index = format!("away-{step}-{away}");
            fill(&source, &index);
            let work = tempfile::tempdir().expect("a work directory");
            let throttles = match step {
                "snapshot" => "--max-snapshot-bytes-per-sec 100kb",
                _ => "--max-restore-bytes-per-sec 100kb",
            };
            let place = format!("--type s3 --bucket outages --base-path {index}");
            let command = move_of(&place, &index, work.path(), throttles);
            let running = shell(&format!("exec {command}"), &source, &target).limit(Duration::from_mins(4)).spawn();
            let begun = if step == "snapshot" { "started.json" } else { "restoring.json" };
            eventually("work under way", || work.path().join(begun).exists());
            store.kill();
            // The outage has a length of its own: it is the fault that is injected, not a wait for something.
            thread::sleep(Duration::from_millis(*away));
            store.restart();
            let first = running.wait();
            let mut end = if first.code() == 0 { Ok(()) } else { told(&first) };
            if end.is_ok() {
                end = again(&command, &source, &target, |output| {
                    // Nothing is deleted by the tools: what stands in the way they name, and the operator does as the hint says.
                    if output.err().contains("delete this one on the cluster first") {
                        ask(&source, "DELETE", &format!("/_snapshot/{index}/{index}"), None);
                    } else if output.code() != 75 {
                        drop(target.call("DELETE", &format!("/{index}"), None));
                    }
                });
            }
            let there = count(&target, &index);
            let end = end.and_then(|()| must_be(there == Some(DOCUMENTS), &format!("{there:?} documents")));
            score.cell("opensearch-3.8.0", &format!("S3 away for {away} ms in the {step}"), end);
        }
    }
    source.kill();
    target.kill();
    score.finish();
}
