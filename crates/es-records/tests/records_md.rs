//! docs/records.md says what the records are: its examples are read here.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_records::Record;
use serde_json::Value;
use std::collections::BTreeSet;

const SCHEMA: &str = include_str!("../../../docs/records.schema.json");
const PAGE: &str = include_str!("../../../docs/records.md");
/// Records of the tools that sign, check, read repositories and print policies: no other tool reads them.
const APART: &[&str] = &[
    "check",
    "read",
    "snapshot-in-repository",
    "index-in-snapshot",
    "shard-in-snapshot",
    "request",
    "finding",
    "policy",
];

/// The sections of the page that are about one type each, and their text.
fn sections() -> Vec<(&'static str, &'static str)> {
    let parts = PAGE.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
    parts.filter(|(heading, _)| !heading.contains(' ')).collect()
}

fn examples(section: &str) -> Vec<Value> {
    let blocks = section.split("```json\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.map(|(line, _)| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// The fields that the rows of a table are about.
fn fields(rows: &'static str) -> BTreeSet<&'static str> {
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    rows.flat_map(|(names, _)| names.split('`').skip(1).step_by(2)).collect()
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
        let named = fields(section);
        for example in examples(section) {
            for field in example.as_object().unwrap().keys().filter(|field| *field != "type") {
                assert!(named.contains(field.as_str()), "{kind}.{field} is not explained");
            }
        }
    }
}

/// docs/records.schema.json, ready to validate with.
fn schema() -> (boon::Schemas, boon::SchemaIndex) {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("records.schema.json", serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let index = compiler.compile("records.schema.json", &mut schemas).unwrap();
    (schemas, index)
}

#[test]
fn every_example_fits_the_schema_and_none_with_a_field_of_another_type_does() {
    let (schemas, index) = schema();
    for (kind, section) in sections() {
        for example in examples(section) {
            schemas.validate(&example, index).unwrap_or_else(|e| panic!("{kind}: {e}"));
            for field in example.as_object().unwrap().keys() {
                let mut wrong = example.clone();
                wrong[field] = serde_json::json!(-0.5);
                assert!(schemas.validate(&wrong, index).is_err(), "{kind}.{field} may be anything");
            }
        }
    }
}

#[test]
fn the_schema_has_the_fields_of_the_tables_and_no_others() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (kind, section) in sections() {
        // The first table of a section is about the record itself, the others are about its parts.
        let table = section.split("\n\n").find(|part| part.starts_with("| field")).unwrap();
        let properties =
            schema["$defs"][kind]["properties"].as_object().unwrap_or_else(|| panic!("{kind} is not in it"));
        let known: BTreeSet<&str> = properties.keys().map(String::as_str).filter(|field| *field != "type").collect();
        assert_eq!(fields(table), known, "{kind}");
    }
}

#[test]
fn fields_of_a_later_version_pass_through_at_every_depth() {
    for (kind, section) in sections().into_iter().filter(|(kind, _)| !APART.contains(kind)) {
        for mut example in examples(section) {
            novel(&mut example);
            let record: Record = serde_json::from_value(example.clone()).unwrap();
            let mut found = Vec::new();
            lost(kind, &example, &serde_json::to_value(&record).unwrap(), &mut found);
            assert_eq!(found, [] as [String; 0]);
        }
    }
}

/// Puts a field that no version knows into every object.
fn novel(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(novel);
            fields.insert("novel".into(), serde_json::json!({"a": 1}));
        }
        Value::Array(items) => items.iter_mut().for_each(novel),
        _ => {}
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
