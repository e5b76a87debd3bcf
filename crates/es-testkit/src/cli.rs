//! The command `es-testbed`: keeps real servers for as long as a command runs, and not a moment longer.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bed::{Client, EdgeOptions, Options, SOCKET};
use crate::catalogue::{Entry, SERVERS};
use crate::generator::Plan;
use crate::{cache, daemon, s3};

/// The stand-in for the AWS edge, which is no server of the catalogue: it is in front of one.
const EDGE: &str = "aws-edge";
/// How long an interrupted command may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, Parser)]
#[command(name = "es-testbed", version, about = "Keep real Elasticsearch, OpenSearch and S3 servers for tests")]
struct Cli {
    /// Socket of the bed
    #[arg(long, global = true, env = SOCKET, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a command with a bed, then take the bed down
    Run(Run),
    /// Start a server, or find the one of that name, and print it as a JSON line
    Start(Start),
    /// Kill a server with SIGKILL; its data stays
    Kill(Named),
    /// Start a server again with the same data and port
    Restart(Named),
    /// Stop a server in order; its data stays
    StopServer(Named),
    /// Print each server as a JSON line
    List,
    /// Take the whole bed down
    Stop,
    /// Fill the cache and start nothing
    Fetch(Fetch),
    /// Fill a server with data and print what must be there, a JSON line an index
    Seed(Seed),
    /// Print the documents that must be in an index, without asking any server
    Documents(Documents),
    #[command(hide = true)]
    Daemon(Daemon),
    #[command(hide = true)]
    ServeS3(s3::Serve),
}

#[derive(Args, Debug)]
struct Run {
    /// Leave the servers running after the command
    #[arg(long)]
    keep: bool,
    /// Command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(Args, Debug)]
struct Start {
    /// A server of tests/servers, s3 or aws-edge
    server: String,
    /// Name to find it by; the server's own unless given
    #[arg(long)]
    name: Option<String>,
    /// Where fs repositories may be
    #[arg(long, value_name = "DIR")]
    repository_root: Option<PathBuf>,
    /// Further node setting
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// S3 server whose endpoint and keys the node is given
    #[arg(long, value_name = "NAME")]
    s3: Option<String>,
    /// A node of the cluster that it is one of, itself among them; alone unless given
    #[arg(long = "member", value_name = "NAME")]
    members: Vec<String>,
    /// Bucket to make (s3 and aws-edge)
    #[arg(long, default_value = "test-bucket")]
    bucket: String,
    /// URL of the server behind it (aws-edge)
    #[arg(long, value_name = "URL", required_if_eq("server", "aws-edge"))]
    upstream: Option<String>,
    /// Region requests are to be signed for (aws-edge)
    #[arg(long, default_value = daemon::REGION)]
    region: String,
    /// How long a request may take before it is cut with 504 (aws-edge)
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = milliseconds)]
    gateway_timeout: u64,
}

#[derive(Args, Debug)]
struct Named {
    /// Name the server was started under
    name: String,
}

#[derive(Args, Debug)]
struct Fetch {
    /// Servers to fetch; all unless given
    servers: Vec<String>,
}

#[derive(Args, Debug)]
struct Data {
    /// Documents of all daily indices together
    #[arg(long, default_value_t = 10_000)]
    documents: u64,
    /// Number of daily indices
    #[arg(long, default_value_t = 3)]
    indices: u32,
    /// The same seed gives the same data
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Size of a bulk request
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20)]
    bulk_bytes: usize,
    /// Only the daily indices, nothing deleted or updated
    #[arg(long)]
    plain: bool,
    /// What every index name begins with
    #[arg(long, default_value = "javacafe")]
    prefix: String,
}

impl Data {
    fn plan(&self) -> Plan {
        Plan {
            documents: self.documents,
            indices: self.indices,
            seed: self.seed,
            bulk_bytes: self.bulk_bytes,
            plain: self.plain,
            prefix: self.prefix.clone(),
        }
    }
}

