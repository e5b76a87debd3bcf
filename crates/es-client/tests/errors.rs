//! Every refusal that was recorded from a real server is known, and means what the condition it was recorded in says.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use std::fs;
use std::path::Path;

use es_client::catalogue::{CATALOGUE, Class, Flavour};
use es_client::{CallError, ServerError};
use es_records::Exit;
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use serde_json::Value;

/// One line of the recorded answers that is a refusal.
struct Line {
    server: String,
    name: String,
    status: u16,
    body: String,
}

/// One recorded refusal, decoded.
struct Refusal {
    server: String,
    name: String,
    error: ServerError,
}

fn lines() -> Vec<Line> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../es-testkit/answers/errors");
    let mut all = Vec::new();
    let mut files: Vec<_> =
        fs::read_dir(&directory).expect("recorded answers").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    for file in files {
        let server = file.file_stem().expect("a name").to_string_lossy().into_owned();
        for line in fs::read_to_string(&file).expect("lines").lines() {
            let line: Value = serde_json::from_str(line).expect("a recorded answer");
            let status = u16::try_from(line["status"].as_u64().expect("a status")).expect("a status");
            // A snapshot that ended badly is answered with 200: that is es-wait's matter, and no refusal.
            if status < 400 {
                continue;
            }
            let body = line["body"].as_str().map_or_else(|| line["body"].to_string(), str::to_string);
            all.push(Line {
                server: server.clone(),
                name: line["name"].as_str().expect("a name").into(),
                status,
                body,
            });
        }
    }
    all
}

fn recorded() -> Vec<Refusal> {
    let decoded = lines().into_iter().map(|line| {
        let server = line.server.split_once('-').map(|(distribution, version)| Flavour::new(distribution, version));
        let mut error = ServerError::decode(line.status, line.body.as_bytes());
        error.server = server;
        Refusal { server: line.server, name: line.name, error }
    });
    decoded.collect()
}

