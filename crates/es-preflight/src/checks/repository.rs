//! The repository as both sides have it registered: readable, and written to by one cluster alone.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use es_cli::Fault;
use es_client::{CallError, Path, born_after, excerpt};
use es_records::Role;
use serde_json::Value;

use super::{Look, some};
use crate::finding::Findings;
use crate::side::Side;

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let Some(name) = look.wish.repository else { return Ok(()) };
    let Some(from) = Registered::of(look.from, findings)? else { return Ok(()) };
    let to = if look.same { None } else { Registered::of(look.to, findings)? };
    let asked = look.wish.kind.and_then(|kind| {
        let settings = look.wish.place.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string()));
        Place::of(kind, &settings.collect())
    });
    // What is asked for is what will be registered; without it what is registered is what will be written to.
    let written = asked.or_else(|| from.0.get(name).and_then(|one| one.place.clone()));
    on_source(look.from, name, &from, written.as_ref(), findings);
    if let Some(to) = &to {
        on_target(name, to, written.as_ref(), findings);
        read(look.to, name, to, findings);
    }
    read(look.from, name, &from, findings);
    below_path_repo(look, name, findings)?;
    match look.wish.snapshot {
        Some(snapshot) => taken(look, name, snapshot, &from, findings),
        None => Ok(()),
    }
}

/// A repository in a directory is refused where the directory is below no `path.repo` of a node.
fn below_path_repo(look: &Look<'_>, name: &str, findings: &mut Findings) -> Result<(), Fault> {
    let (Some("fs"), Some(location)) = (look.wish.kind, look.wish.place.get("location")) else { return Ok(()) };
    let location = normal(location);
    let sides = [(look.from, look.wish.kind), (look.to, look.wish.target_kind)];
    for (side, _) in sides.into_iter().filter(|(_, kind)| *kind == Some("fs")) {
        // What is registered is not registered again.
        if side.repositories(findings)?.is_none_or(|all| all.contains_key(name)) {
            continue;
        }
        let path = Path::of(["_nodes", "settings"])
            .query("filter_path", "nodes.*.name,nodes.*.roles,nodes.*.settings.path.repo*");
        let listed = |answer: &Value| answer["nodes"].is_object();
        let Some(answer) = side.ask("repository", &path, listed, findings)? else { continue };
        let nodes = answer["nodes"].as_object().into_iter().flatten().map(|(_, node)| node);
        // Others touch no repository.
        let uses = |role: &str| role.contains("master") || role.contains("manager") || role.starts_with("data");
        let has_use =
            |node: &&Value| node["roles"].as_array().is_none_or(|all| all.iter().filter_map(Value::as_str).any(uses));
        for node in nodes.filter(has_use) {
            let roots = path_repo(&node["settings"]["path"]);
            // A relative one is below a directory that the node does not tell.
            let takes = |root: &PathBuf| root.is_relative() || location.is_relative() || location.starts_with(root);
            if !roots.iter().any(takes) {
                let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
                let roots = if roots.is_empty() { "none".into() } else { roots.join(", ") };
                let role = side.role();
                findings.blocker(
                    "repository",
                    None,
                    format!("{} is below no path.repo of node {} of the {role} ({roots})", location.display(), node["name"]),
                    "choose a --location below it; or add it to path.repo in the configuration of every node, and restart each",
                );
            }
        }
    }
    Ok(())
}

/// The directories of `path.repo`: a list, one text with commas, or (5.x) a text for each number.
fn path_repo(path: &Value) -> Vec<PathBuf> {
    let all = es_client::flat(path);
    let texts =
        all.iter().filter(|(key, _)| key.split('.').next() == Some("repo")).flat_map(|(_, value)| match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().flat_map(|text| text.split(',')).collect::<Vec<_>>(),
        });
    texts.map(|text| normal(text.trim())).collect()
}

