//! Starts a restore on the target, or recognises the one that was started; never waits for its end.
//!
//! It looks first and refuses what the server would refuse, because servers say it late (500 after minutes) or not at all: a
//! restore over a closed index of the same name overwrites it, and a misspelt index is 200 with nothing restored on 5.x.

use clap::Args as ClapArgs;
use es_cli::rename::{self, Group};
use es_cli::{Exit, Fault, Io, PlanRow};
use es_client::{CallError, Class, Cluster, ENVIRONMENT, Indices, Method, PairArgs, Path, Pattern};
use es_client::{Origin, Standing, excerpt, snapshot_named, standings};
use es_records::{
    ClusterId, IndexSettings, Record, Restore, RestoreState, RestoredIndex, Role, Shards, Snapshot, State,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Start a restore on the target, or recognise the one that was started
///
/// Reads the records of finished snapshots on standard input, or takes --repository and --snapshot. The record it prints keeps
/// each index's own replicas and refresh interval for es-finish-restore.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Name of the repository on the target [default: the record's]
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,

    /// Restore this snapshot instead of a record's
    #[arg(long, value_name = "NAME", requires = "repository")]
    snapshot: Option<String>,

    /// Only these of the snapshot's indices: names and wildcards, comma-separated, -NAME takes away; repeatable
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    indices: Vec<String>,

    /// Take indices and their new names from a CSV plan: index,target_index
    #[arg(long, value_name = "FILE", conflicts_with_all = ["indices", "rename_pattern"])]
    plan: Option<PathBuf>,

    /// Rename what matches this Java regular expression
    #[arg(long, value_name = "REGEX", requires = "rename_replacement")]
    rename_pattern: Option<String>,

    /// ... to this; $1 is the first group
    #[arg(long, value_name = "TEXT", requires = "rename_pattern")]
    rename_replacement: Option<String>,

    /// Restore with this many replicas; es-finish-restore puts each index's own number back
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,

    /// Restore with this refresh interval (-1: none); es-finish-restore puts each index's own back
    #[arg(long, value_name = "INTERVAL", allow_hyphen_values = true)]
    refresh_interval: Option<String>,

    /// Restore with this index setting; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = es_cli::key_value)]
    index_setting: Vec<(String, String)>,

    /// Leave this index setting behind; repeatable
    #[arg(long, value_name = "KEY")]
    ignore_index_setting: Vec<String>,

    /// Restore aliases too: the default
    #[arg(long, conflicts_with = "no_aliases")]
    include_aliases: bool,

    /// Leave aliases behind
    #[arg(long)]
    no_aliases: bool,

    /// Restore what a PARTIAL snapshot has; its missing shards come back empty
    #[arg(long)]
    partial: bool,

    /// Restore cluster settings and templates too
    #[arg(long)]
    include_global_state: bool,

    /// Feature states to restore (Elasticsearch 7.12 and later); repeatable
    #[arg(long, value_name = "NAME")]
    feature_state: Vec<String>,

    /// Wait this long for another running restore to end (servers up to 6.x run one at a time)
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = es_cli::duration)]
    wait_for_running: Duration,

    /// Print the requests instead of sending them
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    clusters: PairArgs,
}

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-restore", include_str!("examples.txt"), ENVIRONMENT)
}

/// Does it.
///
/// # Errors
/// Exit 1 where the snapshot is not fit or lacks an index; 3 where something on the target is in the way.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let settings = index_settings(args)?;
    let plan = args.plan.as_deref().map(es_cli::read_plan).transpose()?;
    let snapshots = input(args, io)?;
    let target = Cluster::open(Role::Target, args.clusters.target_url.as_deref(), None, io.listener())?;
    // All are looked at before anything is started on the strength of one.
    for snapshot in &snapshots {
        if let Err(fault) = fit(snapshot, args.partial) {
            if fault.exit == Exit::No {
                io.emit(&not_started(None, snapshot, &fault))?;
            }
            return Err(fault.context(what(args, snapshot)).into());
        }
    }
    if args.dry_run {
        for mut snapshot in snapshots {
            snapshot.repository = repository(args, &snapshot);
            for group in &groups(args, plan.as_deref(), &snapshot.indices)? {
                io.emit(&target.request_record(Method::Post, &path(&snapshot), &body(args, group, &settings)))?;
            }
        }
        return Ok(Exit::Ok);
    }
    let mut started = 0;
    for mut snapshot in snapshots {
        let what = what(args, &snapshot);
        snapshot.repository = repository(args, &snapshot);
        let outcome = restore(args, &target, &mut snapshot, plan.as_deref(), &settings, &mut started, io);
        if let Err(fault) = outcome {
            if started > 0 || fault.exit == Exit::No {
                // A later stage of a plain pipe must not take what was started for the whole, nor call its input empty.
                io.emit(&not_started(target.identity().ok(), &snapshot, &fault))?;
            }
            return Err(fault.context(&what).into());
        }
    }
    Ok(Exit::Ok)
}

