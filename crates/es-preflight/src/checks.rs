//! The checks: each looks at one thing that stops migrations, and says what it found.

use std::collections::{BTreeMap, BTreeSet};

use es_cli::{Fault, human_bytes};
use es_client::{CallError, Class, Cluster, Indices, Path, batches, flat};
use serde_json::{Map, Value};

use crate::finding::{Findings, Level};
use crate::version::Version;

/// One cluster and what was asked of it.
pub(crate) struct Side<'a> {
    cluster: &'a Cluster,
    version: Version,
    pub(crate) indices: Indices,
}

/// What is to be moved.
pub(crate) struct Move<'a> {
    /// Name on the source, name on the target.
    pub(crate) pairs: Vec<(String, String)>,
    /// Whether aliases go along.
    pub(crate) aliases: bool,
    /// Whether what is there is taken when primaries are missing.
    pub(crate) partial: bool,
    pub(crate) repository: Option<&'a str>,
    /// Type of the repository.
    pub(crate) kind: Option<&'a str>,
}

impl<'a> Side<'a> {
    pub(crate) fn of(cluster: &'a Cluster) -> Result<Self, Fault> {
        let identity = cluster.identity()?;
        let version = Version::of(&identity.distribution, &identity.version);
        Ok(Self { cluster, version, indices: Indices::of(cluster)? })
    }

    /// Reads something without which a check cannot be made. What may not be read, or is not offered, is a warning.
    fn ask(&self, check: &'static str, path: &Path, findings: &mut Findings) -> Result<Option<Value>, Fault> {
        let role = self.cluster.role();
        match self.cluster.get(path) {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Server(error)) if matches!(error.class(), Class::NotAllowed | Class::UserError) => {
                findings.warning(
                    check,
                    None,
                    format!("not checked: GET {path} on the {role}: {error}"),
                    "give the user monitor privileges on the cluster, or look at this by hand",
                );
                Ok(None)
            }
            Err(error) => Err(error.fault(&format!("GET {path} on the {role}"))),
        }
    }
}

/// All checks, in the order in which they matter.
pub(crate) fn all(from: &Side<'_>, to: &Side<'_>, wish: &Move<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let settings = settings(from, wish)?;
    same_cluster(from, to, wish, findings)?;
    versions(from, to, wish, &settings, findings);
    states(from, wish, findings);
    names(from, to, wish, findings);
    repository(from, to, wish, findings)?;
    at_work(from, findings)?;
    nodes(from, to, wish, &settings, findings)?;
    room(from, to, wish, findings)?;
    policies(wish, &settings, findings);
    Ok(())
}

/// Settings of each index, with dotted keys.
type Settings = BTreeMap<String, Map<String, Value>>;

fn settings(from: &Side<'_>, wish: &Move<'_>) -> Result<Settings, Fault> {
    let mut all = Settings::new();
    let known = wish.pairs.iter().map(|(index, _)| index.as_str()).filter(|index| from.indices.get(index).is_some());
    for list in batches(known) {
        let path = Path::of([list.as_str(), "_settings"]).query("expand_wildcards", "all");
        let answer = from.cluster.get(&path).map_err(|e| e.fault("settings of the source's indices"))?;
        for (index, entry) in answer.as_object().into_iter().flatten() {
            all.insert(index.clone(), flat(&entry["settings"]));
        }
    }
    Ok(all)
}

fn text<'s>(settings: &'s Map<String, Value>, key: &str) -> Option<&'s str> {
    settings.get(key).and_then(Value::as_str)
}

fn same_cluster(from: &Side<'_>, to: &Side<'_>, wish: &Move<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let same = from.cluster.identity()?.cluster_uuid == to.cluster.identity()?.cluster_uuid;
    if same && wish.pairs.iter().any(|(index, target)| index == target) {
        findings.blocker(
            "clusters",
            None,
            "source and target are the same cluster, and the indices would keep their names".into(),
            "check ES_SOURCE_URL and ES_TARGET_URL, or rename",
        );
    } else {
        findings.ok("clusters", format!("from {} to {}", from.version, to.version));
    }
    Ok(())
}

