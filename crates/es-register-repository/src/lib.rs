//! Makes a snapshot repository exist on a cluster with exactly these settings, verifies it, prints its record.
//!
//! It looks before it writes: a registration that is as asked is left alone, since servers refuse even the same
//! settings while a snapshot uses the repository (5.x to 7.x: 500 `illegal_state_exception`).

use clap::{Args as ClapArgs, ValueHint};
use es_cli::{Exit, Fault, Io};
use es_client::{CallError, Cluster, ClusterArgs, ENVIRONMENT, Method, Path, excerpt};
use es_records::{Record, Repository, Role};
use serde_json::{Map, Value, json};

/// Make a snapshot repository exist on a cluster, with exactly these settings
///
/// Looks at the present registration first and changes it only if it differs, then verifies it and reports the
/// nodes that can reach it. On the target the repository is read-only and unthrottled unless told otherwise.
/// On the source the server's own throttle stays unless --max-snapshot-bytes-per-sec is given: servers up to 7.x
/// write snapshots at no more than 40 MB/s a node, which was measured to make a snapshot 13 times slower than
/// the disks allowed; without it a snapshot takes disk and network from searches and indexing.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Name of the repository
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    repository: Option<String>,

    /// Type of the repository: s3, fs, url, gcs, azure ...
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "list")]
    kind: Option<String>,

    /// Bucket (s3, gcs)
    #[arg(long, value_name = "BUCKET")]
    bucket: Option<String>,

    /// Region of the bucket (Amazon domains, and servers up to 5.x)
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Path within the bucket
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,

    /// Role that the Amazon domain assumes to reach the bucket
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,

    /// S3 endpoint, where it is not Amazon's own
    #[arg(long, value_name = "HOST")]
    endpoint: Option<String>,

    /// Directory (fs), the same on every node and under its path.repo
    #[arg(long, value_name = "PATH", value_hint = ValueHint::DirPath)]
    location: Option<String>,

    /// Any other setting of the repository; repeatable
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = es_cli::key_value)]
    settings: Vec<(String, String)>,

    /// Throttle of snapshots, for each node [default: the server's]
    #[arg(long, value_name = "SIZE", value_parser = es_cli::bytes)]
    max_snapshot_bytes_per_sec: Option<String>,

    /// Throttle of restores, for each node [default: on the target none, on the source the server's]
    #[arg(long, value_name = "SIZE", value_parser = es_cli::bytes)]
    max_restore_bytes_per_sec: Option<String>,

    /// Register it read-only: the default on the target
    #[arg(long, conflicts_with = "writable")]
    readonly: bool,

    /// Register it writable on the target too (two clusters that write one repository destroy it)
    #[arg(long)]
    writable: bool,

    /// Do not ask the nodes whether they reach it
    #[arg(long)]
    no_verify: bool,

    /// Print the registrations of the cluster, Amazon's cs-automated too, and change nothing
    #[arg(long, conflicts_with_all = ["repository", "kind", "bucket", "settings", "dry_run"])]
    list: bool,

    /// Print the request instead of sending it
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// The tool's command line.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-register-repository", include_str!("examples.txt"), ENVIRONMENT)
}

/// Settings that the plugins of the usual types know: others are accepted by servers and ignored, which is how a
/// misspelt `bukcet` goes unnoticed.
const KNOWN: &[&str] = &[
    "access_tier",
    "account",
    "application_name",
    "base_path",
    "bucket",
    "buffer_size",
    "canned_acl",
    "chunk_size",
    "client",
    "compress",
    "conf_location",
    "container",
    "delete_objects_max_size",
    "disable_chunked_encoding",
    "endpoint",
    "http_max_retries",
    "load_defaults",
    "location",
    "location_mode",
    "max_restore_bytes_per_sec",
    "max_snapshot_bytes_per_sec",
    "max_retries",
    "path",
    "path_style_access",
    "protocol",
    "readonly",
    "region",
    "role_arn",
    "security.principal",
    "server_side_encryption",
    "server_side_encryption_type",
    "storage_class",
    "throttle_retries",
    "uri",
    "url",
    "use_throttle_retries",
    "max_multipart_upload_cleanup_size",
    "remote_store_index_shallow_copy",
    "shard_path_type",
    "max_number_of_snapshots",
    "get_register_retry_delay",
    "unsafely_incompatible_with_s3_conditional_writes",
    "server_side_encryption_kms_key_id",
    "server_side_encryption_bucket_key_enabled",
    "expected_bucket_owner",
    "arn",
];

