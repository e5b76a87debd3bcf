//! Puts each restored index's own replicas and refresh interval back, and says so.
//!
//! What they were is in the record, not in this process: it may die and be run again. What is right already is left alone.

use clap::Args as ClapArgs;
use es_cli::{Exit, Fault, Io};
use es_client::{Cluster, ENVIRONMENT, Method, Path, UrlFlag, batches, excerpt, flat};
use es_records::{Record, Restore, RestoreState, RestoredIndex, Role};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Put each restored index's own replicas and refresh interval back
///
/// Reads the records of finished restores on standard input. Each index gets the values its source index had; one that the
/// source left to the server's default is reset to it; replicas that the cluster counts itself (`auto_expand_replicas`) are left
/// to it. Settings are read back before the record says that it is done.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// This many replicas for every index, instead of its own
    #[arg(long, value_name = "N")]
    replicas: Option<u64>,

    /// This refresh interval for every index, instead of its own; `default` resets it
    #[arg(long, value_name = "INTERVAL", allow_hyphen_values = true)]
    refresh_interval: Option<String>,

    #[command(flatten)]
    cluster: UrlFlag,
}

const REPLICAS: &str = "index.number_of_replicas";
const REFRESH: &str = "index.refresh_interval";
const EXPAND: &str = "index.auto_expand_replicas";

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-finish-restore", include_str!("examples.txt"), ENVIRONMENT)
}

/// Does it.
///
/// # Errors
/// Exit 1 where the restore did not succeed; 3 where the cluster keeps other settings than it was given.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let mut restores = Vec::new();
    for record in io.records()? {
        let Record::Restore(restore) = record else {
            return Err(Fault::usage(format!("a record of type {:?} is no restore", record.kind()))
                .hint("pipe the output of es-wait into es-finish-restore")
                .into());
        };
        if let Err(fault) = fit(&restore, args) {
            if fault.exit == Exit::No {
                // The stages after this one then say the same, and not that their input is empty.
                io.emit(&Record::Restore(restore))?;
            }
            return Err(fault.into());
        }
        restores.push(restore);
    }
    for (done, mut restore) in restores.into_iter().enumerate() {
        let what = format!("settings of {}/{}", restore.repository, restore.snapshot);
        if let Err(fault) = one(args, &mut restore, io) {
            if done > 0 {
                // A later stage of a plain pipe must not take the others for the whole.
                restore.state = RestoreState::Failed;
                restore.failures.push(format!("its settings were not put back: {fault}"));
                io.emit(&Record::Restore(restore))?;
            }
            return Err(fault.context(what).into());
        }
        io.emit(&Record::Restore(restore))?;
    }
    Ok(Exit::Ok)
}

fn one(args: &Args, restore: &mut Restore, io: &mut Io) -> Result<(), Fault> {
    let target = Cluster::open(Role::Target, args.cluster.url.as_deref(), restore.cluster.as_ref(), io.listener())?;
    if let Some(known) = &restore.cluster {
        target.expect(known)?;
    }
    finish(args, &target, restore, io)?;
    restore.steps.push(io.step(target.requests(), target.retries()));
    Ok(())
}

/// Whether a record may be built on.
fn fit(restore: &Restore, args: &Args) -> Result<(), Fault> {
    let what = format!("restore of {}/{}", restore.repository, restore.snapshot);
    match restore.state {
        RestoreState::Success if !restore.indices.is_empty() => {}
        RestoreState::InProgress => {
            return Err(Fault::usage(format!("{what} is not final yet"))
                .hint("put es-wait between es-restore and es-finish-restore"));
        }
        _ => return Err(Fault::no(format!("{what} failed: {}", restore.trouble()))),
    }
    // Every index has a number of replicas: where it is not in the record, nothing of the index was known.
    let known = |i: &RestoredIndex| i.settings.as_ref().is_some_and(|own| own.number_of_replicas.is_some());
    let unknown = restore.indices.iter().find(|i| !known(i));
    match unknown {
        Some(index) if args.replicas.is_none() || args.refresh_interval.is_none() => {
            Err(Fault::usage(format!("{what}: the own settings of {:?} are not known", index.index))
                .hint("give --replicas and --refresh-interval, or run es-restore with ES_SOURCE_URL set"))
        }
        _ => Ok(()),
    }
}

