//! Reads documents straight out of a snapshot repository: no cluster, no restore.
//!
//! What cannot be read as it was is refused, never skipped: a document missing from the output is worse than no output.

mod binary;
mod digest;
mod fields;
mod head;
mod jobs;
mod list;
mod look;
mod one_line;
mod plan;
mod read;
mod repeated;
mod room;
mod routings;
mod side_by_side;

use clap::Args as ClapArgs;
use clap::builder::NonEmptyStringValueParser;
use es_aws::CredentialSource;
use es_cli::{Exit, Fault, Io, is_written_in_place, record_line, write_whole};
use es_repository::{
    ErrorKind, ObjectOptions, Options, Repository, RequestListener, S3Credentials, SnapshotEntry, without_secrets,
};
use serde_json::json;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::jobs::Jobs;

const ENVIRONMENT: &str = "\
  Object stores take their credentials from:
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, AWS_REGION
    and the rest of the chain of es-sign-request: for s3://
  GOOGLE_APPLICATION_CREDENTIALS: for gs://
  AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY: for azure://
docs/environment.md has the rest.";

/// Arguments that print something in place of documents.
const NO_DOCUMENTS: [&str; 2] = ["list", "metadata"];

/// Read documents straight out of a snapshot repository, without a server
///
/// Prints a line a document, in any order. Exit 0 means that every document that was asked for has been printed: whatever is
/// damaged, missing or not known ends with a message that names it.
#[derive(Debug, ClapArgs)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct Args {
    /// Where the repository is: a URL of file, s3, gs, azure, http or https
    #[arg(long, value_name = "URL")]
    repository: String,

    /// The snapshot [default: the only one]
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,

    /// Indices, comma-separated; patterns with * and, after a -, what to leave out [default: all]
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new(),
        allow_hyphen_values = true
    )]
    indices: Vec<String>,

    /// Only these shards of each index, comma-separated
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "metadata")]
    shards: Vec<u32>,

    /// Share the shards out: this one reads the I-th part, from 0
    #[arg(long, value_name = "I", requires = "shard_count", conflicts_with_all = NO_DOCUMENTS)]
    shard_index: Option<u32>,

    /// Share the shards out into so many parts
    #[arg(long, value_name = "N", requires = "shard_index", value_parser = clap::value_parser!(u32).range(1..))]
    shard_count: Option<u32>,

    /// Print what is there in place of documents
    #[arg(long, value_name = "WHAT", conflicts_with = "metadata")]
    list: Option<List>,

    /// Leave sizes and numbers of documents out of --list snapshots|indices: they take a request a shard, and more
    #[arg(long, requires = "list")]
    without_sizes: bool,

    /// Print settings, mappings and aliases of each index, as the server would
    #[arg(long)]
    metadata: bool,

    /// What a document becomes
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", conflicts_with_all = NO_DOCUMENTS)]
    format: Format,

    /// Major version of the cluster that lines of --format bulk are for: through 6 they name types, through 5 parents too.
    /// 5 is right for 6.0 and 6.1, which refuse the type _doc [default: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(5..), conflicts_with_all = NO_DOCUMENTS)]
    target_major: Option<u32>,

    /// What lines of --format bulk do [default: create for data streams, which take nothing else, and index]
    #[arg(long, value_name = "OP", conflicts_with_all = NO_DOCUMENTS)]
    op: Option<Op>,

    /// The index or data stream that lines of --format bulk name [default: each document's own]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = NO_DOCUMENTS)]
    target_index: Option<String>,

    /// Only these fields of each document, comma-separated; patterns with *
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new(),
        conflicts_with_all = NO_DOCUMENTS
    )]
    fields: Vec<String>,

    /// Only documents with these ids, one a line of this file; exit 1 if one is not there
    #[arg(long, value_name = "FILE", conflicts_with_all = NO_DOCUMENTS)]
    query_ids: Option<PathBuf>,

    /// Write a record of what was read to this file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = NO_DOCUMENTS)]
    record: Option<PathBuf>,

    /// Read so many segments, parts of large ones, or lists of files at a time [default: one a processor, up to 16 of an object store]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,

    /// Read documents without the vectors that the server left out of them
    #[arg(long, conflicts_with_all = NO_DOCUMENTS)]
    without_vectors: bool,

    /// Do not look for documents of one index that have one id (they take 8 bytes a document in TMPDIR)
    #[arg(long, conflicts_with_all = NO_DOCUMENTS)]
    allow_duplicate_ids: bool,

    /// Read index-N in place of the newest
    #[arg(long, value_name = "N")]
    generation: Option<u64>,

    /// Address of an object store that is not the cloud's own
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Region of the bucket
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// The bucket is part of the path, not of the host name
    #[arg(long)]
    path_style: bool,

    /// Profile of the shared files; comes before keys in the environment
    #[arg(long, value_name = "NAME", conflicts_with = "anonymous")]
    profile: Option<String>,

    /// Role to assume with the credentials found
    #[arg(long, value_name = "ARN", conflicts_with = "anonymous")]
    role_arn: Option<String>,

    /// Send requests unsigned
    #[arg(long)]
    anonymous: bool,
}