/// What each condition is, whatever a server calls it: the longest beginning of its name that stands here decides.
const MEANINGS: &[(&str, &[Class])] = &[
    ("alias-missing", &[Class::UserError]),
    ("amazon-", &[Class::NotAllowed, Class::UserError]),
    ("amazon-throttled", &[Class::Retry]),
    ("amazon-gateway", &[Class::Retry]),
    ("body-", &[Class::UserError]),
    ("breaker-", &[Class::Retry]),
    ("bulk-", &[Class::UserError]),
    ("cluster-read-only-", &[Class::Fatal]),
    ("cluster-setting-", &[Class::UserError]),
    ("content-type-", &[Class::UserError]),
    // A damaged repository is damaged, but for what is only missing then: a snapshot that nothing lists, an index never restored,
    // shards that wait for a copy that cannot be made.
    ("damage-", &[Class::Fatal, Class::UserError, Class::Wait]),
    ("damage-root-cut-", &[Class::Fatal]),
    ("damage-root-flipped-", &[Class::Fatal]),
    ("damage-snapshot-", &[Class::Fatal]),
    ("damage-metadata-", &[Class::Fatal]),
    ("damage-index-", &[Class::Fatal]),
    ("damage-root-cut-for-count", &[Class::UserError]),
    ("damage-root-flipped-for-count", &[Class::UserError]),
    ("damage-snapshot-gone-for-count", &[Class::UserError]),
    ("damage-snapshot-empty-for-count", &[Class::UserError]),
    ("damage-snapshot-cut-for-count", &[Class::UserError]),
    ("damage-snapshot-flipped-for-count", &[Class::UserError]),
    ("damage-metadata-gone-for-count", &[Class::UserError]),
    ("damage-metadata-empty-for-count", &[Class::UserError]),
    // 6.8.9 and later do not read it for a restore: the index is there, and comes up.
    ("damage-metadata-cut-for-count", &[Class::UserError, Class::Wait]),
    ("damage-metadata-flipped-for-count", &[Class::UserError]),
    ("damage-index-gone-for-count", &[Class::UserError]),
    ("damage-index-empty-for-count", &[Class::UserError]),
    ("damage-index-cut-for-count", &[Class::UserError]),
    ("damage-index-flipped-for-count", &[Class::UserError]),
    ("disk-flood-stage-", &[Class::Fatal]),
    ("document-", &[Class::UserError]),
    ("document-exists", &[Class::Adopt]),
    ("endpoint-unknown", &[Class::UserError]),
    ("explain-", &[Class::UserError]),
    ("foreign-", &[Class::Fatal]),
    // A version reads its own: then the index is only in the way.
    ("foreign-5.5.2-for-restore", &[Class::Fatal, Class::UserError]),
    ("header-too-large", &[Class::UserError, Class::Wait]),
    ("health-", &[Class::Wait]),
    ("index-analyzer-", &[Class::Fatal]),
    ("index-block-", &[Class::Fatal]),
    ("index-body-", &[Class::UserError]),
    ("index-closed-", &[Class::UserError]),
    ("index-codec-", &[Class::Fatal]),
    ("index-exists", &[Class::Adopt]),
    ("index-field-type-", &[Class::Fatal]),
    ("index-mappings-", &[Class::UserError]),
    ("index-missing", &[Class::UserError]),
    ("index-missing-for-health", &[Class::Wait]),
    ("index-name-", &[Class::UserError]),
    ("index-setting-", &[Class::UserError]),
    ("index-tokenizer-", &[Class::Fatal]),
    ("line-too-long", &[Class::UserError]),
    ("master-too-slow-", &[Class::Retry]),
    ("method-wrong", &[Class::UserError]),
    ("node-away-", &[Class::Retry, Class::Wait]),
    ("node-away-for-verify", &[Class::UserError]),
    ("node-away-for-write", &[Class::Fatal]),
    ("no-master-", &[Class::Retry]),
    // It looks for the index first, in a state that it has not read yet: GET / tells that such a node is in no cluster.
    ("no-master-for-refresh", &[Class::Retry, Class::UserError]),
    ("parameter-", &[Class::UserError]),
    ("primary-missing-for-count", &[Class::Wait]),
    ("primary-missing-for-health", &[Class::Wait]),
    ("primary-missing-for-search", &[Class::Wait]),
    ("primary-missing-for-snapshot", &[Class::Fatal]),
    ("primary-missing-for-write", &[Class::Fatal]),
    ("query-", &[Class::UserError]),
    ("queue-full-", &[Class::Retry]),
    ("repository-", &[Class::UserError]),
    ("repository-type-unknown", &[Class::Fatal]),
    // Where the module of url repositories is not installed, it is an unknown type.
    ("repository-url-not-allowed", &[Class::UserError, Class::Fatal]),
    ("restore-", &[Class::UserError]),
    ("restore-running-", &[Class::Wait]),
    // From 7.x on restores run side by side: the second of the same index meets an open one.
    ("restore-running-for-the-same", &[Class::Wait, Class::UserError]),
    ("restore-running-for-snapshot-of-it", &[Class::Wait, Class::Fatal]),
    ("s3-", &[Class::UserError]),
    ("s3-away", &[Class::Retry]),
    ("s3-internal-error", &[Class::Retry]),
    ("s3-slow-down", &[Class::Retry]),
    ("s3-unavailable", &[Class::Retry]),
    ("scroll-gone", &[Class::UserError]),
    ("scroll-cleared", &[Class::Fatal]),
    ("search-", &[Class::UserError]),
    ("search-window-too-large", &[Class::UserError]),
    ("security-", &[Class::NotAllowed]),
    // Nothing is unassigned: this user may ask.
    ("security-looker-for-explain", &[Class::UserError]),
    ("security-repository-missing-for-restore", &[Class::UserError]),
    ("security-restore-", &[Class::UserError]),
    ("settings-", &[Class::UserError]),
    ("shard-limit-", &[Class::Fatal]),
    ("slice-bad", &[Class::UserError]),
    ("snapshot-body-", &[Class::UserError]),
    ("snapshot-delete-readonly", &[Class::UserError]),
    ("snapshot-exists", &[Class::Adopt]),
    ("snapshot-index-missing", &[Class::UserError]),
    ("snapshot-missing", &[Class::UserError]),
    ("snapshot-name-", &[Class::UserError]),
    ("snapshot-option-", &[Class::UserError]),
    ("snapshot-readonly", &[Class::UserError]),
    ("snapshot-running-", &[Class::Wait]),
    ("snapshot-running-for-the-same-name", &[Class::Wait, Class::Adopt]),
    ("writers-two-", &[Class::Fatal, Class::Adopt]),
    // What is not finished cannot be restored, and is no snapshot yet.
    ("snapshot-running-for-restore", &[Class::Wait, Class::UserError]),
];

