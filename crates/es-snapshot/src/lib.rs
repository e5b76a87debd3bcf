//! Starts a snapshot, or adopts the one of that name; never waits for its end.
//!
//! Names are resolved here and sent one by one: servers of 5.x answer 200 SUCCESS to a snapshot of a misspelt index, and
//! every server ignores an option that it does not know. A lost answer is resolved by looking, never by sending again
//! under another name: the name is the lock.

use clap::Args as ClapArgs;
use es_cli::{Exit, Fault, Io};
use es_client::{CallError, Class, Cluster, ENVIRONMENT, Indices, Method, Path, Pattern, UrlFlag};
use es_client::{born_after, date_math, excerpt, snapshot_named};
use es_records::{Record, Role, ShardFailure, Shards, Snapshot, State};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Start a snapshot on the source, or adopt the one of that name
///
/// Prints its record at once and leaves the waiting to es-wait. A snapshot that exists under the name is adopted if it
/// covers what is asked for; if it does not, or if it failed, that is an error and nothing is started.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Name of the repository
    #[arg(long, value_name = "NAME")]
    repository: String,

    /// Name of the snapshot; date math such as <nightly-{now/d}> is resolved [default: the index, where one is asked for]
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,

    /// Indices, aliases and wildcards, comma-separated, -NAME takes away; @FILE reads one a line; repeatable
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    indices: Vec<String>,

    /// Take the indices from the column `index` of a CSV plan
    #[arg(long, value_name = "FILE", conflicts_with = "indices")]
    plan: Option<PathBuf>,

    /// Which indices wildcards mean: open, closed, hidden, all, none; comma-separated
    #[arg(long, value_name = "KINDS", default_value = "open", value_delimiter = ',')]
    expand_wildcards: Vec<Expand>,

    /// Go on without indices that are named and not there
    #[arg(long)]
    ignore_unavailable: bool,

    /// Allow missing primary shards: the snapshot then is PARTIAL
    #[arg(long)]
    partial: bool,

    /// Take cluster settings and templates along
    #[arg(long)]
    include_global_state: bool,

    /// Feature states to take along (Elasticsearch 7.12 and later); repeatable
    #[arg(long, value_name = "NAME")]
    feature_state: Vec<String>,

    /// Words kept with the snapshot (7.3 and later); repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = es_cli::key_value)]
    metadata: Vec<(String, String)>,

    /// Wait this long for another running snapshot to end (servers up to 7.8 run one at a time)
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = es_cli::duration)]
    wait_for_running: Duration,

    /// Print the request instead of sending it; wildcards stay as typed
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    cluster: UrlFlag,
}

/// Kinds of indices that a wildcard can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Expand {
    /// Open and visible
    Open,
    /// Closed ones too
    Closed,
    /// Hidden ones and names with a dot too
    Hidden,
    /// All of them
    All,
    /// None: a wildcard means nothing
    None,
}

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-snapshot", include_str!("examples.txt"), ENVIRONMENT)
}

/// Does it.
///
/// # Errors
/// Faults of the cluster; exit 1 where something asked for is missing; exit 75 where another snapshot runs.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let now = SystemTime::now();
    let patterns = patterns(args, now)?;
    let name = name(args, &patterns, now)?;
    let cluster = Cluster::open(Role::Source, args.cluster.url.as_deref(), None, io.listener())?;
    let path = Path::of(["_snapshot", &args.repository, &name]);
    if args.dry_run {
        let typed: Vec<String> = patterns.iter().map(Pattern::to_string).collect();
        io.emit(&cluster.request_record(Method::Put, &path, &body(args, &typed.join(","))))?;
        return Ok(Exit::Ok);
    }
    let what = format!("snapshot {}/{name}", args.repository);
    let identity = cluster.identity()?.clone();
    fits_version(args, &cluster)?;

    let indices = Indices::of(&cluster)?;
    let existing = find(&cluster, &name, &path, &what)?;
    let (chosen, missing) = resolve(args, &indices, &patterns);
    let index_settings: BTreeMap<_, _> =
        chosen.iter().filter_map(|n| indices.get(n).map(|info| (n.clone(), info.settings.clone()))).collect();
    let mut record = Snapshot {
        repository: args.repository.clone(),
        snapshot: name.clone(),
        cluster: Some(identity),
        indices: chosen.iter().cloned().collect(),
        index_settings,
        include_global_state: Some(args.include_global_state),
        partial: args.partial,
        ..Snapshot::default()
    };
    let finish = |record: &mut Snapshot, io: &mut Io| {
        record.steps.push(io.step(cluster.requests(), cluster.retries()));
        io.emit(&Record::Snapshot(record.clone()))
    };
    if let Some(existing) = existing {
        let later = adopt(&mut record, &existing, &patterns, &missing, args.ignore_unavailable, &what)?;
        match record.end_time_in_millis.filter(|_| record.state.is_final()) {
            Some(ended) => {
                let ended = SystemTime::UNIX_EPOCH + Duration::from_millis(ended.try_into().unwrap_or_default());
                let age = now.duration_since(ended).unwrap_or_default();
                io.warn(&format!(
                    "{what} ended {} ago and is adopted: what was written since is not in it",
                    es_cli::human_duration(age)
                ));
            }
            None if !later.is_empty() => io.warn(&format!(
                "{what} is running and is adopted: not in it, since born after it began: {}",
                list(later.iter().map(String::as_str))
            )),
            None => {}
        }
        finish(&mut record, io)?;
        return verdict(&record, &what);
    }
    if let Err(fault) = startable(args, &cluster, &indices, &chosen, &missing, &mut record) {
        finish(&mut record, io)?;
        return Err(fault.context(what).into());
    }
    start(args, &cluster, &path, &what, &mut record, io)?;
    finish(&mut record, io)?;
    verdict(&record, &what)
}