impl Args {
    /// The scheme of the repository's URL.
    fn scheme(&self) -> Option<String> {
        self.repository.split_once(":/").map(|(scheme, _)| scheme.to_ascii_lowercase())
    }

    /// Whether the repository is a directory, where no request is waited for.
    pub(crate) fn is_local(&self) -> bool {
        self.scheme().as_deref() == Some("file")
    }

    /// How much is read at a time.
    pub(crate) fn jobs(&self) -> Jobs {
        Jobs::new(self.jobs, self.is_local())
    }

    /// What bulk lines are for.
    pub(crate) fn target_major(&self) -> u32 {
        self.target_major.unwrap_or(7)
    }
}

/// What `--list` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum List {
    /// Snapshots of the repository
    Snapshots,
    /// Indices of the snapshot
    Indices,
    /// Shards of the indices
    Shards,
}

/// What a document becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One line with `_index`, `_type` (through 7.x), `_id`, `_routing` and `_source`
    Jsonl,
    /// Two lines, as the _bulk API takes them
    Bulk,
    /// One line with the document alone
    Source,
}

/// Parsers of what comes from outside, for fuzzing.
#[doc(hidden)]
pub mod parsers {
    pub use crate::fields::Fields;
    pub use crate::one_line::append as one_line;
}

/// What a line of the _bulk API does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Op {
    /// Refuses a document whose id is there
    Create,
    /// Replaces a document whose id is there
    Index,
}

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-read-snapshot", include_str!("examples.txt"), ENVIRONMENT)
}

/// Does it.
///
/// # Errors
/// Exit 1 where something asked for is not in the snapshot, 3 where it cannot be read, 75 where it may be later.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    check(args)?;
    if let Some(path) = &args.record
        && !is_written_in_place(path)
    {
        // Neither a record of an earlier reading stays, nor is the first word of a path that cannot be written the last.
        write_whole(path, record_line(&unread(args, io))?.as_bytes())?;
    }
    let repository = Repository::open(&args.repository, &options(args, io)?).map_err(|error| fault(&error))?;
    if let Some(what) = args.list {
        return Ok(list::list(&repository, args, what, io)?);
    }
    if args.metadata {
        return Ok(list::metadata(&repository, args, io)?);
    }
    Ok(documents(&repository, args, io)?)
}

/// What no grammar of arguments says.
fn check(args: &Args) -> Result<(), Fault> {
    if let (Some(index), Some(count)) = (args.shard_index, args.shard_count)
        && index >= count
    {
        return Err(Fault::usage(format!("--shard-index {index} is not below --shard-count {count}")));
    }
    let for_bulk = [
        ("--op", args.op.is_some()),
        ("--target-index", args.target_index.is_some()),
        ("--target-major", args.target_major.is_some()),
    ];
    if let Some((flag, _)) = for_bulk.iter().find(|(_, given)| *given && args.format != Format::Bulk) {
        return Err(Fault::usage(format!("{flag} is of --format bulk alone")));
    }
    let unheard = match args.list {
        Some(List::Snapshots) => vec![("--indices", !args.indices.is_empty()), ("--shards", !args.shards.is_empty())],
        Some(List::Indices) => vec![("--shards", !args.shards.is_empty())],
        Some(List::Shards) => vec![("--without-sizes", args.without_sizes)],
        None => Vec::new(),
    };
    if let Some((flag, _)) = unheard.iter().find(|(_, given)| *given) {
        return Err(Fault::usage(format!("{flag} is not of this --list")));
    }
    let Some(scheme) = args.scheme() else {
        return Ok(());
    };
    let of_cloud = ["s3", "gs", "azure", "az", "abfs"].contains(&scheme.as_str());
    // Before anyone is asked for credentials.
    Repository::check_url(&args.repository).map_err(|error| fault(&error))?;
    let of_s3 = scheme == "s3";
    let of_store = [
        ("--endpoint", args.endpoint.is_some() && !of_cloud),
        ("--region", args.region.is_some() && !of_s3),
        ("--path-style", args.path_style && !of_s3),
        ("--profile", args.profile.is_some() && !of_s3),
        ("--role-arn", args.role_arn.is_some() && !of_s3),
        ("--anonymous", args.anonymous && !of_cloud),
    ];
    match of_store.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Fault::usage(format!("{flag} is not of a repository of {scheme}://"))),
        None => Ok(()),
    }
}

