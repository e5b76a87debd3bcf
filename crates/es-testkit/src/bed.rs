//! Real servers for tests: asks the bed that `es-testbed run` keeps for a server, and talks to it.
//!
//! A test that needs a server says `bed::server("elasticsearch-5.5.2")`. Tests that name the same server share it, so
//! each takes indices and repositories of its own; a test that kills or restarts takes one of its own by [`named`].

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cache;
use crate::catalogue::Entry;

/// The variable that holds the bed's socket.
pub const SOCKET: &str = "ES_TESTBED";

/// A running server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// The name it was started under.
    pub name: String,
    /// Which server it is, as `tests/servers/` spells it.
    pub server: String,
    /// Where it answers, without a trailing slash.
    pub url: String,
    /// The process, for tests that signal it themselves.
    pub pid: u32,
    /// The directory below which `fs` repositories may be registered.
    pub repository_root: PathBuf,
    /// Where its data and its log are.
    pub home: PathBuf,
    /// The server's own version.
    pub version: String,
    /// As whom it is asked: at first the one who may do everything, where the server wants to know.
    #[serde(default)]
    pub login: Option<Login>,
}

/// User and password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The password: a made-up one.
    pub password: String,
}

/// A running S3 server, which refuses what is not signed with its keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct S3 {
    /// The name it was started under.
    pub name: String,
    /// The endpoint, path style.
    pub url: String,
    /// The only access key it knows.
    pub access_key: String,
    /// The secret that goes with it.
    pub secret_key: String,
    /// The region requests are to be signed for.
    pub region: String,
    /// Objects are plain files below this: `BUCKET/KEY`.
    pub root: PathBuf,
    /// The bucket made at the start.
    pub bucket: String,
    /// The process.
    pub pid: u32,
}

/// A running stand-in for the AWS edge, which hands on what is signed with its keys to the server behind it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edge {
    /// The name it was started under.
    pub name: String,
    /// Where it answers, without a trailing slash.
    pub url: String,
    /// The access key it knows from the start.
    pub access_key: String,
    /// The secret that goes with it.
    pub secret_key: String,
    /// The process.
    pub pid: u32,
    /// How it was started.
    #[serde(flatten)]
    pub options: EdgeOptions,
}

/// How to start a stand-in for the AWS edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeOptions {
    /// URL of the server behind it.
    pub upstream: String,
    /// Buckets are directories below this, which the server behind must be allowed to use; the bed's own shared
    /// directory if unset.
    pub bucket_root: Option<PathBuf>,
    /// A bucket to make.
    pub bucket: String,
    /// The region requests are to be signed for.
    pub region: String,
    /// How long a request may take before it is cut, in milliseconds: a minute in life.
    pub gateway_timeout_ms: u64,
}

/// How to start a server, beyond which one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Where `fs` repositories may be; the bed's own directory, shared by its servers, if unset.
    pub repository_root: Option<PathBuf>,
    /// Further node settings.
    pub settings: Vec<(String, String)>,
    /// The S3 server whose endpoint and keys the node is given.
    pub s3: Option<String>,
    /// Names of all nodes of the cluster that it is one of; a cluster of its own if empty.
    #[serde(default)]
    pub members: Vec<String>,
}

/// The server of this kind that all tests share.
///
/// # Panics
/// Without a bed, or if the server does not come up: a test is never skipped in silence.
#[must_use]
pub fn server(server: &str) -> Server {
    named(server, server)
}

/// A server of this kind under a name of its own, apart from the shared one.
///
/// # Panics
/// Without a bed, or if the server does not come up.
#[must_use]
pub fn named(server: &str, name: &str) -> Server {
    with(server, name, &Options::default())
}

/// A server of this kind under a name of its own, started with these options.
///
/// # Panics
/// Without a bed, or if the server does not come up.
#[must_use]
pub fn with(server: &str, name: &str, options: &Options) -> Server {
    match Client::from_env().and_then(|client| client.start(server, name, options)) {
        Ok(server) => server,
        Err(error) => panic!("{error:#}"),
    }
}

/// A cluster of so many nodes of this kind, any of which may be its master. All of them have joined.
///
/// # Panics
/// Without a bed, or if a node does not come up.
#[must_use]
pub fn cluster(server: &str, name: &str, nodes: usize) -> Vec<Server> {
    let members: Vec<String> = (1..=nodes).map(|number| format!("{name}-{number}")).collect();
    let options = Options { members: members.clone(), ..Options::default() };
    // A node answers when it has found the others, so they are started together.
    let nodes: Vec<Server> = thread::scope(|scope| {
        let starts: Vec<_> = members.iter().map(|name| scope.spawn(|| with(server, name, &options))).collect();
        starts.into_iter().filter_map(|start| start.join().ok()).collect()
    });
    assert_eq!(nodes.len(), members.len(), "a node of {name} did not come up");
    for node in &nodes {
        let path = format!("/_cluster/health?wait_for_nodes={}&timeout=50s", nodes.len());
        let (status, health) = node.call("GET", &path, None);
        assert!(status == 200 && health["timed_out"] == false, "{}: {health}", node.name);
    }
    nodes
}

/// An S3 server of this name with this bucket.
///
/// # Panics
/// Without a bed, or if the server does not come up.
#[must_use]
pub fn s3(name: &str, bucket: &str) -> S3 {
    match Client::from_env().and_then(|client| client.start_s3(name, bucket)) {
        Ok(s3) => s3,
        Err(error) => panic!("{error:#}"),
    }
}

/// A stand-in for the AWS edge under this name.
///
/// # Panics
/// Without a bed, or if it does not come up.
#[must_use]
pub fn edge(name: &str, options: &EdgeOptions) -> Edge {
    match Client::from_env().and_then(|client| client.start_edge(name, options)) {
        Ok(edge) => edge,
        Err(error) => panic!("{error:#}"),
    }
}

