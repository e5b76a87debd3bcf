//! Rules of where shards may be, and whether the target has such nodes.

use es_cli::Fault;
use es_client::Path;
use serde_json::{Map, Value};

use super::{Look, copies, replicas, text};
use crate::finding::Findings;
use crate::side::Node;
use crate::version::Version;

const CLUSTER: &str = "cluster.routing.allocation.";
const INDEX: &str = "index.routing.allocation.";

const LEAVE: &str =
    "restore without it: --ignore-index-setting 'index.routing.allocation.*'; or take it off on the source";

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    cluster(look, findings)?;
    for (index, settings) in look.indices() {
        enabled(index, settings, findings);
        waits(index, settings, findings);
    }
    let of_cluster = look.to.settings_below(CLUSTER, findings)?;
    let Some(nodes) = look.to.nodes(findings)? else { return Ok(()) };
    let mut nodes: Vec<&Node> = nodes.iter().filter(|node| node.holds_data()).collect();
    let of_cluster = rules(&of_cluster, CLUSTER, look.to.version);
    if nodes.iter().any(|node| fits(&of_cluster, node)) {
        nodes.retain(|node| fits(&of_cluster, node));
    } else {
        for (kind, attribute, wanted) in &of_cluster {
            findings.blocker(
                "allocation",
                None,
                format!(
                    "{CLUSTER}{kind}.{attribute} is {wanted} on the target, and no data node fits: no shard is assigned"
                ),
                "set it to null: curl -XPUT \"$ES_TARGET_URL/_cluster/settings\", persistent and transient",
            );
        }
    }
    room(look, nodes.len(), findings)?;
    for (index, settings) in look.indices() {
        let rules = rules(settings, INDEX, look.to.version);
        if !nodes.iter().any(|node| fits(&rules, node)) {
            for (kind, attribute, wanted) in rules {
                findings.blocker(
                    "allocation",
                    Some(index),
                    format!("{index} has {INDEX}{kind}.{attribute}: {wanted}, and no node of the target fits"),
                    LEAVE,
                );
            }
        }
        tiers(look, index, settings, &nodes, findings);
        at_most(index, settings, nodes.len(), findings);
    }
    if look.to.shows_settings(findings)? {
        findings.well("allocation", "the target has nodes for the indices' allocation rules");
    }
    Ok(())
}

/// Whether the target assigns new primaries at all. A restored primary is none that was there before: `primaries` and
/// `new_primaries` let it through.
fn cluster(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let enable = look.to.setting("cluster.routing.allocation.enable", findings)?.unwrap_or_default().to_lowercase();
    let fix = "set it to all: curl -XPUT \"$ES_TARGET_URL/_cluster/settings\" with cluster.routing.allocation.enable";
    if enable == "none" {
        findings.blocker(
            "allocation",
            None,
            "cluster.routing.allocation.enable is none on the target: no shard is assigned".into(),
            fix,
        );
    } else if enable.ends_with("primaries") {
        findings.warning(
            "allocation",
            None,
            format!("cluster.routing.allocation.enable is {enable} on the target: replicas will stay unassigned"),
            fix,
        );
    }
    Ok(())
}

/// The same of one index, whose own setting goes along with it.
fn enabled(index: &str, settings: &Map<String, Value>, findings: &mut Findings) {
    let key = "index.routing.allocation.enable";
    let enable = text(settings, key).unwrap_or_default().to_lowercase();
    if enable == "none" {
        findings.blocker("allocation", Some(index), format!("{index} has {key}: none: no shard is assigned"), LEAVE);
    } else if enable.ends_with("primaries") {
        let message = format!("{index} has {key}: {enable}: replicas will stay unassigned");
        findings.warning("allocation", Some(index), message, LEAVE);
    }
}

/// Servers refuse a restore whose indices would wait for more copies of a shard than there are: a move restores without replicas.
fn waits(index: &str, settings: &Map<String, Value>, findings: &mut Findings) {
    let key = "index.write.wait_for_active_shards";
    if let Some(copies) = text(settings, key).and_then(|text| text.parse::<u64>().ok()).filter(|copies| *copies > 1) {
        findings.blocker(
            "allocation",
            Some(index),
            format!("{index} has {key}: {copies}, and a restore without replicas is refused: there is one copy"),
            "restore without it, and set it after the move: --ignore-index-setting index.write.wait_for_active_shards",
        );
    }
}

/// `require`, `include` or `exclude`; of what; the values.
type Rule<'r> = (&'r str, &'r str, &'r str);

/// Rules of where shards may be, of an index or of the cluster, each by name of node, host, address, or an attribute.
///
/// A restore takes `_tier` off an index. On the cluster it is an attribute as any other to Elasticsearch 8.0 and later; before, and
/// in OpenSearch, what begins so is none.
fn rules<'r>(settings: &'r Map<String, Value>, prefix: &str, version: Version) -> Vec<Rule<'r>> {
    let stays = prefix == CLUSTER && !version.opensearch && version.major >= 8;
    let tiers = if stays { "_tier_preference" } else { "_tier" };
    let rules = settings.iter().filter_map(|(key, value)| {
        let (kind, attribute) = key.strip_prefix(prefix)?.split_once('.')?;
        let known = ["require", "include", "exclude"].contains(&kind) && !attribute.starts_with(tiers);
        // An empty rule is one that was taken off.
        Some((kind, attribute, value.as_str().filter(|wanted| known && !wanted.is_empty())?))
    });
    rules.collect()
}