/// Restores one snapshot, a record a request.
fn restore(
    args: &Args,
    target: &Cluster,
    snapshot: &mut Snapshot,
    plan: Option<&[PlanRow]>,
    settings: &Map<String, Value>,
    started: &mut usize,
    io: &mut Io,
) -> Result<(), Fault> {
    known_to(target, snapshot, args.partial)?;
    remember(args, snapshot, io)?;
    for group in groups(args, plan, &snapshot.indices)? {
        let record = one(args, target, snapshot, &group, settings, io)?;
        io.emit(&Record::Restore(record))?;
        *started += 1;
    }
    Ok(())
}

fn repository(args: &Args, snapshot: &Snapshot) -> String {
    args.repository.clone().unwrap_or_else(|| snapshot.repository.clone())
}

fn what(args: &Args, snapshot: &Snapshot) -> String {
    format!("restore of {}/{}", repository(args, snapshot), snapshot.snapshot)
}

/// What the record of every restore takes over from its snapshot.
fn record_of(snapshot: &Snapshot, target: Option<&ClusterId>) -> Restore {
    Restore {
        repository: snapshot.repository.clone(),
        snapshot: snapshot.snapshot.clone(),
        uuid: snapshot.uuid.clone(),
        cluster: target.cloned(),
        source: snapshot.cluster.clone(),
        steps: snapshot.steps.clone(),
        extra: snapshot.extra.clone(),
        ..Restore::default()
    }
}

/// The record of what was not started.
fn not_started(target: Option<&ClusterId>, snapshot: &Snapshot, fault: &Fault) -> Record {
    Record::Restore(Restore {
        state: RestoreState::Failed,
        failures: vec![format!("not started: {fault}")],
        ..record_of(snapshot, target)
    })
}

fn input(args: &Args, io: &Io) -> Result<Vec<Snapshot>, Fault> {
    if let (Some(repository), Some(snapshot)) = (&args.repository, &args.snapshot) {
        return Ok(vec![Snapshot {
            repository: repository.clone(),
            snapshot: snapshot.clone(),
            state: State::Success,
            ..Snapshot::default()
        }]);
    }
    let records = io.records()?;
    records
        .into_iter()
        .map(|record| match record {
            Record::Snapshot(snapshot) => Ok(snapshot),
            other => Err(Fault::usage(format!("a record of type {:?} is no snapshot", other.kind()))
                .hint("pipe the output of es-wait into es-restore")),
        })
        .collect()
}

/// Whether a record may be built on.
fn fit(snapshot: &Snapshot, partial: bool) -> Result<(), Fault> {
    match snapshot.state {
        State::Success
            if snapshot.missing_indices.is_empty() && snapshot.failures.is_empty() && snapshot.shards.failed == 0 =>
        {
            Ok(())
        }
        State::Partial if partial => Ok(()),
        State::InProgress => {
            Err(Fault::usage("the snapshot is not final yet").hint("put es-wait between es-snapshot and es-restore"))
        }
        _ => Err(Fault::no(format!(
            "the snapshot is {} with {} failed shards and {} missing indices",
            snapshot.state,
            snapshot.shards.failed,
            snapshot.missing_indices.len()
        ))
        .hint("take a whole one; --partial restores what a PARTIAL one has")),
    }
}

fn path(snapshot: &Snapshot) -> Path {
    Path::of(["_snapshot", &snapshot.repository, &snapshot.snapshot, "_restore"])
}