/// Does it.
///
/// # Errors
/// Faults of the cluster, and exit 2 for settings that must not be sent.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let role = args.cluster.role();
    if !args.list {
        check(args)?;
    }
    let cluster = Cluster::open(role, args.cluster.url.as_deref(), None, io.listener())?;
    let (Some(name), Some(kind)) = (&args.repository, &args.kind) else { return list(&cluster, io) };
    let settings = wanted(args, role, kind, io);
    let path = Path::of(["_snapshot", name]);
    let body = json!({"type": kind, "settings": settings});
    if args.dry_run {
        let path = if args.no_verify { path.query("verify", "false") } else { path };
        io.emit(&cluster.request_record(Method::Put, &path, &body))?;
        return Ok(Exit::Ok);
    }
    let what = format!("repository {name:?} on the {role} cluster");
    cluster.identity()?;
    let before = registered(&cluster, name, &what)?;
    let same = before.as_ref().is_some_and(|(t, s)| t == kind && alike(s, &settings));
    if !same {
        if let Some((_, old)) = &before
            && let Some(key) = ["bucket", "base_path", "location", "url"]
                .iter()
                .find(|k| text(old.get(**k)) != text(settings.get(**k)))
        {
            let (was, is) = (text(old.get(*key)), text(settings.get(*key)));
            io.warn(&format!("{what} pointed elsewhere before: {key} {was:?} becomes {is:?}"));
        }
        let path = if args.no_verify { path.clone().query("verify", "false") } else { path.clone() };
        put(&cluster, &path, &body, name, &settings, &what)?;
    }
    let mut record = Repository {
        repository: name.clone(),
        repository_type: kind.clone(),
        cluster: Some(cluster.identity()?.clone()),
        changed: !same,
        ..Repository::default()
    };
    let (kept_type, kept) = registered(&cluster, name, &what)?.ok_or_else(|| {
        Fault::failed(format!("{what}: it was accepted and is not there"))
            .hint("someone else removed it: run this again")
    })?;
    if &kept_type != kind || !alike(&kept, &settings) {
        return Err(Fault::failed(format!(
            "{what}: the cluster keeps other settings than were sent: {}",
            Value::Object(kept)
        ))
        .hint("someone else changes it, or the service does not allow one of them")
        .into());
    }
    record.settings = kept;
    if !args.no_verify {
        let readonly = text(record.settings.get("readonly")) == "true" || kind == "url";
        record.nodes = verify(&cluster, name, readonly, &what)?;
        if readonly {
            let snapshots = readable(&cluster, name, &what)?;
            if snapshots == 0 {
                io.warn(&format!("{what} is read-only and holds no snapshot yet: are bucket, base_path or location those of the source?"));
            }
            record.extra.insert("snapshots".into(), json!(snapshots));
        }
        record.verified = true;
    }
    record.steps.push(io.step(cluster.requests(), cluster.retries()));
    io.emit(&Record::Repository(record))?;
    Ok(Exit::Ok)
}

/// What must not even be sent.
fn check(args: &Args) -> Result<(), Fault> {
    let secrets = ["access_key", "secret_key", "session_token", "sas_token", "key"];
    if let Some((key, _)) =
        args.settings.iter().find(|(k, _)| secrets.iter().any(|s| k == s || k.ends_with(&format!(".{s}"))))
    {
        return Err(Fault::usage(format!(
            "--setting {key}: a secret in a repository's settings is readable by every user of the cluster"
        ))
        .hint("put it into the keystore of every node: bin/elasticsearch-keystore add s3.client.default.secret_key"));
    }
    let name = args.repository.as_deref().unwrap_or_default();
    if name.is_empty()
        || name.starts_with('_')
        || name.contains(['#', '/', '\\', '*', '?', '"', '<', '>', '|', ',', ' '])
        || name.contains(char::is_control)
    {
        return Err(
            Fault::usage(format!("repository name {name:?}: servers refuse it")).hint("use letters, digits, - and _")
        );
    }
    if args.role_arn.is_some() && name.starts_with("cs-") {
        return Err(Fault::usage(format!("repository name {name:?}: names that begin with cs- are the service's own"))
            .hint("choose another name"));
    }
    let need = match args.kind.as_deref() {
        Some("s3" | "gcs") if args.bucket.is_none() => "--bucket",
        Some("fs") if args.location.is_none() => "--location",
        _ => return Ok(()),
    };
    let setting = need.trim_start_matches("--");
    if args.settings.iter().any(|(k, _)| k == setting) {
        return Ok(());
    }
    Err(Fault::usage(format!("a repository of type {} needs {need}", args.kind.as_deref().unwrap_or_default())))
}