fn options(args: &Args, io: &Io) -> Result<Options, Fault> {
    let mut object = ObjectOptions {
        endpoint: args.endpoint.clone(),
        region: args.region.clone(),
        path_style: args.path_style,
        anonymous: args.anonymous,
        credentials: None,
        ca_bundle: None,
        listener: Some(RequestListener(Arc::new(io.listener()))),
    };
    let of_amazon = args.scheme().as_deref() == Some("s3");
    // Without TLS nobody shows a certificate, and to read those to trust takes as long as some requests.
    let is_plain = args.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    if of_amazon && !is_plain {
        object.ca_bundle = es_aws::ca_bundle()?.map(|(_, pem)| pem);
    }
    if of_amazon && !args.anonymous {
        let source = CredentialSource::new(args.profile.clone(), args.role_arn.clone()).near(args.region.clone());
        if object.region.is_none() {
            object.region = source.region()?;
        }
        // Asked once here, where a failure still has its own exit code and hint.
        source.credentials(SystemTime::now())?;
        object.credentials = Some(S3Credentials(Arc::new(move || {
            let credentials = source.credentials(SystemTime::now()).map_err(|fault| fault.message)?;
            let token = credentials.session_token().map(str::to_owned);
            Ok((credentials.access_key_id().to_owned(), credentials.secret_access_key().to_owned(), token))
        })));
    }
    Ok(Options { object, generation: args.generation })
}

fn documents(repository: &Repository, args: &Args, io: &mut Io) -> Result<Exit, Fault> {
    let ids = args.query_ids.as_deref().map(read_ids).transpose()?;
    let snapshot = plan::snapshot(repository, args)?;
    let plan = plan::plan(repository, snapshot, args, io)?;
    let mut outcome = read::read(repository, &plan, args, ids.as_ref(), io);
    io.end_meter();
    let read = match outcome.failure.take() {
        Some(failure) => Err(failure),
        None => io.flush(),
    };
    let ended = read.and_then(|()| judge(repository, args, &plan, &outcome, ids.as_ref(), io));
    if let Some(path) = &args.record {
        let complete = matches!(ended, Ok(Exit::Ok)) && !io.reader_is_gone();
        let record = record(repository, args, &plan, &outcome, io, complete);
        let written = record_line(&record).and_then(|line| write_whole(path, line.as_bytes()));
        return ended.and_then(|exit| written.map(|()| exit));
    }
    ended
}

/// A failure for good, and whether the snapshot was deleted meanwhile: then what could be done about it helps no more.
fn with_deletion(repository: &Repository, snapshot: &SnapshotEntry, failure: Fault) -> Fault {
    if failure.exit != Exit::Failed || !repository.was_deleted(snapshot) {
        return failure;
    }
    Fault::failed(format!("{}; snapshot {:?} was deleted meanwhile", failure.message, snapshot.name))
}

/// What is wrong with a reading that came to its end.
fn judge(
    repository: &Repository,
    args: &Args,
    plan: &plan::Plan<'_>,
    outcome: &read::Outcome,
    ids: Option<&HashSet<String>>,
    io: &mut Io,
) -> Result<Exit, Fault> {
    let mut exit = Exit::Ok;
    for (shard, reason) in &plan.missing {
        let name = plan.name(*shard);
        let fault = Fault::no(format!("{name} is not in snapshot {:?}: {reason}", plan.snapshot.name));
        exit = exit.worst(io.report(&fault));
    }
    if io.reader_is_gone() {
        // What else there is to say is known of a whole reading alone.
        return Ok(exit);
    }
    repository.still_holds(plan.snapshot).map_err(|error| outcome.after_lines(fault(&error)))?;
    if let Some(ids) = ids {
        let mut missing: Vec<&String> = ids.difference(&outcome.found).collect();
        missing.sort();
        let all: usize = plan.indices.iter().map(|index| index.shards as usize).sum();
        let within = if plan.shards.len() < all { " in the shards that were read" } else { "" };
        for id in missing {
            exit = exit.worst(io.report(&Fault::no(format!("no document with the id {id:?}{within}"))));
        }
    }
    for (index, count) in plan.indices.iter().zip(&outcome.duplicates).filter(|(_, count)| **count > 0) {
        let (bulk, several) =
            (args.format == Format::Bulk, plan.indices.iter().filter(|other| other.group == index.group));
        let name = if bulk { &index.bulk.1 } else { &index.entry.name };
        let of = if several.count() > 1 { "index, type" } else { "type" };
        let text = format!("index {name:?}: {count} documents have the id of another, of another {of} or routing");
        if args.format == Format::Bulk {
            let hint = "--format jsonl keeps type and routing; --allow-duplicate-ids passes them over";
            exit = exit.worst(io.report(&Fault::no(text).hint(hint)));
        } else {
            io.warn(&text);
        }
    }
    for (index, totals) in read::by_index(plan, &outcome.totals) {
        // Without any routing, an id has one shard.
        if index.in_parts && totals.routed > 0 {
            let (name, routed) = (&index.entry.name, totals.routed);
            let fault = Fault::no(format!(
                "index {name:?}: {routed} documents have a routing: shards that were not read may hold their ids too"
            ));
            let hint = "read all of its shards at once; --allow-duplicate-ids passes it over";
            exit = exit.worst(io.report(&fault.hint(hint)));
        }
    }
    Ok(exit)
}