/// Looks at the snapshot through the target's own registration: it must be the same one, and hold what is asked for.
fn known_to(target: &Cluster, snapshot: &mut Snapshot, partial: bool) -> Result<(), Fault> {
    target.identity()?;
    let answer = target.get(&Path::of(["_snapshot", &snapshot.repository, &snapshot.snapshot])).map_err(|error| {
        let fault = error.fault("reading it on the target");
        match &error {
            CallError::Server(e) if e.kind == "snapshot_missing_exception" => Fault { exit: Exit::No, ..fault }
                .hint("is the target's repository registered on the same bucket and base_path as the source's? es-register-repository --cluster target --list"),
            CallError::Server(e) if e.is_missing() => fault.hint("register the repository on the target: es-register-repository --cluster target ..."),
            _ => fault,
        }
    })?;
    let seen = snapshot_named(&answer, &snapshot.snapshot)
        .map_err(|error| error.fault("reading it on the target"))?
        .ok_or_else(|| Fault::no("the target lists no such snapshot"))?;
    let uuid = seen["uuid"].as_str().map(str::to_string);
    if let (Some(known), Some(here)) = (&snapshot.uuid, &uuid)
        && known != here
    {
        return Err(Fault::usage(format!(
            "the target's repository holds another snapshot of that name (uuid {here}, not {known})"
        ))
        .hint("is it registered on the same bucket and base_path as the source's?"));
    }
    snapshot.uuid = uuid.or(snapshot.uuid.take());
    match seen["state"].as_str() {
        Some("SUCCESS") if seen["failures"].as_array().is_none_or(Vec::is_empty) && all_there(&seen) => {}
        Some("PARTIAL") if partial => {}
        state => {
            let (state, shards) = (state.unwrap_or_default(), &seen["shards"]);
            return Err(Fault::no(format!(
                "on the target the snapshot is {state}, and {} of {} shards are in it",
                shards["successful"], shards["total"]
            )));
        }
    }
    let held: Vec<String> =
        seen["indices"].as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_string)).collect();
    if snapshot.indices.is_empty() {
        snapshot.indices = held;
        snapshot.indices.sort();
    } else if let Some(name) = snapshot.indices.iter().find(|name| !held.contains(name)) {
        return Err(Fault::no(format!("the snapshot does not hold index {name:?}")));
    }
    if snapshot.indices.is_empty() {
        return Err(Fault::no("the snapshot holds no index"));
    }
    let (total, fewest) = (seen["shards"]["total"].as_u64().unwrap_or_default(), snapshot.fewest_shards());
    if total < fewest && !partial {
        return Err(Fault::no(format!("on the target the snapshot has {total} shards, and its indices have {fewest}")));
    }
    // An index that was restored from an older snapshot of that name is told by it.
    let ended = seen["end_time_in_millis"].as_i64().filter(|ended| *ended > 0);
    let untold = || Fault::failed(format!("the target does not say when the snapshot ended: {}", excerpt(&seen)));
    snapshot.end_time_in_millis = Some(ended.ok_or_else(untold)?);
    Ok(())
}

fn all_there(seen: &Value) -> bool {
    serde_json::from_value::<Shards>(seen["shards"].clone()).is_ok_and(|shards| shards.are_all_there())
}

/// Gets each index's own settings from the source, where the record does not have them and a source is configured.
fn remember(args: &Args, snapshot: &mut Snapshot, io: &mut Io) -> Result<(), Fault> {
    let known = |snapshot: &Snapshot| snapshot.indices.iter().all(|name| snapshot.index_settings.contains_key(name));
    let configured =
        args.clusters.source_url.is_some() || snapshot.cluster.is_some() || std::env::var_os("ES_SOURCE_URL").is_some();
    if known(snapshot) || !configured {
        return Ok(());
    }
    let source =
        Cluster::open(Role::Source, args.clusters.source_url.as_deref(), snapshot.cluster.as_ref(), io.listener())?;
    match Indices::of(&source) {
        Ok(indices) => {
            for name in &snapshot.indices {
                if let (None, Some(info)) = (snapshot.index_settings.get(name), indices.get(name)) {
                    snapshot.index_settings.insert(name.clone(), info.settings.clone());
                }
            }
            snapshot.cluster.get_or_insert(source.identity()?.clone());
        }
        // A source that is gone is no reason not to restore.
        Err(fault) => io.warn(&format!("the indices' own settings are not known: {fault}")),
    }
    Ok(())
}

/// Which indices go where, in as few requests as the renames allow.
fn groups(args: &Args, plan: Option<&[PlanRow]>, held: &[String]) -> Result<Vec<Group>, Fault> {
    let groups = if let Some(plan) = plan {
        if let Some(row) = plan.iter().find(|row| !held.contains(&row.index)) {
            return Err(Fault::no(format!("the snapshot does not hold index {:?} of the plan", row.index)));
        }
        rename::by_plan(plan)
    } else {
        let chosen = choose(&args.indices, held)?;
        let rename = args.rename_pattern.as_deref().zip(args.rename_replacement.as_deref());
        rename::by_pattern(&chosen, rename)?
    };
    rename::check(&groups)?;
    Ok(groups)
}