fn versions(from: &Side<'_>, to: &Side<'_>, wish: &Move<'_>, settings: &Settings, findings: &mut Findings) {
    if let Some(why) = to.version.cannot_read_repository(from.version) {
        findings.blocker(
            "version",
            None,
            format!("{} writes the snapshot, and {why}", from.version),
            "use a target that is not older, or read the snapshot with es-read-snapshot",
        );
    } else {
        findings.ok("version", format!("{} reads snapshots of {}", to.version, from.version));
    }
    for (index, _) in &wish.pairs {
        let created = settings.get(index).and_then(|settings| text(settings, "index.version.created"));
        let Some(created) = created.and_then(|id| id.parse().ok()).map(Version::created) else { continue };
        if let Some(why) = to.version.cannot_read(created) {
            findings.blocker(
                "created_version",
                Some(index),
                format!("{index} was created by {created}, and {why}"),
                "reindex it on the source, go by a version in between, or read it with es-read-snapshot",
            );
        }
    }
    findings.well("created_version", "each index was created by a version that the target reads");
}

fn states(from: &Side<'_>, wish: &Move<'_>, findings: &mut Findings) {
    for (index, _) in &wish.pairs {
        let Some(info) = from.indices.get(index) else {
            findings.blocker(
                "indices",
                Some(index),
                format!("no such index on the source: {index}"),
                "take it out of the plan",
            );
            continue;
        };
        if info.closed {
            let fix = "open it: curl -XPOST \"$ES_SOURCE_URL/INDEX/_open\"; or leave it out";
            // 7.x and later snapshot closed indices; a count is not taken of them anywhere.
            if !from.version.opensearch && from.version.major < 7 {
                findings.blocker("closed", Some(index), format!("{index} is closed, and cannot be snapshotted"), fix);
            } else {
                findings.warning("closed", Some(index), format!("{index} is closed, and cannot be counted"), fix);
            }
        }
        if info.health.as_deref() == Some("red") && !info.closed {
            let message = format!("{index} is red: a primary shard is missing, and its documents with it");
            let fix = "ask why: curl \"$ES_SOURCE_URL/_cluster/allocation/explain\"";
            let level = if wish.partial { Level::Warning } else { Level::Blocker };
            findings.add("primaries", level, Some(index), message, Some(fix));
        }
        if index.starts_with('.') {
            findings.warning(
                "system",
                Some(index),
                format!("{index} is an index of the cluster's own features"),
                "leave it out: the target makes its own, and one of another version can break them",
            );
        }
    }
    findings.well("closed", "all indices are open");
    findings.well("primaries", "all primary shards are started");
}

fn names(from: &Side<'_>, to: &Side<'_>, wish: &Move<'_>, findings: &mut Findings) {
    let rename =
        "rename: --rename-pattern '(.+)' --rename-replacement 'restored-$1'; or delete it there if it is not needed";
    for (index, target) in &wish.pairs {
        if let Some(there) = to.indices.get(target) {
            // A restore keeps the date of creation: this one came over before, and es-restore will look whether from this snapshot.
            let born = from.indices.get(index).and_then(|info| info.settings.creation_date.as_ref());
            if !there.closed && born.is_some() && born == there.settings.creation_date.as_ref() {
                findings.warning(
                    "names",
                    Some(index),
                    format!("{target:?} was restored on the target before"),
                    "nothing, if it came from this snapshot: it is recognised; if from another, delete it there, or rename",
                );
                continue;
            }
            let state = if there.closed { "a closed index, which a restore would overwrite," } else { "an index" };
            findings.blocker("names", Some(index), format!("{state} {target:?} exists on the target"), rename);
        }
        if let [behind, ..] = to.indices.behind_alias(target).as_slice() {
            findings.blocker(
                "names",
                Some(index),
                format!("{target:?} is an alias of {behind:?} on the target"),
                rename,
            );
        }
        let aliases = from.indices.get(index).map(|info| info.settings.aliases.as_slice()).unwrap_or_default();
        for alias in aliases.iter().filter(|_| wish.aliases) {
            if to.indices.get(alias).is_some() {
                findings.blocker(
                    "aliases",
                    Some(index),
                    format!("alias {alias:?} of {index} is the name of an index on the target"),
                    "--no-aliases, or delete that index",
                );
            } else if let [behind, ..] = to.indices.behind_alias(alias).as_slice() {
                findings.warning(
                    "aliases",
                    Some(index),
                    format!(
                        "alias {alias:?} of {index} stands on {behind:?} on the target already, and will stand on both"
                    ),
                    "--no-aliases, if searches through it must not see both",
                );
            }
        }
    }
    findings.well("names", "the names are free on the target");
    findings.well("aliases", "no alias is in the way");
}

