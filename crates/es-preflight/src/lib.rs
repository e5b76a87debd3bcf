//! Says before anything is written whether a migration can work, one finding a line.
//!
//! Nothing is registered, started or changed on either cluster: what it sends beside questions is of a form that servers refuse.

mod checks;
mod finding;
mod side;
mod version;

use checks::{Look, Move};
use clap::{Args as ClapArgs, ValueHint};
use es_cli::rename::{self, Group};
use es_cli::{Exit, Fault, Io, PlanRow};
use es_client::{Cluster, ENVIRONMENT, PairArgs, Pattern, date_math};
use es_records::Role;
use finding::{Findings, Level};
use side::Side;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;
use version::Version;

/// Parsers of what comes from outside, for fuzzing.
#[doc(hidden)]
pub mod parsers {
    use serde_json::Value;

    /// Reads versions as clusters and settings of indices write them, and compares each with the others.
    pub fn versions(all: &[&str]) {
        let read = |text: &&str| match text.parse() {
            Ok(id) => crate::Version::created(id),
            Err(_) => crate::Version::of(
                text.split_once(' ').unwrap_or_default().0,
                text.split(' ').next_back().unwrap_or_default(),
            ),
        };
        let versions: Vec<_> = all.iter().map(read).collect();
        for one in &versions {
            assert_eq!(one.cannot_read(*one), None, "{one} reads what it wrote");
            for other in &versions {
                let _ = (one.cannot_read(*other), one.cannot_read_repository(*other));
            }
        }
    }

    /// Reads values of settings: sizes, watermarks, times, wildcards, names of backing indices.
    pub fn values(text: &str, other: &str) {
        crate::checks::values(text, other);
    }

    /// Reads what a node says of itself.
    pub fn node(node: &Value, stats: &Value) {
        crate::side::read("id", node, Some(stats), std::time::SystemTime::UNIX_EPOCH);
    }
}

/// Say before anything is written whether a migration can work
///
/// Looks at both clusters and changes nothing. Findings are ok, warning or blocker, each with what to do; a blocker makes
/// the exit code 1. Wildcards mean open, visible indices, as in es-snapshot. Permissions are tried by requests that servers refuse for
/// what they ask, such as a snapshot whose name may not be one.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Indices to move: names, aliases and wildcards, comma-separated, -NAME takes away; @FILE reads one a line; repeatable
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, required_unless_present = "plan")]
    indices: Vec<String>,

    /// Take indices and their new names from a CSV plan: index,target_index
    #[arg(long, value_name = "FILE", conflicts_with_all = ["indices", "rename_pattern"])]
    plan: Option<PathBuf>,

    /// Regular expression (Java's syntax) of what to rename
    #[arg(long, value_name = "REGEX", requires = "rename_replacement")]
    rename_pattern: Option<String>,

    /// What to rename it to; $1 is the first group
    #[arg(long, value_name = "TEXT", requires = "rename_pattern")]
    rename_replacement: Option<String>,

    /// Whether aliases stay behind: then they cannot collide
    #[arg(long)]
    no_aliases: bool,

    /// Whether indices with missing primaries are taken as they are: then they are only warned of
    #[arg(long)]
    partial: bool,

    /// Leave this index setting behind, as es-restore will; repeatable
    #[arg(long, value_name = "KEY")]
    ignore_index_setting: Vec<String>,

    /// Name of the repository; what is registered under it is looked at
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,

    /// Name that the snapshot will have; one of that name in the repository is looked at
    #[arg(long, value_name = "NAME", requires = "repository")]
    snapshot: Option<String>,

    /// Type of the repository that will be registered (s3, fs, gcs, azure, hdfs): its plugin is looked for on every node
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,

    /// Type by which the target reaches the same files, if it is another
    #[arg(long, value_name = "TYPE", requires = "type")]
    target_type: Option<String>,

    /// Bucket (s3, gcs)
    #[arg(long, value_name = "BUCKET", requires = "type")]
    bucket: Option<String>,

    /// Path within the bucket
    #[arg(long, value_name = "PATH", requires = "type")]
    base_path: Option<String>,

    /// Directory (fs)
    #[arg(long, value_name = "PATH", requires = "type", value_hint = ValueHint::DirPath)]
    location: Option<String>,

    /// Role that the Amazon domain assumes to reach the bucket: whether it may be handed over is tried
    #[arg(long, value_name = "ARN", requires = "type")]
    role_arn: Option<String>,

    /// Any other setting of the repository; repeatable
    #[arg(long = "setting", value_name = "KEY=VALUE", requires = "type", value_parser = es_cli::key_value)]
    settings: Vec<(String, String)>,

    /// jsonl (records) or table
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,

    #[command(flatten)]
    clusters: PairArgs,
}