#[derive(Args, Debug)]
struct Seed {
    /// The server to fill
    #[arg(long)]
    url: String,
    #[command(flatten)]
    data: Data,
}

#[derive(Args, Debug)]
struct Documents {
    /// Index to print the documents of
    #[arg(long)]
    index: String,
    /// Version of the Elasticsearch server that was filled; 7.10.2 for any OpenSearch
    #[arg(long)]
    server_version: String,
    #[command(flatten)]
    data: Data,
}

#[derive(Args, Debug)]
struct Daemon {
    #[arg(long)]
    directory: PathBuf,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.and_then(|time| u64::try_from(time.as_millis()).ok()).ok_or_else(|| "seconds, such as 60 or 0.5".to_owned())
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs the command line and gives its exit code: the command's own for `run`, 3 if the bed itself fails.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match act(&cli) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "es-testbed: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn act(cli: &Cli) -> Result<ExitCode> {
    match &cli.action {
        Action::Run(run) => return run_with_bed(run),
        Action::Daemon(daemon) => daemon::run(&daemon.directory)?,
        Action::ServeS3(serve) => s3::serve(serve)?,
        Action::Fetch(fetch) => {
            let all = || SERVERS.iter().map(|entry| entry.name).chain([EDGE]).map(str::to_owned).collect();
            let names: Vec<String> = if fetch.servers.is_empty() { all() } else { fetch.servers.clone() };
            for name in names {
                let began = Instant::now();
                if name == EDGE {
                    cache::prepare_edge()?;
                } else {
                    cache::prepare(Entry::find(&name)?)?;
                }
                print(&json!({"server": name, "took_ms": millis(began)}))?;
            }
        }
        Action::Seed(seed) => {
            for truth in seed.data.plan().load(&seed.url)? {
                print(&serde_json::to_value(truth)?)?;
            }
        }
        Action::Documents(documents) => {
            let plan = documents.data.plan();
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            for line in plan.documents(&documents.server_version, &documents.index)? {
                writeln!(stdout, "{line}")?;
            }
            stdout.flush()?;
        }
        Action::Start(start) => {
            let client = client(cli)?;
            let name = start.name.as_deref().unwrap_or(&start.server);
            if start.server == "s3" {
                print(&serde_json::to_value(client.start_s3(name, &start.bucket)?)?)?;
            } else if start.server == EDGE {
                let options = EdgeOptions {
                    upstream: start.upstream.clone().unwrap_or_default(),
                    bucket_root: start.repository_root.as_ref().map(std::path::absolute).transpose()?,
                    bucket: start.bucket.clone(),
                    region: start.region.clone(),
                    gateway_timeout_ms: start.gateway_timeout,
                };
                print(&serde_json::to_value(client.start_edge(name, &options)?)?)?;
            } else {
                let options = Options {
                    repository_root: start.repository_root.as_ref().map(std::path::absolute).transpose()?,
                    settings: start.settings.clone(),
                    s3: start.s3.clone(),
                    members: start.members.clone(),
                };
                print(&serde_json::to_value(client.start(&start.server, name, &options)?)?)?;
            }
        }
        Action::Kill(named) => order(cli, "kill", named)?,
        Action::Restart(named) => order(cli, "restart", named)?,
        Action::StopServer(named) => order(cli, "stop-server", named)?,
        Action::List => {
            for server in client(cli)?.ask(&json!({"do": "list"}))?.as_array().into_iter().flatten() {
                print(server)?;
            }
        }
        Action::Stop => client(cli)?.stop()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn client(cli: &Cli) -> Result<Client> {
    match &cli.socket {
        Some(socket) => Ok(Client::at(socket)),
        None => Client::from_env(),
    }
}

fn order(cli: &Cli, order: &str, named: &Named) -> Result<()> {
    print(&client(cli)?.ask(&json!({"do": order, "name": named.name}))?)
}

fn print(value: &Value) -> Result<()> {
    Ok(writeln!(io::stdout(), "{value}")?)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A bed that was started and whose end is the end of this value.
struct Started {
    directory: PathBuf,
    daemon: Child,
    lifeline: Option<ChildStdin>,
}

impl Started {
    fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("es-testbed-").tempdir()?;
        let log = fs::File::create(directory.path().join("daemon.log"))?;
        let mut daemon = Command::new(env::current_exe()?)
            .arg("daemon")
            .arg("--directory")
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C at the terminal is for `run`, which takes the bed down when the command has ended.
            .process_group(0)
            .spawn()
            .context("starting the bed")?;
        let mut line = String::new();
        if let Some(stdout) = daemon.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line != "ready\n" {
            let words = fs::read_to_string(directory.path().join("daemon.log")).unwrap_or_default();
            bail!("the bed did not start: {}", words.trim());
        }
        // From here on the daemon removes the directory.
        Ok(Self { lifeline: daemon.stdin.take(), directory: directory.keep(), daemon })
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    fn take_down(mut self) -> Result<()> {
        drop(self.lifeline.take());
        self.daemon.wait()?;
        // Only if the daemon was killed is there anything left; the servers ended with it.
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.directory.display()))
            }
            _ => Ok(()),
        }
    }
}