/// The settings as they will be sent. All are strings, as servers keep them.
fn wanted(args: &Args, role: Role, kind: &str, io: &mut Io) -> Map<String, Value> {
    let mut settings = Map::new();
    let mut set = |key: &str, value: Option<&String>| {
        if let Some(value) = value {
            settings.insert(key.to_string(), json!(value));
        }
    };
    set("bucket", args.bucket.as_ref());
    set("region", args.region.as_ref());
    set("base_path", args.base_path.as_ref());
    set("role_arn", args.role_arn.as_ref());
    set("endpoint", args.endpoint.as_ref());
    set("location", args.location.as_ref());
    set("max_snapshot_bytes_per_sec", args.max_snapshot_bytes_per_sec.as_ref());
    let unthrottled = "0b".to_string();
    let restore = args.max_restore_bytes_per_sec.as_ref();
    set("max_restore_bytes_per_sec", if role == Role::Target { restore.or(Some(&unthrottled)) } else { restore });
    let readonly = args.readonly || role == Role::Target && !args.writable;
    set("readonly", readonly.then(|| "true".to_string()).as_ref());
    for (key, value) in &args.settings {
        if !KNOWN.contains(&key.as_str()) {
            io.warn(&format!("setting {key:?} is none that repositories of the usual types know; servers ignore a misspelt one (type {kind})"));
        }
        settings.insert(key.clone(), json!(value));
    }
    settings
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Whether two sets of settings mean the same: servers turn numbers and booleans into strings.
fn alike(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(key, value)| b.contains_key(key) && text(Some(value)) == text(b.get(key)))
}

/// Type and settings of a repository.
type Registration = (String, Map<String, Value>);

/// The present registration.
fn registered(cluster: &Cluster, name: &str, what: &str) -> Result<Option<Registration>, Fault> {
    match cluster.get(&Path::of(["_snapshot", name])) {
        Ok(answer) => match answer.get(name) {
            Some(entry) if entry.is_object() => Ok(Some(decode(entry))),
            _ => Err(Fault::failed(format!("{what}: the answer does not name it"))),
        },
        Err(CallError::Server(error)) if error.is_missing() => Ok(None),
        Err(error) => Err(error.fault(what)),
    }
}

fn decode(entry: &Value) -> (String, Map<String, Value>) {
    (entry["type"].as_str().unwrap_or_default().to_string(), entry["settings"].as_object().cloned().unwrap_or_default())
}

fn put(
    cluster: &Cluster,
    path: &Path,
    body: &Value,
    name: &str,
    settings: &Map<String, Value>,
    what: &str,
) -> Result<(), Fault> {
    match cluster.write(Method::Put, path, body) {
        Ok(_) => Ok(()),
        // The answer is lost, the registration perhaps not: look.
        Err(lost @ CallError::Lost { .. }) => match registered(cluster, name, what)? {
            Some((_, kept)) if alike(&kept, settings) => Ok(()),
            _ => Err(lost.fault(what)),
        },
        Err(error) => {
            let mut fault = error.fault(what);
            let verification = fault.kind.as_deref() == Some("repository_verification_exception");
            if verification {
                // Servers keep the registration although they report that it does not work.
                fault.message.push_str(" (the registration was kept nevertheless)");
            }
            Err(fault)
        }
    }
}

/// How many snapshots it holds. Servers check nothing of a read-only repository when they verify it: only reading it tells.
fn readable(cluster: &Cluster, name: &str, what: &str) -> Result<usize, Fault> {
    let answer =
        cluster.get(&Path::of(["_snapshot", name, "_all"])).map_err(|e| e.fault(&format!("{what}: reading it")))?;
    let snapshots = answer["snapshots"].as_array();
    snapshots.map(Vec::len).ok_or_else(|| strange(&answer, what, "snapshots"))
}

/// An answer that is none: it lists nothing of what was asked for.
fn strange(answer: &Value, what: &str, wanted: &str) -> Fault {
    Fault::failed(format!("{what}: the answer lists no {wanted}: {}", excerpt(answer)))
}

/// Asks every node whether it reaches the repository; their names.
fn verify(cluster: &Cluster, name: &str, readonly: bool, what: &str) -> Result<Vec<String>, Fault> {
    let answer = cluster.read(&Path::of(["_snapshot", name, "_verify"]), None);
    let answer = answer.map_err(|e| e.fault(&format!("{what}: verifying it")))?;
    let nodes = answer["nodes"].as_object().ok_or_else(|| strange(&answer, what, "nodes"))?;
    let mut names: Vec<String> =
        nodes.iter().map(|(id, node)| node["name"].as_str().unwrap_or(id).to_string()).collect();
    names.sort();
    if names.is_empty() && !readonly {
        return Err(Fault::failed(format!("{what}: no node says that it reaches it")));
    }
    Ok(names)
}

fn list(cluster: &Cluster, io: &mut Io) -> anyhow::Result<Exit> {
    let identity = cluster.identity()?.clone();
    let what = format!("repositories of the {} cluster", cluster.role());
    let all = cluster.get(&Path::of(["_snapshot"])).map_err(|e| e.fault(&what))?;
    let typed = |all: &&Map<String, Value>| all.values().all(|entry| entry["type"].is_string());
    for (name, entry) in all.as_object().filter(typed).ok_or_else(|| strange(&all, &what, "repositories"))? {
        let (repository_type, settings) = decode(entry);
        let cluster = Some(identity.clone());
        let record =
            Repository { repository: name.clone(), repository_type, settings, cluster, ..Repository::default() };
        io.emit(&Record::Repository(record))?;
    }
    Ok(Exit::Ok)
}
