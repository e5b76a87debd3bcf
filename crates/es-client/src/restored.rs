//! What stands on the target under the names that indices are to be restored to: one rule for the restore and for the look before it.

use std::collections::BTreeMap;

use es_records::{ClusterId, Fault, IndexSettings};
use serde_json::Value;

use crate::{Class, Cluster, Indices, Path, batches};

/// The snapshot that indices are to be restored from, as far as it is settled.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Its repository, by the name that the target knows.
    pub repository: Option<&'a str>,
    /// Its name.
    pub snapshot: Option<&'a str>,
    /// When it ended, in milliseconds since 1970; one that is still to be taken ends later than all that was restored.
    pub ended: Option<i64>,
    /// The cluster that it is of.
    pub cluster: Option<&'a ClusterId>,
    /// Its indices' own settings.
    pub settings: &'a BTreeMap<String, IndexSettings>,
}

/// What stands under one name.
#[derive(Debug)]
pub enum Standing {
    /// Nothing.
    Free,
    /// This very index, restored from this snapshot, which is named: REPOSITORY/SNAPSHOT.
    Restored(String),
    /// Anything else.
    InTheWay(Fault),
}

/// What stands in the way of each of these pairs, name in the snapshot and on the target.
///
/// # Errors
/// The fault of a look at the target.
pub fn standings(
    target: &Cluster,
    indices: &Indices,
    origin: &Origin<'_>,
    pairs: &[(String, String)],
) -> Result<Vec<Standing>, Fault> {
    // Servers refuse to look at the recoveries of closed ones.
    let open = |name: &&str| indices.get(name).is_some_and(|info| !info.closed);
    let names: Vec<&str> = pairs.iter().map(|(_, name)| name.as_str()).filter(open).collect();
    let sources = restored_from(target, &names)?;
    let here = target.identity()?;
    let at_home = origin.cluster.is_some_and(|source| source.cluster_uuid == here.cluster_uuid);
    Ok(pairs.iter().map(|(index, name)| standing(indices, origin, at_home, sources.get(name), index, name)).collect())
}

fn standing(
    indices: &Indices,
    origin: &Origin<'_>,
    at_home: bool,
    source: Option<&Value>,
    index: &str,
    name: &str,
) -> Standing {
    if let [behind, ..] = indices.behind_alias(name).as_slice() {
        let message = format!("on the target {name:?} is an alias (of {behind:?}); an index cannot take its name");
        let hint = "remove the alias there, or restore under another name: --rename-pattern";
        return Standing::InTheWay(Fault::failed(message).hint(hint));
    }
    let Some(info) = indices.get(name) else { return Standing::Free };
    let is = |key: &str, wanted: Option<&str>| {
        source.is_some_and(|source| source[key].is_string() && wanted.is_none_or(|wanted| source[key] == wanted))
    };
    let from_here = is("repository", origin.repository) && is("snapshot", origin.snapshot) && is("index", Some(index));
    let of_older = from_here && source.is_some_and(|source| before(source, origin));
    if from_here && !of_older && !info.closed {
        let word = |key: &str| source.and_then(|source| source[key].as_str()).unwrap_or_default();
        return Standing::Restored(format!("{}/{}", word("repository"), word("snapshot")));
    }
    if at_home && index == name {
        let message = format!("source and target are the same cluster, and {name:?} would keep its name");
        return Standing::InTheWay(Fault::usage(message).hint(
            "name the other one by ES_TARGET_URL or --target-url, or restore under another name: --rename-pattern",
        ));
    }
    let state = if info.closed { "a closed" } else { "an open" };
    let born = origin.settings.get(index).and_then(|settings| settings.creation_date.as_ref());
    let what = if !info.closed && source.is_none() && born.is_some() && born == info.settings.creation_date.as_ref() {
        // It may be ours, or of an older snapshot of the same index: only a recovery tells, and it is forgotten in time.
        "with the creation_date of the source's exists, and nothing shows any more that it was restored from this snapshot \
         (servers forget it when a node restarts or a shard moves)"
    } else if of_older && !info.closed {
        "was restored before the snapshot of that name had ended, so from an older one (or the clusters' clocks are wrong)"
    } else {
        "exists that was not restored from this snapshot"
    };
    Standing::InTheWay(Fault::failed(format!("on the target {state} index {name:?} {what}")).hint(
        "delete it there if it is not needed, or restore under another name: --rename-pattern '(.+)' --rename-replacement 'restored-$1'",
    ))
}

