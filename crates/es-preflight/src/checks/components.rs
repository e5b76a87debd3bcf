//! Plugins that the nodes need for the repository.

use es_cli::Fault;

use super::Look;
use crate::finding::Findings;

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    for (side, kind) in [(look.from, look.wish.kind), (look.to, look.wish.target_kind)] {
        let role = side.role();
        let Some(nodes) = side.nodes(findings)? else { continue };
        let Some(kind) = kind.filter(|kind| ["s3", "gcs", "azure", "hdfs"].contains(kind)) else { continue };
        // Every domain of Amazon's has it, whatever it lists.
        if kind == "s3" && side.cluster.is_signed_for() {
            continue;
        }
        let (plugin, class) = (format!("repository-{kind}"), format!(".repositories.{kind}."));
        for node in nodes.iter().filter(|node| !node.has(&plugin, &class)) {
            findings.blocker(
                "plugins",
                None,
                format!("node {:?} of the {role} has no {plugin}", node.name),
                "install it on every node, and restart each: bin/elasticsearch-plugin install NAME",
            );
        }
    }
    findings.well("plugins", "the nodes have the repository's plugin");
    Ok(())
}