/// How the findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Records, one a line
    Jsonl,
    /// Lines for people, blockers first
    Table,
}

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-preflight", include_str!("examples.txt"), ENVIRONMENT)
}

/// Does it.
///
/// # Errors
/// Faults of the clusters, and of flags and plans that make no sense.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let now = SystemTime::now();
    let wanted = match &args.plan {
        Some(plan) => Wanted::Plan(es_cli::read_plan(plan)?),
        None => Wanted::Patterns(Pattern::asked(&args.indices, now)?),
    };
    let snapshot = args.snapshot.as_deref().map(|name| date_math(name, now)).transpose()?;
    let source = Cluster::open(Role::Source, args.clusters.source_url.as_deref(), None, io.listener())?;
    let target = Cluster::open(Role::Target, args.clusters.target_url.as_deref(), None, io.listener())?;
    let (from, to) = (Side::of(&source)?, Side::of(&target)?);
    let mut findings = Findings::default();
    let groups = groups(args, &wanted, &from, &mut findings)?;
    let pairs: Vec<(String, String)> = groups.into_iter().flat_map(|group| group.pairs).collect();
    let named = [
        ("bucket", &args.bucket),
        ("base_path", &args.base_path),
        ("location", &args.location),
        ("role_arn", &args.role_arn),
    ];
    let named = named.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let wish = Move {
        pairs,
        aliases: !args.no_aliases,
        partial: args.partial,
        left_behind: args.ignore_index_setting.iter().flat_map(|key| Pattern::list(key)).collect(),
        repository: args.repository.as_deref(),
        snapshot: snapshot.as_deref(),
        kind: args.r#type.as_deref(),
        target_kind: args.target_type.as_deref().or(args.r#type.as_deref()),
        place: args.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain(named).collect(),
    };
    checks::all(&Look::of(&from, &to, &wish)?, &mut findings)?;
    let blockers = findings.count(Level::Blocker);
    let first = findings.first_blocker().cloned();
    findings.write(args.format == Format::Table, io)?;
    let Some(first) = first else { return Ok(Exit::Ok) };
    let more = if blockers > 1 { format!("; {blockers} blockers in all") } else { String::new() };
    io.report(&Fault {
        hint: first.fix.clone(),
        ..Fault::no(format!("{}: {}{more}; nothing was started", first.check, first.message))
    });
    Ok(Exit::No)
}

/// What is asked for, before anything is known of the source.
enum Wanted {
    Plan(Vec<PlanRow>),
    Patterns(Vec<Pattern>),
}

/// Which indices go where. Names that stand for nothing are findings.
fn groups(args: &Args, wanted: &Wanted, from: &Side<'_>, findings: &mut Findings) -> Result<Vec<Group>, Fault> {
    let groups = match wanted {
        Wanted::Plan(rows) => rename::by_plan(rows),
        Wanted::Patterns(patterns) => {
            let (chosen, missing) = from.indices.resolve(patterns, |info| !info.hidden && !info.closed);
            let look =
                "look at the names: curl \"$ES_SOURCE_URL/_cat/indices\"; of a data stream name the backing indices";
            for name in &missing {
                findings.blocker("indices", None, format!("no such index on the source: {name}"), look);
            }
            if chosen.is_empty() && missing.is_empty() {
                findings.blocker("indices", None, format!("no index fits {}", args.indices.join(",")), look);
            }
            passed_over(patterns, &chosen, from, findings);
            let chosen: Vec<String> = chosen.into_iter().collect();
            let rename = args.rename_pattern.as_deref().zip(args.rename_replacement.as_deref());
            rename::by_pattern(&chosen, rename)?
        }
    };
    if let Err(fault) = rename::check(&groups) {
        findings.blocker("names", None, fault.message, "change the rename, or the plan");
    }
    Ok(groups)
}

/// Indices that a wildcard fits and passes over without a word. The cluster's own, which begin with a dot, are no news.
fn passed_over(patterns: &[Pattern], chosen: &BTreeSet<String>, from: &Side<'_>, findings: &mut Findings) {
    let (all, _) = from.indices.resolve(patterns, |_| true);
    for index in all.iter().filter(|index| !chosen.contains(*index) && !index.starts_with('.')) {
        let closed = from.indices.get(index).is_some_and(|info| info.closed);
        let state = if closed { "closed" } else { "hidden" };
        findings.warning(
            "passed_over",
            Some(index),
            format!("{index} is {state}: a wildcard passes it over"),
            "name it, if it is to be moved",
        );
    }
}
