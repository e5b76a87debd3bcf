//! What indices a cluster has, in three requests however many there are, and which of them a pattern means.

use crate::{CallError, Cluster, Path, ServerError, batches, date_math};
use es_records::{Fault, IndexSettings};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// What is known of one index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexInfo {
    /// Settings that a migration remembers, and aliases.
    pub settings: IndexSettings,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether wildcards pass it over (`index.hidden`, or a name that begins with a dot).
    pub hidden: bool,
    /// Aliases through which it is the one that is written to (`is_write_index`, since 6.4); none where it cannot be read.
    write_aliases: Option<BTreeSet<String>>,
    /// `green`, `yellow`, `red`; none where the server does not say (closed indices before 7.2).
    pub health: Option<String>,
}

impl IndexInfo {
    /// Whether this alias says that it is this index that is written to; none where `index.blocks.metadata` hides it.
    #[must_use]
    pub fn writes_through(&self, alias: &str) -> Option<bool> {
        self.write_aliases.as_ref().map(|aliases| aliases.contains(alias))
    }
}

/// All indices of a cluster, by name.
#[derive(Debug, Clone, Default)]
pub struct Indices {
    indices: BTreeMap<String, IndexInfo>,
}

impl Indices {
    /// Asks a cluster for all its indices: settings, aliases, open or closed.
    ///
    /// # Errors
    /// The fault of whichever request fails.
    pub fn of(cluster: &Cluster) -> Result<Self, Fault> {
        let indices = Self::once(cluster)?;
        // One that was born between the requests would be taken along without the settings that are to be put back.
        let half_known = indices.iter().any(|(_, info)| !info.hidden && info.settings.number_of_shards.is_none());
        if half_known { Self::once(cluster) } else { Ok(indices) }
    }

    fn once(cluster: &Cluster) -> Result<Self, Fault> {
        let (settings, aliases, states) = match Self::listed(cluster) {
            Err(Refused::Blocked) => Self::of_state(cluster)?,
            Err(Refused::Fault(fault)) => return Err(fault),
            Ok(answers) => answers,
        };
        for (part, fits) in
            [("settings", settings.is_object()), ("aliases", aliases.is_object()), ("states", states.is_array())]
        {
            if !fits {
                // Whatever is no list is no proof that there is no index.
                return Err(Fault::failed(format!("{}: an answer of another kind", part_of(cluster, part)))
                    .hint("check the URL; a proxy may be answering"));
            }
        }
        Ok(Self::from_answers(&settings, &aliases, &states))
    }

    /// The three lists.
    fn listed(cluster: &Cluster) -> Result<(Value, Value, Value), Refused> {
        let refused = |part: &'static str| move |error: CallError| Refused::of(&error, cluster, part);
        let names =
            "index.number_of_shards,index.number_of_replicas,index.refresh_interval,index.creation_date,index.hidden";
        let path = Path::of(["_all", "_settings", names]).query("expand_wildcards", "all");
        let settings = cluster.get(&path).map_err(refused("settings"))?;
        let aliases = aliases_of(cluster, "_all").map_err(refused("aliases"))?;
        let mut path = Path::of(["_cat", "indices"]).query("format", "json").query("h", "index,status,health");
        if cluster.api_version()? >= (7, 7) {
            path = path.query("expand_wildcards", "all");
        }
        let states = cluster.get(&path).map_err(refused("states"))?;
        Ok((settings, aliases, states))
    }

