//! What clusters answer.

use std::fs;
use std::path::{Path, PathBuf};

use es_cli::{Exit, printable};
use es_client::catalogue::Flavour;
use es_client::{ServerError, flat};
use es_records::{IndexSettings, ShardFailure, Shards, State};
use serde_json::Value;

use crate::Run;

fn answers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../es-testkit/answers")
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// Status, who answers, body.
pub(crate) fn refusal_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (server, file) in list(&answers().join("errors")).iter().enumerate() {
        for line in fs::read_to_string(file).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let status = u16::try_from(line["status"].as_u64().unwrap()).unwrap();
            let body = line["body"].as_str().map_or_else(|| line["body"].to_string(), str::to_string);
            seeds.push([&status.to_le_bytes()[..], &[u8::try_from(server).unwrap()], body.as_bytes()].concat());
        }
    }
    seeds
}

pub(crate) fn refusal() -> Run {
    // In the order of the seeds' files.
    let files = list(&answers().join("errors"));
    let known = files.iter().filter_map(|file| file.file_stem()?.to_str()?.split_once('-'));
    let servers: Vec<_> = known.map(|(name, version)| Some(Flavour::new(name, version))).chain([None]).collect();
    Box::new(move |data| {
        let Some((&[low, high, server], body)) = data.split_first_chunk::<3>() else { return };
        let status = u16::from_le_bytes([low, high]);
        let server = servers[usize::from(server) % servers.len()];
        let fault = ServerError { server, ..ServerError::decode(status, body) }.fault("what");
        assert_ne!(fault.exit, Exit::Ok, "a refusal that is a success");
        harmless(&printable(&fault.message));
    })
}

/// Fails if a line could steer a terminal.
pub(crate) fn harmless(line: &str) {
    assert!(!line.chars().any(char::is_control), "{line:?}");
}

pub(crate) fn answer_seeds() -> Vec<Vec<u8>> {
    let servers = list(&answers()).into_iter().filter(|path| !path.ends_with("errors"));
    let files = servers.flat_map(|server| list(&server));
    files
        .map(|file| {
            let whole: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            whole["body"].to_string().into_bytes()
        })
        .collect()
}

/// What the tools take out of good answers, wherever in an answer it stands.
pub(crate) fn answer() -> Run {
    fn walk(value: &Value) {
        let _ = flat(value).len();
        if let Ok(state) = serde_json::from_value::<State>(value.clone()) {
            // What nobody knows is the end of a wait, and no success.
            assert!(state.is_final() || state.to_string() == value.as_str().unwrap_or_default());
        }
        if let Ok(shards) = serde_json::from_value::<Shards>(value.clone()) {
            assert_eq!(serde_json::from_value::<Shards>(serde_json::to_value(&shards).unwrap()).unwrap(), shards);
        }
        let _ = serde_json::from_value::<Vec<ShardFailure>>(value.clone());
        let _ = serde_json::from_value::<IndexSettings>(value.clone());
        match value {
            Value::Array(list) => list.iter().for_each(walk),
            Value::Object(map) => map.values().for_each(walk),
            _ => {}
        }
    }
    Box::new(|data| {
        if let Ok(value) = serde_json::from_slice(data) {
            walk(&value);
        }
    })
}