/// A path without `.` and `..`, as servers compare them: by its text alone.
fn normal(path: &str) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in std::path::Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The name of the snapshot: one that servers refuse, or one that is there and cannot be taken for this move's.
fn taken(look: &Look<'_>, name: &str, snapshot: &str, from: &Registered, findings: &mut Findings) -> Result<(), Fault> {
    const CHECK: &str = "snapshot_name";
    if let Err(fault) = es_client::check_snapshot_name(snapshot) {
        findings.blocker(CHECK, None, fault.message, &fault.hint.unwrap_or_default());
        return Ok(());
    }
    let another = "choose another --snapshot name";
    if !from.0.contains_key(name) {
        return Ok(());
    }
    match look.from.cluster.get(&Path::of(["_snapshot", name, snapshot])) {
        Ok(answer) if answer["snapshots"][0]["indices"].is_array() => {
            let there = &answer["snapshots"][0];
            let held: Vec<&str> = there["indices"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let lacking: Vec<&str> = look.wish.pairs.iter().map(|(index, _)| index.as_str()).collect();
            let lacking: Vec<&str> = lacking.into_iter().filter(|index| !held.contains(index)).collect();
            let state = there["state"].as_str().unwrap_or("without a state");
            let failed = there["shards"]["failed"].as_u64().unwrap_or_default();
            let usable =
                state == "IN_PROGRESS" || state == "SUCCESS" && failed == 0 || state == "PARTIAL" && look.wish.partial;
            let begun = there["start_time_in_millis"].as_i64();
            let is_younger = |index: &&str| {
                let info = look.from.indices.get(index);
                info.zip(begun).is_some_and(|(info, begun)| born_after(&info.settings, begun, true))
            };
            let younger: Vec<&str> =
                look.wish.pairs.iter().map(|(index, _)| index.as_str()).filter(is_younger).collect();
            if !lacking.is_empty() {
                let message = format!("snapshot {name}/{snapshot} exists and does not hold {}", some(&lacking));
                findings.blocker(CHECK, None, message, another);
            } else if !younger.is_empty() {
                let message = format!("snapshot {name}/{snapshot} exists and is older than {}", some(&younger));
                findings.blocker(CHECK, None, message, another);
            } else if usable {
                findings.warning(
                    CHECK,
                    None,
                    format!("snapshot {name}/{snapshot} exists and holds the indices: it will be taken as it is"),
                    "nothing, if it is this move's own; to move what was written since, choose another --snapshot name",
                );
            } else {
                let message = format!("snapshot {name}/{snapshot} exists and is {state}, with {failed} failed shards");
                findings.blocker(CHECK, None, message, another);
            }
        }
        Err(CallError::Server(error)) if error.is_snapshot_missing() => {
            findings.ok(CHECK, format!("the name {snapshot:?} is free in {name:?}"));
        }
        // What cannot be read at all was told.
        Err(CallError::Server(_)) => {}
        Ok(answer) => findings.warning(
            CHECK,
            None,
            format!("not checked: no list of snapshots: {}", excerpt(&answer)),
            "check the URL; a proxy may be answering",
        ),
        Err(error) => return Err(error.fault(&format!("looking for snapshot {name}/{snapshot}"))),
    }
    Ok(())
}

/// A place in storage: two registrations of the same are two ways to the same files.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    store: String,
    path: String,
}

impl Place {
    fn of(kind: &str, settings: &BTreeMap<String, String>) -> Option<Self> {
        let get = |key: &str| settings.get(key).map(|value| value.trim_matches('/'));
        let below = || get("base_path").unwrap_or_default().to_string();
        let (store, path) = match kind {
            "s3" | "gcs" => (format!("{kind}:{}", get("bucket")?), below()),
            "azure" => (format!("{kind}:{}", get("container").unwrap_or("elasticsearch-snapshots")), below()),
            "fs" => (kind.to_string(), get("location")?.to_string()),
            "hdfs" => (format!("{kind}:{}", get("uri")?), get("path")?.to_string()),
            _ => return None,
        };
        Some(Self { store, path })
    }
}

struct Registration {
    place: Option<Place>,
    writable: bool,
}

/// What is registered on a cluster, by name.
struct Registered(BTreeMap<String, Registration>);

