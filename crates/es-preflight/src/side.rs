//! One of the two clusters, and what it was asked: each list once.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use es_cli::Fault;
use es_client::{CallError, Class, Cluster, Indices, Path, excerpt};
use es_records::Role;
use serde_json::{Map, Value};

use crate::finding::Findings;
use crate::version::Version;

/// One cluster and what was asked of it.
pub(crate) struct Side<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) version: Version,
    pub(crate) indices: Indices,
    nodes: OnceCell<Option<Vec<Node>>>,
    settings: OnceCell<Option<Map<String, Value>>>,
    repositories: OnceCell<Option<Value>>,
}

/// What matters of one node.
pub(crate) struct Node {
    pub(crate) name: String,
    /// `data`, `data_hot`, `master` and so on.
    roles: BTreeSet<String>,
    /// What it says of itself, by the names that allocation rules use.
    attributes: BTreeMap<String, Vec<String>>,
    /// Names and classes of its plugins and modules.
    components: BTreeSet<String>,
    /// The disk with the most room, as the server takes it when it allocates.
    pub(crate) disk: Option<Disk>,
    /// What its clock said, and ours when the answer was there.
    pub(crate) clock: Option<(SystemTime, SystemTime)>,
}

/// A disk, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Disk {
    pub(crate) total: u64,
    pub(crate) available: u64,
    /// What must stay free, by the node's own account (Elasticsearch 8.x): low, high, flood stage.
    pub(crate) must_stay_free: Option<[u64; 3]>,
}

impl Node {
    /// Whether shards are put on it.
    pub(crate) fn holds_data(&self) -> bool {
        self.roles.is_empty() || self.roles.iter().any(|role| role == "data" || role.starts_with("data_"))
    }

    /// Whether it belongs to a tier such as `data_warm`: nodes with the plain role belong to all.
    pub(crate) fn is_of_tier(&self, tier: &str) -> bool {
        self.roles.is_empty() || self.roles.contains("data") || self.roles.contains(tier)
    }

    /// What it says of itself under the name that an allocation rule uses.
    pub(crate) fn attribute(&self, name: &str) -> &[String] {
        self.attributes.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether it has a plugin or module. One that is on the class path is listed under its class alone.
    pub(crate) fn has(&self, plugin: &str, class: &str) -> bool {
        self.components.iter().any(|one| one == plugin || one.contains(class))
    }
}

impl<'a> Side<'a> {
    pub(crate) fn of(cluster: &'a Cluster) -> Result<Self, Fault> {
        let identity = cluster.identity()?;
        let version = Version::of(&identity.distribution, &identity.version);
        let (nodes, settings, repositories) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Ok(Self { cluster, version, indices: Indices::of(cluster)?, nodes, settings, repositories })
    }

    pub(crate) fn role(&self) -> Role {
        self.cluster.role()
    }

    /// Reads something without which a check cannot be made. What may not be read, is not offered, or is not of the kind that `fits`
    /// wants, is a warning: it is no proof that there is nothing.
    pub(crate) fn ask(
        &self,
        check: &'static str,
        path: &Path,
        fits: impl Fn(&Value) -> bool,
        findings: &mut Findings,
    ) -> Result<Option<Value>, Fault> {
        self.judged(check, path, self.cluster.get(path), fits, findings)
    }