    /// The same out of the state of the cluster and its health, which a block of one index's metadata does not stop. Which index an
    /// alias writes to is not said there: the others are asked by name.
    fn of_state(cluster: &Cluster) -> Result<(Value, Value, Value), Fault> {
        let metadata = metadata(cluster, "_all", "settings,aliases,state")?;
        let path = Path::of(["_cluster", "health"]).query("level", "indices").query("filter_path", "indices.*.status");
        let health = cluster.get(&path).map_err(|e| e.fault(&part_of(cluster, "health")))?;
        let hides = |index: &Value| flat(&index["settings"]).get("index.blocks.metadata").is_some_and(|v| v == "true");
        let names_only = metadata.iter().map(|(name, index)| {
            let names = index["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let named: Map<String, Value> = names.map(|alias| (alias.to_string(), Value::Null)).collect();
            (name.clone(), json!({"aliases": named}))
        });
        let mut aliases: Map<String, Value> = names_only.collect();
        let others = metadata.iter().filter(|(_, index)| !hides(index)).map(|(name, _)| name.as_str());
        for list in batches(others) {
            match aliases_of(cluster, &list).map_err(|e| e.fault(&part_of(cluster, "aliases")))? {
                Value::Object(answer) => aliases.extend(answer),
                other => return Ok((metadata.into(), other, Value::Null)),
            }
        }
        let states = metadata.iter().map(|(name, index)| {
            json!({"index": name, "status": index["state"], "health": health["indices"][name]["status"]})
        });
        Ok((metadata.clone().into(), aliases.into(), states.collect()))
    }

    pub(crate) fn from_answers(settings: &Value, aliases: &Value, states: &Value) -> Self {
        let mut indices = BTreeMap::new();
        let empty = serde_json::Map::new();
        for (name, index) in settings.as_object().unwrap_or(&empty) {
            let settings = flat(&index["settings"]);
            let text = |key: &str| settings.get(key).and_then(Value::as_str).map(str::to_string);
            let number = |key: &str| text(key).and_then(|v| v.parse().ok());
            let aliases = aliases[name]["aliases"].as_object().unwrap_or(&empty);
            let written = aliases.iter().filter(|(_, alias)| alias["is_write_index"] == true);
            let told = aliases.values().all(Value::is_object);
            indices.insert(
                name.clone(),
                IndexInfo {
                    settings: IndexSettings {
                        number_of_shards: number("index.number_of_shards"),
                        number_of_replicas: number("index.number_of_replicas"),
                        refresh_interval: text("index.refresh_interval"),
                        creation_date: text("index.creation_date"),
                        aliases: aliases.keys().cloned().collect(),
                        ..IndexSettings::default()
                    },
                    closed: false,
                    hidden: name.starts_with('.') || settings.get("index.hidden").is_some_and(|v| v == "true"),
                    write_aliases: told.then(|| written.map(|(alias, _)| alias.clone()).collect()),
                    health: None,
                },
            );
        }
        for row in states.as_array().into_iter().flatten() {
            if let Some(name) = row["index"].as_str() {
                // One that was made since the first request is there too.
                let unknown = || IndexInfo { hidden: name.starts_with('.'), ..IndexInfo::default() };
                let info = indices.entry(name.to_string()).or_insert_with(unknown);
                info.closed = row["status"] == "close";
                info.health = row["health"].as_str().map(str::to_string);
            }
        }
        Self { indices }
    }

    /// One index.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&IndexInfo> {
        self.indices.get(name)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &IndexInfo)> {
        self.indices.iter().map(|(name, info)| (name.as_str(), info))
    }

    /// The indices behind an alias.
    #[must_use]
    pub fn behind_alias(&self, alias: &str) -> Vec<&str> {
        let has = |info: &IndexInfo| info.settings.aliases.iter().any(|a| a == alias);
        self.iter().filter(|(_, info)| has(info)).map(|(name, _)| name).collect()
    }

    /// The indices that a list of patterns means, in the list's order of adding and taking away; and the names that
    /// stand for nothing here. Resolved on this side, so that every server version agrees on what was asked for.
    #[must_use]
    pub fn resolve(
        &self,
        patterns: &[Pattern],
        wanted: impl Fn(&IndexInfo) -> bool,
    ) -> (BTreeSet<String>, Vec<String>) {
        let mut chosen = BTreeSet::new();
        let mut missing = Vec::new();
        for pattern in patterns {
            if pattern.is_wildcard() {
                let spelled_out = pattern.text.starts_with('.');
                let matching = self.iter().filter(|(name, _)| pattern.matches(name));
                if pattern.exclude {
                    let names: Vec<String> = matching.map(|(name, _)| name.to_string()).collect();
                    chosen.retain(|name| !names.contains(name));
                } else {
                    let matching =
                        matching.filter(|(_, info)| wanted(info) || spelled_out && info.hidden && !info.closed);
                    chosen.extend(matching.map(|(name, _)| name.to_string()));
                }
            } else if pattern.exclude {
                chosen.remove(&pattern.text);
                for name in self.behind_alias(&pattern.text) {
                    chosen.remove(name);
                }
            } else if self.indices.contains_key(&pattern.text) {
                chosen.insert(pattern.text.clone());
            } else {
                let behind = self.behind_alias(&pattern.text);
                if behind.is_empty() {
                    missing.push(pattern.text.clone());
                }
                chosen.extend(behind.into_iter().map(str::to_string));
            }
        }
        (chosen, missing)
    }
}

