//! Compares the document counts of indices on two clusters.
//!
//! A count is a number only if every shard gave one: servers up to 7.10 answer a count that is too low, with `failed: 0`,
//! when a primary is missing. Where the numbers differ both sides are counted again, to tell "still being written" from "wrong".

mod count;
mod output;

use clap::Args as ClapArgs;
use count::{Side, Tally};
use es_cli::{Exit, Fault, Io};
use es_client::{Cluster, ENVIRONMENT, PairArgs, Pattern};
use es_records::{ClusterId, Count, CountVerdict, Record, RestoreState, Role};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Compare the document counts of indices on source and target
///
/// The pairs come from restore records on standard input, from flags, or from a plan. Verdicts are equal, differs,
/// still_changing, missing_on_source, missing_on_target, closed and not_countable; any but equal makes the exit code 1.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// An index on the source; repeatable
    #[arg(long, value_name = "NAME")]
    index: Vec<String>,

    /// Its name on the target, in the order of --index [default: the same]
    #[arg(long, value_name = "NAME", requires = "index")]
    target_index: Vec<String>,

    /// Indices of the source that have the same name on the target: names and wildcards, comma-separated, -NAME takes away; @FILE reads one a line; repeatable
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, conflicts_with = "index")]
    indices: Vec<String>,

    /// Take the pairs from a CSV plan: index,target_index
    #[arg(long, value_name = "FILE", conflicts_with_all = ["index", "indices"])]
    plan: Option<PathBuf>,

    /// Time between the two looks at indices that differ
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = es_cli::duration)]
    settle: Duration,

    /// Count without a refresh: documents written in the last second may be left out
    #[arg(long)]
    no_refresh: bool,

    /// jsonl (records), csv or table
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: output::Format,

    /// Also write the records to this file, whatever the format
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,

    #[command(flatten)]
    clusters: PairArgs,
}

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-compare-counts", include_str!("examples.txt"), ENVIRONMENT)
}

/// What is to be compared: pairs of names, or what means indices of the source, and the clusters as records know them.
struct Job {
    pairs: Vec<(String, String)>,
    patterns: Vec<Pattern>,
    source: Option<ClusterId>,
    target: Option<ClusterId>,
}

/// Does it.
///
/// # Errors
/// Faults of the clusters, and of records that cannot be built on.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let job = job(args, io)?;
    let source = Cluster::open(Role::Source, args.clusters.source_url.as_deref(), job.source.as_ref(), io.listener())?;
    let target = Cluster::open(Role::Target, args.clusters.target_url.as_deref(), job.target.as_ref(), io.listener())?;
    for (cluster, known) in [(&source, &job.source), (&target, &job.target)] {
        cluster.identity()?;
        if let Some(known) = known {
            cluster.expect(known)?;
        }
    }
    let from = Side::new(&source, !args.no_refresh)?;
    let to = Side::new(&target, !args.no_refresh)?;
    let pairs = if job.patterns.is_empty() { job.pairs } else { matching(&job.patterns, &from)? };
    let here = source.identity()?.cluster_uuid == target.identity()?.cluster_uuid;
    if let Some((name, _)) = pairs.iter().find(|(index, target_index)| here && index == target_index) {
        return Err(Fault::usage(format!(
            "source and target are the same cluster: {name:?} would be compared with itself"
        ))
        .hint("name the other one by ES_TARGET_URL or --target-url, or the restored index by --target-index")
        .into());
    }
    let counts = compare(args, &from, &to, &pairs, io)?;
    let exit = counts
        .iter()
        .fold(Exit::Ok, |worst, c| if c.verdict == CountVerdict::Equal { worst } else { worst.worst(Exit::No) });
    let bad = counts.iter().filter(|c| c.verdict != CountVerdict::Equal).count();
    let closed = counts.iter().any(|c| c.verdict == CountVerdict::Closed);
    let (all, first) = (counts.len(), counts.iter().find(|c| c.verdict != CountVerdict::Equal).map(describe));
    if let Some(file) = &args.records {
        output::save(file, &counts)?;
    }
    output::write(args.format, counts, io)?;
    if let Some(first) = first {
        let more = if bad > 1 { format!("; {bad} of {all} indices are not equal") } else { String::new() };
        let fault = Fault::no(format!("{first}{more}"));
        io.report(&if closed {
            fault.hint("no server counts a closed index: open it, and run the same command again")
        } else {
            fault
        });
    }
    Ok(exit)
}

fn describe(count: &Count) -> String {
    let number = |n: Option<u64>| n.map_or("no count".into(), |n| n.to_string());
    let reason = count.reason.as_ref().map_or(String::new(), |r| format!(": {r}"));
    format!(
        "{}: {} ({} on the source, {} on the target){reason}",
        count.target_index,
        count.verdict.as_str(),
        number(count.source_count),
        number(count.target_count)
    )
}

