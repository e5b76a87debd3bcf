//! SIGKILL at any moment, then the same command: the same end.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use es_testkit::bed::{self, Server};
use es_testkit::generator::Random;
use es_tests::{Original, ask, eventually, original, run, shell, verdicts};
use serde_json::json;

/// What dies.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// Script and tool, as when the machine fails.
    Both,
    /// The script; the tool of the moment goes on, and the next run meets it.
    Script,
    /// The tool of the moment; the script is left to say so.
    Tool,
}

/// Documents of text that nothing compresses, so that copying them takes as long as the throttle makes it.
fn fill(server: &Server, index: &str, random: &mut Random) -> u64 {
    let settings = json!({"settings": {"number_of_shards": 2, "number_of_replicas": 1, "refresh_interval": "3s"}});
    ask(server, "PUT", &format!("/{index}"), Some(&settings));
    let documents = 60;
    for number in 0..documents {
        let mut text = String::new();
        for _ in 0..400 {
            write!(text, "{:016x}", random.bits()).expect("a string takes text");
        }
        ask(server, "PUT", &format!("/{index}/doc/{number}"), Some(&json!({"text": text})));
    }
    ask(server, "POST", &format!("/{index}/_refresh"), None);
    documents
}

#[test]
fn a_move_killed_at_any_moment_ends_well_when_it_is_run_again() {
    let Original { source, target, .. } = &original();
    let rounds: usize =
        std::env::var("ES_TEST_KILLS").map_or(12, |kills| kills.parse().expect("ES_TEST_KILLS is a number"));
    let mut random = Random::new(20_181_123, &[]);
    // The first round is not killed: it says how long a move takes, and the moments spread over that.
    let mut whole = Duration::ZERO;
    let mut reached = Vec::new();
    for round in 0..=rounds {
        let index = format!("killed-{round}");
        let documents = fill(source, &index, &mut random);
        let work = tempfile::tempdir().expect("a work directory");
        let command = format!(
            "es-migrate --repository killed --type fs --location {}/killed --indices {index} --work-dir {} --format jsonl \
             --max-snapshot-bytes-per-sec 300kb --max-restore-bytes-per-sec 300kb",
            source.repository_root.display(),
            work.path().display()
        );
        let began = Instant::now();
        let mut how = String::new();
        if round > 0 {
            let victim = [Victim::Both, Victim::Script, Victim::Tool][round % 3];
            let moment = whole * u32::try_from(random.below(1000)).expect("below 1000") / 1000;
            // What the killed run says goes to a file: a pipe would be held open by a tool that outlives the script.
            let running =
                shell(&format!("exec {command} >{0}/said 2>&1", work.path().display()), source, target).spawn();
            thread::sleep(moment);
            match victim {
                Victim::Both => drop(running.kill_group()),
                Victim::Script => drop(running.kill()),
                Victim::Tool => {
                    running.kill_children();
                    drop(running.wait());
                }
            }
            let log = std::fs::read_to_string(work.path().join("log")).unwrap_or_default();
            reached
                .push(log.lines().last().unwrap_or("nothing").split_once(' ').map_or("", |(_, what)| what).to_string());
            how = format!("round {round}, {victim:?} killed after {moment:?}, log:\n{log}");
        }
        let output = run(&command, source, target);
        assert_eq!(
            (output.code(), verdicts(&output)),
            (0, vec![(index.clone(), "equal".to_string())]),
            "{how}{}",
            output.err()
        );
        if round == 0 {
            whole = began.elapsed();
        }
        let taken = ask(source, "GET", "/_snapshot/killed/_all", None);
        let names: Vec<_> = taken["snapshots"].as_array().into_iter().flatten().map(|s| &s["snapshot"]).collect();
        assert_eq!(names.len(), round + 1, "one snapshot a move: {names:?}; {how}");
        assert_eq!(ask(target, "GET", &format!("/{index}/_count"), None)["count"], documents, "{how}");
        let settings = ask(target, "GET", &format!("/{index}/_settings"), None);
        let settings = &settings[&index]["settings"]["index"];
        assert_eq!(
            (&settings["number_of_replicas"], &settings["refresh_interval"]),
            (&json!("1"), &json!("3s")),
            "{how}"
        );
    }
    // A test that kills only before the beginning or after the end would prove nothing.
    reached.sort();
    reached.dedup();
    assert!(reached.len() >= 3, "a move takes {whole:?}, and the kills met it only at {reached:?}");
}

#[test]
fn a_snapshot_that_died_with_its_node_is_the_answer_no_and_the_next_run_takes_another() {
    let Original { target, .. } = &original();
    let source = bed::named("elasticsearch-5.5.2", "dying");
    let documents = fill(&source, "outlives", &mut Random::new(1, &[]));
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
        status == 200 && answer["snapshots"][0]["state"] == "IN_PROGRESS"
    });
    source.kill();
    let source = source.restart();
    running.wait().exit(1).stdout("").stderr_contains(
        "es-wait: snapshot dying/outlives is gone: it was accepted, and the cluster has no such snapshot",
    );
    let output = run(&command, &source, target);
    output.exit(0);
    assert_eq!(verdicts(&output), [("outlives".to_string(), "equal".to_string())]);
    assert_eq!(ask(target, "GET", "/outlives/_count", None)["count"], documents);
    source.kill();
}
