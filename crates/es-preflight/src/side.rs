//! One of the two clusters, and what it was asked: each list once.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use es_cli::Fault;
use es_client::{CallError, Class, Cluster, Indices, Path};
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
    attributes: BTreeMap<String, String>,
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
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
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

    /// Reads something without which a check cannot be made. What may not be read, or is not offered, is a warning.
    pub(crate) fn ask(
        &self,
        check: &'static str,
        path: &Path,
        findings: &mut Findings,
    ) -> Result<Option<Value>, Fault> {
        let role = self.role();
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

    /// Reads something that not every version and distribution has: none where it is not offered. Servers that do not know an
    /// API take its name for an index (400, 404), or say that there is no handler (400, 405); Amazon's edge says 401.
    pub(crate) fn offered(
        &self,
        check: &'static str,
        path: &Path,
        findings: &mut Findings,
    ) -> Result<Option<Value>, Fault> {
        match self.cluster.get(path) {
            Err(CallError::Server(error)) if matches!(error.status, 400 | 404 | 405) => Ok(None),
            Err(CallError::Server(error)) if error.says("is not allowed") && error.status == 401 => Ok(None),
            Ok(answer) => Ok(Some(answer)),
            Err(_) => self.ask(check, path, findings),
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
        let info = self.ask("plugins", &path, findings)?;
        let path = Path::of(["_nodes", "stats", "fs"]).query("filter_path", "nodes.*.timestamp,nodes.*.fs.data");
        let stats = match &info {
            Some(_) => self.ask("disk", &path, findings)?,
            None => None,
        };
        let now = SystemTime::now();
        let nodes = info.map(|info| {
            let all = info["nodes"].as_object().into_iter().flatten();
            all.map(|(id, node)| read(node, stats.as_ref().map(|stats| &stats["nodes"][id]), now)).collect()
        });
        Ok(self.nodes.get_or_init(|| nodes).as_deref())
    }

    /// The registered repositories, by name; none where they may not be seen.
    pub(crate) fn repositories(&self, findings: &mut Findings) -> Result<Option<&Map<String, Value>>, Fault> {
        if self.repositories.get().is_none() {
            let answer = self.ask("repository", &Path::of(["_snapshot"]), findings)?;
            let _ = self.repositories.set(answer);
        }
        Ok(self.repositories.get().and_then(Option::as_ref).and_then(Value::as_object))
    }

    /// A setting of the cluster as it is in force; none where it has no value, or settings may not be seen.
    pub(crate) fn setting(&self, key: &str, findings: &mut Findings) -> Result<Option<String>, Fault> {
        if self.settings.get().is_none() {
            let path =
                Path::of(["_cluster", "settings"]).query("include_defaults", "true").query("flat_settings", "true");
            let answer = self.ask("cluster_settings", &path, findings)?;
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
        let all = self.settings.get().and_then(Option::as_ref);
        Ok(all.and_then(|all| all.get(key)).and_then(Value::as_str).map(str::to_string))
    }

    /// Whether a switch of the cluster is on.
    pub(crate) fn is_set(&self, key: &str, findings: &mut Findings) -> Result<bool, Fault> {
        Ok(self.setting(key, findings)?.as_deref() == Some("true"))
    }
}

fn read(node: &Value, stats: Option<&Value>, now: SystemTime) -> Node {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let words = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let listed = ["plugins", "modules"].iter().flat_map(|list| node[*list].as_array().into_iter().flatten());
    let mut attributes: BTreeMap<String, String> =
        node["attributes"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
    for (rule, key) in [("_name", "name"), ("_host", "host"), ("_ip", "ip")] {
        attributes.insert(rule.into(), text(&node[key]));
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