fn choose(lists: &[String], held: &[String]) -> Result<Vec<String>, Fault> {
    let patterns: Vec<Pattern> = lists.iter().flat_map(|l| Pattern::list(l)).collect();
    if patterns.is_empty() {
        return Ok(held.to_vec());
    }
    let mut chosen: Vec<String> = if patterns[0].excludes() { held.to_vec() } else { Vec::new() };
    for pattern in &patterns {
        let matching: Vec<String> = held.iter().filter(|name| pattern.matches(name)).cloned().collect();
        if pattern.excludes() {
            chosen.retain(|name| !matching.contains(name));
        } else if matching.is_empty() && !pattern.is_wildcard() {
            return Err(Fault::no(format!("the snapshot does not hold index \"{pattern}\"")));
        } else {
            chosen.extend(matching);
        }
    }
    chosen.sort();
    chosen.dedup();
    if chosen.is_empty() {
        return Err(Fault::no("no index of the snapshot fits --indices"));
    }
    Ok(chosen)
}

/// The settings to restore with.
fn index_settings(args: &Args) -> Result<Map<String, Value>, Fault> {
    let mut settings = Map::new();
    if let Some(replicas) = args.replicas {
        settings.insert("index.number_of_replicas".into(), json!(replicas));
    }
    if let Some(interval) = &args.refresh_interval {
        settings.insert("index.refresh_interval".into(), json!(interval));
    }
    for (key, value) in &args.index_setting {
        let key = if key.starts_with("index.") { key.clone() } else { format!("index.{key}") };
        // Servers answer 500 "cannot modify setting [..] on restore".
        let fixed = [
            "index.number_of_shards",
            "index.version.created",
            "index.uuid",
            "index.creation_date",
            "index.provided_name",
        ];
        if fixed.contains(&key.as_str()) {
            return Err(Fault::usage(format!("--index-setting {key}: it cannot be changed on restore")));
        }
        settings.insert(key, json!(value));
    }
    Ok(settings)
}

fn body(args: &Args, group: &Group, settings: &Map<String, Value>) -> Value {
    let names: Vec<&str> = group.pairs.iter().map(|(index, _)| index.as_str()).collect();
    let mut body = json!({
        "indices": names.join(","),
        "ignore_unavailable": false,
        "include_global_state": args.include_global_state,
        "include_aliases": !args.no_aliases,
        "partial": args.partial,
    });
    if let Some((pattern, replacement)) = &group.rename {
        body["rename_pattern"] = json!(pattern);
        body["rename_replacement"] = json!(replacement);
    }
    if !settings.is_empty() {
        body["index_settings"] = Value::Object(settings.clone());
    }
    if !args.ignore_index_setting.is_empty() {
        body["ignore_index_settings"] = json!(args.ignore_index_setting);
    }
    if !args.feature_state.is_empty() {
        body["feature_states"] = json!(args.feature_state);
    }
    body
}

/// Restores one group, or what of it is not there yet.
fn one(
    args: &Args,
    target: &Cluster,
    snapshot: &Snapshot,
    group: &Group,
    settings: &Map<String, Value>,
    io: &mut Io,
) -> Result<Restore, Fault> {
    let mut record = record_of(snapshot, Some(target.identity()?));
    let own = ours(target, snapshot, &group.pairs)?;
    for (index, target_index) in &group.pairs {
        record.indices.push(RestoredIndex {
            index: index.clone(),
            target_index: target_index.clone(),
            settings: snapshot.index_settings.get(index).cloned(),
            adopted: own.contains(target_index),
            ..RestoredIndex::default()
        });
    }
    let missing: Vec<(String, String)> = group.pairs.iter().filter(|(_, t)| !own.contains(t)).cloned().collect();
    if !missing.is_empty() {
        let rest = Group { rename: group.rename.clone(), pairs: missing };
        aliases(args, target, snapshot, &rest, io)?;
        start(args, target, snapshot, &rest, settings, io)?;
    }
    record.steps.push(io.step(target.requests(), target.retries()));
    Ok(record)
}

/// Which of these target indices were restored from this very snapshot. Anything else of that name is refused.
fn ours(target: &Cluster, snapshot: &Snapshot, pairs: &[(String, String)]) -> Result<Vec<String>, Fault> {
    let origin = Origin {
        repository: Some(&snapshot.repository),
        snapshot: Some(&snapshot.snapshot),
        ended: snapshot.end_time_in_millis,
        cluster: snapshot.cluster.as_ref(),
        settings: &snapshot.index_settings,
    };
    let mut own = Vec::new();
    for (standing, (_, name)) in standings(target, &Indices::of(target)?, &origin, pairs)?.into_iter().zip(pairs) {
        match standing {
            Standing::Free => {}
            Standing::Restored(_) => own.push(name.clone()),
            Standing::InTheWay(fault) => return Err(fault),
        }
    }
    Ok(own)
}

