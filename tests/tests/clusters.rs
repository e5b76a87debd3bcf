//! Three nodes, of which one dies at work: the master, or one with data. No verdict is 0 while documents are missing, and the next run
//! is whole.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::time::Duration;

use es_testkit::bed::{self, Server};
use es_testkit::score::{Score, seed, whole};
use es_tests::{End, Half, ask, count, eventually, fill, must_be, run, shell, struck};
use serde_json::json;

/// Discovery by zen, and by the coordination of 7.x and later.
const VERSIONS: [&str; 3] = ["elasticsearch-6.8.9", "elasticsearch-7.10.2", "opensearch-3.8.0"];

/// Which node dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Master,
    Data,
}

const CASES: [(Half, Victim); 4] = [
    (Half::Snapshot, Victim::Master),
    (Half::Snapshot, Victim::Data),
    (Half::Restore, Victim::Master),
    (Half::Restore, Victim::Data),
];

#[test]
fn a_node_of_three_that_dies_at_work_is_told_and_the_next_run_is_whole() {
    let mut score = Score::new("cluster-faults");
    for version in if whole() { &VERSIONS[..] } else { &VERSIONS[1..2] } {
        let nodes = bed::cluster(version, &format!("three-{version}"), 3);
        let single = bed::named(version, &format!("one-{version}"));
        for (place, (half, victim)) in CASES.into_iter().enumerate() {
            // One of them, another with the next seed, is the short part.
            if whole() || (place as u64 + seed()).is_multiple_of(4) {
                let end = dies_at_work(&nodes, &single, half, victim);
                score.cell(version, &format!("{victim:?} node dies in the {half:?}"), end);
            }
        }
        score.cell(version, "data node dies while counting", dies_while_counting(&nodes));
        for node in &nodes {
            node.kill();
        }
        single.kill();
    }
    score.finish();
}

/// The name of the node that is master now, as this node sees it.
fn master(node: &Server) -> Option<String> {
    let (status, state) = node.call("GET", "/_cluster/state/master_node,nodes", None);
    let id = state["master_node"].as_str().or(state["cluster_manager_node"].as_str())?;
    (status == 200).then(|| state["nodes"][id]["name"].as_str().map(str::to_owned))?
}

/// Waits until all three are one cluster again, with nothing on the move.
fn together(nodes: &[Server]) {
    for node in nodes {
        drop(node.call(
            "GET",
            "/_cluster/health?wait_for_nodes=3&wait_for_no_relocating_shards=true&timeout=50s",
            None,
        ));
    }
}

/// The node that dies, and one that the tools talk to and that stays.
fn chosen(nodes: &[Server], victim: Victim) -> (&Server, &Server) {
    let mut name = None;
    eventually("a master", || {
        name = master(&nodes[0]);
        name.is_some()
    });
    let is_master = |node: &&Server| Some(&node.name) == name.as_ref();
    let dies = nodes.iter().find(|node| is_master(node) == (victim == Victim::Master)).expect("a victim");
    let stays = nodes.iter().rfind(|node| node.name != dies.name && !is_master(node)).expect("a node that stays");
    (dies, stays)
}

fn dies_at_work(nodes: &[Server], single: &Server, half: Half, victim: Victim) -> End {
    together(nodes);
    let (dies, stays) = chosen(nodes, victim);
    let (source, target) = if half == Half::Snapshot { (stays, single) } else { (single, stays) };
    let index = format!("{half:?}-{victim:?}").to_lowercase();
    let place = format!("--type fs --location {}/{}-{index}", source.repository_root.display(), stays.name);
    let strike = || {
        dies.kill();
        eventually("another master, or the same", || master(stays).is_some_and(|name| name != dies.name));
    };
    let end = struck((source, target), half, (&index, &place, "60kb"), strike, |output| {
        drop(dies.restart());
        together(nodes);
        // What stands in the way the tools name; to delete it is the operator's.
        if half == Half::Restore && output.code() != 75 {
            drop(target.call("DELETE", &format!("/{index}"), None));
        } else if output.err().contains("delete this one on the cluster first") {
            drop(source.call("DELETE", &format!("/_snapshot/{index}/{index}"), None));
        }
    });
    drop(dies.restart());
    end
}

fn dies_while_counting(nodes: &[Server]) -> End {
    together(nodes);
    let (dies, stays) = chosen(nodes, Victim::Data);
    // A shard on each node and no replicas: without one of the nodes a count is too low.
    let settings =
        json!({"number_of_shards": 3, "number_of_replicas": 0, "index.routing.allocation.total_shards_per_node": 1});
    for (index, documents) in [("counted", 20), ("same", 20), ("fewer", 19)] {
        fill(stays, index, &settings, documents, 1, &mut es_testkit::generator::Random::new(3, &[]));
    }
    // They differ, so that both are counted again; the node dies between the two looks.
    let said = tempfile::NamedTempFile::new().expect("a file");
    let what = "es-compare-counts --index counted --target-index fewer --settle 6s -v";
    let script = format!("{what} 2>{}", said.path().display());
    let running = shell(&script, stays, stays).limit(Duration::from_mins(2)).spawn();
    let said = || std::fs::read_to_string(said.path()).expect("what it said");
    eventually("the first look", || said().contains("/fewer/_count 200"));
    dies.kill();
    let output = running.wait();
    must_be(
        matches!(output.code(), 1 | 75) && said().contains("fewer"),
        &format!("exit {}: {}", output.code(), said()),
    )?;
    // And with the node gone for good: equal in whatever is left is no count.
    let missing = run("es-compare-counts --index counted --target-index same", stays, stays);
    must_be(
        missing.code() == 1 && missing.out().contains("not_countable"),
        &format!("{}{}", missing.out(), missing.err()),
    )?;
    drop(dies.restart());
    together(nodes);
    eventually("the primaries", || ask(stays, "GET", "/_cluster/health/counted,same", None)["status"] == "green");
    let again = run("es-compare-counts --index counted --target-index same", stays, stays);
    must_be(again.code() == 0 && count(stays, "counted") == Some(20), again.err())
}