impl Edge {
    /// What it was asked and what it refused; with knobs (see `aws_edge.py`), turns them first.
    ///
    /// # Panics
    /// If it gives no answer.
    #[expect(clippy::must_use_candidate, reason = "turning a knob is a use")]
    pub fn turn(&self, knobs: Option<&Value>) -> Value {
        let method = if knobs.is_some() { "POST" } else { "GET" };
        let agent = crate::http::agent(Duration::from_mins(1));
        match crate::http::call(&agent, method, &format!("{}/_edge", self.url), knobs) {
            Ok((200, told)) => told,
            Ok((status, said)) => panic!("/_edge: {status} {said}"),
            Err(error) => panic!("{error:#}"),
        }
    }
}

impl S3 {
    /// SIGKILL: whoever stores or reads is refused from now on. The objects stay for [`S3::restart`].
    ///
    /// # Panics
    /// If the bed does not answer.
    pub fn kill(&self) {
        ordered(&self.name, "kill");
    }

    /// Starts it again with the same objects and port.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&self) {
        ordered(&self.name, "restart");
    }
}

/// Gives an order about what is called so.
fn ordered(name: &str, order: &str) -> Value {
    let asked = Client::from_env().and_then(|client| client.ask(&json!({"do": order, "name": name})));
    match asked {
        Ok(answer) => answer,
        Err(error) => panic!("{error:#}"),
    }
}

impl Server {
    /// SIGKILL, as a failing machine would. The home stays for [`Server::restart`].
    ///
    /// # Panics
    /// If the bed does not answer.
    pub fn kill(&self) {
        self.order("kill");
    }

    /// Stops the server in order. The home stays for [`Server::restart`].
    ///
    /// # Panics
    /// If the bed does not answer.
    pub fn stop(&self) {
        self.order("stop-server");
    }

    /// Starts the server again, stopping it first if it runs: same home, same port, a new process.
    ///
    /// # Panics
    /// If the server does not come up.
    #[must_use]
    pub fn restart(&self) -> Self {
        match serde_json::from_value(self.order("restart")) {
            Ok(server) => server,
            Err(error) => panic!("the bed's answer: {error}"),
        }
    }

    fn order(&self, order: &str) -> Value {
        ordered(&self.name, order)
    }

    /// The same server, asked as this user.
    #[must_use]
    pub fn asked_as(&self, username: &str, password: &str) -> Self {
        let login = Login { username: username.to_owned(), password: password.to_owned() };
        Self { login: Some(login), ..self.clone() }
    }

    fn agent(&self, timeout: Duration) -> ureq::Agent {
        crate::http::agent_as(self.login.clone(), timeout)
    }

    /// Sends one request, with a JSON body if there is one, and gives status and answer.
    ///
    /// # Panics
    /// If the server gives no answer at all.
    #[must_use]
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("{}/{}", self.url, path.trim_start_matches('/'));
        match crate::http::call(&self.agent(Duration::from_mins(1)), method, &url, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Sends one request with a body of this kind, byte for byte, and gives status and answer as they came.
    ///
    /// # Panics
    /// If the server gives no answer at all.
    #[must_use]
    pub fn text(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let url = format!("{}/{}", self.url, path.trim_start_matches('/'));
        match crate::http::text(&self.agent(Duration::from_mins(2)), method, &url, kind, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{error:#}"),
        }
    }
}

/// A connection to the bed's daemon; one request goes over each.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
}

impl Client {
    pub(crate) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    pub(crate) fn from_env() -> Result<Self> {
        match env::var_os(SOCKET).filter(|value| !value.is_empty()) {
            Some(socket) => Ok(Self::at(Path::new(&socket))),
            None => bail!(
                "this needs a real server and {SOCKET} is not set: run it by `make test`, or by \
                 `es-testbed run -- COMMAND`"
            ),
        }
    }

    /// Fetching is done here, not in the daemon, so that its complaints reach the one who asked.
    pub(crate) fn start(&self, server: &str, name: &str, options: &Options) -> Result<Server> {
        cache::prepare(Entry::find(server)?)?;
        let answer = self.ask(&json!({"do": "start", "server": server, "name": name, "options": options}))?;
        Ok(serde_json::from_value(answer)?)
    }

    pub(crate) fn start_s3(&self, name: &str, bucket: &str) -> Result<S3> {
        let answer = self.ask(&json!({"do": "start-s3", "name": name, "bucket": bucket}))?;
        Ok(serde_json::from_value(answer)?)
    }

    pub(crate) fn start_edge(&self, name: &str, options: &EdgeOptions) -> Result<Edge> {
        cache::prepare_edge()?;
        let answer = self.ask(&json!({"do": "start-edge", "name": name, "options": options}))?;
        Ok(serde_json::from_value(answer)?)
    }

    /// Sends one request and waits for its answer, however long the daemon takes.
    pub(crate) fn ask(&self, request: &Value) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("no bed answers at {}", self.socket.display()))?;
        writeln!(stream, "{request}")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let mut answer: Value = serde_json::from_str(&line).context("the bed ended without an answer")?;
        match answer["error"].as_str() {
            Some(error) => Err(anyhow!("{error}")),
            None => Ok(answer["ok"].take()),
        }
    }

    /// Waits until the daemon is gone: it holds the connection open to its end.
    pub(crate) fn stop(&self) -> Result<()> {
        let mut stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("no bed answers at {}", self.socket.display()))?;
        writeln!(stream, "{}", json!({"do": "stop"}))?;
        std::io::copy(&mut stream, &mut std::io::sink())?;
        Ok(())
    }
}
