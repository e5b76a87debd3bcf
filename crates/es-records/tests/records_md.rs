//! docs/records.md says what the records are: its examples are read here.

use es_records::Record;
use serde_json::Value;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/records.md");
/// Records of the tools that sign and print policies: no other tool reads them.
const APART: &[&str] = &["request", "finding", "policy"];

/// The sections of the page that are about one type each, and their text.
fn sections() -> Vec<(&'static str, &'static str)> {
    let parts = PAGE.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
    parts.filter(|(heading, _)| !heading.contains(' ')).collect()
}

fn examples(section: &str) -> Vec<Value> {
    let blocks = section.split("```json\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.map(|(line, _)| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Everything in `before` that is not in `after` as it was.
fn lost(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(fields), Value::Object(kept)) => {
            for (key, value) in fields {
                lost(&format!("{path}.{key}"), value, kept.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(items), Value::Array(kept)) if items.len() == kept.len() => {
            for (i, (value, after)) in items.iter().zip(kept).enumerate() {
                lost(&format!("{path}[{i}]"), value, after, found);
            }
        }
        _ if before == after => {}
        _ => found.push(format!("{path}: {before} became {after}")),
    }
}

#[test]
fn every_example_is_a_record_and_comes_back_whole() {
    for (kind, section) in sections() {
        assert!(!examples(section).is_empty(), "{kind} has no example");
        for example in examples(section) {
            assert_eq!(example["type"], kind);
            if APART.contains(&kind) {
                continue;
            }
            let record: Record = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert_eq!(record.kind(), kind);
            let mut found = Vec::new();
            lost(kind, &example, &serde_json::to_value(&record).unwrap(), &mut found);
            assert_eq!(found, [] as [String; 0]);
        }
    }
}

#[test]
fn every_field_of_an_example_is_in_its_table() {
    for (kind, section) in sections() {
        let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let named: BTreeSet<&str> = rows.flat_map(|(names, _)| names.split('`').skip(1).step_by(2)).collect();
        for example in examples(section) {
            for field in example.as_object().unwrap().keys().filter(|field| *field != "type") {
                assert!(named.contains(field.as_str()), "{kind}.{field} is not explained");
            }
        }
    }
}

#[test]
fn every_type_has_a_section() {
    let there: BTreeSet<&str> = sections().into_iter().map(|(kind, _)| kind).collect();
    let known = ["repository", "snapshot", "restore", "health", "count"];
    for kind in known.iter().chain(APART) {
        assert!(there.contains(kind), "{kind}");
    }
    assert_eq!(there.len(), known.len() + APART.len());
}

#[test]
fn a_field_that_gets_lost_is_found() {
    let mut found = Vec::new();
    let before = serde_json::json!({"a": [{"b": 1}], "c": 2});
    lost("x", &before, &serde_json::json!({"a": [{}], "c": 2, "d": 3}), &mut found);
    assert_eq!(found, ["x.a[0].b: 1 became null"]);
}
