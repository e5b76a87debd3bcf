//! What an index was or is being restored from, as far as the target still shows it: in its recoveries, or in the routing table while
//! a shard waits for its turn. Servers forget it when a node restarts or a shard moves.

use es_client::{Class, Cluster, Path, batches};
use es_records::{Fault, Snapshot};
use serde_json::Value;
use std::collections::BTreeMap;

/// How far the clocks of two clusters may be apart. To take an older restore for this one would be silent; where the clocks are worse,
/// one that was started and not recorded has to be deleted and started again.
const CLOCKS_APART_MILLIS: i64 = 5_000;

/// What one shard was or is being restored from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    repository: String,
    snapshot: String,
    index: String,
    /// When that began, in milliseconds since 1970 by the target's clock; none while it waits for its turn.
    began: Option<i64>,
}

impl Origin {
    /// Reads a source; whatever does not say all of it shows nothing.
    fn of(source: &Value, began: Option<i64>) -> Option<Self> {
        let word = |key: &str| source[key].as_str().map(str::to_string);
        Some(Self { repository: word("repository")?, snapshot: word("snapshot")?, index: word("index")?, began })
    }

    /// Whether it is this index of a snapshot of this name.
    fn is(&self, snapshot: &Snapshot, index: &str) -> bool {
        self.repository == snapshot.repository && self.snapshot == snapshot.snapshot && self.index == index
    }

    /// Whether it began before the snapshot had ended: then it was of an older one of that name, which is deleted. No server shows the
    /// uuid of the snapshot that an index was restored from.
    fn is_older_than(&self, snapshot: &Snapshot) -> bool {
        let times = self.began.zip(snapshot.end_time_in_millis);
        times.is_some_and(|(began, ended)| began < ended.saturating_sub(CLOCKS_APART_MILLIS))
    }
}

/// What the target shows of each index, at least of one of its shards.
pub(crate) type Origins = BTreeMap<String, Vec<Origin>>;

/// What the origins of an index say of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing shows any more where it comes from.
    Unknown,
    /// All that is shown comes from this very snapshot.
    Ours,
    /// From an older one of the same name.
    Older,
    /// From something else.
    Other,
}

/// Whether the target's index `name` was restored from this index of a snapshot.
pub(crate) fn fate(origins: &Origins, name: &str, snapshot: &Snapshot, index: &str) -> Fate {
    match origins.get(name) {
        None => Fate::Unknown,
        Some(shown) if !shown.iter().all(|origin| origin.is(snapshot, index)) => Fate::Other,
        Some(shown) if shown.iter().any(|origin| origin.is_older_than(snapshot)) => Fate::Older,
        Some(_) => Fate::Ours,
    }
}

/// Asks what these indices were or are being restored from.
///
/// A shard that waits for its turn is in no recovery, but its place in the routing table says where it will come from; one that has
/// started is told by its recovery alone. A shard may pass from one to the other between the two looks.
pub(crate) fn of_indices(target: &Cluster, names: &[&str]) -> Result<Origins, Fault> {
    let mut origins = Origins::new();
    for look in [recoveries, routes, recoveries] {
        let unknown: Vec<&str> = names.iter().filter(|name| !origins.contains_key(**name)).copied().collect();
        for list in batches(unknown) {
            look(target, &list, &mut origins)?;
        }
    }
    Ok(origins)
}

fn recoveries(target: &Cluster, list: &str, origins: &mut Origins) -> Result<(), Fault> {
    let answer = target.get(&Path::of([list, "_recovery"])).map_err(|e| e.fault("looking at recoveries"))?;
    in_recoveries(&answer, origins);
    Ok(())
}

fn routes(target: &Cluster, list: &str, origins: &mut Origins) -> Result<(), Fault> {
    match target.get(&Path::of(["_cluster", "state", "routing_table", list])) {
        Ok(answer) => in_routes(&answer, origins),
        // Who may not look has no proof, and needs none where the recoveries show it.
        Err(error) if error.class() == Some(Class::NotAllowed) => {}
        Err(error) => return Err(error.fault("looking at the routing table")),
    }
    Ok(())
}

/// Adds the recoveries of type `SNAPSHOT`. One that does not say when it began may be of an older snapshot of the same name.
pub(crate) fn in_recoveries(answer: &Value, origins: &mut Origins) {
    for (name, index) in answer.as_object().into_iter().flatten() {
        for shard in index["shards"].as_array().into_iter().flatten().filter(|shard| shard["type"] == "SNAPSHOT") {
            let began = shard["start_time_in_millis"].as_i64();
            let origin = began.and_then(|began| Origin::of(&shard["source"], Some(began)));
            add(origins, name, origin);
        }
    }
}

/// Adds the shards that are to be restored.
pub(crate) fn in_routes(answer: &Value, origins: &mut Origins) {
    for (name, index) in answer["routing_table"]["indices"].as_object().into_iter().flatten() {
        let copies = index["shards"].as_object().into_iter().flat_map(|shards| shards.values());
        for copy in copies.filter_map(Value::as_array).flatten() {
            let source = &copy["recovery_source"];
            if source["type"] == "SNAPSHOT" {
                add(origins, name, Origin::of(source, None));
            }
        }
    }
}

fn add(origins: &mut Origins, name: &str, origin: Option<Origin>) {
    if let Some(origin) = origin {
        origins.entry(name.to_string()).or_default().push(origin);
    }
}
