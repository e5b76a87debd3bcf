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
    let shown = restored_from(target, &names)?;
    let here = target.identity()?;
    let at_home = origin.cluster.is_some_and(|source| source.cluster_uuid == here.cluster_uuid);
    Ok(pairs.iter().map(|(index, name)| standing(indices, origin, at_home, of(&shown, name), index, name)).collect())
}

fn standing(
    indices: &Indices,
    origin: &Origin<'_>,
    at_home: bool,
    shown: &[Source],
    index: &str,
    name: &str,
) -> Standing {
    if let [behind, ..] = indices.behind_alias(name).as_slice() {
        let message = format!("on the target {name:?} is an alias (of {behind:?}); an index cannot take its name");
        let hint = "remove the alias there, or restore under another name: --rename-pattern";
        return Standing::InTheWay(Fault::failed(message).hint(hint));
    }
    let Some(info) = indices.get(name) else { return Standing::Free };
    let fate = fate(shown, origin, index);
    if let (Fate::Ours, [source, ..]) = (fate, shown) {
        return Standing::Restored(format!("{}/{}", source.repository, source.snapshot));
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
struct Source {
    repository: String,
    snapshot: String,
    index: String,
    /// When that began, in milliseconds since 1970 by the target's clock; none while it waits for its turn.
    began: Option<i64>,
}

impl Source {
    /// Reads a source; whatever does not say all of it shows nothing.
    fn of(source: &Value, began: Option<i64>) -> Option<Self> {
        let word = |key: &str| source[key].as_str().map(str::to_string);
        Some(Self { repository: word("repository")?, snapshot: word("snapshot")?, index: word("index")?, began })
    }

    /// Whether it is this index of a snapshot of this name.
    fn is(&self, origin: &Origin<'_>, index: &str) -> bool {
        origin.repository.is_none_or(|wanted| self.repository == wanted)
            && origin.snapshot.is_none_or(|wanted| self.snapshot == wanted)
            && self.index == index
    }

    /// Whether it began before the snapshot had ended: then it was of an older one of that name, which is deleted. No server shows the
    /// uuid of the snapshot that an index was restored from.
    fn is_older_than(&self, origin: &Origin<'_>) -> bool {
        let times = self.began.zip(origin.ended);
        times.is_some_and(|(began, ended)| began < ended.saturating_sub(CLOCKS_APART_MILLIS))
    }
}

/// What the target shows of each index, of one of its shards at least.
type Sources = BTreeMap<String, Vec<Source>>;

fn of<'a>(shown: &'a Sources, name: &str) -> &'a [Source] {
    shown.get(name).map(Vec::as_slice).unwrap_or_default()
}

/// What the sources of an index say of a snapshot.
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

/// Whether an index of which this is shown was restored from this index of a snapshot.
fn fate(shown: &[Source], origin: &Origin<'_>, index: &str) -> Fate {
    if shown.is_empty() {
        Fate::Unknown
    } else if !shown.iter().all(|source| source.is(origin, index)) {
        Fate::Other
    } else if shown.iter().any(|source| source.is_older_than(origin)) {
        Fate::Older
    } else {
        Fate::Ours
    }
}

/// What each of these indices was or is being restored from, where the target still shows it.
///
/// A shard that waits for its turn is in no recovery, but its place in the routing table says where it will come from; one that has
/// started is told by its recovery alone. A shard may pass from one to the other between the two looks.
fn restored_from(target: &Cluster, names: &[&str]) -> Result<Sources, Fault> {
    let mut shown = Sources::new();
    for look in [recoveries, routes, recoveries] {
        let unknown: Vec<&str> = names.iter().filter(|name| !shown.contains_key(**name)).copied().collect();
        for list in batches(unknown) {
            look(target, &list, &mut shown)?;
        }
    }
    Ok(shown)
}

fn recoveries(target: &Cluster, list: &str, shown: &mut Sources) -> Result<(), Fault> {
    let answer = target.get(&Path::of([list, "_recovery"])).map_err(|e| e.fault("looking at recoveries"))?;
    in_recoveries(&answer, shown);
    Ok(())
}

fn routes(target: &Cluster, list: &str, shown: &mut Sources) -> Result<(), Fault> {
    match target.get(&Path::of(["_cluster", "state", "routing_table", list])) {
        Ok(answer) => in_routes(&answer, shown),
        // Who may not look has no proof, and needs none where the recoveries show it.
        Err(error) if error.class() == Some(Class::NotAllowed) => {}
        Err(error) => return Err(error.fault("looking at the routing table")),
    }
    Ok(())
}

/// Adds the recoveries of type `SNAPSHOT`. One that does not say when it began may be of an older snapshot of the same name.
fn in_recoveries(answer: &Value, shown: &mut Sources) {
    for (name, index) in answer.as_object().into_iter().flatten() {
        for shard in index["shards"].as_array().into_iter().flatten().filter(|shard| shard["type"] == "SNAPSHOT") {
            let began = shard["start_time_in_millis"].as_i64();
            add(shown, name, began.and_then(|began| Source::of(&shard["source"], Some(began))));
        }
    }
}

/// Adds the shards that are to be restored.
fn in_routes(answer: &Value, shown: &mut Sources) {
    for (name, index) in answer["routing_table"]["indices"].as_object().into_iter().flatten() {
        let copies = index["shards"].as_object().into_iter().flat_map(|shards| shards.values());
        for copy in copies.filter_map(Value::as_array).flatten() {
            let source = &copy["recovery_source"];
            if source["type"] == "SNAPSHOT" {
                add(shown, name, Source::of(source, None));
            }
        }
    }
}

fn add(shown: &mut Sources, name: &str, source: Option<Source>) {
    if let Some(source) = source {
        shown.entry(name.to_string()).or_default().push(source);
    }
}

/// What two such answers show, for fuzzing: each index, and whether it is the one of its name of this snapshot.
pub(crate) fn shown_by(recoveries: &Value, routes: &Value, origin: &Origin<'_>) -> Vec<(String, bool)> {
    let mut shown = Sources::new();
    in_recoveries(recoveries, &mut shown);
    in_routes(routes, &mut shown);
    shown.iter().map(|(name, all)| (name.clone(), fate(all, origin, name) == Fate::Ours)).collect()
}
