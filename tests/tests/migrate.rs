//! Whole moves between real servers.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::bed::{self, Options, Server};
use es_testkit::generator::Plan;
use es_testkit::tool::{Output, Tool, bin_directory, program_at};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs a script with the tools on its PATH and both clusters in its environment.
fn shell(script: &str, source: &Server, target: &Server) -> Tool {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let path = format!("{}:{}:/usr/bin:/bin", bin_directory().display(), scripts.display());
    program_at("/bin/sh")
        .args(["-c", script])
        .env("PATH", path)
        .env("ES_SOURCE_URL", &source.url)
        .env("ES_TARGET_URL", &target.url)
        .limit(Duration::from_mins(4))
}

fn run(script: &str, source: &Server, target: &Server) -> Output {
    shell(script, source, target).run()
}

fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Value {
    let (status, answer) = server.call(method, path, body);
    assert!(status < 300, "{method} {path}: {status} {answer}");
    answer
}

fn put_documents(server: &Server, index: &str, documents: u32) {
    for number in 0..documents {
        // `_doc` as the type suits every version that has types from 6.2 on; 5.x and 6.1 take `doc`.
        let kind = if server.version.starts_with("5.") || server.version.starts_with("6.1") { "doc" } else { "_doc" };
        ask(server, "PUT", &format!("/{index}/{kind}/{number}"), Some(&json!({"n": number, "이름": "자바카페"})));
    }
    ask(server, "POST", &format!("/{index}/_refresh"), None);
    let began = Instant::now();
    // A snapshot of a primary that is not started is another test's matter.
    while ask(server, "GET", &format!("/_cluster/health/{index}"), None)["status"] == "red" {
        assert!(began.elapsed() < Duration::from_secs(30), "{index} stays red");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn verdicts(output: &Output) -> Vec<(String, String)> {
    let word = |v: &Value| v.as_str().unwrap_or_default().to_string();
    output.json_lines().iter().map(|r| (word(&r["target_index"]), word(&r["verdict"]))).collect()
}

/// 5.5.2 with all that is easily lost, and 6.1.2: shared by the tests of the original migration.
fn original() -> (Server, Server) {
    let source = bed::server("elasticsearch-5.5.2");
    let target = bed::server("elasticsearch-6.1.2");
    assert_eq!(source.repository_root, target.repository_root);
    (source, target)
}

#[test]
fn the_original_migration_arrives_whole_and_a_second_run_changes_nothing() {
    let (source, target) = original();
    let plan = Plan { documents: 3000, indices: 2, ..Plan::default() };
    let truth = plan.load(&source.url).expect("the source takes the seed");
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository whole --type fs --location {}/whole --snapshot whole --indices 'javacafe_*' --work-dir {} --format jsonl",
        source.repository_root.display(),
        work.path().display()
    );
    let first = run(&command, &source, &target);
    first.exit(0).stderr("");
    for index in truth.iter().filter(|t| t.status == "open" && !t.hidden) {
        let counted = ask(&target, "GET", &format!("/{}/_count", index.index), None);
        assert_eq!(counted["count"], index.documents, "{}", index.index);
        let settings = ask(&target, "GET", &format!("/{}/_settings", index.index), None);
        let settings = &settings[&index.index]["settings"]["index"];
        assert_eq!(settings["number_of_replicas"], index.replicas.to_string(), "{}", index.index);
        assert_eq!(settings["refresh_interval"].as_str(), index.refresh_interval, "{}", index.index);
    }
    let snapshots = ask(&source, "GET", "/_snapshot/whole/_all", None);
    run(&command, &source, &target).exit(0).stderr("").stdout_contains("\"verdict\":\"equal\"");
    // The same by hand, with nothing remembered on disk.
    let pipeline = "es-snapshot --repository whole --snapshot whole --indices 'javacafe_*' | es-wait |
        es-restore --replicas 0 --refresh-interval -1 | es-wait | es-finish-restore | es-wait | es-compare-counts";
    let again = run(pipeline, &source, &target);
    again.exit(0).stderr("");
    assert!(verdicts(&again).iter().all(|(_, verdict)| verdict == "equal") && !verdicts(&again).is_empty());
    assert_eq!(ask(&source, "GET", "/_snapshot/whole/_all", None), snapshots);
}

#[test]
fn a_plan_gives_each_index_its_name() {
    let (source, target) = original();
    for index in ["plan-a", "plan-b", "plan-c"] {
        put_documents(&source, index, 3);
    }
    let work = tempfile::tempdir().expect("a work directory");
    let plan = work.path().join("plan.csv");
    std::fs::write(&plan, "index,target_index\nplan-a,\nplan-b,\"new-plan-b\"\nplan-c,other\n").expect("the plan");
    let command = format!(
        "es-migrate --repository plan --type fs --location {}/plan --plan {} --work-dir {}/work --format jsonl",
        source.repository_root.display(),
        plan.display(),
        work.path().display()
    );
    let output = run(&command, &source, &target);
    output.exit(0).stderr("");
    let mut arrived: Vec<String> =
        verdicts(&output).into_iter().map(|(index, verdict)| format!("{index} {verdict}")).collect();
    arrived.sort();
    assert_eq!(arrived, ["new-plan-b equal", "other equal", "plan-a equal"]);
}

#[test]
fn a_misspelt_index_is_the_answer_no_where_the_server_says_success() {
    let (source, target) = original();
    let register = format!(
        "es-register-repository --repository typo --type fs --location {}/typo >/dev/null",
        source.repository_root.display()
    );
    run(&register, &source, &target).exit(0);
    let output =
        run("es-snapshot --repository typo --snapshot typo --indices javacafe_2018_01_O1 | es-wait", &source, &target);
    output.exit(1).stderr_contains("no such index: javacafe_2018_01_O1");
    assert_eq!(ask(&source, "GET", "/_snapshot/typo/_all", None)["snapshots"], json!([]));
}

#[test]
fn a_snapshot_without_its_primaries_is_the_answer_no_with_the_reasons() {
    let (source, target) = original();
    // No node may take the shard, so its primary is never started.
    let settings =
        json!({"settings": {"index.routing.allocation.require.room": "none", "index.number_of_replicas": 0}});
    ask(&source, "PUT", "/unassigned?wait_for_active_shards=0", Some(&settings));
    let location = source.repository_root.join("failed");
    ask(&source, "PUT", "/_snapshot/failed", Some(&json!({"type": "fs", "settings": {"location": location}})));
    run("es-snapshot --repository failed --snapshot asked --indices unassigned", &source, &target)
        .exit(1)
        .stderr_contains("primary shards are not all started: unassigned")
        .stdout_contains("\"state\":\"FAILED\"");
    // Someone else started it all the same: 5.5.2 answers 200, and records it as FAILED.
    ask(&source, "PUT", "/_snapshot/failed/theirs?wait_for_completion=true", Some(&json!({"indices": "unassigned"})));
    run("es-wait --repository failed --snapshot theirs", &source, &target)
        .exit(1)
        .stderr_contains("is FAILED")
        .stdout_contains("\"state\":\"FAILED\"");
    ask(&source, "DELETE", "/unassigned", None);
}

#[test]
fn a_target_registered_elsewhere_is_told_before_anything_is_restored() {
    let (source, target) = original();
    put_documents(&source, "elsewhere", 2);
    let root = source.repository_root.display();
    let script = format!(
        "es-register-repository --repository elsewhere --type fs --location {root}/here >/dev/null &&
        es-register-repository --cluster target --repository elsewhere --type fs --location {root}/there >/dev/null &&
        es-snapshot --repository elsewhere --indices elsewhere | es-wait | es-restore"
    );
    let output = run(&script, &source, &target);
    output.exit(1).stdout("").stderr_contains("same bucket and base_path");
}

#[test]
fn two_runs_of_one_work_directory_do_not_overlap() {
    let (source, target) = original();
    let work = tempfile::tempdir().expect("a work directory");
    let work = work.path().display();
    let script = format!("exec 9>{work}/lock; flock 9; es-migrate --repository r --indices x --work-dir {work}");
    run(&script, &source, &target).exit(75).stdout("").stderr_contains("another run is at work");
}

#[test]
fn a_move_killed_at_any_moment_ends_well_when_it_is_run_again() {
    let (source, target) = original();
    let mut seed: u64 = 20_181_123;
    for round in 0..6 {
        let index = format!("killed-{round}");
        put_documents(&source, &index, 5);
        let work = tempfile::tempdir().expect("a work directory");
        let command = format!(
            "es-migrate --repository killed --type fs --location {}/killed --indices {index} --work-dir {} --format jsonl",
            source.repository_root.display(),
            work.path().display()
        );
        // xorshift: any spread of moments over the second and a half that a move takes will do.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let running = shell(&format!("exec {command}"), &source, &target).spawn();
        std::thread::sleep(Duration::from_millis(seed % 1500));
        drop(running.kill());
        let output = run(&command, &source, &target);
        output.exit(0);
        assert_eq!(verdicts(&output), [(index.clone(), "equal".to_string())], "round {round}");
        let taken = ask(&source, "GET", &format!("/_snapshot/killed/{index}"), None);
        assert_eq!(taken["snapshots"].as_array().map(Vec::len), Some(1));
        let settings = ask(&target, "GET", &format!("/{index}/_settings"), None);
        assert_eq!(settings[&index]["settings"]["index"]["number_of_replicas"], "1", "round {round}");
    }
}

/// One index from one version to the next by the tools' own pipeline.
fn moves(source: &str, target: &str) {
    let (from, to) = (bed::server(source), bed::server(target));
    let index = format!("from-{}", from.version);
    put_documents(&from, &index, 7);
    let script = format!(
        "set -e; for side in source target; do es-register-repository --cluster $side --repository step-{index} --type fs --location {}/step-{} >/dev/null; done
        es-snapshot --repository step-{index} --indices {index} | es-wait | es-restore --replicas 0 --refresh-interval -1 | es-wait |
        es-finish-restore | es-wait | es-compare-counts",
        from.repository_root.display(),
        from.version
    );
    let output = run(&script, &from, &to);
    output.exit(0);
    assert_eq!(verdicts(&output), [(index, "equal".to_string())]);
    assert_eq!(output.json_lines()[0]["source_count"], 7);
}

#[test]
fn every_version_moves_to_the_next() {
    let line = [
        "elasticsearch-6.1.2",
        "elasticsearch-6.8.9",
        "elasticsearch-7.10.2",
        "elasticsearch-7.17.29",
        "elasticsearch-8.19.21",
        "elasticsearch-9.5.3",
    ];
    for pair in line.windows(2) {
        moves(pair[0], pair[1]);
    }
}

#[test]
fn opensearch_moves_through_s3_with_the_real_plugin() {
    let store = bed::s3("s3", "javacafe-es-backup");
    let options = Options { s3: Some(store.name), ..Options::default() };
    let source = bed::with("opensearch-3.8.0", "s3-source", &options);
    let target = bed::with("opensearch-3.8.0", "s3-target", &options);
    put_documents(&source, "over-s3", 9);
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository s3-move --type s3 --bucket javacafe-es-backup --base-path moves --indices over-s3 --work-dir {} --format csv",
        work.path().display()
    );
    run(&command, &source, &target).exit(0).stdout_contains("over-s3,over-s3,9,9,equal,");
}