impl Registered {
    fn of(side: &Side<'_>, findings: &mut Findings) -> Result<Option<Self>, Fault> {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        Ok(side.repositories(findings)?.map(|all| {
            let all = all.iter().map(|(name, one)| {
                let kind = one["type"].as_str().unwrap_or_default();
                let settings = es_client::flat(&one["settings"]);
                let settings: BTreeMap<String, String> =
                    settings.iter().map(|(key, value)| (key.clone(), word(value))).collect();
                let readonly = settings.get("readonly").is_some_and(|value| value == "true");
                // `url` only reads, and Amazon's own cs-* cannot be written to by anybody else.
                let writable = !readonly && kind != "url" && !name.starts_with("cs-");
                (name.clone(), Registration { place: Place::of(kind, &settings), writable })
            });
            Self(all.collect())
        }))
    }

    /// Other names under which the same place may be written to.
    fn others<'r>(&'r self, name: &'r str, place: Option<&'r Place>) -> impl Iterator<Item = &'r str> {
        let same = move |one: &Registration| one.writable && place.is_some() && one.place.as_ref() == place;
        self.0.iter().filter(move |(other, one)| *other != name && same(one)).map(|(other, _)| other.as_str())
    }
}

fn on_source(from: &Side<'_>, name: &str, registered: &Registered, place: Option<&Place>, findings: &mut Findings) {
    match registered.0.get(name) {
        None => findings.ok("repository", format!("{name:?} is not registered on the {} yet", from.role())),
        Some(one) if !one.writable => findings.blocker(
            "repository",
            None,
            format!("{name:?} is registered read-only on the source, which must write to it"),
            "another cluster writes there: take another repository name and base_path",
        ),
        Some(_) => {}
    }
    for other in registered.others(name, place) {
        findings.warning(
            "repository",
            None,
            format!("the source may write to the same place as {name:?} under the name {other:?} too"),
            "use that name, or let nothing write through it during the move: two registrations do not see each other's changes",
        );
    }
}

fn on_target(name: &str, registered: &Registered, place: Option<&Place>, findings: &mut Findings) {
    let fix = "register it read-only there: es-register-repository --cluster target";
    match registered.0.get(name) {
        None => findings.ok(
            "repository",
            format!(
                "{name:?} is not registered on the target yet: es-register-repository will look whether it can read it"
            ),
        ),
        Some(one) if !one.writable => {}
        Some(one) if place.is_some() && one.place.as_ref() == place => findings.blocker(
            "repository",
            None,
            format!(
                "{name:?} may be written to by the target, where the source writes: two writers destroy a repository"
            ),
            fix,
        ),
        Some(_) => findings.warning(
            "repository",
            None,
            format!("{name:?} may be written to by the target: two writers destroy a repository"),
            fix,
        ),
    }
    for other in registered.others(name, place) {
        findings.blocker(
            "repository",
            None,
            format!("the target may write where the source writes, under the name {other:?}: two writers destroy a repository"),
            "remove that registration, or make it read-only",
        );
    }
}

/// Whether a side reads what is registered: its list of snapshots comes out of the repository itself.
fn read(side: &Side<'_>, name: &str, registered: &Registered, findings: &mut Findings) {
    if !registered.0.contains_key(name) {
        return;
    }
    let role = side.role();
    match side.cluster.get(&Path::of(["_snapshot", name, "_all"])) {
        Ok(answer) => match answer["snapshots"].as_array() {
            Some(all) => findings.ok("repository", format!("the {role} reads {name:?}: {} snapshots", all.len())),
            None => findings.warning(
                "repository",
                None,
                format!("not checked: the {role} answers for {name:?} with no list of snapshots: {}", excerpt(&answer)),
                "check the URL; a proxy may be answering",
            ),
        },
        Err(error) => {
            let fault = error.fault(&format!("the {role} cannot read {name:?}"));
            // A target that reaches the place for the first time shows there what its rights are.
            let where_to = if role == Role::Target {
                "see docs/errors.md; the target needs to read alone"
            } else {
                "see docs/errors.md"
            };
            findings.blocker("repository", None, fault.message, &fault.hint.unwrap_or_else(|| where_to.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn path_repo_is_read_in_each_form_that_nodes_give_it() {
        let read = |value: Value| path_repo(&json!({"repo": value, "data": "/d"}));
        let both = [PathBuf::from("/a"), PathBuf::from("/b/c")];
        assert_eq!(read(json!(["/a", "/b/./x/../c"])), both);
        assert_eq!(read(json!("/a, /b/c/")), both);
        assert_eq!(read(json!({"0": "/a", "1": "/b/c"})), both);
        assert_eq!(path_repo(&Value::Null), [] as [PathBuf; 0]);
    }
}