/// A snapshot that ended badly before this run fails this run.
fn verdict(record: &Snapshot, what: &str) -> anyhow::Result<Exit> {
    match record.state {
        State::InProgress => Ok(Exit::Ok),
        State::Success if record.is_whole() => Ok(Exit::Ok),
        State::Partial if record.partial => Ok(Exit::Ok),
        _ => Err(Fault::no(format!(
            "{what} exists and is {} ({} of {} shards failed)",
            record.state, record.shards.failed, record.shards.total
        ))
        .hint("take another under another --snapshot name, or delete this one on the cluster first")
        .into()),
    }
}

fn patterns(args: &Args, now: SystemTime) -> Result<Vec<Pattern>, Fault> {
    if let Some(plan) = &args.plan {
        let names: Vec<String> = es_cli::read_plan(plan)?.into_iter().map(|row| row.index).collect();
        return Ok(Pattern::list(&names.join(",")));
    }
    if args.indices.is_empty() { Ok(Pattern::list("*")) } else { Pattern::asked(&args.indices, now) }
}

/// The snapshot's name: as given, or that of the only index.
fn name(args: &Args, patterns: &[Pattern], now: SystemTime) -> Result<String, Fault> {
    let name = match (&args.snapshot, patterns) {
        (Some(name), _) => date_math(name, now)?,
        (None, [only]) if !only.is_wildcard() => only.to_string(),
        _ => {
            return Err(Fault::usage("no --snapshot name, and more than one index")
                .hint("name it: --snapshot '<move-{now/d}>'"));
        }
    };
    es_client::check_snapshot_name(&name)?;
    Ok(name)
}

fn fits_version(args: &Args, cluster: &Cluster) -> Result<(), Fault> {
    let identity = cluster.identity()?;
    let here = format!("{} {}", identity.distribution, identity.version);
    if !args.metadata.is_empty() && cluster.api_version()? < (7, 3) {
        return Err(Fault::usage(format!("--metadata: {here} would ignore it")).hint("7.3 and later keep metadata"));
    }
    if !args.feature_state.is_empty() && cluster.api_version()? < (7, 12) {
        return Err(Fault::usage(format!("--feature-state: {here} would ignore it"))
            .hint("Elasticsearch 7.12 and later have feature states"));
    }
    Ok(())
}

fn resolve(args: &Args, indices: &Indices, patterns: &[Pattern]) -> (BTreeSet<String>, Vec<String>) {
    let has = |kind| args.expand_wildcards.contains(&kind) || args.expand_wildcards.contains(&Expand::All);
    let none = args.expand_wildcards.contains(&Expand::None);
    // `hidden` alone means open hidden ones too, as on servers it must be combined with open or closed.
    let open = has(Expand::Open) || has(Expand::Hidden) && !has(Expand::Closed);
    indices.resolve(patterns, |info| {
        !none && (if info.closed { has(Expand::Closed) } else { open }) && (!info.hidden || has(Expand::Hidden))
    })
}

fn body(args: &Args, indices: &str) -> Value {
    let mut body = json!({
        "indices": indices,
        "ignore_unavailable": args.ignore_unavailable,
        "include_global_state": args.include_global_state,
        "partial": args.partial,
    });
    if !args.feature_state.is_empty() {
        body["feature_states"] = json!(args.feature_state);
    }
    if !args.metadata.is_empty() {
        let words: Map<String, Value> = args.metadata.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        body["metadata"] = Value::Object(words);
    }
    body
}

