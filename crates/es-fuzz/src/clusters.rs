//! What clusters answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use es_cli::{Exit, printable};
use es_client::catalogue::Flavour;
use es_client::{Origin, Pattern, ServerError, flat};
use es_records::{IndexSettings, ShardFailure, Shards, State};
use es_wait::parsers;
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
        let mut error = ServerError::decode(status, body);
        error.server = server;
        let fault = error.fault("what");
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

/// What es-wait makes of a snapshot, wherever in an answer it stands: only one that is whole ends well.
pub(crate) fn snapshot() -> Run {
    let indices = ["javacafe_2018_01_01".to_string()];
    Box::new(move |data| {
        let Ok(answer) = serde_json::from_slice::<Value>(data) else { return };
        let listed = answer["snapshots"].as_array().into_iter().flatten();
        for seen in listed.chain([&answer, &answer["snapshot"]]) {
            for wanted in [&indices[..], &[]] {
                match parsers::snapshot(seen, wanted) {
                    Some(Ok(snapshot)) => {
                        assert_eq!(seen["state"], "SUCCESS");
                        assert!(snapshot.shards.failed == 0 && snapshot.shards.successful == snapshot.shards.total);
                        assert!(!snapshot.indices.is_empty() && snapshot.missing_indices.is_empty());
                    }
                    Some(Err(fault)) => {
                        assert_ne!(fault.exit, Exit::Ok);
                        harmless(&printable(&fault.message));
                    }
                    None => {}
                }
            }
        }
    })
}

/// Health, then an explanation of what is not started, a line each.
pub(crate) fn health_seeds() -> Vec<Vec<u8>> {
    let index = r#"{"status":"yellow","number_of_shards":2,"number_of_replicas":1,"active_primary_shards":2,"active_shards":2,"relocating_shards":0,"initializing_shards":0,"unassigned_shards":2}"#;
    let health = |index: &str| {
        format!(
            r#"{{"cluster_name":"c","status":"yellow","timed_out":false,"number_of_nodes":1,"indices":{{"a":{index}}}}}"#
        )
    };
    let why = r#"{"index":"a","shard":0,"primary":false,"current_state":"unassigned","unassigned_info":{"reason":"INDEX_CREATED","details":"x"},"can_allocate":"no","allocate_explanation":"cannot","node_allocation_decisions":[{"node_name":"n","deciders":[{"decider":"same_shard","decision":"NO","explanation":"a copy is there"}]}]}"#;
    let green = index.replace("yellow", "green").replace(r#""unassigned_shards":2"#, r#""unassigned_shards":0"#);
    let red = index.replace("yellow", "red").replace(r#""active_primary_shards":2"#, r#""active_primary_shards":1"#);
    [index, &green, &red].map(|index| format!("{}\n{why}", health(index)).into_bytes()).into()
}

pub(crate) fn health() -> Run {
    Box::new(|data| {
        let [health, explanation] = lines(data);
        for index in parsers::settled(&health, &explanation) {
            let one = &health["indices"][&index];
            assert!(one["number_of_shards"].as_u64() > Some(0), "{one}: settled without a shard");
            assert_eq!(one["active_primary_shards"], one["number_of_shards"], "{one}: settled without its primaries");
        }
    })
}

/// Recoveries, then the routing table, a line each.
pub(crate) fn restored_seeds() -> Vec<Vec<u8>> {
    let recorded = |what: &str| es_testkit::recorded::body(&format!("elasticsearch-6.1.2/{what}")).to_string();
    [("recovery", "routing-foreign"), ("recovery-foreign", "routing-waiting"), ("recovery-waiting", "routing-waiting")]
        .map(|(recoveries, routes)| format!("{}\n{}", recorded(recoveries), recorded(routes)).into_bytes())
        .into()
}

/// What es-restore takes for its own: only what says where it comes from, and when that began.
pub(crate) fn restored() -> Run {
    let ended = 1_795_480_143_292;
    Box::new(move |data| {
        let origin = Origin {
            repository: Some("move"),
            snapshot: Some("day1"),
            ended: Some(ended),
            cluster: None,
            settings: &BTreeMap::new(),
        };
        let [recoveries, routes] = lines(data);
        for (index, ours) in es_client::parsers::restored(&recoveries, &routes, &origin) {
            let shards = recoveries[&index]["shards"].as_array().into_iter().flatten();
            let mine = |source: &Value| source["snapshot"] == "day1" && source["index"] == index.as_str();
            let begun = shards.filter(|shard| shard["type"] == "SNAPSHOT" && mine(&shard["source"]));
            let mut times = begun.map(|shard| shard["start_time_in_millis"].as_i64());
            let waits = &routes["routing_table"]["indices"][&index];
            let told = times.any(|began| began.is_some_and(|began| began > ended - 60_000));
            assert!(!ours || told || waits.is_object(), "{index} is taken for restored by {recoveries}");
        }
    })
}

/// Settings, aliases and states of indices, a line each.
pub(crate) fn indices_seeds() -> Vec<Vec<u8>> {
    let recorded = |what: &str| es_testkit::recorded::body(what).to_string();
    ["elasticsearch-5.5.2/indices", "elasticsearch-6.1.2/indices-restored", "elasticsearch-6.1.2/indices-alias-clash"]
        .map(|list| {
            let parts = ["settings", "alias", "states"].map(|part| recorded(&format!("{list}-{part}")));
            parts.join("\n").into_bytes()
        })
        .into()
}

/// No index that either list names is overlooked.
pub(crate) fn indices() -> Run {
    Box::new(|data| {
        let [settings, aliases, states] = lines(data);
        let indices = es_client::parsers::indices(&settings, &aliases, &states);
        let listed = states.as_array().into_iter().flatten().filter_map(|row| row["index"].as_str());
        let named = settings.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        for name in listed.chain(named) {
            assert!(indices.get(name).is_some(), "{name} is overlooked");
        }
        let _ = indices.resolve(&Pattern::list("*,-a*,b"), |info| !info.closed && !info.hidden);
    })
}

/// The JSON of each line; null where it is none.
fn lines<const N: usize>(data: &[u8]) -> [Value; N] {
    let mut lines = data.splitn(N, |byte| *byte == b'\n');
    std::array::from_fn(|_| serde_json::from_slice(lines.next().unwrap_or_default()).unwrap_or_default())
}

/// What a node says of itself, then its figures, a line each.
pub(crate) fn node_seeds() -> Vec<Vec<u8>> {
    let node = r#"{"name":"n","host":"127.0.0.1","ip":"127.0.0.1","roles":["data","master"],"attributes":{"room":"a"},"plugins":[{"name":"repository-s3","classname":"org.x.S3"}],"modules":[]}"#;
    let stats = r#"{"timestamp":1516240119000,"fs":{"data":[{"path":"/","total_in_bytes":100,"free_in_bytes":50,"available_in_bytes":40,"low_watermark_free_space_in_bytes":15,"high_watermark_free_space_in_bytes":10,"flood_stage_free_space_in_bytes":5}]}}"#;
    vec![format!("{node}\n{stats}").into_bytes()]
}

pub(crate) fn node() -> Run {
    Box::new(|data| {
        let [node, stats] = lines(data);
        es_preflight::parsers::node(&node, &stats);
    })
}
