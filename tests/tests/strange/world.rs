//! A source and a target that are none: what a move sees of two clusters, and something that keeps the documents from the target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use es_testkit::stub::Request;
use serde_json::{Map, Value, json};

/// One of the two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Source,
    Target,
}

/// Why the documents are not on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// They are there.
    None,
    /// The source has no index of that name.
    Misspelt,
    SnapshotPartial,
    SnapshotFailed,
    /// Accepted, and never seen again.
    SnapshotGone,
    /// SUCCESS, without an index in it.
    SnapshotEmpty,
    /// SUCCESS, without the last index in it.
    SnapshotLacksOne,
    RestoreRefused,
    /// 200, as 5.x says it, with no index in it.
    RestoreOfNothing,
    /// Accepted, and nothing is ever seen of it.
    NeverRestored,
    LastLeftOut,
    UnderAnotherName,
    FewerDocuments,
    NoDocuments,
    /// A primary of the restored index is lost: servers up to 7.10 count without it, and say that none failed.
    PrimaryLost,
    /// The same of the source, so that it counts no more than the target has.
    PrimaryLostOnTheSource,
    DeletedBeforeTheCount,
    ClosedBeforeTheCount,
    /// The target's name is that of an alias of another index, which has as many documents.
    AliasInItsPlace,
    /// An index of that name is there, of other documents, as many.
    AnotherInItsPlace,
    /// An index of that name is there, restored from an older snapshot of the same name, of as many documents.
    OlderInItsPlace,
}

impl Trouble {
    pub(crate) const ALL: [Self; 20] = [
        Self::Misspelt,
        Self::SnapshotPartial,
        Self::SnapshotFailed,
        Self::SnapshotGone,
        Self::SnapshotEmpty,
        Self::SnapshotLacksOne,
        Self::RestoreRefused,
        Self::RestoreOfNothing,
        Self::NeverRestored,
        Self::LastLeftOut,
        Self::UnderAnotherName,
        Self::FewerDocuments,
        Self::NoDocuments,
        Self::PrimaryLost,
        Self::PrimaryLostOnTheSource,
        Self::DeletedBeforeTheCount,
        Self::ClosedBeforeTheCount,
        Self::AliasInItsPlace,
        Self::AnotherInItsPlace,
        Self::OlderInItsPlace,
    ];

    /// Whether the numbers of documents are the same although the documents are not: no count tells it.
    pub(crate) fn counts_as_many(self) -> bool {
        matches!(self, Self::AliasInItsPlace | Self::AnotherInItsPlace | Self::OlderInItsPlace)
    }
}

/// Where an index came from, as its recovery says it.
#[derive(Clone, Debug)]
struct Origin {
    snapshot: String,
    index: String,
    began: i64,
}

#[derive(Clone, Debug)]
struct Index {
    documents: u64,
    shards: u64,
    replicas: String,
    refresh: Option<String>,
    created: i64,
    closed: bool,
    /// So many documents lie in a shard that is lost.
    lost: Option<u64>,
    aliases: Vec<String>,
    origin: Option<Origin>,
    /// Looks at its health until its shards are started.
    starting: u32,
}

#[derive(Clone, Debug)]
struct Taken {
    indices: Vec<String>,
    state: &'static str,
    began: i64,
    ended: i64,
    shards: u64,
    /// Looks until it is final.
    running: u32,
}

/// Both clusters.
pub(crate) struct World {
    trouble: Trouble,
    version: (&'static str, &'static str),
    /// Names on the source, and on the target.
    pairs: Vec<(String, String)>,
    indices: BTreeMap<(Role, String), Index>,
    repositories: BTreeMap<(Role, String), Value>,
    snapshots: BTreeMap<String, Taken>,
}

pub(crate) type Said = (u16, Value);