    /// The same of an answer that is there.
    pub(crate) fn judged(
        &self,
        check: &'static str,
        path: &Path,
        answer: Result<Value, CallError>,
        fits: impl Fn(&Value) -> bool,
        findings: &mut Findings,
    ) -> Result<Option<Value>, Fault> {
        let role = self.role();
        match answer {
            Ok(answer) if fits(&answer) => Ok(Some(answer)),
            Ok(answer) => {
                findings.warning(
                    check,
                    None,
                    format!("not checked: GET {path} on the {role}: an answer of another kind: {}", excerpt(&answer)),
                    "check the URL, a proxy may be answering; or look at this by hand",
                );
                Ok(None)
            }
            Err(CallError::Server(error)) if matches!(error.class(), Class::NotAllowed | Class::UserError) => {
                findings.warning(
                    check,
                    None,
                    format!("not checked: GET {path} on the {role}: {error}"),
                    "give the user monitor privileges on the cluster, or look at this by hand",
                );
                Ok(None)
            }
            // What OpenSearch does not tell of its data streams while it is read-only; the block is another check's matter.
            Err(CallError::Server(error))
                if error.kind == "cluster_block_exception" && error.class() == Class::Fatal =>
            {
                findings.warning(
                    check,
                    None,
                    format!("not checked: GET {path} on the {role}: {error}"),
                    "take the block off and run es-preflight again, or look at this by hand",
                );
                Ok(None)
            }
            Err(error) => Err(error.fault(&format!("GET {path} on the {role}"))),
        }
    }

    /// Reads something that not every version and distribution has: none where it is not offered. Servers that do not know an
    /// API take its name for an index (400, 404), or say that there is no handler (400, 405); Amazon's edge says 401.
    pub(crate) fn offered(
        &self,
        check: &'static str,
        path: &Path,
        fits: impl Fn(&Value) -> bool,
        findings: &mut Findings,
    ) -> Result<Option<Value>, Fault> {
        match self.cluster.get(path) {
            Err(CallError::Server(error)) if matches!(error.status, 400 | 404 | 405) => Ok(None),
            Err(CallError::Server(error)) if error.says("is not allowed") && error.status == 401 => Ok(None),
            answer => self.judged(check, path, answer, fits, findings),
        }
    }

    /// The nodes; none where they may not be seen.
    pub(crate) fn nodes(&self, findings: &mut Findings) -> Result<Option<&[Node]>, Fault> {
        if let Some(nodes) = self.nodes.get() {
            return Ok(nodes.as_deref());
        }
        let path = Path::of(["_nodes", "plugins"]).query(
            "filter_path",
            "nodes.*.name,nodes.*.roles,nodes.*.attributes,nodes.*.host,nodes.*.ip,nodes.*.plugins.name,nodes.*.plugins.classname,nodes.*.modules.name,nodes.*.modules.classname",
        );
        let listed = |answer: &Value| answer["nodes"].as_object().is_some_and(|nodes| !nodes.is_empty());
        let info = self.ask("plugins", &path, listed, findings)?;
        let path = Path::of(["_nodes", "stats", "fs"]).query("filter_path", "nodes.*.timestamp,nodes.*.fs.data");
        let stats = match &info {
            Some(_) => self.ask("disk", &path, listed, findings)?,
            None => None,
        };
        let now = SystemTime::now();
        let nodes = info.map(|info| {
            let all = info["nodes"].as_object().into_iter().flatten();
            all.map(|(id, node)| read(id, node, stats.as_ref().map(|stats| &stats["nodes"][id]), now)).collect()
        });
        Ok(self.nodes.get_or_init(|| nodes).as_deref())
    }

    /// The registered repositories, by name; none where they may not be seen.
    pub(crate) fn repositories(&self, findings: &mut Findings) -> Result<Option<&Map<String, Value>>, Fault> {
        if self.repositories.get().is_none() {
            let named =
                |answer: &Value| answer.as_object().is_some_and(|all| all.values().all(|one| one["type"].is_string()));
            let answer = self.ask("repository", &Path::of(["_snapshot"]), named, findings)?;
            let _ = self.repositories.set(answer);
        }
        Ok(self.repositories.get().and_then(Option::as_ref).and_then(Value::as_object))
    }

