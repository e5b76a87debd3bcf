//! The limit of shards, counted as the servers count: all shards of open indices, replicas too, assigned or not.

use es_cli::Fault;

use super::{Look, copies, replicas};
use crate::finding::Findings;

/// Elasticsearch has the limit from 7.0 on, all of OpenSearch has it.
pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let to = look.to;
    if !to.version.opensearch && to.version.major < 7 {
        findings.ok("shards", format!("{} has no limit of shards", to.version));
        return Ok(());
    }
    let Some(nodes) = to.nodes(findings)? else { return Ok(()) };
    let nodes = nodes.iter().filter(|node| node.holds_data()).count();
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
    let per_node = number(to.setting("cluster.max_shards_per_node", findings)?).unwrap_or(1000);
    let mut limit = per_node.saturating_mul(u64::try_from(nodes).unwrap_or_default());
    let mut name = format!("cluster.max_shards_per_node {per_node}");
    // OpenSearch may have another for the whole cluster; -1 is none.
    if let Some(whole) = number(to.setting("cluster.routing.allocation.total_shards_limit", findings)?)
        && whole < limit
    {
        limit = whole;
        name = format!("cluster.routing.allocation.total_shards_limit {whole}");
    }
    let ignores_dots = to.is_set("cluster.ignore_dot_indexes", findings)?;
    let open = to.indices.iter().filter(|(_, info)| !info.closed).map(|(_, info)| {
        let settings = &info.settings;
        copies(settings.number_of_shards.unwrap_or(1), settings.number_of_replicas.unwrap_or_default())
    });
    let open = open.fold(0, u64::saturating_add);
    let (mut primaries, mut whole) = (0u64, 0u64);
    for (index, _) in look.indices().filter(|(index, _)| !(ignores_dots && index.starts_with('.'))) {
        let Some(info) = look.from.indices.get(index) else { continue };
        // One that is closed on the source is open when it is restored.
        if look.is_there(index) {
            continue;
        }
        let shards = info.settings.number_of_shards.unwrap_or(1);
        primaries = primaries.saturating_add(shards);
        whole = whole.saturating_add(copies(shards, replicas(look, index, nodes)));
    }
    let fix = "raise cluster.max_shards_per_node on the target, or add nodes";
    let there = format!("the target has {open} of at most {limit} ({name})");
    if open.saturating_add(primaries) > limit {
        findings.blocker("shards", None, format!("{primaries} primary shards are to come, and {there}"), fix);
    } else if open.saturating_add(whole) > limit {
        findings.warning(
            "shards",
            None,
            format!("{whole} shards are to come with their replicas, and {there}: es-finish-restore could not put the replicas back"),
            fix,
        );
    } else {
        findings.ok("shards", format!("{whole} shards are to come with their replicas, and {there}"));
    }
    Ok(())
}
