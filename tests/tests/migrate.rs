//! Whole moves between real servers.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use es_testkit::bed::{self, Options, Server};
use es_testkit::generator::Plan;
use es_tests::{Original, VERSIONS, ask, eventually, original, put_documents, run, verdicts};
use serde_json::json;

#[test]
fn the_original_migration_arrives_whole_and_a_second_run_changes_nothing() {
    let Original { source, target, .. } = &original();
    let plan = Plan { documents: 3000, indices: 2, ..Plan::default() };
    let truth = plan.load(&source.url).expect("the source takes the seed");
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository whole --type fs --location {}/whole --snapshot whole --indices 'javacafe_*' --work-dir {} --format jsonl",
        source.repository_root.display(),
        work.path().display()
    );
    let first = run(&command, source, target);
    first.exit(0).stderr("");
    for index in truth.iter().filter(|t| t.status == "open" && !t.hidden) {
        let counted = ask(target, "GET", &format!("/{}/_count", index.index), None);
        assert_eq!(counted["count"], index.documents, "{}", index.index);
        let settings = ask(target, "GET", &format!("/{}/_settings", index.index), None);
        let settings = &settings[&index.index]["settings"]["index"];
        assert_eq!(settings["number_of_replicas"], index.replicas.to_string(), "{}", index.index);
        assert_eq!(settings["refresh_interval"].as_str(), index.refresh_interval, "{}", index.index);
    }
    let snapshots = ask(source, "GET", "/_snapshot/whole/_all", None);
    // The settings hold each index's uuid and date of creation as well.
    let settings = ask(target, "GET", "/javacafe_*/_settings", None);
    run(&command, source, target).exit(0).stderr("").stdout_contains("\"verdict\":\"equal\"");
    // The same by hand, with nothing remembered on disk.
    let pipeline = "es-snapshot --repository whole --snapshot whole --indices 'javacafe_*' | es-wait |
        es-restore --replicas 0 --refresh-interval -1 | es-wait | es-finish-restore | es-wait | es-compare-counts";
    let again = run(pipeline, source, target);
    again.exit(0);
    let warned = again.err().lines().collect::<Vec<_>>();
    let told = "es-snapshot: warning: snapshot whole/whole ended ";
    assert!(matches!(warned[..], [line] if line.starts_with(told)), "{warned:?}");
    assert!(verdicts(&again).iter().all(|(_, verdict)| verdict == "equal") && !verdicts(&again).is_empty());
    assert_eq!(ask(source, "GET", "/_snapshot/whole/_all", None), snapshots);
    assert_eq!(ask(target, "GET", "/javacafe_*/_settings", None), settings);
}

#[test]
fn a_plan_gives_each_index_its_name() {
    let Original { source, target, .. } = &original();
    for index in ["plan-a", "plan-b", "plan-c"] {
        put_documents(source, index, 3);
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
    let output = run(&command, source, target);
    output.exit(0).stderr("");
    let mut arrived: Vec<String> =
        verdicts(&output).into_iter().map(|(index, verdict)| format!("{index} {verdict}")).collect();
    arrived.sort();
    assert_eq!(arrived, ["new-plan-b equal", "other equal", "plan-a equal"]);
}

#[test]
fn a_misspelt_index_is_the_answer_no_where_the_server_says_success() {
    let Original { source, target, .. } = &original();
    let register = format!(
        "es-register-repository --repository typo --type fs --location {}/typo >/dev/null",
        source.repository_root.display()
    );
    run(&register, source, target).exit(0);
    let output =
        run("es-snapshot --repository typo --snapshot typo --indices javacafe_2018_01_O1 | es-wait", source, target);
    output.exit(1).stderr_contains("no such index: javacafe_2018_01_O1");
    assert_eq!(ask(source, "GET", "/_snapshot/typo/_all", None)["snapshots"], json!([]));
    // Someone else asked for it all the same.
    let asked = json!({"indices": "javacafe_2018_01_O1", "ignore_unavailable": true});
    let answer = ask(source, "PUT", "/_snapshot/typo/theirs?wait_for_completion=true", Some(&asked));
    assert_eq!((&answer["snapshot"]["state"], &answer["snapshot"]["shards"]["total"]), (&json!("SUCCESS"), &json!(0)));
    run("es-wait --repository typo --snapshot theirs", source, target)
        .exit(1)
        .stderr_contains("it holds no index at all");
}

#[test]
fn a_snapshot_without_its_primaries_is_the_answer_no_with_the_reasons() {
    let Original { source, target, .. } = &original();
    // No node may take the shard, so its primary is never started.
    let settings =
        json!({"settings": {"index.routing.allocation.require.room": "none", "index.number_of_replicas": 0}});
    ask(source, "PUT", "/unassigned?wait_for_active_shards=0", Some(&settings));
    let location = source.repository_root.join("failed");
    ask(source, "PUT", "/_snapshot/failed", Some(&json!({"type": "fs", "settings": {"location": location}})));
    run("es-snapshot --repository failed --snapshot asked --indices unassigned", source, target)
        .exit(1)
        .stderr_contains("primary shards are not all started: unassigned")
        .stdout_contains("\"state\":\"FAILED\"");
    // Someone else started it all the same: 5.5.2 answers 200, and records it as FAILED.
    ask(source, "PUT", "/_snapshot/failed/theirs?wait_for_completion=true", Some(&json!({"indices": "unassigned"})));
    run("es-wait --repository failed --snapshot theirs", source, target)
        .exit(1)
        .stderr_contains("is FAILED")
        .stdout_contains("\"state\":\"FAILED\"");
    ask(source, "DELETE", "/unassigned", None);
}

#[test]
fn the_hint_of_a_stage_that_stopped_is_followed_in_the_same_work_directory() {
    let Original { source, target, .. } = &original();
    put_documents(source, "hinted", 3);
    ask(source, "PUT", "/hinted/_alias/hinted-alias", None);
    put_documents(target, "hinted-alias", 1);
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository hinted --type fs --location {}/hinted --indices hinted --work-dir {} --format jsonl",
        source.repository_root.display(),
        work.path().display()
    );
    // Once by es-preflight, before anything is written, and once by es-restore, when the snapshot is there.
    run(&command, source, target).exit(1).stderr_contains("es-migrate: preflight stopped with 1");
    run(&format!("{command} --no-preflight"), source, target)
        .exit(3)
        .stderr_contains("hint: restore without aliases: --no-aliases");
    let other = |flag: &str| run(&format!("{command} {flag}"), source, target);
    other("--no-aliases --snapshot another").exit(2).stderr_contains("belongs to a move with other flags");
    other("--no-aliases").exit(0).stderr("");
    // What is restored stays as it was asked for.
    other("").exit(2).stderr_contains("belongs to a move with other flags");
}

