//! SIGKILL at any moment, then the same command: the same end.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::path::Path;
use std::thread;
use std::time::Duration;

use es_testkit::bed::{self, Server};
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use es_testkit::tool::{Output, Running};
use es_tests::{End, Original, ask, eventually, must_be, original, run, shell, verdicts};
use serde_json::{Value, json};

const DOCUMENTS: u32 = 20;

/// What dies, and of what.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Script and tool by SIGKILL, as when the machine fails.
    Both,
    /// The script by SIGKILL; the tool of the moment goes on, and the next run meets it.
    Script,
    /// The tool of the moment by SIGKILL; the script is left to say so.
    Tool,
    /// Script and tool by SIGTERM, as when a service is stopped.
    Stopped,
    /// Script and tool by SIGINT, as by Ctrl-C.
    Interrupted,
}

/// SIGKILL is the one that leaves no time for anything.
const KILLS: [Death; 3] = [Death::Both, Death::Script, Death::Tool];
const STOPS: [Death; 2] = [Death::Stopped, Death::Interrupted];
/// Every so many rounds are one stop; it has no divisor in common with the number of stages, so that each stage sees both.
const STOP_EVERY: usize = 7;

/// Strikes a move, waits for its end, and says whether there was anything left to strike.
fn strike(mut running: Running, death: Death) -> bool {
    let struck = running.is_running();
    match death {
        Death::Both => drop(running.kill_group()),
        Death::Script => drop(running.kill()),
        Death::Tool => {
            let killed = running.kill_children();
            drop(running.wait());
            return killed > 0;
        }
        // What has ended has no group any more.
        Death::Stopped | Death::Interrupted if !struck => drop(running.wait()),
        Death::Stopped | Death::Interrupted => {
            running.signal_group(if matches!(death, Death::Stopped) { "TERM" } else { "INT" });
            drop(running.wait());
        }
    }
    struck
}

/// An index with replicas and a refresh interval of its own.
fn fill(server: &Server, index: &str, random: &mut Random) {
    let settings = json!({"number_of_shards": 2, "number_of_replicas": 1, "refresh_interval": "3s"});
    es_tests::fill(server, index, &settings, DOCUMENTS, 500, random);
}

/// The stages of a move, in their order.
const STAGES: [&str; 9] = [
    "source-repository",
    "started",
    "snapshot",
    "target-repository",
    "restoring",
    "restored",
    "finished",
    "settled",
    "counts",
];

/// A move that takes some seconds: slow enough for a kill to meet every stage.
fn slow_move(source: &Server, repository: &str, what: &str, work: &Path) -> String {
    format!(
        "es-migrate --repository {repository} --type fs --location {}/{repository} {what} --work-dir {} \
         --format jsonl --max-snapshot-bytes-per-sec 600kb --max-restore-bytes-per-sec 600kb",
        source.repository_root.display(),
        work.display()
    )
}

/// Begins a move and waits until this stage of it has begun.
fn begun(command: &str, stage: &str, work: &Path, source: &Server, target: &Server) -> Running {
    // What this run says goes to a file: a pipe would be held open by a tool that outlives the script.
    let running = shell(&format!("exec {command} >{}/said 2>&1", work.display()), source, target).spawn();
    let begin = format!(" {stage}: begin");
    eventually(&begin, || log(work).lines().any(|line| line.ends_with(&begin)));
    running
}

fn log(work: &Path) -> String {
    std::fs::read_to_string(work.join("log")).unwrap_or_default()
}

/// How long a stage took, as its record says.
fn took(work: &Path, stage: &str) -> u64 {
    let text = std::fs::read_to_string(work.join(format!("{stage}.json"))).expect("the record of a stage");
    let record: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("a record");
    let steps = record["steps"].as_array().expect("steps");
    steps.last().and_then(|step| step["took_in_millis"].as_u64()).expect("milliseconds")
}