/// Refuses aliases that collide with the target's indices, and warns of those that would span old and new indices.
fn aliases(args: &Args, target: &Cluster, snapshot: &Snapshot, group: &Group, io: &mut Io) -> Result<(), Fault> {
    if args.no_aliases {
        return Ok(());
    }
    let own = |index: &String| {
        snapshot.index_settings.get(index).map(|s: &IndexSettings| s.aliases.clone()).unwrap_or_default()
    };
    let wanted: Vec<(String, &String)> =
        group.pairs.iter().flat_map(|(i, t)| own(i).into_iter().map(move |a| (a, t))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let indices = Indices::of(target)?;
    for (alias, index) in wanted {
        let clash = indices.get(&alias).is_some() || group.pairs.iter().any(|(_, t)| *t == alias);
        if clash {
            return Err(Fault::failed(format!("alias {alias:?} of {index:?} is the name of an index on the target"))
                .hint("restore without aliases: --no-aliases"));
        }
        let others: Vec<&str> = indices.behind_alias(&alias).into_iter().filter(|i| *i != index).collect();
        if let Some(other) = others.first() {
            io.warn(&format!("alias {alias:?} already points to {other:?} on the target, and will point to {index:?} too; --no-aliases leaves it out"));
        }
    }
    Ok(())
}

/// Sends the restore; queues behind another one as long as allowed.
fn start(
    args: &Args,
    target: &Cluster,
    snapshot: &Snapshot,
    group: &Group,
    settings: &Map<String, Value>,
    io: &mut Io,
) -> Result<(), Fault> {
    let body = body(args, group, settings);
    let path = path(snapshot);
    let began = io.elapsed();
    let mut pause = Duration::from_millis(200);
    loop {
        let error = match target.write(Method::Post, &path, &body) {
            Ok(answer) => return accepted(&answer, snapshot, group),
            Err(error) => error,
        };
        let lost = matches!(error, CallError::Lost { sent: true, .. }) || error.class() == Some(Class::Retry);
        if lost {
            io.note("the answer was lost; looking whether the restore was started");
            return joined(target, snapshot, group, &error);
        }
        let waited = io.elapsed().saturating_sub(began);
        if error.class() != Some(Class::Wait) {
            // Another run of ours may have been quicker by a moment: then the indices are there, from this snapshot.
            let there = ours(target, snapshot, &group.pairs).is_ok_and(|own| own.len() == group.pairs.len());
            return if there { Ok(()) } else { Err(error.fault("starting it")) };
        }
        if waited >= args.wait_for_running {
            let mut fault = error.fault("starting it");
            fault.hint = Some("another restore is running: --wait-for-running 2h queues behind it".into());
            return Err(fault);
        }
        io.note("another restore is running; waiting");
        io.sleep(pause.min(args.wait_for_running.saturating_sub(waited)));
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// 200 is no acceptance by itself: 5.x answers it with no index at all.
fn accepted(answer: &Value, snapshot: &Snapshot, group: &Group) -> Result<(), Fault> {
    if answer["accepted"] == true {
        return Ok(());
    }
    let done = &answer["snapshot"];
    let taken: BTreeSet<&str> = done["indices"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // Servers name the indices as they are called on the target.
    let asked: BTreeSet<&str> = group.pairs.iter().map(|(_, target_index)| target_index.as_str()).collect();
    if done["snapshot"] == snapshot.snapshot.as_str() && taken == asked && all_there(done) {
        // Nothing was left to copy: some servers then answer as if they had been told to wait.
        return Ok(());
    }
    Err(Fault::failed(format!("neither accepted nor refused: {}", excerpt(answer))))
}

/// Looks whether a restore whose answer was lost was started all the same.
fn joined(target: &Cluster, snapshot: &Snapshot, group: &Group, why: &CallError) -> Result<(), Fault> {
    for attempt in 0..5u32 {
        if ours(target, snapshot, &group.pairs)?.len() == group.pairs.len() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200) * 2u32.pow(attempt));
    }
    let fault = Fault { exit: Exit::TryAgain, ..why.fault("starting it") };
    Err(fault.hint("it was not started: run the same command again"))
}
