//! The tool as its users see it, on a stub that counts every request.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::contract;
use es_testkit::recorded::{answer, body};
use es_testkit::stub::{Answer, Stub};
use es_testkit::tool::{Tool, tool};
use serde_json::{Value, json};

const NAME: &str = "es-finish-restore";
const TARGET: &str = "elasticsearch-6.1.2";
const A: &str = "javacafe_2018_01_01";
const B: &str = "javacafe_2018_01_02";
const SETTINGS: &str = "/javacafe_2018_01_01%2Cjavacafe_2018_01_02/_settings/index.number_of_replicas%2Cindex.refresh_interval%2Cindex.auto_expand_replicas?ignore_unavailable=true";

/// What es-wait prints when a restore has ended.
fn restored(url: &str) -> Value {
    json!({
        "type": "restore",
        "repository": "move",
        "snapshot": "day1",
        "state": "SUCCESS",
        "cluster": contract::cluster_id(TARGET, "target", url),
        "indices": [
            {"index": A, "target_index": A, "settings": {"number_of_replicas": 1, "refresh_interval": "30s"}},
            {"index": B, "target_index": B, "settings": {"number_of_replicas": 0}},
        ],
    })
}

fn finish(record: &Value) -> Tool {
    tool(NAME).stdin(format!("{record}\n"))
}

fn acknowledged() -> Answer {
    answer("elasticsearch-6.1.2/settings-put")
}

/// A target as it is after the restore, which takes each setting.
fn given_back() -> Stub {
    let stub = Stub::start();
    stub.root(TARGET)
        .on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-restored"))
        .on("PUT", &format!("/{A}/_settings"), acknowledged())
        .on("PUT", &format!("/{A}/_settings"), acknowledged())
        .on("PUT", &format!("/{B}/_settings"), acknowledged());
    stub
}