fn job(args: &Args, io: &Io) -> Result<Job, Fault> {
    let (mut source, mut target, mut patterns) = (None, None, Vec::new());
    let pairs = if let Some(plan) = &args.plan {
        es_cli::read_plan(plan)?.into_iter().map(|row| (row.index, row.target_index)).collect()
    } else if !args.indices.is_empty() {
        patterns = Pattern::asked(&args.indices, SystemTime::now())?;
        Vec::new()
    } else if !args.index.is_empty() {
        if args.target_index.len() > args.index.len()
            || !args.target_index.is_empty() && args.target_index.len() < args.index.len()
        {
            return Err(Fault::usage(format!(
                "{} --index and {} --target-index do not pair",
                args.index.len(),
                args.target_index.len()
            )));
        }
        let targets = if args.target_index.is_empty() { &args.index } else { &args.target_index };
        args.index.iter().cloned().zip(targets.iter().cloned()).collect()
    } else {
        let mut pairs = Vec::new();
        for record in io.records()? {
            let Record::Restore(restore) = record else {
                return Err(Fault::usage(format!("a record of type {:?} is no restore", record.kind()))
                    .hint("pipe restore records in, or name indices with --indices"));
            };
            if restore.state != RestoreState::Success || restore.indices.is_empty() {
                let (repository, snapshot, why) = (&restore.repository, &restore.snapshot, restore.trouble());
                return Err(Fault::no(format!("the restore of {repository}/{snapshot} did not succeed: {why}")));
            }
            for (seen, now) in [(&mut source, restore.source), (&mut target, restore.cluster)] {
                let other = |a: &ClusterId, b: &ClusterId| a.cluster_uuid != b.cluster_uuid;
                if seen.as_ref().zip(now.as_ref()).is_some_and(|(a, b)| other(a, b)) {
                    return Err(Fault::usage("the records are of different clusters")
                        .hint("compare each pair of clusters in a run of its own"));
                }
                *seen = seen.take().or(now);
            }
            pairs.extend(restore.indices.into_iter().map(|i| (i.index, i.target_index)));
        }
        pairs
    };
    Ok(Job { pairs, patterns, source, target })
}

/// The source's indices that `--indices` means.
fn matching(patterns: &[Pattern], source: &Side<'_>) -> Result<Vec<(String, String)>, Fault> {
    let (chosen, missing) = source.indices().resolve(patterns, |info| !info.hidden);
    if chosen.is_empty() && missing.is_empty() {
        return Err(Fault::no("no index of the source fits --indices"));
    }
    // A name that is not there is a pair as well: its verdict says so.
    Ok(chosen.into_iter().chain(missing).map(|name| (name.clone(), name)).collect())
}

fn compare(
    args: &Args,
    source: &Side<'_>,
    target: &Side<'_>,
    pairs: &[(String, String)],
    io: &mut Io,
) -> Result<Vec<Count>, Fault> {
    source.refresh(pairs.iter().map(|(s, _)| s.as_str()), io)?;
    target.refresh(pairs.iter().map(|(_, t)| t.as_str()), io)?;
    let show = io.shows_progress();
    let mut first = Vec::with_capacity(pairs.len());
    for (done, (index, target_index)) in pairs.iter().enumerate() {
        first.push((source.count(index)?, target.count(target_index)?));
        if show {
            io.meter("counting").show(0, 0, &format!("{}/{} indices", done + 1, pairs.len()));
        }
    }
    let differ: Vec<usize> =
        (0..pairs.len()).filter(|i| matches!(&first[*i], (Tally::Counted(a), Tally::Counted(b)) if a != b)).collect();
    let mut second = first.clone();
    if !differ.is_empty() {
        io.sleep(args.settle);
        let (source, target) = (source.again()?, target.again()?);
        source.refresh(differ.iter().map(|i| pairs[*i].0.as_str()), io)?;
        target.refresh(differ.iter().map(|i| pairs[*i].1.as_str()), io)?;
        for i in differ {
            second[i] = (source.count(&pairs[i].0)?, target.count(&pairs[i].1)?);
        }
    }
    io.end_meter();
    let step = io.step(
        source.cluster().requests() + target.cluster().requests(),
        source.cluster().retries() + target.cluster().retries(),
    );
    let (from, to) = (source.cluster().identity()?, target.cluster().identity()?);
    let count = |(index, target_index): &(String, String), before: &(Tally, Tally), now: &(Tally, Tally)| Count {
        index: index.clone(),
        target_index: target_index.clone(),
        source_count: now.0.number(),
        target_count: now.1.number(),
        verdict: count::verdict(before, now),
        reason: now.0.reason().or(now.1.reason()).map(str::to_string),
        source: Some(from.clone()),
        cluster: Some(to.clone()),
        steps: vec![step.clone()],
        extra: es_records::Extra::new(),
    };
    Ok(pairs.iter().zip(&first).zip(&second).map(|((pair, before), now)| count(pair, before, now)).collect())
}