/// The indices of one round of the matrix.
fn of_round(round: usize) -> [String; 3] {
    ["a", "b", "c"].map(|letter| format!("killed-{round}-{letter}"))
}

/// What is not as it must be after a move of these indices: every document there once, so many snapshots in the repository and all
/// of them good, own settings back.
fn whole_again(output: &Output, indices: &[String], repository: &str, snapshots: usize, original: &Original) -> End {
    let Original { source, target, .. } = original;
    must_be(output.code() == 0, &format!("exit {}: {}", output.code(), output.err()))?;
    let mut equal = verdicts(output);
    equal.sort();
    let wanted: Vec<_> = indices.iter().map(|index| (index.clone(), "equal".to_string())).collect();
    must_be(equal == wanted, &format!("{equal:?}"))?;
    let taken = ask(source, "GET", &format!("/_snapshot/{repository}/_all"), None);
    let taken = taken["snapshots"].as_array().expect("snapshots");
    let good = taken.iter().filter(|one| one["state"] == "SUCCESS").count();
    must_be((taken.len(), good) == (snapshots, snapshots), &format!("{} snapshots, {good} good", taken.len()))?;
    for index in indices {
        let counted = ask(target, "GET", &format!("/{index}/_count"), None)["count"].clone();
        must_be(counted == DOCUMENTS, &format!("{index}: {counted}"))?;
        let found = ask(target, "GET", &format!("/{index}/_search?size=1000&_source=false"), None);
        let mut ids: Vec<_> =
            found["hits"]["hits"].as_array().into_iter().flatten().map(|hit| hit["_id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        must_be(
            ids.len() == DOCUMENTS as usize && found["hits"]["total"] == DOCUMENTS,
            &format!("{index}: {}", ids.len()),
        )?;
        let settings = ask(target, "GET", &format!("/{index}/_settings"), None);
        let settings = &settings[index]["settings"]["index"];
        let own = (&settings["number_of_replicas"], &settings["refresh_interval"]) == (&json!("1"), &json!("3s"));
        must_be(own, &format!("{index}: {settings}"))?;
    }
    Ok(())
}

#[test]
fn a_move_killed_at_any_moment_ends_well_when_it_is_run_again() {
    let original = original();
    let Original { source, target, .. } = &original;
    // How many SIGKILLs must have met something; those that came too late are made up for.
    let wanted = if whole() { 204 } else { 10 };
    let (mut kills, mut stops) = (Score::new("kills"), Score::new("stops"));
    let mut random = Random::new(seed(), &[]);
    // The first move is not killed: it says how long each stage takes.
    let mut spans = [0; STAGES.len()];
    for round in 0..2 * wanted {
        for index in of_round(round) {
            fill(source, &index, &mut random);
        }
        let work = tempfile::tempdir().expect("a work directory");
        let work = work.path();
        // A repository of its own, so that two hundred rounds are no slower than ten.
        let repository = format!("killed-{round}");
        let command = slow_move(source, &repository, &format!("--indices 'killed-{round}-*' --snapshot killed"), work);
        let mut how = String::from("not killed");
        let mut struck = None;
        if round > 0 {
            // Each stage in its turn: most are short, and a moment of the whole time would hardly ever meet them.
            let stage = (round - 1) % STAGES.len();
            let stop = round % STOP_EVERY == 0;
            let death = if stop { STOPS[random.index(STOPS.len())] } else { KILLS[random.index(KILLS.len())] };
            let running = begun(&command, STAGES[stage], work, source, target);
            let moment = Duration::from_millis(random.below(spans[stage] + 20));
            thread::sleep(moment);
            struck = strike(running, death).then_some(stop);
            how = format!("round {round}: {death:?} {moment:?} after {} began:\n{}", STAGES[stage], log(work));
        }
        let output = run(&command, source, target);
        let end = whole_again(&output, &of_round(round), &repository, 1, &original);
        match struck {
            Some(false) => kills.cell("5.5.2 to 6.1.2", &how, end),
            Some(true) => stops.cell("5.5.2 to 6.1.2", &how, end),
            // It had ended by itself.
            None => assert_eq!(end, Ok(()), "{how}"),
        }
        if round == 0 {
            spans = STAGES.map(|stage| took(work, stage));
        }
        for index in of_round(round) {
            ask(source, "DELETE", &format!("/{index}"), None);
            ask(target, "DELETE", &format!("/{index}"), None);
        }
        for server in [source, target] {
            ask(server, "DELETE", &format!("/_snapshot/{repository}"), None);
        }
        if kills.tried() == wanted {
            break;
        }
    }
    kills.finish();
    stops.finish();
}

#[test]
fn a_request_that_was_sent_and_never_recorded_is_met_again() {
    let original = original();
    let Original { source, target, .. } = &original;
    fill(source, "unrecorded", &mut Random::new(2, &[]));
    let work = tempfile::tempdir().expect("a work directory");
    let work = work.path();
    let command = slow_move(source, "unrecorded", "--indices unrecorded", work);
    // As if the tool had died between the server's answer and its own record: the snapshot runs, then the restore does.
    for (stage, record) in [("snapshot", "started"), ("restored", "restoring")] {
        drop(begun(&command, stage, work, source, target).kill_group());
        std::fs::remove_file(work.join(format!("{record}.json"))).expect("the record of what runs");
    }
    let unrecorded = ["unrecorded".to_string()];
    let end = whole_again(&run(&command, source, target), &unrecorded, "unrecorded", 1, &original);
    assert_eq!(end, Ok(()), "while they ran");
    // And long after: each stage in turn, and whatever came of it, is forgotten.
    let uuid = |index: &str| {
        ask(target, "GET", &format!("/{index}/_settings"), None)[index]["settings"]["index"]["uuid"].clone()
    };
    let born = uuid("unrecorded");
    for first in (0..STAGES.len()).rev() {
        for stage in &STAGES[first..] {
            std::fs::remove_file(work.join(format!("{stage}.json"))).expect("the record of a stage");
        }
        let how = format!("without the records from {} on", STAGES[first]);
        let end = whole_again(&run(&command, source, target), &unrecorded, "unrecorded", 1, &original);
        assert_eq!(end, Ok(()), "{how}");
        assert_eq!(uuid("unrecorded"), born, "{how}");
    }
}

#[test]
fn a_snapshot_that_died_with_its_node_is_the_answer_no_and_the_next_run_takes_another() {
    let Original { target, .. } = &original();
    let source = bed::named("elasticsearch-5.5.2", "dying");
    fill(&source, "outlives", &mut Random::new(1, &[]));
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository dying --type fs --location {}/dying --indices outlives --work-dir {} --format jsonl \
         --max-snapshot-bytes-per-sec 100kb",
        source.repository_root.display(),
        work.path().display()
    );
    let running = shell(&format!("exec {command}"), &source, target).spawn();
    eventually("a running snapshot", || {
        let (status, answer) = source.call("GET", "/_snapshot/dying/outlives", None);
        // Before es-snapshot has ended, a dead node is its business: 75, since the outcome cannot be looked at.
        let accepted = work.path().join("started.json").exists();
        accepted && status == 200 && answer["snapshots"][0]["state"] == "IN_PROGRESS"
    });
    source.kill();
    let source = source.restart();
    let mut ended = running.wait();
    if ended.code() == 75 {
        // es-wait had not seen the cluster yet, and is patient only with one that it has seen.
        ended = run(&command, &source, target);
    }
    ended.exit(1).stdout("").stderr_contains(
        "es-wait: snapshot dying/outlives is gone: it was accepted, and the cluster has no such snapshot",
    );
    let output = run(&command, &source, target);
    output.exit(0);
    assert_eq!(verdicts(&output), [("outlives".to_string(), "equal".to_string())]);
    assert_eq!(ask(target, "GET", "/outlives/_count", None)["count"], DOCUMENTS);
    source.kill();
}