#[test]
fn every_recorded_refusal_is_known_and_means_what_its_condition_says() {
    let mut score = Score::new("errors");
    for Refusal { server, name, error } in recorded() {
        let meaning = MEANINGS.iter().filter(|(begin, _)| name.starts_with(begin)).max_by_key(|(begin, _)| begin.len());
        let (_, classes) = meaning.unwrap_or_else(|| panic!("{name}: a condition without a meaning"));
        let end = match error.entry() {
            None => Err(format!("unknown: {error}")),
            Some(entry) if classes.contains(&entry.class) => Ok(()),
            Some(entry) => Err(format!("{} is {}, not one of {classes:?}: {error}", entry.name, entry.class.word())),
        };
        score.cell(&server, &name, end);
    }
    score.finish();
}

#[test]
fn the_hint_at_a_block_names_the_setting_that_blocks() {
    for Refusal { server, name, error } in recorded() {
        let key = match name.rsplit_once("-for-").map_or("", |(condition, _)| condition) {
            "cluster-read-only" => "cluster.blocks.read_only null",
            "cluster-read-only-allow-delete" => "cluster.blocks.read_only_allow_delete null",
            "disk-flood-stage" => "index.blocks.read_only_allow_delete",
            _ => continue,
        };
        let hint = error.fault("what").hint.unwrap_or_default();
        assert!(hint.contains(key), "{server} {name}: {hint}");
    }
}

#[test]
fn three_hundred_refusals_are_recorded_and_every_row_is_met() {
    let all = recorded();
    assert!(all.len() >= 300, "{} are recorded", all.len());
    let met: Vec<_> = all.iter().filter_map(|refusal| refusal.error.entry()).map(|entry| entry.name).collect();
    let never: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).filter(|name| !met.contains(name)).collect();
    assert!(never.is_empty(), "rows that no recorded answer meets: {never:?}");
}

#[test]
fn no_refusal_however_mangled_is_a_panic_or_a_success() {
    let mut random = Random::new(seed(), &[3]);
    let mut score = Score::new("mangled-refusals");
    for Line { server, name, status, body } in lines() {
        for _ in 0..if whole() { 50 } else { 3 } {
            let mut bytes = body.clone().into_bytes();
            for _ in 0..=random.index(4) {
                let at = random.index(bytes.len().max(1));
                match random.index(4) {
                    0 => bytes.truncate(at),
                    1 if at < bytes.len() => bytes[at] ^= 1 << random.index(8),
                    2 => bytes.insert(at.min(bytes.len()), b"{}[]\",:\\\x1b\0"[random.index(10)]),
                    _ => bytes.extend_from_within(at.min(bytes.len())..),
                }
            }
            let fault = ServerError::decode(status, &bytes).fault("what");
            let end = if fault.exit == Exit::Ok { Err("exit 0".to_string()) } else { Ok(()) };
            score.cell(&server, &name, end);
        }
    }
    score.finish();
}

#[test]
fn what_nobody_knows_is_no_success_and_no_reason_to_try_again() {
    for (status, body) in [(500, r#"{"error":{"type":"strange_exception","reason":"x"}}"#), (418, "teapot"), (500, "")]
    {
        let error = ServerError::decode(status, body.as_bytes());
        assert!(error.entry().is_none() && error.exit() == Exit::Failed, "{status} {body}");
        assert!(!CallError::Server(error).may_pass());
    }
}

#[test]
fn the_same_words_mean_another_thing_on_another_server() {
    let body =
        br#"{"error":{"type":"parsing_exception","reason":"Failed to parse object: unknown field [uuid] found"}}"#;
    let on = |distribution: &str, version: &str| {
        let server = Some(Flavour::new(distribution, version));
        let mut error = ServerError::decode(500, body);
        error.server = server;
        error.entry().unwrap().name
    };
    assert_eq!(on("opensearch", "3.8.0"), "repository-of-elasticsearch");
    assert_eq!(on("elasticsearch", "7.10.2"), "repository-of-a-newer-version");
}