#[test]
fn an_index_deleted_after_its_restore_is_brought_back_by_the_same_command() {
    let Original { source, target, .. } = &original();
    put_documents(source, "brought", 3);
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository brought --type fs --location {}/brought --indices brought --work-dir {} --format jsonl",
        source.repository_root.display(),
        work.path().display()
    );
    run(&command, source, target).exit(0).stderr("");
    // As if it had been killed before the last stages.
    let forget = |file: &str| std::fs::remove_file(work.path().join(file)).expect("the records of a stage");
    for (files, said) in [(&["settled.json"][..], "settled"), (&["settled.json", "finished.json"][..], "finished")] {
        files.iter().copied().for_each(forget);
        ask(target, "DELETE", "/brought", None);
        let stopped = format!("es-migrate: {said} stopped with 1; the same command goes on from there");
        run(&command, source, target).exit(1).stderr_contains(&stopped);
        run(&command, source, target).exit(0).stdout_contains("\"verdict\":\"equal\"");
    }
}

#[test]
fn a_partial_move_goes_on_with_what_is_there_and_ends_in_no() {
    let Original { source, target, .. } = &original();
    let settings = json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0,
        "index.routing.allocation.total_shards_per_node": 1}});
    ask(source, "PUT", "/halved?wait_for_active_shards=0", Some(&settings));
    eventually("one of two shards", || {
        let health = ask(source, "GET", "/_cluster/health/halved", None);
        health["active_primary_shards"] == 1 && health["initializing_shards"] == 0
    });
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository halved --type fs --location {}/halved --indices halved --work-dir {} --partial \
        --ignore-index-setting index.routing.allocation.total_shards_per_node --format jsonl",
        source.repository_root.display(),
        work.path().display()
    );
    run(&command, source, target)
        .exit(1)
        .stderr_contains("es-compare-counts: halved: not_countable")
        .stdout_contains("\"verdict\":\"not_countable\"");
    assert_eq!(ask(target, "GET", "/_cluster/health/halved", None)["active_primary_shards"], 2);
    ask(source, "DELETE", "/halved", None);
}

#[test]
fn a_target_registered_elsewhere_is_told_before_anything_is_restored() {
    let Original { source, target, .. } = &original();
    put_documents(source, "elsewhere", 2);
    let root = source.repository_root.display();
    let script = format!(
        "es-register-repository --repository elsewhere --type fs --location {root}/here >/dev/null &&
        es-register-repository --cluster target --repository elsewhere --type fs --location {root}/there >/dev/null &&
        es-snapshot --repository elsewhere --indices elsewhere | es-wait | es-restore"
    );
    let output = run(&script, source, target);
    output.exit(1).stdout_contains("\"state\":\"FAILED\"").stderr_contains("same bucket and base_path");
}

#[test]
fn two_runs_of_one_work_directory_do_not_overlap() {
    let Original { source, target, .. } = &original();
    let work = tempfile::tempdir().expect("a work directory");
    let work = work.path().display();
    let script = format!("exec 9>{work}/lock; flock 9; es-migrate --repository r --indices x --work-dir {work}");
    run(&script, source, target).exit(75).stdout("").stderr_contains("another run is at work");
}

