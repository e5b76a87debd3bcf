//! The checks, a module for each group: each looks at one thing that stops migrations, and says what it found.

mod allocation;
mod blocks;
mod clock;
mod components;
mod disk;
mod mappings;
mod names;
mod permissions;
mod pipelines;
mod policies;
mod repository;
mod shards;
mod states;
mod streams;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use es_cli::Fault;
use es_client::{Pattern, batches, excerpt, flat};
use serde_json::{Map, Value};

use crate::finding::Findings;
use crate::side::Side;

/// What is to be moved.
pub(crate) struct Move<'a> {
    /// Name on the source, name on the target.
    pub(crate) pairs: Vec<(String, String)>,
    /// What names and wildcards were given for it; none where a plan names each.
    pub(crate) patterns: &'a [Pattern],
    /// Whether aliases go along.
    pub(crate) aliases: bool,
    /// Whether what is there is taken when primaries are missing.
    pub(crate) partial: bool,
    /// Index settings that are left behind: names and wildcards.
    pub(crate) left_behind: Vec<Pattern>,
    pub(crate) repository: Option<&'a str>,
    pub(crate) snapshot: Option<&'a str>,
    /// Type of the repository, as the source reaches it.
    pub(crate) kind: Option<&'a str>,
    /// The same of the target.
    pub(crate) target_kind: Option<&'a str>,
    /// Its settings, as far as they are known.
    pub(crate) place: BTreeMap<&'a str, &'a str>,
}

/// Settings of each index, with dotted keys.
type Settings = BTreeMap<String, Map<String, Value>>;

/// What every check looks at.
pub(crate) struct Look<'a> {
    from: &'a Side<'a>,
    to: &'a Side<'a>,
    wish: &'a Move<'a>,
    /// Without those that are left behind.
    settings: Settings,
    /// Those whose metadata is blocked on the source, so that their mappings cannot be read there.
    sealed: BTreeSet<String>,
    /// The name that each index will have.
    targets: BTreeMap<&'a str, &'a str>,
    /// Whether source and target are one cluster.
    same: bool,
}

impl<'a> Look<'a> {
    pub(crate) fn of(from: &'a Side<'a>, to: &'a Side<'a>, wish: &'a Move<'a>) -> Result<Self, Fault> {
        let same = from.cluster.identity()?.cluster_uuid == to.cluster.identity()?.cluster_uuid;
        let targets = wish.pairs.iter().map(|(index, target)| (index.as_str(), target.as_str())).collect();
        let mut settings = settings(from, wish)?;
        let sealed = settings.iter().filter(|(_, settings)| is_on(settings, "index.blocks.metadata"));
        let sealed = sealed.map(|(index, _)| index.clone()).collect();
        for own in settings.values_mut() {
            own.retain(|key, _| !wish.left_behind.iter().any(|pattern| pattern.matches(key)));
        }
        Ok(Self { from, to, wish, settings, sealed, targets, same })
    }

    /// Indices that are to be moved and exist, with their settings.
    fn indices(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        self.settings.iter().map(|(index, settings)| (index.as_str(), settings))
    }

    /// The name that an index will have.
    fn target_of(&self, index: &str) -> Option<&str> {
        self.targets.get(index).copied()
    }

    /// Whether the target has an index of the name that this one will have: it takes no more room.
    fn is_there(&self, index: &str) -> bool {
        self.target_of(index).is_some_and(|target| self.to.indices.get(target).is_some())
    }
}

/// All checks, in the order in which they matter.
pub(crate) fn all(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    versions::check(look, findings);
    states::check(look, findings)?;
    names::check(look, findings)?;
    streams::check(look, findings)?;
    repository::check(look, findings)?;
    components::check(look, findings)?;
    mappings::check(look, findings)?;
    allocation::check(look, findings)?;
    blocks::check(look, findings)?;
    disk::check(look, findings)?;
    shards::check(look, findings)?;
    policies::check(look, findings)?;
    pipelines::check(look, findings)?;
    clock::check(look, findings)?;
    permissions::check(look, findings)
}

fn settings(from: &Side<'_>, wish: &Move<'_>) -> Result<Settings, Fault> {
    let mut all = Settings::new();
    let known = wish.pairs.iter().map(|(index, _)| index.as_str()).filter(|index| from.indices.get(index).is_some());
    for list in batches(known) {
        let what = "settings of the source's indices";
        let answer = es_client::index_settings(from.cluster, &list)?;
        if list.split(',').any(|index| !answer[index]["settings"].is_object()) {
            return Err(another_kind(what, &answer));
        }
        for (index, entry) in answer.as_object().into_iter().flatten() {
            all.insert(index.clone(), flat(&entry["settings"]));
        }
    }
    Ok(all)
}

/// What was asked for by name and did not come is no proof that there is nothing.
fn another_kind(what: &str, answer: &Value) -> Fault {
    Fault::failed(format!("{what}: an answer of another kind: {}", excerpt(answer)))
        .hint("check the URL; a proxy may be answering")
}

fn text<'s>(settings: &'s Map<String, Value>, key: &str) -> Option<&'s str> {
    settings.get(key).and_then(Value::as_str)
}

/// A setting that is a switch, and on.
fn is_on(settings: &Map<String, Value>, key: &str) -> bool {
    text(settings, key) == Some("true")
}

/// Shards of an index with their replicas; what servers say may be any number.
fn copies(shards: u64, replicas: u64) -> u64 {
    shards.saturating_mul(replicas.saturating_add(1))
}

/// Replicas that an index will have in the end on a cluster with so many data nodes.
fn replicas(look: &Look<'_>, index: &str, data_nodes: usize) -> u64 {
    let settings = look.settings.get(index);
    let others = u64::try_from(data_nodes.saturating_sub(1)).unwrap_or_default();
    let most = settings.and_then(|settings| text(settings, "index.auto_expand_replicas")).unwrap_or("false");
    match most.split_once('-') {
        Some((_, "all")) => others,
        Some((least, most)) => {
            let number = |text: &str| text.parse().unwrap_or_default();
            others.min(number(most)).max(number(least))
        }
        None => look.from.indices.get(index).and_then(|info| info.settings.number_of_replicas).unwrap_or_default(),
    }
}

/// All that reads a value of a setting, for fuzzing.
pub(crate) fn values(text: &str, other: &str) {
    for total in [0, 1, u64::MAX] {
        let free = disk::must_stay_free(text, Some(other), total);
        assert!(free.is_none_or(|free| free <= total) || disk::bytes(text).is_some(), "{text:?} of {total}");
    }
    let _ = (policies::duration(text), allocation::wildcard(text, other), streams::could_back(text, other));
}

/// A list of names for a message, not longer than a line can be read.
fn some(names: &[&str]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}