/// What an index is to have: replicas, and a refresh interval (none: the server's default).
fn wanted(args: &Args, index: &RestoredIndex) -> (Option<u64>, Option<String>) {
    let own = index.settings.clone().unwrap_or_default();
    let refresh = match args.refresh_interval.as_deref() {
        Some("default") => None,
        Some(interval) => Some(interval.to_string()),
        None => own.refresh_interval,
    };
    (args.replicas.or(own.number_of_replicas), refresh)
}

fn finish(args: &Args, target: &Cluster, restore: &mut Restore, io: &mut Io) -> Result<(), Fault> {
    let names: Vec<String> = restore.indices.iter().map(|i| i.target_index.clone()).collect();
    let before = settings(target, &names)?;
    // One setting a request, as some servers refuse all of a request for one of them; indices with the same value together.
    let mut changes: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for index in &restore.indices {
        let name = index.target_index.as_str();
        let (replicas, refresh) = wanted(args, index);
        // Never null for replicas: 6.1.2 refuses it, and 8.19 makes it 1.
        if let Some(replicas) = replicas.map(|n| json!(n.to_string()))
            && !expands(&before[name])
            && before[name].get(REPLICAS) != Some(&replicas)
        {
            changes.entry((REPLICAS, replicas.to_string())).or_default().push(name);
        }
        let refresh = refresh.map_or(Value::Null, |r| json!(r));
        if before[name].get(REFRESH).unwrap_or(&Value::Null) != &refresh {
            changes.entry((REFRESH, refresh.to_string())).or_default().push(name);
        }
    }
    for ((key, value), indices) in &changes {
        let value: Value = serde_json::from_str(value).unwrap_or_default();
        for list in batches(indices.iter().copied()) {
            put(target, &list, key, &value)?;
        }
        for index in indices {
            io.note(&format!("{index}: {key} is {value} again"));
        }
    }
    let after = if changes.is_empty() { before } else { settings(target, &names)? };
    for index in &mut restore.indices {
        let kept = &after[&index.target_index];
        let (replicas, refresh) = wanted(args, index);
        let same_replicas = expands(kept) || replicas.is_none_or(|n| kept.get(REPLICAS) == Some(&json!(n.to_string())));
        let same_refresh = kept.get(REFRESH).and_then(Value::as_str) == refresh.as_deref();
        if !same_replicas || !same_refresh {
            return Err(Fault::failed(format!(
                "index {:?} keeps {REPLICAS} {} and {REFRESH} {}",
                index.target_index,
                kept.get(REPLICAS).unwrap_or(&Value::Null),
                kept.get(REFRESH).unwrap_or(&Value::Null)
            ))
            .hint("a template, a policy or another client changes it"));
        }
        index.finished = true;
    }
    Ok(())
}

/// Whether the cluster itself sets the number of replicas, by its nodes: whatever it is given it changes again.
fn expands(settings: &Map<String, Value>) -> bool {
    settings.get(EXPAND).is_some_and(|range| range != "false")
}

/// Setting a value is the same however often it is done.
fn put(target: &Cluster, list: &str, key: &str, value: &Value) -> Result<(), Fault> {
    let path = Path::of([list, "_settings"]);
    let body = json!({ key: value });
    match target.set(Method::Put, &path, &body) {
        Ok(answer) if answer["acknowledged"] == true => Ok(()),
        Ok(answer) => Err(Fault::failed(format!("{key} = {value}: not acknowledged: {}", excerpt(&answer)))),
        Err(error) => Err(error.fault(&format!("{key} = {value}"))),
    }
}

/// The present settings of each of these indices, flat, by index.
fn settings(target: &Cluster, names: &[String]) -> Result<BTreeMap<String, Map<String, Value>>, Fault> {
    let mut found = BTreeMap::new();
    for list in batches(names.iter().map(String::as_str)) {
        let path = Path::of([list.as_str(), "_settings", &format!("{REPLICAS},{REFRESH},{EXPAND}")])
            .query("ignore_unavailable", "true");
        let answer = target.get(&path).map_err(|e| e.fault("reading them"))?;
        for name in list.split(',') {
            if let Some(index) = answer.get(name) {
                found.insert(name.to_string(), flat(&index["settings"]));
            }
        }
    }
    match names.iter().find(|name| !found.contains_key(*name)) {
        Some(gone) => Err(Fault::no(format!("index {gone:?} is not on the target any more"))),
        None => Ok(found),
    }
}
