//! Nodes killed at work, and an object store that is away: the move says so, and the same command brings everything over.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::thread;
use std::time::{Duration, Instant};

use es_testkit::bed::{self, Options, Server};
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use es_testkit::tool::Output;
use es_tests::{End, ask, count, eventually, fill, must_be, run, shell, told, verdicts};
use serde_json::json;

const DOCUMENTS: u32 = 40;

/// Versions of source and target.
const PAIRS: [(&str, &str); 5] = [
    ("elasticsearch-5.5.2", "elasticsearch-6.1.2"),
    ("elasticsearch-6.1.2", "elasticsearch-6.8.9"),
    ("elasticsearch-7.10.2", "elasticsearch-7.17.29"),
    ("elasticsearch-9.5.3", "elasticsearch-9.5.3"),
    ("opensearch-3.8.0", "opensearch-3.8.0"),
];

/// Which half of a move is struck.
#[derive(Clone, Copy, PartialEq)]
enum Half {
    Snapshot,
    Restore,
}

/// Strikes a move of a new index while this half of it is at work, slowly, and runs the same command until all is there.
///
/// `mend` does what an operator does after a run that ended badly.
fn struck(
    (source, target): (&Server, &Server),
    half: Half,
    (index, place, rate): (&str, &str, &str),
    strike: impl FnOnce(),
    mend: impl Fn(&Output),
) -> End {
    let mut random = Random::new(seed(), &[7]);
    let settings = json!({"number_of_shards": 2, "number_of_replicas": 0});
    fill(source, index, &settings, DOCUMENTS, 400, &mut random);
    let work = tempfile::tempdir().expect("a work directory");
    // The work itself, not only the request for it.
    let (throttle, begun) = match half {
        Half::Snapshot => ("snapshot", "started.json"),
        Half::Restore => ("restore", "restoring.json"),
    };
    let command = format!(
        "es-migrate --repository {index} {place} --indices {index} --work-dir {} --format jsonl --timeout 2m \
         --max-{throttle}-bytes-per-sec {rate}",
        work.path().display()
    );
    let running = shell(&format!("exec {command}"), source, target).limit(Duration::from_mins(4)).spawn();
    eventually("work under way", || work.path().join(begun).exists());
    strike();
    let first = running.wait();
    // Either it was at its end before that, or it says what happened.
    if first.code() != 0 {
        told(&first)?;
    }
    again(&command, source, target, mend)?;
    let there = count(target, index);
    must_be(there == Some(DOCUMENTS.into()), &format!("{there:?} documents"))
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