fn repository(from: &Side<'_>, to: &Side<'_>, wish: &Move<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let Some(name) = wish.repository else { return Ok(()) };
    for side in [from, to] {
        let role = side.cluster.role();
        let registered = match side.cluster.get(&Path::of(["_snapshot", name])) {
            Ok(answer) => answer.get(name).cloned().unwrap_or_default(),
            Err(CallError::Server(error)) if error.is_missing() => {
                findings.ok("repository", format!("{name:?} is not registered on the {role} yet"));
                continue;
            }
            Err(error) => return Err(error.fault(&format!("repository {name:?} on the {role}"))),
        };
        let readonly = registered["settings"]["readonly"] == "true" || registered["settings"]["readonly"] == true;
        let is_target = role == es_records::Role::Target;
        if !is_target && readonly {
            findings.blocker(
                "repository",
                None,
                format!("{name:?} is registered read-only on the source, which must write to it"),
                "another cluster writes there: take another repository name and base_path",
            );
        } else if is_target && !readonly {
            findings.warning(
                "repository",
                None,
                format!("{name:?} may be written to by the target: two writers damage a repository"),
                "register it read-only there: es-register-repository --cluster target",
            );
        }
        match side.cluster.get(&Path::of(["_snapshot", name, "_all"])) {
            Ok(answer) => {
                let count = answer["snapshots"].as_array().map_or(0, Vec::len);
                findings.ok("repository", format!("the {role} reads {name:?}: {count} snapshots"));
            }
            Err(error) => {
                let fault = error.fault(&format!("the {role} cannot read {name:?}"));
                let fix = fault.hint.unwrap_or_else(|| "see docs/errors.md".into());
                findings.blocker("repository", None, fault.message, &fix);
            }
        }
    }
    Ok(())
}

fn at_work(from: &Side<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let Some(status) = from.ask("snapshot_running", &Path::of(["_snapshot", "_status"]), findings)? else {
        return Ok(());
    };
    if let Some(running) = status["snapshots"].as_array().and_then(|all| all.first()) {
        let name = |key: &str| running[key].as_str().unwrap_or("?").to_string();
        findings.warning(
            "snapshot_running",
            None,
            format!("snapshot {}/{} runs on the source", name("repository"), name("snapshot")),
            "servers up to 7.8 take one at a time: --wait-for-running (es-migrate: --queue) waits for it",
        );
    }
    findings.well("snapshot_running", "no snapshot runs on the source");
    Ok(())
}

/// Plugins of analysis by the type of a component in `index.analysis`.
const ANALYSIS: [(&str, &str); 8] = [
    ("nori", "analysis-nori"),
    ("kuromoji", "analysis-kuromoji"),
    ("icu_", "analysis-icu"),
    ("smartcn", "analysis-smartcn"),
    ("polish", "analysis-stempel"),
    ("ukrainian", "analysis-ukrainian"),
    ("phonetic", "analysis-phonetic"),
    ("seunjeon", "analysis-seunjeon"),
];