/// The snapshot of this name, as the server shows it.
fn find(cluster: &Cluster, name: &str, path: &Path, what: &str) -> Result<Option<Value>, Fault> {
    match cluster.get(path) {
        // Whatever is not a list of snapshots is no proof that there is none.
        Ok(answer) => snapshot_named(&answer, name)
            .map_err(|error| error.fault(what).hint("check the URL; a proxy may be answering")),
        // One that is listed and whose file is gone is not missing: its name is taken, and the repository damaged.
        Err(CallError::Server(error)) if error.is_snapshot_missing() => Ok(None),
        Err(CallError::Server(error)) if error.is_missing() => Err(error
            .fault(what)
            .hint("register it first: es-register-repository --repository NAME --type s3 --bucket ...")),
        Err(error) => Err(error.fault(what)),
    }
}

/// Takes an existing snapshot for ours if it covers what is asked for. Gives the indices that a wildcard means by now and
/// that were born after a snapshot had begun which is running still: those it cannot have.
fn adopt(
    record: &mut Snapshot,
    existing: &Value,
    patterns: &[Pattern],
    missing: &[String],
    lenient: bool,
    what: &str,
) -> Result<Vec<String>, Fault> {
    let held: Vec<String> =
        existing["indices"].as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_string)).collect();
    record.adopted = true;
    record.uuid = existing["uuid"].as_str().map(str::to_string);
    record.state = serde_json::from_value(existing["state"].clone()).unwrap_or_default();
    record.version = existing["version"].as_str().map(str::to_string);
    record.shards = serde_json::from_value::<Shards>(existing["shards"].clone()).unwrap_or_default();
    record.failures = serde_json::from_value(existing["failures"].clone()).unwrap_or_default();
    record.start_time_in_millis = existing["start_time_in_millis"].as_i64();
    if record.state.is_final() {
        // While it runs, servers say 1970-01-01.
        record.end_time_in_millis = existing["end_time_in_millis"].as_i64();
    }
    record.metadata = Some(existing["metadata"].clone()).filter(|m| !m.is_null());
    // An index may have gone from the source since; the snapshot still has it.
    let gone: Vec<&String> = missing.iter().filter(|name| !held.contains(name)).collect();
    record.indices.extend(missing.iter().filter(|name| held.contains(name)).cloned());
    for name in held.iter().filter(|name| patterns.iter().any(|p| p.is_wildcard() && !p.excludes() && p.matches(name)))
    {
        let excluded = patterns.iter().any(|p| p.excludes() && p.matches(name));
        if !excluded && !record.indices.contains(name) && !name.starts_with('.') {
            record.indices.push(name.clone());
        }
    }
    let later = younger(record, &held);
    if !later.is_empty() {
        // An index of that name that is in the snapshot is the one that was there before, and another by now.
        let meant = |name: &String| {
            held.contains(name)
                || patterns.iter().any(|p| !p.is_wildcard() && p.matches(name))
                || !patterns.iter().any(|p| p.is_wildcard() && p.matches(name))
        };
        let refused: Vec<&str> =
            later.iter().filter(|name| record.state.is_final() || meant(name)).map(String::as_str).collect();
        if !refused.is_empty() {
            let word = if refused.len() == 1 { "index" } else { "indices" };
            return Err(Fault::no(format!("{what} is older than {word} {}", list(refused.into_iter())))
                .hint("choose another --snapshot name"));
        }
        // A wildcard means what was there when the snapshot began.
        record.indices.retain(|name| !later.contains(name));
        record.index_settings.retain(|name, _| !later.contains(name));
    }
    record.indices.sort();
    let uncovered: Vec<&str> = record.indices.iter().filter(|n| !held.contains(n)).map(String::as_str).collect();
    let differs = |why: String| {
        Fault::failed(format!("{what} exists and does not cover what is asked for: {why}"))
            .hint("choose another --snapshot name")
    };
    if !gone.is_empty() && !lenient {
        return Err(Fault::no(format!("{what}: no such index: {}", list(gone.iter().map(|s| s.as_str())))));
    }
    if !uncovered.is_empty() && record.state != State::Failed {
        return Err(differs(format!("{} not in it", list(uncovered.into_iter()))));
    }
    if existing["include_global_state"] == json!(false) && record.include_global_state == Some(true) {
        return Err(differs("it was taken without the global state".into()));
    }
    if record.indices.is_empty() {
        return Err(Fault::no(format!("{what} exists and holds no index that is asked for"))
            .hint("choose another --snapshot name"));
    }
    Ok(later)
}

/// The indices that were born after the snapshot of this record had begun.
fn younger(record: &Snapshot, held: &[String]) -> Vec<String> {
    let Some(begun) = record.start_time_in_millis else { return Vec::new() };
    let born_after =
        |name: &String| record.index_settings.get(name).is_some_and(|own| born_after(own, begun, held.contains(name)));
    record.indices.iter().filter(|name| born_after(name)).cloned().collect()
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len() {
        0..=10 => names.join(", "),
        n => format!("{} and {} more", names[..10].join(", "), n - 10),
    }
}