#[test]
fn the_help_is_whole() {
    contract::help(NAME, env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn input_that_is_no_record_sends_nothing() {
    contract::input(NAME, "--url", &restored("http://127.0.0.1:1"));
}

#[test]
fn closed_doors_have_codes_and_keep_the_password() {
    contract::doors(NAME, "TARGET", |tool, url| tool.url(url).stdin(restored("http://127.0.0.1:1").to_string()));
}

#[test]
fn only_what_differs_is_put_back_and_replicas_never_by_null() {
    let stub = given_back();
    stub.on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-own"));
    let output = finish(&restored(&stub.url())).run();
    output.exit(0).stderr("");
    let record = &output.json_lines()[0];
    assert!(record["indices"].as_array().unwrap().iter().all(|index| index["finished"] == true), "{record}");
    assert_eq!(record["steps"][0]["requests"], 6);
    let mut puts: Vec<(String, Value)> = stub
        .finish()
        .iter()
        .filter(|request| request.method == "PUT")
        .map(|request| (request.path.clone(), request.json()))
        .collect();
    puts.sort_by_key(|(path, body)| format!("{path}{body}"));
    assert_eq!(
        puts,
        [
            (format!("/{A}/_settings"), json!({"index.number_of_replicas": "1"})),
            (format!("/{A}/_settings"), json!({"index.refresh_interval": "30s"})),
            (format!("/{B}/_settings"), json!({"index.refresh_interval": null})),
        ]
    );
}

#[test]
fn what_is_right_already_is_left_alone() {
    let stub = Stub::start();
    stub.root(TARGET).on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-own"));
    let output = finish(&restored(&stub.url())).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["indices"][0]["finished"], true);
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn indices_with_the_same_value_are_one_request() {
    let mut record = restored("");
    record["indices"][0]["settings"] = json!({"number_of_replicas": 0});
    let mut after = body("elasticsearch-6.1.2/settings-restored");
    for index in [A, B] {
        after[index]["settings"]["index"].as_object_mut().unwrap().remove("refresh_interval");
    }
    let stub = Stub::start();
    record["cluster"]["url"] = json!(stub.url());
    stub.root(TARGET)
        .on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-restored"))
        .on("PUT", &format!("/{A}%2C{B}/_settings"), acknowledged())
        .on("GET", SETTINGS, Answer::json(200, &after));
    let output = finish(&record).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines().len(), 1);
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn an_index_of_which_nothing_was_known_is_not_called_finished() {
    let mut record = restored("http://127.0.0.1:1");
    record["indices"][1]["settings"] = json!({});
    finish(&record)
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains(format!("restore of move/day1: the own settings of \"{B}\" are not known\n"))
        .stderr_contains("hint: give --replicas and --refresh-interval");
}

#[test]
fn settings_that_the_cluster_does_not_keep_are_a_failure() {
    let stub = Stub::start();
    stub.root(TARGET)
        .on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-restored").repeat())
        .on("PUT", &format!("/{A}/_settings"), acknowledged())
        .on("PUT", &format!("/{A}/_settings"), acknowledged())
        .on("PUT", &format!("/{B}/_settings"), acknowledged());
    finish(&restored(&stub.url()))
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains(format!(
            "es-finish-restore: settings of move/day1: index \"{A}\" keeps index.number_of_replicas \"0\""
        ))
        .stderr_contains("hint: a template, a policy or another client changes it");
    assert_eq!(stub.finish().len(), 6);
}

#[test]
fn settings_that_the_cluster_does_not_show_are_a_failure() {
    let mut after = body("elasticsearch-6.1.2/settings-own");
    after[A]["settings"] = json!({});
    let stub = given_back();
    stub.on("GET", SETTINGS, Answer::json(200, &after));
    finish(&restored(&stub.url()))
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains(format!("index \"{A}\" keeps index.number_of_replicas null and index.refresh_interval null"));
}

#[test]
fn replicas_that_the_cluster_counts_itself_are_left_to_it() {
    // Where nodes are fewer than on the source, 0-1 comes to another number, and to the same again after every change.
    let own = |count: &str, range: &str| {
        let mut settings = body("elasticsearch-6.1.2/settings-own");
        settings[A]["settings"]["index"]["number_of_replicas"] = count.into();
        settings[A]["settings"]["index"]["auto_expand_replicas"] = range.into();
        Answer::json(200, &settings)
    };
    let stub = Stub::start();
    stub.root(TARGET).on("GET", SETTINGS, own("0", "0-1"));
    let output = finish(&restored(&stub.url())).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["indices"][0]["finished"], true);
    assert_eq!(stub.finish().len(), 2);
    // Switched off it is as if it were not there.
    let stub = Stub::start();
    stub.root(TARGET).on("GET", SETTINGS, own("0", "false")).on("PUT", &format!("/{A}/_settings"), acknowledged()).on(
        "GET",
        SETTINGS,
        own("1", "false"),
    );
    finish(&restored(&stub.url())).run().exit(0);
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn a_lost_answer_to_a_setting_is_sent_again() {
    let stub = Stub::start();
    stub.root(TARGET)
        .on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-restored"))
        .on("PUT", &format!("/{A}/_settings"), Answer::raw(""))
        .on("PUT", &format!("/{A}/_settings"), acknowledged())
        .on("PUT", &format!("/{A}/_settings"), acknowledged())
        .on("PUT", &format!("/{B}/_settings"), acknowledged())
        .on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-own"));
    let output = finish(&restored(&stub.url())).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines().len(), 1);
    let steps = output.json_lines()[0]["steps"].clone();
    assert_eq!(steps.as_array().unwrap().last().unwrap()["retries"], 1);
    assert_eq!(stub.finish().len(), 7);
}

#[test]
fn an_index_that_has_gone_is_the_answer_no() {
    let mut present = body("elasticsearch-6.1.2/settings-restored");
    present.as_object_mut().unwrap().remove(B);
    let stub = Stub::start();
    stub.root(TARGET).on("GET", SETTINGS, Answer::json(200, &present));
    finish(&restored(&stub.url()))
        .run()
        .exit(1)
        .stdout("")
        .stderr_contains(format!("index \"{B}\" is not on the target any more"));
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn a_restore_that_did_not_succeed_is_not_built_on() {
    let stub = Stub::start();
    let mut record = restored(&stub.url());
    record["state"] = json!("FAILED");
    record["failures"] = json!(["[x][0] no node takes it"]);
    // It is passed on, so that the stages after this one fail for the same reason, and not for want of input.
    let output = finish(&record).run();
    output.exit(1).stderr("es-finish-restore: restore of move/day1 failed: [x][0] no node takes it\n");
    let [passed] = output.json_lines().try_into().unwrap();
    assert_eq!((&passed["state"], &passed["failures"]), (&json!("FAILED"), &record["failures"]));
    record["state"] = json!("IN_PROGRESS");
    finish(&record)
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("hint: put es-wait between es-restore and es-finish-restore");
    assert!(stub.finish().is_empty());
}

#[test]
fn a_restore_of_no_index_is_the_answer_no() {
    let stub = Stub::start();
    let mut record = restored(&stub.url());
    record["indices"] = json!([]);
    let output = finish(&record).run();
    output.exit(1).stderr("es-finish-restore: restore of move/day1 failed: it names no index: nothing was restored\n");
    assert!(stub.finish().is_empty());
}

#[test]
fn settings_that_nobody_knows_are_never_guessed() {
    let stub = Stub::start();
    let mut record = restored(&stub.url());
    record["indices"][1]["settings"] = Value::Null;
    finish(&record).run().exit(2).stdout("").stderr_contains(format!("the own settings of \"{B}\" are not known"));
    assert!(stub.finish().is_empty());
}

#[test]
fn a_record_of_another_cluster_is_refused() {
    let stub = Stub::start();
    stub.root(TARGET);
    let mut record = restored(&stub.url());
    record["cluster"]["cluster_uuid"] = json!("another");
    finish(&record)
        .run()
        .exit(2)
        .stdout("")
        .stderr_contains("hint: point ES_TARGET_URL at the record's cluster, or make the record anew\n");
    assert_eq!(stub.finish().len(), 1);
}

#[test]
fn a_reader_that_has_gone_changes_no_verdict_and_a_full_disk_does() {
    for (full, code) in [(false, 0), (true, 3)] {
        let stub = Stub::start();
        stub.root(TARGET).on("GET", SETTINGS, answer("elasticsearch-6.1.2/settings-own"));
        let tool = finish(&restored(&stub.url()));
        let output = if full { tool.stdout_full() } else { tool.stdout_closed() }.run();
        output.exit(code);
        assert_eq!(output.err().contains("No space left on device"), full, "{}", output.err());
        assert_eq!(stub.finish().len(), 2);
    }
}
