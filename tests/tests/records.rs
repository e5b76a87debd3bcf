//! Records of a later version: what a tool does not know goes through it untouched, and what it cannot act on stops it before it acts.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use es_testkit::bed::Server;
use es_testkit::stub::Stub;
use es_testkit::tool::tool;
use es_tests::{Original, ask, original, put_documents, run, shell};
use serde_json::{Value, json};

/// Puts a field of a later version, told apart by this number, into the record and all parts of it that are no lists of names.
fn of_a_later_version(record: &Value, number: usize) -> Value {
    fn mark(part: &mut Value, number: usize) {
        let later = json!({"since": "9.9.9", "list": [1, null, {"a": number}]});
        part.as_object_mut().expect("an object").insert(format!("later_{number}"), later);
    }
    let mut record = record.clone();
    mark(&mut record, number);
    for part in ["cluster", "source"] {
        if record[part].is_object() {
            mark(&mut record[part], number);
        }
    }
    record["steps"].as_array_mut().expect("steps").iter_mut().for_each(|step| mark(step, number));
    if let Some(all) = record.get_mut("index_settings").and_then(Value::as_object_mut) {
        all.values_mut().for_each(|settings| mark(settings, number));
    }
    for index in record["indices"].as_array_mut().into_iter().flatten().filter(|index| index.is_object()) {
        mark(&mut index["settings"], number);
        mark(index, number);
    }
    record
}

/// Where fields of a later version stand, as `steps.later_1`; each place once.
fn places(record: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let below = format!("{at}.{key}");
                    if key.starts_with("later_") {
                        assert_eq!(value["since"], "9.9.9", "{below}: {value}");
                        into.push(below);
                    } else {
                        walk(value, &below, into);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, at, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    walk(record, "", &mut all);
    all.sort();
    all.dedup();
    all
}

/// Gives one stage of the pipeline this record, and takes the record that it prints.
fn stage(command: &str, record: &Value, source: &Server, target: &Server) -> Value {
    let output = shell(command, source, target).stdin(format!("{record}\n")).run();
    output.exit(0);
    let mut printed = output.json_lines();
    assert_eq!(printed.len(), 1, "{command}: {}", output.out());
    printed.remove(0)
}

#[test]
fn fields_of_a_later_version_go_through_every_tool_untouched() {
    let Original { source, target, .. } = &original();
    put_documents(source, "later", 3);
    let place = source.repository_root.join("later");
    for (server, role) in [(source, "source"), (target, "target")] {
        let command = format!(
            "es-register-repository --cluster {role} --repository later --type fs --location {}",
            place.display()
        );
        run(&command, server, target).exit(0);
    }
    let output = run("es-snapshot --repository later --indices later", source, target);
    output.exit(0);
    let mut record = output.json_lines().remove(0);
    let stages =
        ["es-wait", "es-restore --replicas 0 --refresh-interval -1", "es-wait", "es-finish-restore", "es-wait"];
    for (number, command) in stages.into_iter().enumerate() {
        let given = of_a_later_version(&record, number);
        let printed = stage(command, &given, source, target);
        let kept = places(&printed);
        for place in places(&given) {
            // A restore has the snapshot's cluster as its source, and the settings beside each index.
            let place = match place.split_once(".later_") {
                Some((".cluster", number)) if command.starts_with("es-restore") => format!(".source.later_{number}"),
                Some((".index_settings.later", number)) if command.starts_with("es-restore") => {
                    format!(".indices.settings.later_{number}")
                }
                _ => place,
            };
            assert!(kept.contains(&place), "{command} lost {place}: {kept:?}\n{printed}");
        }
        record = printed;
    }
    let counted = stage("es-compare-counts", &of_a_later_version(&record, 9), source, target);
    assert_eq!((&counted["verdict"], &counted["target_count"]), (&json!("equal"), &json!(3)), "{counted}");
    for server in [source, target] {
        ask(server, "DELETE", "/later", None);
        ask(server, "DELETE", "/_snapshot/later", None);
    }
}

#[test]
fn a_record_that_no_tool_knows_stops_it_before_it_acts() {
    let good = json!({"type": "restore", "repository": "r", "snapshot": "s", "state": "SUCCESS",
        "indices": [{"index": "a", "target_index": "a", "settings": {}}], "steps": []});
    let mut of_another_role = good.clone();
    of_another_role["cluster"] = json!({"role": "mirror", "url": "http://127.0.0.1:9"});
    for name in ["es-wait", "es-restore", "es-finish-restore", "es-compare-counts"] {
        for unknown in [json!({"type": "replica", "index": "a"}), of_another_role.clone()] {
            let stub = Stub::start();
            let output = tool(name)
                .env("ES_SOURCE_URL", stub.url())
                .env("ES_TARGET_URL", stub.url())
                .stdin(format!("{good}\n{unknown}\n"))
                .run();
            output.exit(2).stdout("");
            assert!(output.err().contains("line 2") && output.err().contains("nothing was done"), "{}", output.err());
            assert_eq!(stub.count(), 0, "{name}");
        }
    }
}