/// What stands against starting, before anything is sent. The record then says what is wrong.
fn startable(
    args: &Args,
    cluster: &Cluster,
    indices: &Indices,
    chosen: &BTreeSet<String>,
    missing: &[String],
    record: &mut Snapshot,
) -> Result<(), Fault> {
    record.state = State::Failed;
    if !missing.is_empty() && !args.ignore_unavailable {
        record.missing_indices = missing.to_vec();
        return Err(Fault::no(format!("no such index: {}", list(missing.iter().map(String::as_str))))
            .hint("nothing was started; look at the names with: curl \"$ES_SOURCE_URL/_cat/indices\""));
    }
    if chosen.is_empty() {
        return Err(Fault::no("no index fits what is asked for")
            .hint("hidden and closed indices are taken by --expand-wildcards or by name"));
    }
    let info = |name: &String| indices.get(name).cloned().unwrap_or_default();
    // 5.x to 7.1 refuse with cluster_block_exception [FORBIDDEN/4/index closed].
    if cluster.api_version()? < (7, 2) {
        let closed: Vec<&String> = chosen.iter().filter(|name| info(name).closed).collect();
        if !closed.is_empty() {
            return Err(Fault::failed(format!(
                "closed indices, which this server cannot take: {}",
                list(closed.iter().map(|s| s.as_str()))
            ))
            .hint("open them, or leave them out: --indices '...,-NAME'"));
        }
    }
    let red: Vec<&String> = chosen.iter().filter(|name| info(name).health.as_deref() == Some("red")).collect();
    if !red.is_empty() && !args.partial {
        for name in &red {
            let reason = "primary shards are not all started".to_string();
            record.failures.push(ShardFailure { index: (*name).clone(), reason, ..ShardFailure::default() });
        }
        return Err(Fault::no(format!("primary shards are not all started: {}", list(red.iter().map(|s| s.as_str()))))
            .hint("wait for them: es-wait --indices '*' --health yellow; or --partial to go without"));
    }
    record.state = State::InProgress;
    Ok(())
}

/// Asks for the snapshot; queues behind another one as long as allowed.
fn start(
    args: &Args,
    cluster: &Cluster,
    path: &Path,
    what: &str,
    record: &mut Snapshot,
    io: &mut Io,
) -> Result<(), Fault> {
    let body = body(args, &record.indices.join(","));
    let mut pause = Duration::from_millis(200);
    let began = io.elapsed();
    loop {
        match cluster.write(Method::Put, path, &body) {
            Ok(answer) if answer["accepted"] == true => return Ok(()),
            Ok(answer) => {
                return Err(Fault::failed(format!("{what}: neither accepted nor refused: {}", excerpt(&answer))));
            }
            Err(error) if error.class() == Some(Class::Wait) => {
                let waited = io.elapsed().saturating_sub(began);
                if waited >= args.wait_for_running {
                    let mut fault = error.fault(what);
                    fault.hint = Some("another snapshot is running: --wait-for-running 2h queues behind it".into());
                    return Err(fault);
                }
                io.note(&format!("{what}: another snapshot is running; waiting"));
                io.sleep(pause.min(args.wait_for_running.saturating_sub(waited)));
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            // Someone, perhaps an earlier run of ours, was quicker; or the answer to our own request was lost.
            Err(error) if error.class() == Some(Class::Adopt) => return join(cluster, path, what, record, &error),
            Err(error @ CallError::Lost { sent: true, .. }) => {
                io.note(&format!("{what}: the answer was lost; looking whether it was started"));
                return join(cluster, path, what, record, &error);
            }
            Err(error) if error.class() == Some(Class::Retry) => return join(cluster, path, what, record, &error),
            Err(error) => {
                let fault = error.fault(what);
                // 7.x and later refuse what 5.x and 6.x record as FAILED: the answer is no, with the server's reasons.
                let unassigned = matches!(&error, CallError::Server(e) if e.says("don't have primary shards"));
                return Err(if unassigned { Fault { exit: Exit::No, ..fault } } else { fault });
            }
        }
    }
}

/// Looks for a snapshot that may or may not have been started.
fn join(cluster: &Cluster, path: &Path, what: &str, record: &mut Snapshot, why: &CallError) -> Result<(), Fault> {
    for attempt in 0..5u32 {
        if let Some(existing) = find(cluster, &record.snapshot, path, what)? {
            let wanted = record.indices.clone();
            let patterns = Pattern::list(&wanted.join(","));
            return adopt(record, &existing, &patterns, &[], false, what).map(drop);
        }
        // A snapshot that was accepted shows after the master's next cluster state at the latest.
        std::thread::sleep(Duration::from_millis(200) * 2u32.pow(attempt));
    }
    let mut fault = why.fault(what);
    fault.exit = Exit::TryAgain;
    Err(fault.hint("it was not started: run the same command again"))
}