/// The record before anything is read.
fn unread(args: &Args, io: &Io) -> serde_json::Value {
    json!({
        "type": "read",
        "repository_url": without_secrets(&args.repository),
        "repository_uuid": null,
        "snapshot": args.snapshot.as_deref().unwrap_or_default(),
        "uuid": "",
        "complete": false,
        "documents": 0,
        "bytes": 0,
        "bytes_fetched": 0,
        "indices": [],
        "shards": [],
        "missing": [],
        "steps": [io.step(0, 0)],
    })
}

fn record(
    repository: &Repository,
    args: &Args,
    plan: &plan::Plan<'_>,
    outcome: &read::Outcome,
    io: &Io,
    complete: bool,
) -> serde_json::Value {
    let totals = |totals: &read::Totals| {
        json!({
            "documents": totals.printed,
            "bytes": totals.bytes,
            "skipped": {
                "deleted": totals.counts.deleted,
                "soft_deleted": totals.counts.soft_deleted,
                "nested": totals.counts.children,
                "not_asked_for": totals.counts.documents - totals.printed,
            },
            "stored_bytes": totals.counts.stored_bytes,
            "digest": totals.digest.hex(),
        })
    };
    let named = |key: &str, name: serde_json::Value, own: &read::Totals| {
        let mut record = json!({ key: name });
        if let (Some(record), serde_json::Value::Object(rest)) = (record.as_object_mut(), totals(own)) {
            record.extend(rest);
        }
        record
    };
    let by_index = read::by_index(plan, &outcome.totals);
    let documents: u64 = outcome.totals.iter().map(|own| own.printed).sum();
    let bytes: u64 = outcome.totals.iter().map(|own| own.bytes).sum();
    let shards: Vec<_> = plan
        .shards
        .iter()
        .zip(&outcome.totals)
        .map(|(shard, own)| {
            let index = &plan.indices[shard.index].entry.name;
            let mut record = named("shard", json!(shard.number), own);
            record["index"] = json!(index);
            record
        })
        .collect();
    let missing: Vec<_> = plan
        .missing
        .iter()
        .map(|(shard, reason)| {
            json!({ "index": plan.indices[shard.index].entry.name, "shard": shard.number, "reason": reason })
        })
        .collect();
    let mut record = unread(args, io);
    record["repository_uuid"] = json!(repository.data().uuid);
    record["snapshot"] = json!(plan.snapshot.name);
    record["uuid"] = json!(plan.snapshot.uuid);
    record["complete"] = json!(complete);
    record["documents"] = json!(documents);
    record["bytes"] = json!(bytes);
    record["bytes_fetched"] = json!(repository.bytes_fetched());
    record["indices"] = by_index.iter().map(|(index, own)| named("index", json!(index.entry.name), own)).collect();
    record["shards"] = json!(shards);
    record["missing"] = json!(missing);
    record
}

fn read_ids(path: &Path) -> Result<HashSet<String>, Fault> {
    let text = std::fs::read_to_string(path).map_err(|error| Fault::usage(format!("{}: {error}", path.display())))?;
    let ids: HashSet<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(Fault::usage(format!("{}: no id in it", path.display())));
    }
    Ok(ids)
}

/// A failure of the repository as every tool reports it.
pub(crate) fn fault(error: &es_repository::Error) -> Fault {
    let exit = match error.kind() {
        ErrorKind::Absent => Exit::No,
        ErrorKind::Usage => Exit::Usage,
        ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::Failed => Exit::Failed,
        ErrorKind::Denied => Exit::NotAllowed,
        ErrorKind::Retry => Exit::TryAgain,
    };
    let fault = Fault::new(exit, error.to_string());
    match error.hint() {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}