/// The aliases of these indices, a list with commas between.
fn aliases_of(cluster: &Cluster, list: &str) -> Result<Value, CallError> {
    let path = || if list == "_all" { Path::of(["_alias"]) } else { Path::of([list, "_alias"]) };
    match cluster.get(&path().query("expand_wildcards", "all")) {
        // Before 7.x the parameter is not known here, and all indices are meant anyway.
        Err(CallError::Server(error)) if error.status == 400 => cluster.get(&path()),
        other => other,
    }
}

fn part_of(cluster: &Cluster, part: &str) -> String {
    format!("{part} of the {} cluster's indices", cluster.role())
}

/// Why a list was not had.
enum Refused {
    /// `index.blocks.metadata` of one index stops the list of all.
    Blocked,
    Fault(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Refused {
    fn of(error: &CallError, cluster: &Cluster, part: &str) -> Self {
        match error {
            CallError::Server(server) if is_blocked(server) => Self::Blocked,
            _ => Self::Fault(error.fault(&part_of(cluster, part))),
        }
    }
}

fn is_blocked(error: &ServerError) -> bool {
    error.status == 403 && error.kind == "cluster_block_exception"
}

/// All settings of these indices, a list with commas between, as the server nests them: by index, under `settings`. Of one whose metadata
/// is blocked too.
///
/// # Errors
/// The fault of the request.
pub fn index_settings(cluster: &Cluster, list: &str) -> Result<Value, Fault> {
    let path = Path::of([list, "_settings"]).query("expand_wildcards", "all");
    match cluster.get(&path) {
        Err(CallError::Server(error)) if is_blocked(&error) => Ok(metadata(cluster, list, "settings")?.into()),
        other => other.map_err(|e| e.fault(&part_of(cluster, "settings"))),
    }
}

/// These fields of these indices in the state of the cluster.
fn metadata(cluster: &Cluster, list: &str, fields: &str) -> Result<Map<String, Value>, Fault> {
    let filter: Vec<String> = fields.split(',').map(|field| format!("metadata.indices.*.{field}")).collect();
    let path = Path::of(["_cluster", "state", "metadata", list])
        .query("expand_wildcards", "all")
        .query("filter_path", &filter.join(","));
    let mut answer = cluster.get(&path).map_err(|e| e.fault(&part_of(cluster, "metadata")))?;
    match answer["metadata"]["indices"].take() {
        Value::Object(indices) => Ok(indices),
        _ => Err(Fault::failed(format!("{}: an answer of another kind", part_of(cluster, "metadata")))
            .hint("check the URL; a proxy may be answering")),
    }
}

/// Settings with dotted keys. Servers nest them unless told otherwise, and 5.5.2 knows no `flat_settings` beside setting names.
#[must_use]
pub fn flat(settings: &Value) -> Map<String, Value> {
    fn walk(prefix: &str, value: &Value, into: &mut Map<String, Value>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&key, value, into);
                }
            }
            leaf => {
                into.insert(prefix.to_string(), leaf.clone());
            }
        }
    }
    let mut all = Map::new();
    if settings.is_object() {
        walk("", settings, &mut all);
    }
    all
}

/// An index name as a user writes it: a name, an alias, a wildcard, or one of these with `-` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    exclude: bool,
}