    /// The settings of the cluster as they are in force; none where they may not be seen.
    fn all_settings(&self, findings: &mut Findings) -> Result<Option<&Map<String, Value>>, Fault> {
        if self.settings.get().is_none() {
            let path =
                Path::of(["_cluster", "settings"]).query("include_defaults", "true").query("flat_settings", "true");
            let leveled = |answer: &Value| answer["persistent"].is_object() && answer["transient"].is_object();
            let answer = self.ask("cluster_settings", &path, leveled, findings)?;
            let merged = answer.map(|mut answer| {
                let mut all = Map::new();
                for level in ["defaults", "persistent", "transient"] {
                    if let Some(Value::Object(fields)) = answer.get_mut(level).map(Value::take) {
                        all.extend(fields);
                    }
                }
                all
            });
            let _ = self.settings.set(merged);
        }
        Ok(self.settings.get().and_then(Option::as_ref))
    }

    /// Whether its settings may be seen: where not, nothing can be said of them.
    pub(crate) fn shows_settings(&self, findings: &mut Findings) -> Result<bool, Fault> {
        Ok(self.all_settings(findings)?.is_some())
    }

    /// A setting of the cluster as it is in force; none where it has no value, or settings may not be seen.
    pub(crate) fn setting(&self, key: &str, findings: &mut Findings) -> Result<Option<String>, Fault> {
        let all = self.all_settings(findings)?;
        Ok(all.and_then(|all| all.get(key)).and_then(Value::as_str).map(str::to_string))
    }

    /// Those whose keys begin so.
    pub(crate) fn settings_below(&self, prefix: &str, findings: &mut Findings) -> Result<Map<String, Value>, Fault> {
        let all = self.all_settings(findings)?.into_iter().flatten();
        Ok(all.filter(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// Whether a switch of the cluster is on.
    pub(crate) fn is_set(&self, key: &str, findings: &mut Findings) -> Result<bool, Fault> {
        Ok(self.setting(key, findings)?.as_deref() == Some("true"))
    }
}

/// Reads what `_nodes` says of a node.
pub(crate) fn read(id: &str, node: &Value, stats: Option<&Value>, now: SystemTime) -> Node {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let words = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let listed = ["plugins", "modules"].iter().flat_map(|list| node[*list].as_array().into_iter().flatten());
    let own = node["attributes"].as_object().into_iter().flatten();
    let mut attributes: BTreeMap<String, Vec<String>> =
        own.map(|(name, value)| (name.clone(), vec![text(value)])).collect();
    let (name, host, ip) = (text(&node["name"]), text(&node["host"]), text(&node["ip"]));
    attributes.insert("_id".into(), vec![id.to_string()]);
    attributes.insert("_name".into(), vec![name]);
    // A host may be meant by its address too (DiscoveryNodeFilters of 5.x to 7.10).
    attributes.insert("_host".into(), vec![host, ip.clone()]);
    for rule in ["_ip", "_host_ip", "_publish_ip"] {
        attributes.insert(rule.into(), vec![ip.clone()]);
    }
    let disks = stats.map(|stats| &stats["fs"]["data"]).and_then(Value::as_array).into_iter().flatten();
    let disk = disks.filter_map(|disk| {
        let bytes = |key: &str| disk[key].as_u64();
        let free = |level: &str| bytes(&format!("{level}_free_space_in_bytes"));
        Some(Disk {
            total: bytes("total_in_bytes")?,
            available: bytes("available_in_bytes")?,
            must_stay_free: free("low_watermark")
                .zip(free("high_watermark"))
                .zip(free("flood_stage"))
                .map(|((low, high), flood)| [low, high, flood]),
        })
    });
    let clock = stats.and_then(|stats| stats["timestamp"].as_u64());
    Node {
        name: text(&node["name"]),
        roles: words(&node["roles"]),
        attributes,
        components: listed.flat_map(|plugin| [text(&plugin["name"]), text(&plugin["classname"])]).collect(),
        disk: disk.max_by_key(|disk| disk.available),
        clock: clock.map(|millis| (SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(millis), now)),
    }
}
