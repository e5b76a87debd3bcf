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
    let shown = shown(target, &names)?;
    let here = target.identity()?;
    let at_home = origin.cluster.is_some_and(|source| source.cluster_uuid == here.cluster_uuid);
    Ok(pairs.iter().map(|(index, name)| standing(indices, origin, at_home, &shown, index, name)).collect())
}

fn standing(indices: &Indices, origin: &Origin<'_>, at_home: bool, shown: &Shown, index: &str, name: &str) -> Standing {
    if let [behind, ..] = indices.behind_alias(name).as_slice() {
        let message = format!("on the target {name:?} is an alias (of {behind:?}); an index cannot take its name");
        let hint = "remove the alias there, or restore under another name: --rename-pattern";
        return Standing::InTheWay(Fault::failed(message).hint(hint));
    }
    let Some(info) = indices.get(name) else { return Standing::Free };
    let shards = shown.get(name).map(Vec::as_slice);
    let fate = fate(shards, origin, index);
    if let (Fate::Ours, Some([shard, ..])) = (fate, shards) {
        return Standing::Restored(format!("{}/{}", shard.repository, shard.snapshot));
    }
    if at_home && index == name {
        let message = format!("source and target are the same cluster, and {name:?} would keep its name");
        return Standing::InTheWay(Fault::usage(message).hint(
            "name the other one by ES_TARGET_URL or --target-url, or restore under another name: --rename-pattern",
        ));
    }
    let state = if info.closed { "a closed" } else { "an open" };
    let born = origin.settings.get(index).and_then(|settings| settings.creation_date.as_ref());
    let as_old = born.is_some() && born == info.settings.creation_date.as_ref();
    let what = match fate {
        // It may be ours, or of an older snapshot of the same index: only a recovery tells, and it is forgotten in time.
        Fate::Unknown if as_old && !info.closed => {
            "with the creation_date of the source's exists, and nothing shows any more that it was restored from this snapshot \
             (servers forget it when a node restarts or a shard moves)"
        }
        Fate::Older => {
            "was restored before the snapshot of that name had ended, so from an older one (or the clusters' clocks are wrong)"
        }
        _ => "exists that was not restored from this snapshot",
    };
    Standing::InTheWay(Fault::failed(format!("on the target {state} index {name:?} {what}")).hint(
        "delete it there if it is not needed, or restore under another name: --rename-pattern '(.+)' --rename-replacement 'restored-$1'",
    ))
}

/// How far the clocks of two clusters may be apart. To take an older restore for this one would be silent; where the clocks are worse,
/// one that was started and not recorded has to be deleted and started again.
const CLOCKS_APART_MILLIS: i64 = 5_000;

/// What one shard was or is being restored from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShardOrigin {
    repository: String,
    snapshot: String,
    index: String,
    /// When that began, in milliseconds since 1970 by the target's clock; none while it waits for its turn.
    began: Option<i64>,
}

impl ShardOrigin {
    /// Reads a source; whatever does not say all of it shows nothing.
    fn of(source: &Value, began: Option<i64>) -> Option<Self> {
        let word = |key: &str| source[key].as_str().map(str::to_string);
        Some(Self { repository: word("repository")?, snapshot: word("snapshot")?, index: word("index")?, began })
    }

    /// Whether it is this index of a snapshot of this name, as far as that is settled.
    fn is(&self, origin: &Origin<'_>, index: &str) -> bool {
        origin.repository.is_none_or(|repository| self.repository == repository)
            && origin.snapshot.is_none_or(|snapshot| self.snapshot == snapshot)
            && self.index == index
    }

    /// Whether it began before the snapshot had ended: then it was of an older one of that name, which is deleted. No server shows the
    /// uuid of the snapshot that an index was restored from.
    fn is_older_than(&self, origin: &Origin<'_>) -> bool {
        let times = self.began.zip(origin.ended);
        times.is_some_and(|(began, ended)| began < ended.saturating_sub(CLOCKS_APART_MILLIS))
    }
}