fn run_with_bed(run: &Run) -> Result<ExitCode> {
    let interrupted = Arc::new(AtomicI32::new(0));
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ])?;
    let seen = Arc::clone(&interrupted);
    thread::spawn(move || {
        for signal in signals.forever() {
            seen.store(signal, Ordering::SeqCst);
        }
    });

    let bed = Started::new()?;
    let spawned = Command::new(&run.command[0]).args(&run.command[1..]).env(SOCKET, bed.socket()).spawn();
    let mut command = match spawned {
        Ok(command) => command,
        Err(error) => {
            bed.take_down()?;
            return Err(error).with_context(|| format!("running {}", run.command[0]));
        }
    };
    let status = wait(&mut command, &interrupted)?;
    let signal = interrupted.load(Ordering::SeqCst);
    if run.keep && signal == 0 {
        keep(&bed.socket())?;
    } else {
        bed.take_down()?;
    }
    let code = match (status.code(), status.signal()) {
        _ if signal != 0 => 128 + signal,
        (Some(code), _) => code,
        (None, signal) => 128 + signal.unwrap_or_default(),
    };
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Waits for the command; a signal to `run` is passed on, and a command that ignores it is killed in the end.
fn wait(command: &mut Child, interrupted: &AtomicI32) -> Result<ExitStatus> {
    let mut kill_at = None;
    loop {
        if let Some(status) = command.try_wait()? {
            return Ok(status);
        }
        let signal = interrupted.load(Ordering::SeqCst);
        if let (None, Some(signal)) = (kill_at, Signal::from_named_raw(signal)) {
            if let Some(pid) = i32::try_from(command.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
            }
            kill_at = Some(Instant::now() + GRACE);
        }
        if kill_at.is_some_and(|at| Instant::now() > at) {
            command.kill()?;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn keep(socket: &Path) -> Result<()> {
    let client = Client::at(socket);
    client.ask(&json!({"do": "keep"}))?;
    let mut stderr = io::stderr();
    for server in client.ask(&json!({"do": "list"}))?.as_array().into_iter().flatten() {
        let text = |key: &str| server[key].as_str().unwrap_or_default().to_owned();
        writeln!(stderr, "es-testbed: {} is at {}", text("name"), text("url"))?;
    }
    writeln!(stderr, "es-testbed: to use it: export {SOCKET}={}", socket.display())?;
    // By its path: make, which found it, has ended, and nobody's PATH has it.
    writeln!(stderr, "es-testbed: to stop it: {} stop --socket {}", env::current_exe()?.display(), socket.display())?;
    Ok(())
}