/// A script that is killed while it starts a tool leaves a process that has the lock until it has become the tool.
#[test]
fn a_lock_that_is_dropped_in_a_moment_is_waited_for() {
    let Original { source, target, .. } = &original();
    let work = tempfile::tempdir().expect("a work directory");
    let work = work.path().display();
    let script = format!(
        "exec 9>{work}/lock; flock 9; es-migrate --repository r --indices x --work-dir {work} 9>&- &
        inode=$(stat -c %i {work}/lock); looked=0
        until grep -q -e \"-> FLOCK.*:$inode \" /proc/locks; do
            [ $((looked += 1)) -lt 5000 ] || exit 99
        done
        flock -u 9; wait $!"
    );
    run(&script, source, target).exit(1).stdout("").stderr_contains("no such index on the source: x");
}

#[test]
fn what_is_misspelt_for_a_late_stage_or_in_a_file_of_settings_is_told_before_the_first() {
    let Original { source, target, .. } = &original();
    let directory = tempfile::tempdir().expect("a directory");
    let work = directory.path().join("work");
    let settings = directory.path().join("settings.env");
    let with = |flags: &str, text: &str, says: &str| {
        std::fs::write(&settings, text).expect("a file of settings");
        let (work, settings) = (work.display(), settings.display());
        let script = format!("es-migrate --repository r --indices x --work-dir {work} --env-file {settings} {flags}");
        run(&script, source, target).exit(2).stdout("").stderr_contains(says);
        assert!(!directory.path().join("work").exists(), "{flags} {text}");
    };
    with("--health purple", "", "es-wait: invalid value 'purple' for '--health");
    with("--timeout 3x", "", "es-wait: invalid value '3x' for '--timeout");
    with("--progress loud", "", "es-wait: invalid value 'loud' for '--progress");
    with("--format xml", "", "es-compare-counts: invalid value 'xml' for '--format");
    with("", "# fine\n\nA=b c\nexport ES_TARGET_URL=x\n", "settings.env: not a KEY=VALUE line\n");
    with("", "ES_TARGET_URL=http://localhost:9200\r\n", "settings.env: a line ends with a carriage return\n");
}

#[test]
fn a_disk_that_takes_no_more_is_a_failure_and_says_so() {
    let Original { source, target, .. } = &original();
    let work = tempfile::tempdir().expect("a work directory");
    let log = work.path().join("log");
    std::os::unix::fs::symlink("/dev/full", &log).expect("a log on a full disk");
    let command = format!("es-migrate --repository r --indices x --work-dir {}", work.path().display());
    let said = format!(
        "es-migrate: cannot write {}\nes-migrate: hint: is the disk full? the same command goes on from where it was\n",
        log.display()
    );
    run(&command, source, target).exit(3).stdout("").stderr(&said);
}

/// One index from one version to the next by the tools' own pipeline.
fn moves(from: &Server, to: &Server) {
    let index = format!("from-{}", from.version);
    put_documents(from, &index, 7);
    let script = format!(
        "set -e; for side in source target; do es-register-repository --cluster $side --repository step-{index} --type fs --location {}/step-{} >/dev/null; done
        es-snapshot --repository step-{index} --indices {index} | es-wait | es-restore --replicas 0 --refresh-interval -1 | es-wait |
        es-finish-restore | es-wait | es-compare-counts",
        from.repository_root.display(),
        from.version
    );
    let output = run(&script, from, to);
    output.exit(0);
    assert_eq!(verdicts(&output), [(index, "equal".to_string())]);
    assert_eq!(output.json_lines()[0]["source_count"], 7);
}

#[test]
fn every_version_moves_to_the_next() {
    // The first moves in every other test here.
    let line: Vec<_> = VERSIONS.into_iter().filter(|name| name.starts_with("elasticsearch-")).skip(1).collect();
    // Each server is the target first and the source then, and is not needed after that.
    let mut source = bed::named(line[0], "line-0");
    for (place, name) in line.iter().enumerate().skip(1) {
        let target = bed::named(name, &format!("line-{place}"));
        moves(&source, &target);
        source.kill();
        source = target;
    }
    source.kill();
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
    source.kill();
    target.kill();
}

#[test]
fn a_restore_that_fails_half_way_fails_the_whole_pipe() {
    let Original { source, target, .. } = &original();
    for index in ["half-a", "half-b"] {
        put_documents(source, index, 2);
    }
    // Someone else's index stands where the second row leads.
    put_documents(target, "taken", 1);
    let plan = tempfile::NamedTempFile::new().expect("a plan");
    std::fs::write(plan.path(), "index,target_index\nhalf-a,first\nhalf-b,taken\n").expect("the plan");
    let root = source.repository_root.display();
    let script = format!(
        "for side in source target; do es-register-repository --cluster $side --repository half --type fs --location {root}/half >/dev/null 2>&1; done
        es-snapshot --repository half --snapshot half --plan {plan} | es-wait | es-restore --plan {plan} --wait-for-running 1m |
        es-wait | es-finish-restore | es-wait | es-compare-counts",
        plan = plan.path().display()
    );
    run(&script, source, target)
        .exit(1)
        .stdout("")
        .stderr_contains("\"taken\" exists that was not restored from this snapshot");
}