/// Of the values after `include` one is enough, and of several `include` one; `require` wants all.
fn fits(rules: &[Rule<'_>], node: &Node) -> bool {
    let one = |attribute: &str, wanted: &str| {
        let has = node.attribute(attribute);
        wanted.split(',').any(|one| has.iter().any(|has| wildcard(one.trim(), has)))
    };
    let mut include = rules.iter().filter(|(kind, ..)| *kind == "include").peekable();
    (include.peek().is_none() || include.any(|(_, attribute, wanted)| one(attribute, wanted)))
        && rules.iter().all(|(kind, attribute, wanted)| match *kind {
            "require" => wanted.split(',').all(|single| one(attribute, single)),
            "exclude" => !one(attribute, wanted),
            _ => true,
        })
}

pub(super) fn wildcard(pattern: &str, name: &str) -> bool {
    es_client::Pattern::list(pattern).iter().any(|pattern| pattern.matches(name))
}

/// Tiers of Elasticsearch's default distribution, from 7.10 on. A shard goes to a node of the first tier of its preference that
/// has one, and to none if no tier has; 7.x has rules by tier beside it. Without x-pack the rule has no effect:
/// 8.19.21 and 9.5.3 put such a shard on a node of another tier.
fn tiers(look: &Look<'_>, index: &str, settings: &Map<String, Value>, nodes: &[&Node], findings: &mut Findings) {
    let version = look.to.version;
    let with_tiers = nodes.iter().any(|node| node.has("x-pack-core", "org.elasticsearch.xpack."));
    if version.opensearch || (version.major, version.minor) < (7, 10) || !with_tiers {
        return;
    }
    let preference = [("include", "_tier_preference")];
    let of_7 = [("require", "_tier"), ("include", "_tier"), ("exclude", "_tier")];
    for (kind, rule) in preference.into_iter().chain(of_7.into_iter().filter(|_| version.major == 7)) {
        let key = format!("{INDEX}{kind}.{rule}");
        let Some(wanted) = text(settings, &key).filter(|wanted| !wanted.is_empty()) else { continue };
        let fits = |node: &&Node| {
            let mut of = wanted.split(',').map(|tier| node.is_of_tier(tier.trim()));
            match kind {
                "require" => of.all(|is| is),
                "include" => of.any(|is| is),
                _ => !of.any(|is| is),
            }
        };
        if !nodes.iter().any(fits) {
            findings.blocker(
                "allocation",
                Some(index),
                format!("{index} has {key}: {wanted}, and no node of the target fits by its tiers"),
                LEAVE,
            );
        }
    }
}

/// More shards than the nodes may take of all indices together.
fn room(look: &Look<'_>, nodes: usize, findings: &mut Findings) -> Result<(), Fault> {
    let key = "cluster.routing.allocation.total_shards_per_node";
    let limit = look.to.setting(key, findings)?.and_then(|text| text.parse::<u64>().ok());
    // -1 is none.
    let Some(limit) = limit else { return Ok(()) };
    let path = Path::of(["_cluster", "health"]).query("filter_path", "active_shards");
    let fits = |answer: &Value| answer["active_shards"].is_u64();
    let Some(health) = look.to.ask("allocation", &path, fits, findings)? else { return Ok(()) };
    let there = health["active_shards"].as_u64().unwrap_or_default();
    let left = limit.saturating_mul(u64::try_from(nodes).unwrap_or_default()).saturating_sub(there);
    let (mut primaries, mut whole) = (0u64, 0u64);
    for (index, settings) in look.indices() {
        if look.is_there(index) {
            continue;
        }
        let shards = text(settings, "index.number_of_shards").and_then(|text| text.parse().ok()).unwrap_or(1);
        primaries = primaries.saturating_add(shards);
        whole = whole.saturating_add(copies(shards, replicas(look, index, nodes)));
    }
    let fix = "raise it, or set it to null: curl -XPUT \"$ES_TARGET_URL/_cluster/settings\"";
    let limits = format!("{key} is {limit} on the target, which leaves room for {left} shards");
    if primaries > left {
        let message = format!("{primaries} primary shards are to come, and {limits}");
        findings.blocker("allocation", None, message, fix);
    } else if whole > left {
        let message =
            format!("{whole} shards are to come with their replicas, and {limits}: replicas will stay unassigned");
        findings.warning("allocation", None, message, fix);
    }
    Ok(())
}

/// More shards than nodes may take of one index.
fn at_most(index: &str, settings: &Map<String, Value>, nodes: usize, findings: &mut Findings) {
    let number = |key: &str| text(settings, key).and_then(|text| text.parse::<u64>().ok());
    let key = "index.routing.allocation.total_shards_per_node";
    let (Some(limit), Some(shards)) = (number(key), number("index.number_of_shards")) else { return };
    let whole = copies(shards, number("index.number_of_replicas").unwrap_or_default());
    let most = limit.saturating_mul(u64::try_from(nodes).unwrap_or_default());
    if shards > most {
        findings.blocker(
            "allocation",
            Some(index),
            format!("{index} has {shards} primary shards and {key}: {limit}, and the target has {nodes} data nodes"),
            LEAVE,
        );
    } else if whole > most {
        findings.warning(
            "allocation",
            Some(index),
            format!("{index} has {whole} shards with its replicas and {key}: {limit}, and the target has {nodes} data nodes: replicas will stay unassigned"),
            LEAVE,
        );
    }
}
