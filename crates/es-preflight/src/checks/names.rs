//! Names and aliases that the target has already.

use super::Look;
use crate::finding::Findings;

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) {
    for (index, target) in &look.wish.pairs {
        taken(look, index, target, findings);
        if look.wish.aliases {
            aliases(look, index, findings);
        }
    }
    findings.well("names", "the names are free on the target");
    findings.well("aliases", "no alias is in the way");
}

fn taken(look: &Look<'_>, index: &str, target: &str, findings: &mut Findings) {
    let rename =
        "rename: --rename-pattern '(.+)' --rename-replacement 'restored-$1'; or delete it there if it is not needed";
    if let Some(there) = look.to.indices.get(target) {
        // A restore keeps the date of creation: this one came over before, and es-restore will look whether from this snapshot.
        let born = look.from.indices.get(index).and_then(|info| info.settings.creation_date.as_ref());
        if !there.closed && born.is_some() && born == there.settings.creation_date.as_ref() {
            findings.warning(
                "names",
                Some(index),
                format!("{target:?} was restored on the target before"),
                "nothing, if it came from this snapshot: it is recognised; if from another, delete it there, or rename",
            );
        } else {
            let state = if there.closed { "a closed index, which a restore would overwrite," } else { "an index" };
            findings.blocker("names", Some(index), format!("{state} {target:?} exists on the target"), rename);
        }
        return;
    }
    if let [behind, ..] = look.to.indices.behind_alias(target).as_slice() {
        findings.blocker("names", Some(index), format!("{target:?} is an alias of {behind:?} on the target"), rename);
    }
}

fn aliases(look: &Look<'_>, index: &str, findings: &mut Findings) {
    let Some(info) = look.from.indices.get(index) else { return };
    for alias in &info.settings.aliases {
        if let Some((other, _)) = look.wish.pairs.iter().find(|(_, target)| target == alias) {
            findings.blocker(
                "aliases",
                Some(index),
                format!("alias {alias:?} of {index} is the new name of {other}: one name cannot be both"),
                "--no-aliases, or give the index another name",
            );
            continue;
        }
        if look.to.indices.get(alias).is_some() {
            findings.blocker(
                "aliases",
                Some(index),
                format!("alias {alias:?} of {index} is the name of an index on the target"),
                "--no-aliases, or delete that index",
            );
            continue;
        }
        let arrived = look.target_of(index);
        let behind = look.to.indices.behind_alias(alias).into_iter().filter(|one| Some(*one) != arrived);
        let behind: Vec<&str> = behind.collect();
        let writes = |one: &str| look.to.indices.get(one).is_some_and(|info| info.writes_through(alias) == Some(true));
        let may_write =
            |one: &str| look.to.indices.get(one).is_some_and(|info| info.writes_through(alias) != Some(false));
        let own = info.writes_through(alias);
        // Since 6.4 an alias says which of its indices is written to; a restore that would make it two is refused as a whole.
        if let (Some(true), Some(other)) = (own, behind.iter().find(|one| writes(one))) {
            findings.blocker(
                "aliases",
                Some(index),
                format!("{index} and {other:?} on the target both have is_write_index for alias {alias:?}: the restore would be refused"),
                "--no-aliases; or take is_write_index off one of them",
            );
        } else if let (Some(true) | None, Some(other)) = (own, behind.iter().find(|one| may_write(one))) {
            findings.warning(
                "aliases",
                Some(index),
                format!("not checked: index.blocks.metadata hides whether {index} and {other:?} on the target both have is_write_index for alias {alias:?}"),
                "take the block away and run es-preflight again; or --no-aliases",
            );
        } else if let [first, ..] = behind.as_slice() {
            findings.warning(
                "aliases",
                Some(index),
                format!("alias {alias:?} of {index} stands on {first:?} on the target already, and will stand on both"),
                "--no-aliases, if searches and writes through it must not see both",
            );
        }
    }
}
