//! Names that paint a terminal: real servers take them, and no tool prints them as they are.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::fs;

use es_testkit::bed::{self, Server};
use es_testkit::generator::Random;
use es_testkit::score::whole;
use es_testkit::tool::Output;
use es_tests::{Original, ask, eventually, fill, original, run, shell};
use serde_json::json;

/// Red, then the same by a single character of C1, DEL, and from right to left.
const RED: &str = "esc\u{1b}[31mred\u{9b}31m\u{7f}\u{202e}";
const PATH: &str = "/esc%1b%5b31mred%c2%9b31m%7f%e2%80%ae";

fn steers(text: &str) -> Option<char> {
    text.chars().find(|c| (c.is_control() && !matches!(c, '\n')) || matches!(c, '\u{202a}'..='\u{202e}'))
}

fn clean(output: &Output) {
    for text in [output.out(), output.err()] {
        assert_eq!(steers(text), None, "{text:?}");
    }
}

fn move_it(source: &Server, target: &Server, kind: &str) {
    ask(source, "PUT", &format!("{PATH}/{kind}/1?refresh=true"), Some(&json!({"n": 1})));
    eventually("a primary", || ask(source, "GET", "/_cluster/health", None)["status"] != "red");
    let root = format!("--type fs --location {}/names", source.repository_root.display());
    let rename = "--rename-pattern '(.+)' --rename-replacement 'moved-$1'";
    let work = tempfile::tempdir().expect("a work directory");
    let directory = work.path().display();
    let output = run(
        &format!(
            "set -e; cd {directory}
            for side in source target; do es-register-repository --cluster $side --repository names {root} >registered; done
            es-preflight --repository names --indices 'esc*' {rename} --format table -v || :
            es-snapshot --repository names --snapshot names --indices 'esc*' -v | tee 1.json
            es-wait --progress plain -v <1.json | tee 2.json
            es-restore {rename} --replicas 0 -v <2.json | tee 3.json
            es-wait --progress plain -v <3.json | tee 4.json
            es-finish-restore -v <4.json | tee 5.json
            es-wait -v <5.json | tee 6.json
            es-compare-counts -v <6.json | tee 7.json
            es-compare-counts --format csv <6.json
            es-compare-counts --format table <6.json"
        ),
        source,
        target,
    );
    output.exit(0);
    clean(&output);
    let counts: serde_json::Value = serde_json::from_slice(&fs::read(work.path().join("7.json")).unwrap()).unwrap();
    assert_eq!((&counts["index"], &counts["target_index"]), (&RED.into(), &format!("moved-{RED}").into()));
    assert_eq!(counts["verdict"], "equal");
    // And where something is wrong with it.
    for script in [
        format!("es-snapshot --repository names --snapshot other --indices '{RED}x'"),
        format!("es-restore {rename} --errors json <{directory}/2.json | es-wait --timeout 1ms --errors json"),
        format!("es-snapshot --repository 'no{RED}' --snapshot names --indices 'esc*' --errors json"),
        format!("es-register-repository --repository 'no{RED}' --type fs --location /nowhere/'{RED}'"),
        format!("es-wait --timeout '{RED}'"),
    ] {
        clean(&run(&script, source, target));
    }
    ask(source, "DELETE", PATH, None);
}

#[test]
fn a_name_that_paints_the_terminal_goes_through_the_pipe_and_paints_nothing() {
    let Original { source, target, .. } = &original();
    move_it(source, target, "doc");
    if whole() {
        for version in ["elasticsearch-7.10.2", "elasticsearch-9.5.3"] {
            let server = bed::server(version);
            move_it(&server, &server, "_doc");
        }
    }
}

