//! The layers of docs/design.md, held over what `cargo metadata` says.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// What a library may use of the workspace; every tool may use any library.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("es-records", &[]),
    ("es-cli", &["es-records"]),
    ("es-aws", &["es-records"]),
    ("es-http", &[]),
    ("es-client", &["es-records", "es-aws", "es-http"]),
    ("es-lucene", &["es-records"]),
    ("es-repository", &["es-records", "es-http", "es-lucene"]),
];
/// For developers: they are never shipped, and nothing that is shipped uses them.
const DEVELOPERS: &[&str] = &["es-testkit", "es-docgen", "es-tests", "es-fuzz"];
/// What only tests of other crates may use.
const FOR_TESTS: &[&str] = &["es-testkit"];

/// A member's dependencies on other members: name and kind (`normal`, `dev`, `build`).
type Members = BTreeMap<String, Vec<(String, String)>>;

fn members() -> Members {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let packages = metadata["packages"].as_array().unwrap();
    let names: Vec<String> = packages.iter().map(|p| text(&p["name"])).collect();
    packages
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter();
            let uses = uses.filter(|d| names.contains(&text(&d["name"])));
            let kind = |d: &Value| d["kind"].as_str().unwrap_or("normal").to_string();
            (text(&package["name"]), uses.map(|d| (text(&d["name"]), kind(d))).collect())
        })
        .collect()
}

fn library(name: &str) -> Option<&'static [&'static str]> {
    LIBRARIES.iter().find(|(library, _)| *library == name).map(|(_, uses)| *uses)
}

/// Every dependency that breaks a layer, in words.
fn breaches(members: &Members) -> Vec<String> {
    let mut found = Vec::new();
    for (name, uses) in members.iter().filter(|(name, _)| !DEVELOPERS.contains(&name.as_str())) {
        for (used, kind) in uses {
            let for_tests = kind == "dev" && FOR_TESTS.contains(&used.as_str());
            let allowed = match library(name) {
                Some(below) => below.contains(&used.as_str()),
                // A tool: libraries, and never another tool.
                None => library(used).is_some(),
            };
            if !allowed && !for_tests {
                found.push(format!("{name} uses {used} ({kind})"));
            }
        }
    }
    found
}

#[test]
fn no_crate_uses_one_above_it() {
    let members = members();
    assert!(members.len() > 8, "{members:?}");
    assert_eq!(breaches(&members), [] as [String; 0]);
}

#[test]
fn what_is_for_developers_is_not_published() {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for name in members().keys().filter(|name| DEVELOPERS.contains(&name.as_str())) {
        let manifest = format!("{manifests}/{name}/Cargo.toml");
        // The crate of the pipelines' tests lives beside crates/, not in it.
        let Ok(text) = std::fs::read_to_string(manifest) else { continue };
        assert!(text.contains("publish = false"), "{name}");
    }
}

#[test]
fn a_tool_that_uses_a_tool_is_found() {
    let with = |name: &str, used: &str, kind: &str| {
        breaches(&Members::from([(name.to_string(), vec![(used.to_string(), kind.to_string())])]))
    };
    assert_eq!(with("es-wait", "es-snapshot", "normal"), ["es-wait uses es-snapshot (normal)"]);
    assert_eq!(with("es-records", "es-cli", "dev"), ["es-records uses es-cli (dev)"]);
    assert_eq!(with("es-cli", "es-client", "normal").len(), 1);
    assert_eq!(with("es-wait", "es-testkit", "normal").len(), 1);
    assert!(with("es-wait", "es-testkit", "dev").is_empty() && with("es-wait", "es-cli", "normal").is_empty());
}
