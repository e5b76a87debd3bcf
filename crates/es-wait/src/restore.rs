//! Waiting for a restore.
//!
//! Servers have no state for it: it is done when every index is there with its primaries started. Neither an answer of
//! 200 to `_restore` nor an empty `_recovery` says anything.

use crate::health::{AGREEING, APART, IndexHealth, Stall, explain, look, reached, silence, worst};
use crate::{Ended, Pace, Wanted};
use es_cli::{Fault, Io};
use es_client::{CallError, Cluster, Path, batches};
use es_records::{Record, Restore, RestoreState};
use std::collections::BTreeMap;

/// Why there is nothing to wait for: an earlier stage saw it fail, or start nothing.
pub(crate) fn over(restore: &Restore) -> Option<Fault> {
    let failed = matches!(restore.state, RestoreState::Failed | RestoreState::Other(_)) || restore.indices.is_empty();
    let (repository, snapshot, why) = (&restore.repository, &restore.snapshot, restore.trouble());
    failed.then(|| Fault::no(format!("restore of {repository}/{snapshot} has failed already: {why}")))
}

pub(crate) fn wait(
    cluster: &Cluster,
    mut restore: Restore,
    wanted: Wanted,
    pace: &mut Pace,
    io: &mut Io,
) -> Result<Ended, Fault> {
    let title = format!("{}/{}", restore.repository, restore.snapshot);
    let what = format!("restore of {title}");
    let targets: Vec<String> = restore.indices.iter().map(|i| i.target_index.clone()).collect();
    let (mut hopeless, mut absent) = (0, 0);
    let mut progress = io.shows_progress();
    let mut stall = Stall::default();
    pace.restart(io);
    loop {
        let seen = pace.until(io, |_| look(cluster, &targets)).map_err(|f| f.context(&what))?.indices;
        tally(&mut restore, &seen);
        let missing: Vec<&str> = targets.iter().filter(|t| !seen.contains_key(*t)).map(String::as_str).collect();
        absent = if missing.is_empty() { 0 } else { absent + 1 };
        if absent >= AGREEING {
            let why = format!("not on the target: {}", missing.join(", "));
            return Ok(failed(restore, &what, vec![why], "someone deleted it: run es-restore again"));
        }
        let mut waiting = 0;
        let mut stuck = Vec::new();
        let mut silent = None;
        let mut primary_stuck = false;
        // One explanation a look is enough: what keeps one shard keeps the others of its kind.
        let mut explained: Option<Option<crate::health::Explanation>> = None;
        for target in &targets {
            let Some(health) = seen.get(target) else { continue };
            if reached(health, wanted, None) {
                continue;
            }
            let mut why = None;
            if health.moving == 0 && health.unassigned > 0 {
                if explained.is_none() || wanted == Wanted::Auto && health.has_primaries() {
                    explained = Some(pace.until(io, |_| explain(cluster, target)).map_err(|f| f.context(&what))?);
                }
                why = explained.clone().flatten();
            }
            if reached(health, wanted, why.as_ref()) {
                continue;
            }
            waiting += 1;
            silent = silent.or_else(|| silence(target, why.as_ref()));
            if let Some(why) = why.filter(|w| w.hopeless) {
                primary_stuck |= !health.has_primaries();
                stuck.push(why.text);
            }
        }
        if waiting == 0 && missing.is_empty() {
            restore.state = RestoreState::Success;
            return Ok((Record::Restore(restore), None));
        }
        hopeless = if stuck.is_empty() { 0 } else { hopeless + 1 };
        if hopeless >= AGREEING {
            stuck.dedup();
            let hint = if primary_stuck {
                "mend the cause; then delete that index on the target and run es-restore again"
            } else {
                "the data is there and replicas are not: --health primaries accepts that"
            };
            return Ok(failed(restore, &what, stuck, hint));
        }
        let looked = targets.iter().filter_map(|target| seen.get(target).cloned()).collect();
        stall.look(pace, io, looked, silent).map_err(|f| f.context(&what))?;
        if progress {
            progress = show(cluster, &targets, &restore, &title, io);
        }
        if hopeless > 0 || absent > 0 {
            io.sleep(APART);
        }
        pace.rest(io).map_err(|f| f.context(&what))?;
    }
}

fn failed(mut restore: Restore, what: &str, why: Vec<String>, hint: &str) -> Ended {
    restore.state = RestoreState::Failed;
    restore.shards.failed = restore.shards.total.saturating_sub(restore.shards.successful);
    let fault = Fault::no(format!("{what} will not come to its end: {}", why.join("; "))).hint(hint);
    restore.failures = why;
    (Record::Restore(restore), Some(fault))
}

fn tally(restore: &mut Restore, seen: &BTreeMap<String, IndexHealth>) {
    let mine = || restore.indices.iter().filter_map(|i| seen.get(&i.target_index));
    let total = mine().map(|h| h.primaries).fold(0, u64::saturating_add);
    let successful = mine().map(|h| h.active_primaries).fold(0, u64::saturating_add);
    let health = worst(mine().map(|h| h.status.as_str())).to_string();
    let all_there = mine().count() == restore.indices.len();
    (restore.shards.total, restore.shards.successful, restore.shards.failed) = (total, successful, 0);
    restore.health = Some(if all_there { health } else { "red".into() });
}

/// Shows bytes and shards of the copying; false where the service does not allow the question.
fn show(cluster: &Cluster, targets: &[String], restore: &Restore, title: &str, io: &mut Io) -> bool {
    let lists = batches(targets.iter().map(String::as_str));
    // As for health: many indices are one question for the whole cluster.
    let path = match lists.as_slice() {
        [one] => Path::of([one.as_str(), "_recovery"]),
        _ => Path::of(["_recovery"]),
    };
    let (mut done, mut total) = (0, 0);
    match cluster.look(&path) {
        Ok(answer) => {
            for (_, index) in answer.as_object().into_iter().flatten().filter(|(name, _)| targets.contains(name)) {
                for shard in index["shards"].as_array().into_iter().flatten().filter(|s| s["primary"] == true) {
                    let size = &shard["index"]["size"];
                    let add = |to: u64, key: &str| to.saturating_add(size[key].as_u64().unwrap_or(0));
                    total = add(total, "total_in_bytes");
                    done = add(add(done, "recovered_in_bytes"), "reused_in_bytes");
                }
            }
        }
        Err(CallError::Server(error)) if error.class() == es_client::Class::NotAllowed => return false,
        Err(_) => {}
    }
    let health = restore.health.as_deref().unwrap_or("red");
    let words = format!("{}/{} primary shards, {health}", restore.shards.successful, restore.shards.total);
    io.meter(title).show(done, total, &words);
    true
}