fn nodes(
    from: &Side<'_>,
    to: &Side<'_>,
    wish: &Move<'_>,
    settings: &Settings,
    findings: &mut Findings,
) -> Result<(), Fault> {
    for side in [from, to] {
        let role = side.cluster.role();
        let Some(answer) = side.ask("plugins", &Path::of(["_nodes", "plugins"]), findings)? else { continue };
        let nodes: Vec<(&str, BTreeSet<&str>)> = answer["nodes"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, node)| {
                let listed =
                    ["plugins", "modules"].iter().flat_map(|list| node[*list].as_array().into_iter().flatten());
                // A plugin that is on the class path is listed under its class alone.
                let words = listed.flat_map(|plugin| [&plugin["name"], &plugin["classname"]]);
                (node["name"].as_str().unwrap_or("?"), words.filter_map(Value::as_str).collect())
            })
            .collect();
        if let Some(kind) = wish.kind.filter(|kind| ["s3", "gcs", "azure", "hdfs"].contains(kind)) {
            let (plugin, package) = (format!("repository-{kind}"), format!(".repositories.{kind}."));
            let has = |plugins: &BTreeSet<&str>| plugins.iter().any(|one| *one == plugin || one.contains(&package));
            for (node, _) in nodes.iter().filter(|(_, plugins)| !has(plugins)) {
                findings.blocker(
                    "plugins",
                    None,
                    format!("node {node:?} of the {role} has no {plugin}"),
                    "install it on every node, and restart each: bin/elasticsearch-plugin install NAME",
                );
            }
        }
        if role == es_records::Role::Source {
            continue;
        }
        for (index, settings) in settings {
            let types = settings.iter().filter(|(key, _)| {
                key.starts_with("index.analysis.") && matches!(key.rsplit('.').next(), Some("type" | "tokenizer"))
            });
            let needed: BTreeSet<&str> = types
                .filter_map(|(_, value)| value.as_str())
                .filter_map(|kind| {
                    ANALYSIS.iter().find(|(begin, _)| kind.starts_with(begin)).map(|(_, plugin)| *plugin)
                })
                .collect();
            for plugin in needed {
                for (node, _) in nodes.iter().filter(|(_, plugins)| !plugins.contains(plugin)) {
                    findings.blocker(
                        "analysis",
                        Some(index),
                        format!("{index} needs {plugin}, which node {node:?} of the target has not"),
                        "install it on every node of the target, and restart it",
                    );
                }
            }
        }
    }
    findings.well("plugins", "the nodes have the repository's plugin");
    findings.well("analysis", "no index needs an analysis plugin that the target lacks");
    allocation(to, settings, findings)?;
    for (index, settings) in settings {
        let codec = text(settings, "index.codec").unwrap_or("default");
        let of_opensearch = ["zstd", "zstd_no_dict", "qat_lz4", "qat_deflate"].contains(&codec);
        if of_opensearch && !to.version.opensearch {
            findings.blocker(
                "codec",
                Some(index),
                format!("{index} has the codec {codec}, which Elasticsearch does not know"),
                "set index.codec to default on the source, force-merge, and snapshot again",
            );
        }
    }
    findings.well("codec", "the target knows the indices' codecs");
    Ok(())
}

/// Allocation rules that no node of the target satisfies.
fn allocation(to: &Side<'_>, settings: &Settings, findings: &mut Findings) -> Result<(), Fault> {
    let rules: Vec<(&String, &String, &str)> = settings
        .iter()
        .flat_map(|(index, settings)| {
            settings.iter().filter_map(move |(key, value)| {
                let rule = key.strip_prefix("index.routing.allocation.")?;
                let wanted = rule.starts_with("require.") || rule.starts_with("include.");
                // Where no tier fits, the servers fall back on the next; _tier_preference is no rule but a wish.
                (wanted && !rule.ends_with("_tier_preference")).then_some((index, key, value.as_str()?))
            })
        })
        .collect();
    if rules.is_empty() {
        findings.ok("allocation", "no index asks for nodes of its own".into());
        return Ok(());
    }
    let path = Path::of(["_nodes"]).query("filter_path", "nodes.*.name,nodes.*.attributes,nodes.*.host,nodes.*.ip");
    let Some(answer) = to.ask("allocation", &path, findings)? else { return Ok(()) };
    for (index, key, wanted) in rules {
        let attribute = key.rsplit('.').next().unwrap_or_default();
        let fits = answer["nodes"].as_object().into_iter().flatten().any(|(_, node)| {
            let has = match attribute {
                "_name" => &node["name"],
                "_host" => &node["host"],
                "_ip" => &node["ip"],
                _ => &node["attributes"][attribute],
            };
            wanted.split(',').any(|one| one == "*" || has.as_str() == Some(one.trim()))
        });
        if !fits {
            findings.blocker(
                "allocation",
                Some(index),
                format!("{index} has {key}: {wanted}, and no node of the target fits"),
                "restore without it: es-restore --ignore-index-setting; or take it off on the source",
            );
        }
    }
    findings.well("allocation", "the target has nodes for the indices' allocation rules");
    Ok(())
}