#[test]
fn the_script_and_its_log_paint_nothing_either() {
    let Original { source, target, .. } = &original();
    ask(source, "PUT", &format!("{PATH}-2/doc/1?refresh=true"), Some(&json!({"n": 1})));
    let work = tempfile::tempdir().expect("a work directory");
    let output = run(
        &format!(
            "es-migrate --repository names-2 --type fs --location {}/names-2 --snapshot names-2 --indices 'esc*-2' --work-dir {} \
             --format table",
            source.repository_root.display(),
            work.path().display()
        ),
        source,
        target,
    );
    output.exit(0);
    clean(&output);
    for entry in fs::read_dir(work.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert_eq!(steers(&fs::read_to_string(&path).unwrap()), None, "{}", path.display());
        }
    }
    ask(source, "DELETE", &format!("{PATH}-2"), None);
}

/// Runs a script with a terminal of its own for all three streams, and gives all that the terminal was sent.
fn on_a_terminal(script: &str, source: &Server, target: &Server) -> String {
    // Of the standard library, where `script` differs from system to system; nothing is typed.
    let spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['/bin/sh', '-c', sys.argv[1]])))";
    let mut terminal = shell("python3 -c \"$SPAWN\" \"$SCRIPT\"", source, target);
    for (name, value) in [("SPAWN", spawn), ("SCRIPT", script), ("TERM", "xterm"), ("COLUMNS", "200")] {
        terminal = terminal.env(name, value);
    }
    let output = terminal.run();
    output.exit(0);
    output.out().to_string()
}

/// What a bar draws: the line is cleared, the cursor goes up and down, or is hidden.
const OF_A_BAR: [&str; 6] = ["\u{1b}[2K", "\u{1b}[1A", "\u{1b}[1B", "\u{1b}[?25l", "\u{1b}[?25h", "\r"];

#[test]
fn on_a_terminal_bars_are_drawn_and_names_paint_nothing() {
    let Original { source, target, .. } = &original();
    ask(source, "PUT", &format!("{PATH}-3/doc/1?refresh=true"), Some(&json!({"n": 1})));
    // As much as the throttle lets through in a second and a half.
    fill(
        source,
        "esc-slow-3",
        &json!({"number_of_shards": 1, "number_of_replicas": 0}),
        10,
        400,
        &mut Random::new(3, &[]),
    );
    let root = source.repository_root.join("names-3");
    let work = tempfile::tempdir().expect("a work directory");
    let slow = "--max-snapshot-bytes-per-sec 40kb --max-restore-bytes-per-sec 40kb";
    let rename = "--rename-pattern '(.+)' --rename-replacement 'moved-$1'";
    let sent = on_a_terminal(
        &format!(
            "set -e; cd {directory}
            for side in source target; do es-register-repository --cluster $side --repository names-3 --type fs --location {root} {slow}; done
            es-preflight --repository names-3 --indices 'esc*-3' {rename} --format table -v || :
            es-snapshot --repository names-3 --snapshot names-3 --indices 'esc*-3' -v >1.json; cat 1.json
            es-wait <1.json >2.json; cat 2.json
            es-restore {rename} -v <2.json >3.json
            es-wait <3.json >4.json
            es-finish-restore -v <4.json >5.json
            es-wait --timeout 1s <5.json >6.json || :
            es-compare-counts -v <4.json
            es-compare-counts --format table <4.json
            es-snapshot --repository names-3 --snapshot other --indices '{RED}x' || :
            es-snapshot --repository 'no{RED}' --snapshot names-3 --indices 'esc*-3' || :
            es-wait --timeout '{RED}' || :",
            directory = work.path().display(),
            root = root.display(),
        ),
        source,
        target,
    );
    assert!(sent.contains("\u{1b}[2K"), "no bar was drawn: {sent:?}");
    let left = OF_A_BAR.iter().fold(sent.clone(), |left, own| left.replace(own, ""));
    let painted: Vec<&str> = left.split('\n').filter(|line| steers(line).is_some()).collect();
    assert_eq!(painted, [""; 0]);
    // They were there, in other letters.
    assert!(left.matches("[31mred").count() > 10 && left.contains("10") && left.contains("equal"), "{left:?}");
    for (server, names) in [(source, "esc*-3"), (target, "moved-*-3")] {
        ask(server, "DELETE", &format!("/{names}"), None);
    }
}
