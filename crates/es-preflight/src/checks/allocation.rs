//! Rules of where shards may be, and whether the target has such nodes.

use es_cli::Fault;
use serde_json::{Map, Value};

use super::{Look, text};
use crate::finding::Findings;
use crate::side::Node;

const LEAVE: &str =
    "restore without it: --ignore-index-setting 'index.routing.allocation.*'; or take it off on the source";

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    cluster(look, findings)?;
    let Some(nodes) = look.to.nodes(findings)? else { return Ok(()) };
    let nodes: Vec<&Node> = nodes.iter().filter(|node| node.holds_data()).collect();
    for (index, settings) in look.indices() {
        rules(index, settings, &nodes, findings);
        tiers(look, index, settings, &nodes, findings);
        at_most(index, settings, nodes.len(), findings);
    }
    findings.well("allocation", "the target has nodes for the indices' allocation rules");
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

/// `require`, `include` and `exclude`, each by name of node, host, address, or an attribute.
fn rules(index: &str, settings: &Map<String, Value>, nodes: &[&Node], findings: &mut Findings) {
    let rules: Vec<(&str, &str, &str)> = settings
        .iter()
        .filter_map(|(key, value)| {
            let (kind, attribute) = key.strip_prefix("index.routing.allocation.")?.split_once('.')?;
            let known = ["require", "include", "exclude"].contains(&kind) && !attribute.starts_with("_tier");
            // An empty rule is one that was taken off.
            Some((kind, attribute, value.as_str().filter(|wanted| known && !wanted.is_empty())?))
        })
        .collect();
    let fits = |node: &&Node| {
        // Of the values after `include` one is enough, and of several `include` one; `require` wants all.
        let one = |attribute: &str, wanted: &str| {
            let has = node.attribute(attribute);
            wanted.split(',').any(|one| has.is_some_and(|has| wildcard(one.trim(), has)))
        };
        let mut include = rules.iter().filter(|(kind, ..)| *kind == "include").peekable();
        (include.peek().is_none() || include.any(|(_, attribute, wanted)| one(attribute, wanted)))
            && rules.iter().all(|(kind, attribute, wanted)| match *kind {
                "require" => wanted.split(',').all(|single| one(attribute, single)),
                "exclude" => !one(attribute, wanted),
                _ => true,
            })
    };
    if rules.is_empty() || nodes.iter().any(fits) {
        return;
    }
    for (kind, attribute, wanted) in rules {
        findings.blocker(
            "allocation",
            Some(index),
            format!(
                "{index} has index.routing.allocation.{kind}.{attribute}: {wanted}, and no node of the target fits"
            ),
            LEAVE,
        );
    }
}

fn wildcard(pattern: &str, name: &str) -> bool {
    es_client::Pattern::list(pattern).iter().any(|pattern| pattern.matches(name))
}

/// Tiers of Elasticsearch's default distribution, from 7.10 on. A shard goes to a node of the first tier of its preference that
/// has one, and to none if no tier has. Without x-pack the rule has no effect: 8.19.21 put such a shard on a node of another tier.
fn tiers(look: &Look<'_>, index: &str, settings: &Map<String, Value>, nodes: &[&Node], findings: &mut Findings) {
    let version = look.to.version;
    let with_tiers = nodes.iter().any(|node| node.has("x-pack-core", "org.elasticsearch.xpack."));
    if version.opensearch || (version.major, version.minor) < (7, 10) || !with_tiers {
        return;
    }
    let key = "index.routing.allocation.include._tier_preference";
    let Some(wanted) = text(settings, key).filter(|wanted| !wanted.is_empty()) else { return };
    if !wanted.split(',').any(|tier| nodes.iter().any(|node| node.is_of_tier(tier.trim()))) {
        findings.blocker(
            "allocation",
            Some(index),
            format!("{index} has {key}: {wanted}, and the target has no node of these tiers"),
            LEAVE,
        );
    }
}

/// More shards than nodes may take of one index.
fn at_most(index: &str, settings: &Map<String, Value>, nodes: usize, findings: &mut Findings) {
    let number = |key: &str| text(settings, key).and_then(|text| text.parse::<usize>().ok());
    let key = "index.routing.allocation.total_shards_per_node";
    let (Some(limit), Some(shards)) = (number(key), number("index.number_of_shards")) else { return };
    let whole = shards * (1 + number("index.number_of_replicas").unwrap_or_default());
    if shards > limit * nodes {
        findings.blocker(
            "allocation",
            Some(index),
            format!("{index} has {shards} primary shards and {key}: {limit}, and the target has {nodes} data nodes"),
            LEAVE,
        );
    } else if whole > limit * nodes {
        findings.warning(
            "allocation",
            Some(index),
            format!("{index} has {whole} shards with its replicas and {key}: {limit}, and the target has {nodes} data nodes: replicas will stay unassigned"),
            LEAVE,
        );
    }
}