/// Disk and shards: what the indices need on the target, without replicas, as they are restored at first.
fn room(from: &Side<'_>, to: &Side<'_>, wish: &Move<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let chosen: BTreeSet<&str> = wish.pairs.iter().map(|(index, _)| index.as_str()).collect();
    let path =
        Path::of(["_cat", "indices"]).query("format", "json").query("bytes", "b").query("h", "index,pri.store.size");
    let sizes = from.ask("disk", &path, findings)?;
    let path = Path::of(["_cat", "allocation"])
        .query("format", "json")
        .query("bytes", "b")
        .query("h", "node,disk.avail,disk.total");
    let disks = to.ask("disk", &path, findings)?;
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    if let (Some(sizes), Some(disks)) = (sizes, disks) {
        let needed: u64 = sizes
            .as_array()
            .into_iter()
            .flatten()
            .filter(|row| row["index"].as_str().is_some_and(|index| chosen.contains(index)))
            .map(|row| number(&row["pri.store.size"]))
            .sum();
        // A tenth of each disk stays free: the high watermark is 90 % by default.
        let free: u64 = disks
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| number(&row["disk.avail"]).saturating_sub(number(&row["disk.total"]) / 10))
            .sum();
        let (need, have) = (human_bytes(needed), human_bytes(free));
        if needed > free {
            findings.blocker(
                "disk",
                None,
                format!("the primaries need {need}, and the target's disks have {have} below the high watermark"),
                "free space on the target's nodes, or add nodes",
            );
        } else if needed.saturating_mul(10) > free.saturating_mul(8) {
            findings.warning(
                "disk",
                None,
                format!(
                    "the primaries need {need} of the {have} that the target's disks have below the high watermark"
                ),
                "add room before replicas are built",
            );
        } else {
            findings.ok("disk", format!("the primaries need {need}, and the target has {have}"));
        }
    }
    shards(from, to, wish, findings)
}

fn shards(from: &Side<'_>, to: &Side<'_>, wish: &Move<'_>, findings: &mut Findings) -> Result<(), Fault> {
    if !to.version.opensearch && to.version.major < 7 {
        findings.ok("shards", format!("{} has no limit of shards", to.version));
        return Ok(());
    }
    let path = Path::of(["_cluster", "settings"]).query("include_defaults", "true").query("flat_settings", "true");
    let Some(limits) = to.ask("shards", &path, findings)? else { return Ok(()) };
    let Some(health) = to.ask("shards", &Path::of(["_cluster", "health"]), findings)? else { return Ok(()) };
    let limit = ["transient", "persistent", "defaults"]
        .iter()
        .find_map(|level| limits[*level]["cluster.max_shards_per_node"].as_str())
        .and_then(|text| text.parse::<u64>().ok());
    let (Some(limit), Some(nodes), Some(shards)) =
        (limit, health["number_of_data_nodes"].as_u64(), health["active_shards"].as_u64())
    else {
        return Ok(());
    };
    let needed: u64 = wish
        .pairs
        .iter()
        .filter_map(|(index, _)| from.indices.get(index))
        .map(|info| info.settings.number_of_shards.unwrap_or(1))
        .sum();
    let free = (limit * nodes).saturating_sub(shards);
    if needed > free {
        findings.blocker(
            "shards",
            None,
            format!(
                "{needed} shards are to come, and the target takes {free} more (cluster.max_shards_per_node {limit})"
            ),
            "raise cluster.max_shards_per_node on the target, or add nodes",
        );
    } else {
        findings.ok("shards", format!("{needed} shards are to come, and the target takes {free} more"));
    }
    Ok(())
}

/// Policies that would act on a restored index at once.
fn policies(wish: &Move<'_>, settings: &Settings, findings: &mut Findings) {
    let keys = [
        "index.lifecycle.name",
        "index.plugins.index_state_management.policy_id",
        "index.opendistro.index_state_management.policy_id",
    ];
    for (index, _) in &wish.pairs {
        let Some(settings) = settings.get(index) else { continue };
        if let Some(policy) = keys.iter().find_map(|key| text(settings, key)) {
            findings.warning(
                "policies",
                Some(index),
                format!("{index} is managed by the policy {policy:?}: on the target it may roll over, block or delete the index at once"),
                "restore without it: es-restore --ignore-index-setting 'index.lifecycle.*'; or stop ILM (ISM) there",
            );
        }
    }
    findings.well("policies", "no lifecycle policy manages the indices");
}