impl Pattern {
    /// What `--indices` asks for, read alike by all that choose indices of a cluster: lists with commas between, `@FILE` with a list a
    /// line, date math as of `now`. Where all only take away, everything else is meant.
    ///
    /// # Errors
    /// Exit 2 where nothing is named or date math is not understood, 3 where a file cannot be read.
    pub fn asked(lists: &[String], now: SystemTime) -> Result<Vec<Self>, Fault> {
        let mut patterns = Vec::new();
        for list in lists {
            match list.strip_prefix('@') {
                Some(file) => {
                    let text = if file == "-" {
                        std::io::read_to_string(std::io::stdin())
                    } else {
                        std::fs::read_to_string(file)
                    };
                    let text = text.map_err(|e| Fault::failed(format!("--indices @{file}: {e}")))?;
                    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                        patterns.extend(Self::list(line));
                    }
                }
                None => patterns.extend(Self::list(list)),
            }
        }
        for pattern in &mut patterns {
            pattern.text = date_math(&pattern.text, now)?;
        }
        if patterns.is_empty() {
            return Err(Fault::usage("--indices names nothing").hint("give names, or '*' for all visible indices"));
        }
        if patterns.iter().all(Self::excludes) {
            patterns.splice(0..0, Self::list("*"));
        }
        Ok(patterns)
    }

    /// Reads a comma-separated list.
    #[must_use]
    pub fn list(text: &str) -> Vec<Self> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::one).collect()
    }

    fn one(text: &str) -> Self {
        match text.strip_prefix('-') {
            // No index name begins with '-'.
            Some(rest) => Self { text: rest.to_string(), exclude: true },
            None => Self { text: if text == "_all" { "*".into() } else { text.to_string() }, exclude: false },
        }
    }

    /// Whether it takes away.
    #[must_use]
    pub fn excludes(&self) -> bool {
        self.exclude
    }

    /// Whether it has a `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.text.contains('*')
    }

    /// Whether a name fits; `*` stands for any run of characters.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = self.text.contains('*').then(|| self.text.rsplit('*').next().unwrap_or_default()) else {
            return rest.is_empty();
        };
        let middle: Vec<&str> = parts.collect();
        for part in &middle[..middle.len().saturating_sub(1)] {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.exclude { "-" } else { "" }, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Indices {
        let index =
            |hidden: bool| json!({"settings": {"index.number_of_shards": "2", "index.hidden": hidden.to_string()}});
        Indices::from_answers(
            &json!({"log-1": index(false), "log-2": index(false), "log-old": index(false), ".kibana": index(false), "h": index(true)}),
            &json!({"log-1": {"aliases": {"current": {}}}}),
            &json!([{"index": "log-old", "status": "close"}, {"index": "log-1", "status": "open", "health": "green"}]),
        )
    }

    fn resolved(patterns: &str) -> (Vec<String>, Vec<String>) {
        let (chosen, missing) = some().resolve(&Pattern::list(patterns), |info| !info.closed && !info.hidden);
        (chosen.into_iter().collect(), missing)
    }

    #[test]
    fn wildcards_take_open_and_visible_indices_only() {
        assert_eq!(resolved("*").0, ["log-1", "log-2"]);
        assert_eq!(resolved(".k*").0, [".kibana"]);
    }

    #[test]
    fn what_is_asked_for_has_date_math_resolved_and_alone_takes_away_from_everything() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_516_240_119);
        let asked = |list: &str| {
            let patterns = Pattern::asked(&[list.to_string()], now);
            patterns.map(|all| all.iter().map(Pattern::to_string).collect::<Vec<_>>())
        };
        assert_eq!(asked("<log-{now/d}>, b").unwrap(), ["log-2018.01.18", "b"]);
        assert_eq!(asked("log-*,-<log-{now/d-1d}>").unwrap(), ["log-*", "-log-2018.01.17"]);
        assert_eq!(asked("-tmp-*").unwrap(), ["*", "-tmp-*"]);
        assert!(asked(" , ").is_err() && asked("<log-{soon}>").is_err());
    }

    #[test]
    fn exclusions_take_away_what_came_before_them() {
        assert_eq!(resolved("log-*,-log-2").0, ["log-1"]);
        assert_eq!(resolved("log-*,-log-*,log-2").0, ["log-2"]);
        assert_eq!(resolved("log-*,-current").0, ["log-2"]);
    }

    #[test]
    fn an_alias_means_its_indices_and_a_typo_means_nothing() {
        assert_eq!(resolved("current,lgo-1"), (vec!["log-1".into()], vec!["lgo-1".into()]));
    }

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        let fits = |pattern: &str, name: &str| Pattern::one(pattern).matches(name);
        assert!(fits("a*b*c", "a__b__c") && fits("*", "") && fits("a*a", "aa") && fits("**x", "yx"));
        assert!(!fits("a*b*c", "a__c") && !fits("a*a", "a") && !fits("ab", "abc"));
    }
}