/// Documents of the index of this place in the list.
fn documents(place: usize) -> u64 {
    5 + 2 * place as u64
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn refusal(status: u16, kind: &str, reason: &str) -> Said {
    let cause = json!({"type": kind, "reason": reason});
    (status, json!({"error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": status}))
}

fn accepted() -> Said {
    (200, json!({"accepted": true}))
}

/// The letters that a path was escaped from.
fn unescaped(path: &str) -> String {
    path.replace("%2C", ",").replace("%2A", "*")
}

impl World {
    pub(crate) fn new(trouble: Trouble, version: (&'static str, &'static str), pairs: &[(String, String)]) -> Self {
        let mut world = Self {
            trouble,
            version,
            pairs: pairs.to_vec(),
            indices: BTreeMap::new(),
            repositories: BTreeMap::new(),
            snapshots: BTreeMap::new(),
        };
        let last = pairs.len() - 1;
        let yesterday = now() - 86_400_000;
        for (place, (index, target)) in pairs.iter().enumerate() {
            let one = Index {
                documents: documents(place),
                shards: 2,
                replicas: "1".into(),
                refresh: (place == 1).then(|| "30s".into()),
                created: yesterday,
                closed: false,
                lost: None,
                aliases: Vec::new(),
                origin: None,
                starting: 0,
            };
            let there = |origin| Index { replicas: "0".into(), origin, ..one.clone() };
            match trouble {
                Trouble::Misspelt if place == last => continue,
                Trouble::AliasInItsPlace if place == last => {
                    let behind = Index { aliases: vec![target.clone()], created: yesterday - 1, ..there(None) };
                    world.indices.insert((Role::Target, format!("{target}-old")), behind);
                }
                Trouble::AnotherInItsPlace if place == last => {
                    world.indices.insert((Role::Target, target.clone()), there(None));
                }
                Trouble::OlderInItsPlace if place == last => {
                    let began = now() - 3_600_000;
                    let origin = Origin { snapshot: "s".into(), index: index.clone(), began };
                    world.indices.insert((Role::Target, target.clone()), there(Some(origin)));
                }
                _ => {}
            }
            let lost = (trouble == Trouble::PrimaryLostOnTheSource && place == last).then_some(2);
            world.indices.insert((Role::Source, index.clone()), Index { lost, ..one });
        }
        world
    }

    /// How many documents an index has, if it can be counted; an alias is none.
    pub(crate) fn truth(&self, role: Role, name: &str) -> Option<u64> {
        let index = self.indices.get(&(role, name.to_owned()))?;
        (!index.closed).then_some(index.documents)
    }

    /// What a cluster says.
    pub(crate) fn answer(&mut self, role: Role, request: &Request) -> Said {
        let path = unescaped(&request.path);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", []) => (200, self.root(role)),
            ("GET", ["_all", "_settings", _]) => (200, self.settings(role, None)),
            ("GET", ["_alias"]) => (200, self.aliases(role)),
            ("GET", ["_cat", "indices"]) => (200, self.states(role)),
            ("GET", ["_cluster", "health"]) => self.health(role, None, query),
            ("GET", ["_cluster", "health", list]) => self.health(role, Some(list), query),
            ("POST", ["_cluster", "allocation", "explain"]) => self.explanation(&body),
            ("GET", ["_cluster", "state", "routing_table", list]) => (200, self.routes(role, list)),
            ("GET", ["_snapshot"]) => {
                let all = self.repositories.iter().filter(|((at, _), _)| *at == role);
                (200, all.map(|((_, name), one)| (name.clone(), one.clone())).collect::<Map<_, _>>().into())
            }
            ("GET", ["_snapshot", "_status"]) => (200, json!({"snapshots": []})),
            (_, ["_snapshot", repository, ..]) => self.repository(role, request, repository, &parts[2..], &body),
            ("GET", [list, "_recovery"]) => (200, self.recoveries(role, list)),
            ("GET", [list, "_settings"] | [list, "_settings", _]) => (200, self.settings(role, Some(list))),
            ("GET", [list, "_mapping"]) => {
                let mappings = self.of(role, Some(list)).map(|(name, _)| (name.clone(), json!({"mappings": {}})));
                (200, mappings.collect::<Map<_, _>>().into())
            }
            ("PUT", [list, "_settings"]) => self.set(role, list, &body),
            ("POST", [list, "_refresh"]) => (200, self.refreshed(role, list)),
            ("GET", [name, "_count"]) if query.is_empty() => self.count(role, name),
            _ => refusal(400, "illegal_argument_exception", "no handler found for uri"),
        }
    }

    fn root(&self, role: Role) -> Value {
        let (distribution, number) = self.version;
        let mut version = json!({"number": number, "lucene_version": "8.7.0"});
        if distribution == "opensearch" {
            version["distribution"] = json!(distribution);
        }
        let name = format!("{role:?}");
        json!({"name": "n", "cluster_name": name, "cluster_uuid": format!("uuid-of-{name}"), "version": version})
    }

    /// The indices of a cluster that a list names; all without one.
    fn of(&self, role: Role, list: Option<&str>) -> impl Iterator<Item = (&String, &Index)> {
        let named: Option<BTreeSet<String>> = list.map(|list| list.split(',').map(str::to_owned).collect());
        let mine = self.indices.iter().filter(move |((at, _), _)| *at == role).map(|((_, name), index)| (name, index));
        mine.filter(move |(name, _)| named.as_ref().is_none_or(|named| named.contains(*name)))
    }

    fn settings(&self, role: Role, list: Option<&str>) -> Value {
        let one = |index: &Index| {
            let mut all = json!({"number_of_shards": index.shards.to_string(), "number_of_replicas": index.replicas,
                "creation_date": index.created.to_string()});
            if let Some(refresh) = &index.refresh {
                all["refresh_interval"] = json!(refresh);
            }
            json!({"settings": {"index": all}})
        };
        self.of(role, list).map(|(name, index)| (name.clone(), one(index))).collect::<Map<_, _>>().into()
    }

    fn aliases(&self, role: Role) -> Value {
        let one = |index: &Index| {
            let all: Map<String, Value> = index.aliases.iter().map(|alias| (alias.clone(), json!({}))).collect();
            json!({"aliases": all})
        };
        self.of(role, None).map(|(name, index)| (name.clone(), one(index))).collect::<Map<_, _>>().into()
    }

    fn states(&self, role: Role) -> Value {
        let row = |(name, index): (&String, &Index)| {
            let status = if index.closed { "close" } else { "open" };
            json!({"index": name, "status": status, "health": health_of(index)["status"]})
        };
        self.of(role, None).map(row).collect()
    }

    fn health(&mut self, role: Role, list: Option<&str>, query: &str) -> Said {
        let mut all = Map::new();
        for (name, index) in self.of(role, list).filter(|(_, index)| !index.closed) {
            let mut health = health_of(index);
            if query.contains("level=shards") {
                let shard = |number: u64| {
                    let up = index.lost.is_none() || number > 0;
                    let lost = u64::from(!up);
                    (number.to_string(), json!({"primary_active": up, "unassigned_shards": lost}))
                };
                health["shards"] = (0..index.shards).map(shard).collect::<Map<_, _>>().into();
            }
            all.insert(name.clone(), health);
        }
        for ((at, name), index) in &mut self.indices {
            if *at == role && all.contains_key(name) {
                index.starting = index.starting.saturating_sub(1);
            }
        }
        let absent = list.is_some_and(|list| list.split(',').any(|name| !all.contains_key(name)));
        let red = absent || all.values().any(|health| health["status"] == "red");
        let status = if red { "red" } else { "green" };
        let number = |key: &str| all.values().filter_map(|health| health[key].as_u64()).sum::<u64>();
        let answer = json!({"cluster_name": format!("{role:?}"), "status": status, "timed_out": absent, "number_of_nodes": 1,
            "active_primary_shards": number("active_primary_shards"), "active_shards": number("active_shards"), "indices": all});
        (if absent { 408 } else { 200 }, answer)
    }

    fn explanation(&self, body: &Value) -> Said {
        let lost = self.indices.iter().any(|((_, name), index)| body["index"] == name.as_str() && index.lost.is_some());
        if !lost {
            return refusal(400, "illegal_argument_exception", "unable to find any unassigned shards to explain");
        }
        let node = json!({"node_name": "n", "deciders": [{"decider": "restore_in_progress", "decision": "NO",
            "explanation": "shard has failed to be restored from the snapshot"}]});
        let answer = json!({"index": body["index"], "shard": 0, "primary": true, "current_state": "unassigned",
            "unassigned_info": {"reason": "NEW_INDEX_RESTORED", "details": "restore_source[r/s]"}, "can_allocate": "no",
            "allocate_explanation": "cannot allocate", "node_allocation_decisions": [node]});
        (200, answer)
    }

    fn routes(&self, role: Role, list: &str) -> Value {
        let one = |index: &Index| {
            let shard =
                |number: u64| (number.to_string(), json!([{"state": "STARTED", "primary": true, "shard": number}]));
            json!({"shards": (0..index.shards).map(shard).collect::<Map<_, _>>()})
        };
        let all: Map<String, Value> = self.of(role, Some(list)).map(|(name, i)| (name.clone(), one(i))).collect();
        json!({"routing_table": {"indices": all}})
    }

    fn recoveries(&self, role: Role, list: &str) -> Value {
        let one = |index: &Index| {
            let shard = |number: u64| {
                let mut shard = json!({"id": number, "stage": "DONE", "primary": true, "type": "EMPTY_STORE", "source": {},
                    "start_time_in_millis": index.created});
                if let Some(origin) = &index.origin {
                    shard["type"] = json!("SNAPSHOT");
                    shard["start_time_in_millis"] = json!(origin.began);
                    shard["source"] = json!({"repository": "r", "snapshot": origin.snapshot, "index": origin.index});
                }
                shard
            };
            json!({"shards": (0..index.shards).map(shard).collect::<Vec<_>>()})
        };
        self.of(role, Some(list)).map(|(name, index)| (name.clone(), one(index))).collect::<Map<_, _>>().into()
    }

    fn set(&mut self, role: Role, list: &str, body: &Value) -> Said {
        if body["index"]["number_of_shards"].is_number() {
            return refusal(400, "illegal_argument_exception", "can't update non dynamic settings");
        }
        for name in list.split(',') {
            let Some(index) = self.indices.get_mut(&(role, name.to_owned())) else { return no_index(name) };
            if let Some(replicas) = body["index.number_of_replicas"].as_str() {
                replicas.clone_into(&mut index.replicas);
            }
            if let Some(refresh) = body.get("index.refresh_interval") {
                index.refresh = refresh.as_str().map(str::to_owned);
            }
        }
        (200, json!({"acknowledged": true}))
    }

    fn refreshed(&self, role: Role, list: &str) -> Value {
        let total: u64 = self.of(role, Some(list)).map(|(_, index)| index.shards).sum();
        json!({"_shards": {"total": total, "successful": total, "failed": 0}})
    }

    fn count(&mut self, role: Role, name: &str) -> Said {
        let key = (role, name.to_owned());
        let last = role == Role::Target && self.pairs.last().is_some_and(|(_, target)| target == name);
        match self.trouble {
            Trouble::DeletedBeforeTheCount if last => drop(self.indices.remove(&key)),
            Trouble::ClosedBeforeTheCount if last => {
                self.indices.entry(key.clone()).and_modify(|index| index.closed = true);
            }
            _ => {}
        }
        let mut named = self.of(role, None);
        let Some((_, index)) =
            named.find(|(own, index)| *own == name || index.aliases.iter().any(|alias| alias == name))
        else {
            return no_index(name);
        };
        if index.closed {
            return refusal(400, "index_closed_exception", "closed");
        }
        let lost = u64::from(index.lost.is_some());
        let shards = json!({"total": index.shards, "successful": index.shards - lost, "skipped": 0, "failed": 0});
        (200, json!({"count": index.documents - index.lost.unwrap_or_default(), "_shards": shards}))
    }

    fn repository(&mut self, role: Role, request: &Request, name: &str, rest: &[&str], body: &Value) -> Said {
        let key = (role, name.to_owned());
        match (request.method.as_str(), rest) {
            ("PUT", []) if body["type"] == "fs" => {
                self.repositories.insert(key, body.clone());
                (200, json!({"acknowledged": true}))
            }
            ("PUT", []) => refusal(400, "repository_exception", "[r] repository type [x] does not exist"),
            _ if !self.repositories.contains_key(&key) => {
                refusal(404, "repository_missing_exception", &format!("[{name}] missing"))
            }
            ("GET", []) => (200, json!({name: self.repositories[&key]})),
            ("POST", ["_verify"]) => (200, json!({"nodes": {"id": {"name": "n"}}})),
            ("GET", ["_all"]) => {
                let all: Vec<Value> = self.snapshots.iter().map(|(name, taken)| shown(name, taken)).collect();
                (200, json!({"snapshots": all}))
            }
            (_, [snapshot, ..]) if snapshot.contains('#') => refusal(
                400,
                "invalid_snapshot_name_exception",
                "[r:ES-Preflight#] Invalid snapshot name, must be lowercase",
            ),
            ("PUT", [snapshot]) => self.take(snapshot, body),
            ("GET", [snapshot]) => match self.snapshots.get_mut(*snapshot) {
                None => refusal(404, "snapshot_missing_exception", &format!("[{name}:{snapshot}] is missing")),
                Some(taken) => {
                    let answer = json!({"snapshots": [shown(snapshot, taken)]});
                    taken.running = taken.running.saturating_sub(1);
                    (200, answer)
                }
            },
            ("POST", [snapshot, "_restore"]) => self.restore(snapshot, body),
            _ => refusal(400, "illegal_argument_exception", "no handler found for uri"),
        }
    }

    fn take(&mut self, name: &str, body: &Value) -> Said {
        if self.snapshots.contains_key(name) {
            return refusal(400, "invalid_snapshot_name_exception", "snapshot with the same name already exists");
        }
        let asked: Vec<String> = names(body);
        if let Some(unknown) = asked.iter().find(|name| !self.indices.contains_key(&(Role::Source, (*name).clone()))) {
            return no_index(unknown);
        }
        let state = match self.trouble {
            Trouble::SnapshotGone => return accepted(),
            Trouble::SnapshotPartial => "PARTIAL",
            Trouble::SnapshotFailed => "FAILED",
            _ => "SUCCESS",
        };
        let held = match self.trouble {
            Trouble::SnapshotEmpty => Vec::new(),
            Trouble::SnapshotLacksOne => {
                let last = self.pairs.last().map(|(index, _)| index.clone());
                asked.into_iter().filter(|index| Some(index) != last.as_ref()).collect()
            }
            _ => asked,
        };
        let began = now();
        let shards = 2 * held.len() as u64;
        let taken = Taken { indices: held, state, began, ended: began + 1, shards, running: 1 };
        self.snapshots.insert(name.to_owned(), taken);
        accepted()
    }

    fn restore(&mut self, snapshot: &str, body: &Value) -> Said {
        let Some(taken) = self.snapshots.get(snapshot) else {
            return refusal(500, "snapshot_restore_exception", "snapshot does not exist");
        };
        let asked = names(body);
        if taken.state == "FAILED" || taken.state == "PARTIAL" && body["partial"] != true {
            return refusal(500, "snapshot_restore_exception", "index [a] wasn't fully snapshotted - cannot restore");
        }
        if let Some(unknown) = asked.iter().find(|name| !taken.indices.contains(name)) {
            return no_index(unknown);
        }
        match self.trouble {
            Trouble::RestoreRefused => {
                return refusal(500, "snapshot_restore_exception", "the snapshot was created with a later version");
            }
            Trouble::RestoreOfNothing => {
                let shards = json!({"total": 0, "failed": 0, "successful": 0});
                return (200, json!({"snapshot": {"snapshot": snapshot, "indices": [], "shards": shards}}));
            }
            Trouble::NeverRestored => return accepted(),
            _ => {}
        }
        let partial = taken.state == "PARTIAL";
        let last = self.pairs.len() - 1;
        let pairs = self.pairs.clone();
        for (place, (index, target)) in pairs.iter().enumerate().filter(|(_, (index, _))| asked.contains(index)) {
            let is_last = place == last;
            let aliased = self.of(Role::Target, None).any(|(_, one)| one.aliases.contains(target));
            if aliased || self.indices.contains_key(&(Role::Target, target.clone())) {
                return refusal(
                    500,
                    "snapshot_restore_exception",
                    &format!("cannot restore index [{target}] because it's open"),
                );
            }
            let Some(source) = self.indices.get(&(Role::Source, index.clone())) else { continue };
            let mut restored = source.clone();
            restored.origin = Some(Origin { snapshot: snapshot.to_owned(), index: index.clone(), began: now() });
            restored.lost = None;
            restored.starting = 2;
            let settings = &body["index_settings"];
            if let Some(replicas) = settings["index.number_of_replicas"].as_u64() {
                restored.replicas = replicas.to_string();
            }
            if let Some(refresh) = settings["index.refresh_interval"].as_str() {
                restored.refresh = Some(refresh.to_owned());
            }
            let mut name = target.clone();
            match self.trouble {
                Trouble::LastLeftOut if is_last => continue,
                Trouble::UnderAnotherName if is_last => name.push_str("-x"),
                Trouble::FewerDocuments if is_last => restored.documents -= 1,
                Trouble::NoDocuments if is_last => restored.documents = 0,
                Trouble::PrimaryLost if is_last => restored.lost = Some(2),
                // As many as the source's count says, without its lost shard.
                Trouble::PrimaryLostOnTheSource if is_last => restored.documents -= 2,
                _ if partial => restored.documents -= 1,
                _ => {}
            }
            self.indices.insert((Role::Target, name), restored);
        }
        accepted()
    }
}

