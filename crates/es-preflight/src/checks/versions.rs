//! Which versions wrote what is to be moved, and whether the target reads it.

use super::{Look, text};
use crate::finding::Findings;
use crate::version::Version;

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) {
    let (from, to) = (look.from.version, look.to.version);
    if look.same && look.wish.pairs.iter().any(|(index, target)| index == target) {
        findings.blocker(
            "clusters",
            None,
            "source and target are the same cluster, and the indices would keep their names".into(),
            "check ES_SOURCE_URL and ES_TARGET_URL, or rename",
        );
    } else {
        findings.ok("clusters", format!("from {from} to {to}"));
    }
    if let Some(why) = to.cannot_read_repository(from) {
        findings.blocker(
            "version",
            None,
            format!("{from} writes the snapshot, and {why}"),
            "use a target that is not older, or read the snapshot with es-read-snapshot",
        );
    } else {
        findings.ok("version", format!("{to} reads snapshots of {from}"));
    }
    for (index, settings) in look.indices() {
        let created = text(settings, "index.version.created");
        let Some(created) = created.and_then(|id| id.parse().ok()).map(Version::created) else {
            findings.warning(
                "created_version",
                Some(index),
                format!("not checked: the source does not say which version created {index}"),
                "look at it by hand: curl \"$ES_SOURCE_URL/INDEX/_settings\" has index.version.created",
            );
            continue;
        };
        if let Some(why) = to.cannot_read(created) {
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
