//! Waits until what its input names is final: a snapshot, a restore, a health.
//!
//! No request waits for the server's work: each look is short, never more than one is under way, and a lost one is only
//! that. The verdict is read from states and shard counts, never from an HTTP status.

mod health;
mod pace;
mod restore;
mod snapshot;

use clap::Args as ClapArgs;
use es_cli::{Exit, Fault, Io};
use es_client::{Cluster, ClusterArgs, ENVIRONMENT};
use es_records::{ClusterId, Health, Record, RestoreState, Role, Snapshot, State};
use pace::Pace;
use std::time::Duration;

/// Wait until snapshots and restores are final, then pass their records on
///
/// Reads records of es-snapshot, es-restore or es-finish-restore on standard input, or takes what to wait for from flags.
/// A restore is done when every index is there, every primary is started and the health is as wanted. A shard that cannot be
/// allocated ends the wait with the server's own explanation.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Give up after this long (exit 124); the work itself goes on
    #[arg(long, value_name = "DURATION", value_parser = es_cli::duration)]
    timeout: Option<Duration>,

    /// Time between two looks [default: short at first, up to 15s on long work]
    #[arg(long, value_name = "DURATION", value_parser = es_cli::duration)]
    interval: Option<Duration>,

    /// Go on looking this long when the cluster does not answer (then exit 75), or nothing moves and it does not say why
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = es_cli::duration)]
    patience: Duration,

    /// The health to wait for: green, yellow, primaries, or auto (green, but without replicas that no node may take)
    #[arg(long, value_name = "HEALTH", default_value = "auto")]
    health: Wanted,

    /// Wait for the snapshot of this repository instead of a record's
    #[arg(long, value_name = "NAME", requires = "snapshot")]
    repository: Option<String>,

    /// Wait for this snapshot instead of a record's
    #[arg(long, value_name = "NAME", requires = "repository")]
    snapshot: Option<String>,

    /// Wait for the health of these indices instead of a record's; comma-separated, '*' is the whole cluster
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "snapshot")]
    indices: Vec<String>,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A health that can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wanted {
    /// Green, but without replicas that no node may take
    Auto,
    /// Every primary and every replica
    Green,
    /// Every primary, as the server calls it
    Yellow,
    /// Every primary; another word for yellow
    Primaries,
}

/// Parsers of what comes from outside, for fuzzing.
#[doc(hidden)]
pub mod parsers {
    use es_records::Snapshot;
    use serde_json::Value;

    /// Reads what `GET _snapshot` says of one snapshot that should hold these indices: whether the wait ends well, or what it ends
    /// with; none while it runs.
    #[must_use]
    pub fn snapshot(seen: &Value, indices: &[String]) -> Option<Result<Snapshot, es_cli::Fault>> {
        crate::snapshot::judged(seen, indices)
    }

    /// Reads an answer of `_cluster/health`: the indices that are settled, by each wish, with this explanation of what is not.
    #[must_use]
    pub fn settled(health: &Value, explanation: &Value) -> Vec<String> {
        crate::health::settled(health, explanation)
    }
}

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-wait", include_str!("examples.txt"), ENVIRONMENT)
}

/// How one wait ended: the record as it is now, and the fault if it ended badly.
pub(crate) type Ended = (Record, Option<Fault>);

/// Does it.
///
/// # Errors
/// Exit 1 where the end is a bad one, 75 where the cluster is lost, 124 where the time ran out.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let records = input(args, io)?;
    let mut clusters: Vec<Cluster> = Vec::new();
    let mut pace = Pace::new(args.interval, args.patience, args.timeout);
    let mut worst = Exit::Ok;
    for (done, record) in records.into_iter().enumerate() {
        let (record, fault) = match wait(args, record.clone(), &mut clusters, &mut pace, io) {
            Ok(ended) => ended,
            Err(fault) => {
                if done > 0 {
                    // A later stage of a plain pipe must not take the others for the whole.
                    io.emit(&unsettled(record))?;
                }
                return Err(fault.into());
            }
        };
        io.emit(&record)?;
        if let Some(fault) = fault {
            worst = worst.worst(io.report(&fault));
        }
    }
    Ok(worst)
}

