//! Blocks: of the target as a whole, and of an index, which go along with it.

use es_cli::Fault;

use super::{Look, is_on};
use crate::finding::{Findings, Level};

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let off = "take it off: curl -XPUT \"$ES_TARGET_URL/_cluster/settings\" with the setting null, transient, then persistent";
    for (key, level, why) in [
        ("cluster.blocks.read_only", Level::Blocker, "nothing can be registered or restored"),
        ("cluster.blocks.read_only_allow_delete", Level::Blocker, "nothing can be registered or restored"),
        // OpenSearch sets it by itself. It stops new indices, and no restore (seen on 2.19.6).
        ("cluster.blocks.create_index", Level::Warning, "so it is where every disk is past its high watermark"),
    ] {
        if look.to.is_set(key, findings)? {
            findings.add("blocks", level, None, format!("{key} is set on the target: {why}"), Some(off));
        }
    }
    on_source(look, findings)?;
    let keep = "leave it behind: --ignore-index-setting 'index.blocks.*'; or take it off on the source";
    for (index, settings) in look.indices() {
        let on = |name: &str| is_on(settings, &format!("index.blocks.{name}"));
        let found = [
            ("read_only", Level::Blocker, "its replicas and refresh interval could not be put back"),
            ("read_only_allow_delete", Level::Blocker, "its replicas and refresh interval could not be put back"),
            ("metadata", Level::Blocker, "its replicas and refresh interval could not be put back"),
            ("read", Level::Blocker, "it cannot be counted"),
            ("write", Level::Warning, "it will take no writes on the target either"),
        ];
        for (name, level, why) in found.into_iter().filter(|(name, ..)| on(name)) {
            findings.add("blocks", level, Some(index), format!("{index} has index.blocks.{name}: {why}"), Some(keep));
        }
    }
    if look.to.shows_settings(findings)? {
        findings.well("blocks", "nothing is blocked");
    }
    Ok(())
}

/// A source that is read-only takes snapshots, and registers no repository for them.
fn on_source(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let (Some(name), Some(_)) = (look.wish.repository, look.wish.kind) else { return Ok(()) };
    if look.from.repositories(findings)?.is_none_or(|all| all.contains_key(name)) {
        return Ok(());
    }
    for key in ["cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"] {
        if look.from.is_set(key, findings)? {
            findings.blocker(
                "blocks",
                None,
                format!("{key} is set on the source: {name:?} cannot be registered there"),
                "take it off: curl -XPUT \"$ES_SOURCE_URL/_cluster/settings\" with the setting null, transient, then persistent",
            );
        }
    }
    Ok(())
}