/// How far the clocks of two clusters may be apart. To take an older restore for this one would be silent; where the clocks are worse,
/// one that was started and not recorded has to be deleted and started again.
const CLOCKS_APART_MILLIS: i64 = 5_000;

/// Whether a recovery began before the snapshot had ended: then it was of an older one of that name, which is deleted. No server
/// shows the uuid of the snapshot that an index was restored from.
fn before(source: &Value, origin: &Origin<'_>) -> bool {
    let began = source[BEGAN].as_i64();
    began.zip(origin.ended).is_some_and(|(began, ended)| began < ended.saturating_sub(CLOCKS_APART_MILLIS))
}

/// Where the beginning of a recovery is kept in its `source`: milliseconds since 1970, by the target's clock.
const BEGAN: &str = "start_time_in_millis";

/// What each of these indices was or is being restored from, where the target still shows it: `repository`, `snapshot`, `index`.
///
/// A shard that waits for its turn is in no recovery, but its place in the routing table says where it will come from; one that has
/// started is told by its recovery alone. A shard may pass from one to the other between the two looks.
fn restored_from(target: &Cluster, names: &[&str]) -> Result<BTreeMap<String, Value>, Fault> {
    let mut sources = BTreeMap::new();
    for look in [recoveries, routes, recoveries] {
        let unknown: Vec<&str> = names.iter().filter(|name| !sources.contains_key(**name)).copied().collect();
        if unknown.is_empty() {
            break;
        }
        for list in batches(unknown) {
            look(target, &list, &mut sources)?;
        }
    }
    Ok(sources)
}

/// Adds the `source` of recoveries of type `SNAPSHOT`.
fn recoveries(target: &Cluster, list: &str, sources: &mut BTreeMap<String, Value>) -> Result<(), Fault> {
    let answer = target.get(&Path::of([list, "_recovery"])).map_err(|e| e.fault("looking at recoveries"))?;
    for (name, index) in answer.as_object().into_iter().flatten() {
        for shard in index["shards"].as_array().into_iter().flatten() {
            if shard["type"] == "SNAPSHOT" {
                let mut source = shard["source"].clone();
                if let Some(fields) = source.as_object_mut() {
                    fields.insert(BEGAN.into(), shard[BEGAN].clone());
                }
                sources.insert(name.clone(), source);
            }
        }
    }
    Ok(())
}

/// Adds the `recovery_source` of shards that are to be restored.
fn routes(target: &Cluster, list: &str, sources: &mut BTreeMap<String, Value>) -> Result<(), Fault> {
    let answer = match target.get(&Path::of(["_cluster", "state", "routing_table", list])) {
        Ok(answer) => answer,
        // Who may not look has no proof, and needs none where the recoveries show it.
        Err(error) if error.class() == Some(Class::NotAllowed) => return Ok(()),
        Err(error) => return Err(error.fault("looking at the routing table")),
    };
    for (name, index) in answer["routing_table"]["indices"].as_object().into_iter().flatten() {
        let copies = index["shards"].as_object().into_iter().flat_map(|shards| shards.values());
        for copy in copies.filter_map(Value::as_array).flatten() {
            if copy["recovery_source"]["type"] == "SNAPSHOT" {
                sources.insert(name.clone(), copy["recovery_source"].clone());
            }
        }
    }
    Ok(())
}