/// Waits for one record.
fn wait(
    args: &Args,
    record: Record,
    clusters: &mut Vec<Cluster>,
    pace: &mut Pace,
    io: &mut Io,
) -> Result<Ended, Fault> {
    if let Record::Restore(restore) = &record
        && let Some(fault) = restore::over(restore)
    {
        return Ok((record, Some(fault)));
    }
    let (role, known) = about(&record, args)?;
    let place = if let Some(place) = clusters.iter().position(|c| c.role() == role) {
        place
    } else {
        clusters.push(Cluster::open(role, args.cluster.url.as_deref(), known.as_ref(), io.listener())?);
        clusters.len() - 1
    };
    let cluster = &clusters[place];
    pace.until(io, |_| cluster.identity().cloned().map_err(es_client::CallError::Fault))?;
    if let Some(known) = &known {
        cluster.expect(known)?;
    }
    let (mut record, fault) = match record {
        Record::Snapshot(snapshot) => snapshot::wait(cluster, snapshot, pace, io)?,
        Record::Restore(restore) => restore::wait(cluster, restore, args.health, pace, io)?,
        Record::Health(health) => health::wait(cluster, health, args.health, pace, io)?,
        other => (other, None),
    };
    io.end_meter();
    let step = io.step(cluster.requests(), cluster.retries() + pace.repeated());
    match &mut record {
        Record::Snapshot(r) => r.steps.push(step),
        Record::Restore(r) => r.steps.push(step),
        Record::Health(r) => r.steps.push(step),
        Record::Repository(_) | Record::Count(_) => {}
    }
    Ok((record, fault))
}

/// A record whose wait was broken off: nobody knows that it is final.
fn unsettled(mut record: Record) -> Record {
    match &mut record {
        Record::Snapshot(r) if r.state == State::Success => r.state = State::InProgress,
        Record::Restore(r) if r.state == RestoreState::Success => r.state = RestoreState::InProgress,
        _ => {}
    }
    record
}

/// What to wait for: the flags' wish, or the records of standard input.
fn input(args: &Args, io: &Io) -> Result<Vec<Record>, Fault> {
    if let (Some(repository), Some(snapshot)) = (&args.repository, &args.snapshot) {
        let (repository, snapshot) = (repository.clone(), snapshot.clone());
        return Ok(vec![Record::Snapshot(Snapshot { repository, snapshot, ..Snapshot::default() })]);
    }
    if !args.indices.is_empty() {
        return Ok(vec![Record::Health(Health { indices: args.indices.clone(), ..Health::default() })]);
    }
    let records = io.records()?;
    if let Some(other) = records.iter().find(|r| matches!(r, Record::Count(_))) {
        return Err(Fault::usage(format!("a record of type {:?} is nothing to wait for", other.kind())));
    }
    Ok(records)
}

/// Which cluster a record is about.
fn about(record: &Record, args: &Args) -> Result<(Role, Option<ClusterId>), Fault> {
    let (usual, known) = match record {
        Record::Snapshot(r) => (Role::Source, r.cluster.clone()),
        Record::Restore(r) => (Role::Target, r.cluster.clone()),
        Record::Health(r) => (args.cluster.role(), r.cluster.clone()),
        Record::Repository(r) => (Role::Source, r.cluster.clone()),
        Record::Count(r) => (Role::Target, r.cluster.clone()),
    };
    let recorded = known.as_ref().map(|k| k.role);
    let asked = args.cluster.cluster.map(Role::from);
    if let (Some(asked), Some(recorded)) = (asked, recorded)
        && asked != recorded
    {
        return Err(Fault::usage(format!("the record is of the {recorded} cluster, and --cluster says {asked}")));
    }
    Ok((asked.or(recorded).unwrap_or(usual), known))
}
