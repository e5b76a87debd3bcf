//! Nodes killed at work, and an object store that is away: the move says so, and the same command brings everything over.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::thread;
use std::time::{Duration, Instant};

use es_testkit::bed::{self, Options};
use es_testkit::score::{Score, whole};
use es_testkit::tool::Output;
use es_tests::{Half, ask, struck};

/// Versions of source and target.
const PAIRS: [(&str, &str); 5] = [
    ("elasticsearch-5.5.2", "elasticsearch-6.1.2"),
    ("elasticsearch-6.1.2", "elasticsearch-6.8.9"),
    ("elasticsearch-7.10.2", "elasticsearch-7.17.29"),
    ("elasticsearch-9.5.3", "elasticsearch-9.5.3"),
    ("opensearch-3.8.0", "opensearch-3.8.0"),
];

#[test]
fn a_node_killed_at_work_is_recognised_and_the_same_command_brings_everything() {
    let mut score = Score::new("node-kills");
    let mut recoveries = Vec::new();
    for (from, to) in if whole() { &PAIRS[..] } else { &PAIRS[..1] } {
        let source = bed::named(from, &format!("killed-source-{from}"));
        let target = bed::named(to, &format!("killed-target-{to}"));
        for half in [Half::Snapshot, Half::Restore] {
            let (victim, version, name) =
                if half == Half::Snapshot { (&source, from, "source") } else { (&target, to, "target") };
            let index = format!("kill-{name}");
            let place = format!("--type fs --location {}/outages-{from}-{name}", source.repository_root.display());
            let mut killed = Instant::now();
            let strike = || {
                victim.kill();
                killed = Instant::now();
                drop(victim.restart());
            };
            let mend = |output: &Output| {
                // A restore that died with its node leaves an index that no server repairs: the tools say which one stands
                // in the way, and deleting it is the operator's.
                if half == Half::Restore && output.code() != 75 {
                    drop(target.call("DELETE", &format!("/{index}"), None));
                }
            };
            let end = struck((&source, &target), half, (&index, &place, "60kb"), strike, mend);
            recoveries.push(u64::try_from(killed.elapsed().as_millis()).unwrap_or(u64::MAX));
            score.cell(version, &format!("{name} killed"), end);
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
        for (half, step) in [(Half::Snapshot, "snapshot"), (Half::Restore, "restore")] {
            let index = format!("away-{step}-{away}");
            let place = format!("--type s3 --bucket outages --base-path {index}");
            let strike = || {
                store.kill();
                // The outage has a length of its own: it is the fault that is injected, not a wait for something.
                thread::sleep(Duration::from_millis(*away));
                store.restart();
            };
            let mend = |output: &Output| {
                // Nothing is deleted by the tools: what stands in the way they name, and the operator does as the hint says.
                if output.err().contains("delete this one on the cluster first") {
                    ask(&source, "DELETE", &format!("/_snapshot/{index}/{index}"), None);
                } else if output.code() != 75 {
                    drop(target.call("DELETE", &format!("/{index}"), None));
                }
            };
            let end = struck((&source, &target), half, (&index, &place, "100kb"), strike, mend);
            score.cell("opensearch-3.8.0", &format!("S3 away for {away} ms in the {step}"), end);
        }
    }
    source.kill();
    target.kill();
    score.finish();
}