fn no_index(name: &str) -> Said {
    refusal(404, "index_not_found_exception", &format!("no such index [{name}]"))
}

fn names(body: &Value) -> Vec<String> {
    body["indices"].as_str().unwrap_or_default().split(',').map(str::to_owned).collect()
}

fn health_of(index: &Index) -> Value {
    let lost = u64::from(index.lost.is_some());
    let starting = u64::from(index.starting > 0);
    let active = index.shards - lost - starting;
    let status = if active == index.shards { "green" } else { "red" };
    json!({"status": status, "number_of_shards": index.shards, "number_of_replicas": 0, "active_primary_shards": active,
        "active_shards": active, "relocating_shards": 0, "initializing_shards": starting, "unassigned_shards": lost})
}

fn shown(name: &str, taken: &Taken) -> Value {
    let uuid = format!("uuid-of-{name}");
    let mut one = json!({"snapshot": name, "uuid": uuid, "indices": taken.indices, "state": taken.state,
        "include_global_state": false, "start_time_in_millis": taken.began, "end_time_in_millis": taken.ended,
        "duration_in_millis": 1, "failures": [], "shards": {"total": taken.shards, "failed": 0, "successful": taken.shards}});
    if taken.running > 0 {
        one["state"] = json!("IN_PROGRESS");
        one["end_time_in_millis"] = json!(0);
        one["shards"] = json!({"total": 0, "failed": 0, "successful": 0});
    } else if taken.state != "SUCCESS" {
        let index = taken.indices.last();
        one["failures"] = json!([{"index": index, "shard_id": 0, "reason": "primary shard is not allocated"}]);
        one["shards"] = json!({"total": taken.shards, "failed": 1, "successful": taken.shards - 1});
    }
    one
}