/// What the target shows of each index, at least of one of its shards.
type Shown = BTreeMap<String, Vec<ShardOrigin>>;

/// What the shards of an index say of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing shows any more where it comes from.
    Unknown,
    /// All that is shown comes from this very snapshot.
    Ours,
    /// From an older one of the same name.
    Older,
    /// From something else.
    Other,
}

fn fate(shards: Option<&[ShardOrigin]>, origin: &Origin<'_>, index: &str) -> Fate {
    match shards {
        None => Fate::Unknown,
        Some(shards) if !shards.iter().all(|shard| shard.is(origin, index)) => Fate::Other,
        Some(shards) if shards.iter().any(|shard| shard.is_older_than(origin)) => Fate::Older,
        Some(_) => Fate::Ours,
    }
}

/// As `parsers::restored`.
pub(crate) fn read(recoveries: &Value, routes: &Value, origin: &Origin<'_>) -> Vec<(String, bool)> {
    let mut shown = Shown::new();
    in_recoveries(recoveries, &mut shown);
    in_routes(routes, &mut shown);
    shown.iter().map(|(name, shards)| (name.clone(), fate(Some(shards), origin, name) == Fate::Ours)).collect()
}

/// Asks what these indices were or are being restored from.
///
/// A shard that waits for its turn is in no recovery, but its place in the routing table says where it will come from; one that has
/// started is told by its recovery alone. A shard may pass from one to the other between the two looks.
fn shown(target: &Cluster, names: &[&str]) -> Result<Shown, Fault> {
    let mut shown = Shown::new();
    for look in [recoveries, routes, recoveries] {
        let unknown: Vec<&str> = names.iter().filter(|name| !shown.contains_key(**name)).copied().collect();
        for list in batches(unknown) {
            look(target, &list, &mut shown)?;
        }
    }
    Ok(shown)
}

fn recoveries(target: &Cluster, list: &str, shown: &mut Shown) -> Result<(), Fault> {
    let answer = target.get(&Path::of([list, "_recovery"])).map_err(|e| e.fault("looking at recoveries"))?;
    in_recoveries(&answer, shown);
    Ok(())
}

fn routes(target: &Cluster, list: &str, shown: &mut Shown) -> Result<(), Fault> {
    match target.get(&Path::of(["_cluster", "state", "routing_table", list])) {
        Ok(answer) => in_routes(&answer, shown),
        // Who may not look has no proof, and needs none where the recoveries show it.
        Err(error) if error.class() == Some(Class::NotAllowed) => {}
        Err(error) => return Err(error.fault("looking at the routing table")),
    }
    Ok(())
}

/// Adds the recoveries of type `SNAPSHOT`. One that does not say when it began may be of an older snapshot of the same name.
fn in_recoveries(answer: &Value, shown: &mut Shown) {
    for (name, index) in answer.as_object().into_iter().flatten() {
        for shard in index["shards"].as_array().into_iter().flatten().filter(|shard| shard["type"] == "SNAPSHOT") {
            let began = shard["start_time_in_millis"].as_i64();
            let origin = began.and_then(|began| ShardOrigin::of(&shard["source"], Some(began)));
            add(shown, name, origin);
        }
    }
}

/// Adds the shards that are to be restored.
fn in_routes(answer: &Value, shown: &mut Shown) {
    for (name, index) in answer["routing_table"]["indices"].as_object().into_iter().flatten() {
        let copies = index["shards"].as_object().into_iter().flat_map(|shards| shards.values());
        for copy in copies.filter_map(Value::as_array).flatten() {
            let source = &copy["recovery_source"];
            if source["type"] == "SNAPSHOT" {
                add(shown, name, ShardOrigin::of(source, None));
            }
        }
    }
}

fn add(shown: &mut Shown, name: &str, origin: Option<ShardOrigin>) {
    if let Some(origin) = origin {
        shown.entry(name.to_string()).or_default().push(origin);
    }
}
