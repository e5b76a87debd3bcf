//! Names and aliases that the target has already.

use es_cli::{Exit, Fault};
use es_client::{CallError, Origin, Path, Standing, standings};

use super::Look;
use crate::finding::Findings;

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    taken(look, findings)?;
    if look.wish.aliases {
        for (index, _) in &look.wish.pairs {
            aliases(look, index, findings);
        }
    }
    findings.well("names", "the names are free on the target");
    findings.well("aliases", "no alias is in the way");
    Ok(())
}

/// What es-restore would refuse, and what it would take for restored already.
fn taken(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let there = look.wish.pairs.iter().any(|(_, target)| look.to.indices.get(target).is_some());
    let settings = look.from.indices.iter().map(|(index, info)| (index.to_string(), info.settings.clone())).collect();
    let origin = Origin {
        repository: look.wish.repository,
        snapshot: look.wish.snapshot,
        ended: if there { ended(look, findings)? } else { None },
        cluster: Some(look.from.cluster.identity()?),
        settings: &settings,
    };
    let standings = match standings(look.to.cluster, &look.to.indices, &origin, &look.wish.pairs) {
        // es-restore looks in the same way, and would end here.
        Err(fault) if fault.exit == Exit::NotAllowed => {
            let message = format!("what stands on the target under the names cannot be looked at: {}", fault.message);
            findings.blocker(
                "names",
                None,
                message,
                "give the user monitor privileges on the indices there, or rename",
            );
            return Ok(());
        }
        other => other?,
    };
    for (standing, (index, target)) in standings.into_iter().zip(&look.wish.pairs) {
        match standing {
            Standing::Free => {}
            Standing::Restored(from) => findings.warning(
                "names",
                Some(index),
                format!("{target:?} was restored on the target before, from snapshot {from}"),
                "nothing, if that is this move's snapshot: it is recognised; if not, delete it there, or rename",
            ),
            Standing::InTheWay(fault) => {
                findings.blocker("names", Some(index), fault.message, &fault.hint.unwrap_or_default());
            }
        }
    }
    Ok(())
}

/// When this move's snapshot ended; none where that is not known.
fn ended(look: &Look<'_>, findings: &mut Findings) -> Result<Option<i64>, Fault> {
    let (Some(repository), Some(snapshot)) = (look.wish.repository, look.wish.snapshot) else { return Ok(None) };
    if !look.from.repositories(findings)?.is_some_and(|all| all.contains_key(repository)) {
        return Ok(None);
    }
    match look.from.cluster.get(&Path::of(["_snapshot", repository, snapshot])) {
        Ok(answer) => {
            let there = &answer["snapshots"][0];
            let ended = there["end_time_in_millis"].as_i64();
            // While it runs, servers say 1970-01-01.
            Ok(if there["state"] == "IN_PROGRESS" { Some(i64::MAX) } else { ended })
        }
        Err(CallError::Server(error)) if error.is_snapshot_missing() => Ok(Some(i64::MAX)),
        // What cannot be read is told by the check of the repository.
        Err(CallError::Server(_)) => Ok(None),
        Err(error) => Err(error.fault(&format!("looking for snapshot {repository}/{snapshot}"))),
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
