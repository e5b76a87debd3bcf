//! The process that owns the servers of one bed.
//!
//! It lives on a pipe from `es-testbed run`: when that ends, in order or by SIGKILL, the daemon kills the servers and
//! removes the directory. The servers live on a pipe from the daemon in turn, so nothing outlives both.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bed::{Edge, EdgeOptions, Options, S3, Server};
use crate::cache::{self, Prepared, PreparedEdge};
use crate::catalogue::{Entry, Family};
use crate::http;

/// How long a server may take to answer; on two busy cores a start takes half a minute at worst.
const START_TIMEOUT: Duration = Duration::from_mins(3);
/// Looks in a row at a red node at rest after which it is called up.
const RED_LOOKS: u32 = 40;
/// How long a server may take to stop on SIGTERM before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The region of the case the project was made for.
pub(crate) const REGION: &str = "ap-northeast-2";

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Node { entry: &'static str, options: Options },
    S3 { bucket: String },
    Edge { options: EdgeOptions },
}

/// One server of the bed, running or not.
#[derive(Debug)]
struct Node {
    kind: Kind,
    home: PathBuf,
    port: u16,
    transport_port: u16,
    child: Option<Child>,
    version: String,
}

#[derive(Debug, Default)]
struct State {
    closing: bool,
    keep: bool,
    nodes: BTreeMap<String, Node>,
    /// Held while a server of that name is started or stopped, so that two tests asking for it get the same one.
    turns: BTreeMap<String, Arc<Mutex<()>>>,
    last_port: u16,
}

#[derive(Debug)]
struct Daemon {
    directory: PathBuf,
    state: Mutex<State>,
    end: Mutex<Sender<()>>,
}

/// Serves the bed in `directory` until its lifeline on standard input ends, a signal comes or it is told to stop.
pub(crate) fn run(directory: &Path) -> Result<()> {
    let listener = UnixListener::bind(directory.join("socket")).context("binding the bed's socket")?;
    fs::create_dir_all(directory.join("repository"))?;
    let (end, ended) = mpsc::channel();
    let daemon = Arc::new(Daemon {
        directory: directory.to_owned(),
        state: Mutex::new(State { last_port: first_port(), ..State::default() }),
        end: Mutex::new(end.clone()),
    });

    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGHUP,
    ])?;
    let by_signal = end;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = by_signal.send(());
        }
    });

    let lifeline = Arc::clone(&daemon);
    thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        if !lifeline.lock().keep {
            lifeline.end();
        }
    });

    let serving = Arc::clone(&daemon);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let daemon = Arc::clone(&serving);
            thread::spawn(move || daemon.serve(&stream));
        }
    });

    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    let _ = ended.recv();
    daemon.close();
    Ok(())
}

impl Daemon {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let _ = self.end.lock().unwrap_or_else(PoisonError::into_inner).send(());
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        for node in state.nodes.values_mut() {
            if let Some(child) = &mut node.child {
                let _ = child.kill();
            }
        }
        for node in state.nodes.values_mut() {
            if let Some(child) = &mut node.child {
                let _ = child.wait();
            }
        }
        // A server that was being written to may still leave a file between the listing and the removal.
        for _ in 0..5 {
            if fs::remove_dir_all(&self.directory).is_ok() || !self.directory.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn serve(&self, stream: &UnixStream) {
        let mut line = String::new();
        if BufReader::new(stream).read_line(&mut line).is_err() {
            return;
        }
        let answer = match serde_json::from_str(&line).map_err(Into::into).and_then(|request| self.answer(&request)) {
            Ok(Value::Null) => {
                // Told to stop: the connection stays open until the process ends, which tells the asker when.
                self.end();
                let _ = (&mut &*stream).read(&mut [0]);
                thread::sleep(STOP_TIMEOUT);
                return;
            }
            Ok(value) => json!({"ok": value}),
            Err(error) => json!({"error": format!("{error:#}")}),
        };
        let _ = writeln!(&mut &*stream, "{answer}");
    }

    fn answer(&self, request: &Value) -> Result<Value> {
        let text = |key: &str| request[key].as_str().with_context(|| format!("the request lacks {key}"));
        match text("do")? {
            "start" => {
                let entry = Entry::find(text("server")?)?;
                let options = serde_json::from_value(request["options"].clone())?;
                self.start(text("name")?, &Kind::Node { entry: entry.name, options })
            }
            "start-s3" => self.start(text("name")?, &Kind::S3 { bucket: text("bucket")?.to_owned() }),
            "start-edge" => {
                let options = serde_json::from_value(request["options"].clone())?;
                self.start(text("name")?, &Kind::Edge { options })
            }
            "restart" => self.restart(text("name")?),
            "kill" => self.halt(text("name")?, Signal::KILL),
            "stop-server" => self.halt(text("name")?, Signal::TERM),
            "list" => {
                let mut state = self.lock();
                let names: Vec<String> = state.nodes.keys().cloned().collect();
                Ok(names.iter().map(|name| self.describe(&mut state, name)).collect())
            }
            "keep" => {
                self.lock().keep = true;
                Ok(json!({"kept": true}))
            }
            "stop" => Ok(Value::Null),
            other => bail!("the bed cannot {other:?}"),
        }
    }

    fn turn(&self, name: &str) -> Arc<Mutex<()>> {
        Arc::clone(self.lock().turns.entry(name.to_owned()).or_default())
    }

    fn start(&self, name: &str, kind: &Kind) -> Result<Value> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            bail!("{name:?} does not do as a name: letters, digits, '-', '_' and '.' do");
        }
        let turn = self.turn(name);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut state = self.lock();
            if let Some(node) = state.nodes.get_mut(name) {
                if node.kind != *kind {
                    bail!("{name} is there already, started differently: {:?}", node.kind);
                }
                if node.is_running() {
                    return Ok(self.describe(&mut state, name));
                }
            } else {
                self.enter(&mut state, name, kind)?;
            }
        }
        self.launch(name)
    }

    /// Gives a server, and all nodes of its cluster, their ports: they must know each other's before the first one starts.
    fn enter(&self, state: &mut State, name: &str, kind: &Kind) -> Result<()> {
        let members = match kind {
            Kind::Node { options, .. } if !options.members.is_empty() => options.members.clone(),
            _ => vec![name.to_owned()],
        };
        for member in members {
            let home = self.directory.join("servers").join(&member);
            fs::create_dir_all(&home)?;
            let port = free_port(&mut state.last_port)?;
            let transport_port = free_port(&mut state.last_port)?;
            let version = match kind {
                Kind::Node { entry, .. } => Entry::find(entry)?.version.to_owned(),
                Kind::S3 { .. } | Kind::Edge { .. } => String::new(),
            };
            state.nodes.insert(member, Node { kind: kind.clone(), home, port, transport_port, child: None, version });
        }
        Ok(())
    }

    fn restart(&self, name: &str) -> Result<Value> {
        let turn = self.turn(name);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_down(name, Signal::TERM)?;
        self.launch(name)
    }

    fn halt(&self, name: &str, signal: Signal) -> Result<Value> {
        // SIGKILL takes no turn: killing a server in the middle of its start is a test of its own.
        let turn = self.turn(name);
        let _turn = (signal == Signal::TERM).then(|| turn.lock().unwrap_or_else(PoisonError::into_inner));
        self.take_down(name, signal)?;
        Ok(self.describe(&mut self.lock(), name))
    }

    fn take_down(&self, name: &str, signal: Signal) -> Result<()> {
        let until = Instant::now() + STOP_TIMEOUT;
        let mut signal = Some(signal);
        loop {
            let mut state = self.lock();
            let node = state.nodes.get_mut(name).with_context(|| format!("no server is called {name:?} here"))?;
            if !node.is_running() {
                return Ok(());
            }
            let child = node.child.as_mut().context("a running server has a process")?;
            if Instant::now() > until {
                child.kill()?;
            } else if let Some(signal) = signal.take() {
                let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no such process id")?;
                kill_process(pid, signal)?;
            }
            drop(state);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts the process of a known server and waits until it answers.
    fn launch(&self, name: &str) -> Result<Value> {
        let kind = self.lock().nodes.get(name).context("a server is known before it is launched")?.kind.clone();
        let mut command = match &kind {
            Kind::Node { entry, options } => {
                let entry = Entry::find(entry)?;
                let prepared = cache::prepare(entry)?;
                self.node_command(name, entry, &prepared, options)?
            }
            Kind::S3 { bucket } => self.s3_command(name, bucket)?,
            Kind::Edge { options } => self.edge_command(name, &cache::prepare_edge()?, options)?,
        };
        let log_path = {
            let mut state = self.lock();
            if state.closing {
                bail!("the bed is being taken down");
            }
            let node = state.nodes.get_mut(name).context("a server is known before it is launched")?;
            let log_path = node.home.join("output.log");
            let log = File::options().create(true).append(true).open(&log_path)?;
            // A group of its own, so that Ctrl-C at the terminal reaches `run` alone, which then does it in order.
            command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).process_group(0);
            node.child = Some(command.spawn().with_context(|| format!("starting {name}"))?);
            log_path
        };
        self.wait_until_it_answers(name, &kind, &log_path)?;
        Ok(self.describe(&mut self.lock(), name))
    }

    fn wait_until_it_answers(&self, name: &str, kind: &Kind, log: &Path) -> Result<()> {
        let login = match kind {
            Kind::Node { entry, .. } => Entry::find(entry)?.login(),
            Kind::S3 { .. } | Kind::Edge { .. } => None,
        };
        let agent = http::agent_as(login, Duration::from_secs(5));
        let until = Instant::now() + START_TIMEOUT;
        let mut stays_red = 0;
        loop {
            let port = {
                let mut state = self.lock();
                let node = state.nodes.get_mut(name).context("a server is known before it is launched")?;
                if !node.is_running() {
                    bail!("{name} ended before it answered; its last words in {}:\n{}", log.display(), tail(log));
                }
                node.port
            };
            let up = match kind {
                Kind::S3 { .. } => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(),
                Kind::Edge { .. } => http::call(&agent, "GET", &format!("http://127.0.0.1:{port}/_edge"), None)
                    .is_ok_and(|(status, _)| status == 200),
                // A node answers before it has read its own state back; until then its health is red.
                Kind::Node { .. } => {
                    let health = http::call(&agent, "GET", &format!("http://127.0.0.1:{port}/_cluster/health"), None);
                    stays_red =
                        if health.as_ref().is_ok_and(|(_, health)| rests_red(health)) { stays_red + 1 } else { 0 };
                    stays_red >= RED_LOOKS || health.is_ok_and(|(status, h)| status == 200 && h["status"] != "red")
                }
            };
            if up {
                return Ok(());
            }
            if Instant::now() > until {
                let seconds = START_TIMEOUT.as_secs();
                bail!("{name} did not answer within {seconds} s; its last words in {}:\n{}", log.display(), tail(log));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn describe(&self, state: &mut State, name: &str) -> Value {
        let Some(node) = state.nodes.get_mut(name) else {
            return json!({"name": name});
        };
        let running = node.is_running();
        let pid = node.child.as_ref().map_or(0, Child::id);
        let url = format!("http://127.0.0.1:{}", node.port);
        let described = match &node.kind {
            Kind::Node { entry, options } => serde_json::to_value(Server {
                name: name.to_owned(),
                server: (*entry).to_owned(),
                url,
                pid,
                repository_root: self.repository_root(options),
                home: node.home.clone(),
                version: node.version.clone(),
                login: Entry::find(entry).ok().and_then(Entry::login),
            }),
            Kind::S3 { bucket } => serde_json::to_value(S3 {
                name: name.to_owned(),
                url,
                access_key: access_key(name),
                secret_key: secret_key(name),
                region: REGION.to_owned(),
                root: node.home.join("root"),
                bucket: bucket.clone(),
                pid,
            }),
            Kind::Edge { options } => serde_json::to_value(Edge {
                name: name.to_owned(),
                url,
                access_key: access_key(name),
                secret_key: secret_key(name),
                pid,
                options: EdgeOptions { bucket_root: Some(self.bucket_root(options)), ..options.clone() },
            }),
        };
        let mut described = described.unwrap_or_default();
        if !running {
            described["pid"] = Value::Null;
        }
        described
    }

    fn repository_root(&self, options: &Options) -> PathBuf {
        options.repository_root.clone().unwrap_or_else(|| self.directory.join("repository"))
    }

    fn node_command(&self, name: &str, entry: &Entry, prepared: &Prepared, options: &Options) -> Result<Command> {
        let (home, port, transport_port) = {
            let state = self.lock();
            let node = state.nodes.get(name).context("a server is known before it is launched")?;
            (node.home.clone(), node.port, node.transport_port)
        };
        let root = self.repository_root(options);
        fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;

        let cluster = format!("testbed-{}", options.members.first().map_or(name, String::as_str));
        let mut settings = vec![
            ("path.home".to_owned(), home.display().to_string()),
            ("path.repo".to_owned(), root.display().to_string()),
            ("cluster.name".to_owned(), cluster.clone()),
            ("node.name".to_owned(), name.to_owned()),
            ("network.host".to_owned(), "127.0.0.1".to_owned()),
            ("http.port".to_owned(), port.to_string()),
            (transport_key(entry).to_owned(), transport_port.to_string()),
            ("cluster.routing.allocation.disk.threshold_enabled".to_owned(), "false".to_owned()),
            // On two cores the default is one thread, behind which every snapshot call queues.
            ("thread_pool.snapshot.max".to_owned(), "5".to_owned()),
        ];
        if entry.family == Family::ClusterRunner {
            let own = ["path.home", "cluster.name", "node.name"];
            settings
                .retain(|(key, _)| !own.contains(&key.as_str()) || !options.members.is_empty() && key == "node.name");
        } else if options.members.is_empty() {
            settings.push(("discovery.type".to_owned(), "single-node".to_owned()));
        }
        settings.extend(self.discovery(entry, &options.members));
        if matches!(entry.family, Family::Elasticsearch7 | Family::OpenSearch | Family::OpenSearch3) {
            settings.push(("transport.type".to_owned(), "netty4".to_owned()));
            settings.push(("http.type".to_owned(), "netty4".to_owned()));
        }
        if entry.family == Family::Elasticsearch8 {
            // Tests delete by pattern, which 8.x refuses by default.
            settings.push(("action.destructive_requires_name".to_owned(), "false".to_owned()));
        }
        let mut secrets = Vec::new();
        if let Some(s3) = &options.s3 {
            self.s3_settings(entry, s3, &mut settings, &mut secrets)?;
        }
        settings.extend(options.settings.iter().cloned());

        let mut orders = vec![
            ("home".to_owned(), home.display().to_string()),
            ("cluster".to_owned(), cluster),
            ("plugins".to_owned(), entry.plugins().join(",")),
            ("module_jars".to_owned(), prepared.modules.display().to_string()),
            ("rest_root".to_owned(), prepared.rest_root.display().to_string()),
        ];
        if let Some(login) = entry.login() {
            orders.extend([("username".to_owned(), login.username), ("password".to_owned(), login.password)]);
        }
        orders.extend(settings.into_iter().map(|(key, value)| (format!("setting.{key}"), value)));
        orders.extend(secrets.into_iter().map(|(key, value)| (format!("secret.{key}"), value)));
        let file = home.join("orders.properties");
        let text: String = orders.iter().map(|(key, value)| property(key, value)).collect();
        fs::write(&file, text)?;

        let mut java = Command::new(prepared.jdk.home.join("bin/java"));
        // Tests want nodes that start quickly and stay light on few cores; a bench wants them as operators run them.
        let tuning: &[&str] = if std::env::var_os("ES_TESTBED_BENCH").is_some() {
            &["-Xms1g", "-Xmx1g"]
        } else {
            &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        };
        java.arg(format!("-Xmx{}m", entry.heap))
            .args(tuning)
            .arg(format!("-Djava.io.tmpdir={}", make(&home.join("tmp"))?.display()))
            .args(flags(entry, &home)?)
            .arg("-cp")
            .arg(format!("{}:{}/*", prepared.launcher.display(), prepared.jars.display()))
            .arg(entry.main_class())
            .arg(&file)
            .current_dir(&home)
            .env_remove("JAVA_TOOL_OPTIONS");
        Ok(java)
    }

    /// How the nodes of a cluster find each other, and who may be elected first.
    fn discovery(&self, entry: &Entry, members: &[String]) -> Vec<(String, String)> {
        let state = self.lock();
        let ports = members.iter().filter_map(|member| state.nodes.get(member)).map(|node| node.transport_port);
        let hosts = ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
        let settings = match (entry.family, entry.major()) {
            _ if members.is_empty() => return Vec::new(),
            (Family::ClusterRunner, ..7) => {
                let majority = (members.len() / 2 + 1).to_string();
                vec![("discovery.zen.ping.unicast.hosts", hosts), ("discovery.zen.minimum_master_nodes", majority)]
            }
            (Family::OpenSearch | Family::OpenSearchSecured | Family::OpenSearch3, 2..) => {
                vec![("discovery.seed_hosts", hosts), ("cluster.initial_cluster_manager_nodes", members.join(","))]
            }
            _ => vec![("discovery.seed_hosts", hosts), ("cluster.initial_master_nodes", members.join(","))],
        };
        settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn s3_settings(
        &self,
        entry: &Entry,
        s3: &str,
        settings: &mut Vec<(String, String)>,
        secrets: &mut Vec<(String, String)>,
    ) -> Result<()> {
        if entry.family != Family::OpenSearch3 {
            bail!("{} has no S3 repositories: their plugin is published for OpenSearch 3 only", entry.name);
        }
        let state = self.lock();
        let node = state.nodes.get(s3).filter(|node| matches!(node.kind, Kind::S3 { .. }));
        let node = node.with_context(|| format!("no S3 server is called {s3:?} here"))?;
        let client = "s3.client.default";
        settings.extend([
            (format!("{client}.endpoint"), format!("http://127.0.0.1:{}", node.port)),
            (format!("{client}.region"), REGION.to_owned()),
            (format!("{client}.path_style_access"), "true".to_owned()),
        ]);
        secrets.extend([
            (format!("{client}.access_key"), access_key(s3)),
            (format!("{client}.secret_key"), secret_key(s3)),
        ]);
        Ok(())
    }

    fn bucket_root(&self, options: &EdgeOptions) -> PathBuf {
        options.bucket_root.clone().unwrap_or_else(|| self.directory.join("repository"))
    }

    fn edge_command(&self, name: &str, prepared: &PreparedEdge, options: &EdgeOptions) -> Result<Command> {
        let (home, port) = {
            let state = self.lock();
            let node = state.nodes.get(name).context("a server is known before it is launched")?;
            (node.home.clone(), node.port)
        };
        let root = self.bucket_root(options);
        make(&root.join(&options.bucket))?;
        let script = home.join("aws_edge.py");
        fs::write(&script, prepared.script)?;
        let mut command = Command::new(&prepared.python);
        command
            .arg(script)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--upstream", &options.upstream])
            .arg("--bucket-root")
            .arg(root)
            .args(["--region", &options.region])
            .args(["--gateway-timeout", &Duration::from_millis(options.gateway_timeout_ms).as_secs_f64().to_string()])
            // Unlike those of s3, its keys are not in the process list, which a test searches for secrets.
            .env("AWS_EDGE_KEYS", format!("{}:{}", access_key(name), secret_key(name)));
        Ok(command)
    }

    fn s3_command(&self, name: &str, bucket: &str) -> Result<Command> {
        let state = self.lock();
        let node = state.nodes.get(name).context("a server is known before it is launched")?;
        let root = make(&node.home.join("root"))?;
        make(&root.join(bucket))?;
        let mut command = Command::new(env::current_exe()?);
        command
            .arg("serve-s3")
            .arg("--root")
            .arg(root)
            .args(["--port", &node.port.to_string(), "--region", REGION])
            .args(["--access-key", &access_key(name), "--secret-key", &secret_key(name)]);
        Ok(command)
    }
}

impl Node {
    fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

/// Keys that look like keys, so that a tool's checks and redactions meet the real shape.
fn access_key(name: &str) -> String {
    let upper = name.to_uppercase();
    let letters = upper.chars().filter(char::is_ascii_alphanumeric).chain(std::iter::repeat('X'));
    format!("AKIA{}", letters.take(16).collect::<String>())
}

fn secret_key(name: &str) -> String {
    let letters = name.chars().rev().filter(char::is_ascii_alphanumeric).chain("testbed/Secret+Key".chars().cycle());
    letters.take(40).collect()
}

fn make(directory: &Path) -> Result<PathBuf> {
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    Ok(directory.to_owned())
}

fn transport_key(entry: &Entry) -> &'static str {
    if entry.family == Family::ClusterRunner { "transport.tcp.port" } else { "transport.port" }
}

/// JVM flags a family needs beyond heap and class path.
fn flags(entry: &Entry, home: &Path) -> Result<Vec<String>> {
    Ok(match (entry.family, entry.major()) {
        (Family::OpenSearch | Family::OpenSearchSecured, _) => {
            vec!["-Dopensearch.set.netty.runtime.available.processors=false".to_owned()]
        }
        (Family::OpenSearch3, _) => vec![
            "-Dopensearch.set.netty.runtime.available.processors=false".to_owned(),
            // repository-s3 fails with a null pointer without it.
            format!("-Dopensearch.path.conf={}", make(&home.join("config"))?.display()),
            format!("-Daws.region={REGION}"),
            "--add-modules=jdk.incubator.vector".to_owned(),
            "--enable-native-access=ALL-UNNAMED".to_owned(),
        ],
        (Family::Elasticsearch8, major) => {
            let mut flags = vec![
                format!("-Des.nativelibs.path={}", native_libraries(home)?.display()),
                // Its library is not published, and looking for it in vain switches the other native code off too.
                "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false".to_owned(),
                "--enable-native-access=ALL-UNNAMED".to_owned(),
            ];
            if major > 8 {
                flags.push("--sun-misc-unsafe-memory-access=allow".to_owned());
            }
            flags
        }
        _ => Vec::new(),
    })
}

/// 8.x and 9.x compress `best_compression` indices with a libzstd that they look up by this name; the system's own one does.
fn native_libraries(home: &Path) -> Result<PathBuf> {
    let directory = make(&home.join("native"))?;
    let link = directory.join("libzstd.so");
    let arch = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let system = [arch.as_str(), "/usr/lib64", "/usr/lib", "/lib"]
        .iter()
        .map(|place| Path::new(place).join("libzstd.so.1"))
        .find(|library| library.exists());
    let Some(system) = system else {
        bail!("no libzstd.so.1, with which 8.x and 9.x compress: install it, e.g. with `apt-get install libzstd1`");
    };
    if !link.exists() {
        std::os::unix::fs::symlink(system, link)?;
    }
    Ok(directory)
}

/// One line of a Java properties file, which is Latin-1 with escapes unless read by a UTF-8 reader, as it is here.
fn property(key: &str, value: &str) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n").replace([' '], "\\ ");
    format!("{}={}\n", escaped(key).replace(':', "\\:").replace('=', "\\="), escaped(value))
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Ports are taken from below the range the kernel gives to outgoing connections: a killed server's port is still free
/// when it is started again. Where to begin differs from bed to bed, so that two of them seldom meet.
fn first_port() -> u16 {
    const SPAN: u32 = 12_000;
    20_000 + u16::try_from(process::id().wrapping_mul(131) % SPAN).unwrap_or_default()
}

fn free_port(last: &mut u16) -> Result<u16> {
    for _ in 0..12_000 {
        *last = if *last >= 32_000 { 20_000 } else { *last + 1 };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, *last)).is_ok() {
            return Ok(*last);
        }
    }
    Err(anyhow!("no free port between 20000 and 32000"))
}

/// Whether a node has read its state back, has a shard that no one can start, and is not trying any more: an index that
/// was lost before stays lost.
fn rests_red(health: &Value) -> bool {
    let nothing = |key: &str| health[key].as_u64() == Some(0);
    health["status"] == "red"
        && !nothing("unassigned_shards")
        && ["initializing_shards", "number_of_in_flight_fetch", "number_of_pending_tasks"].into_iter().all(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_that_has_read_its_state_and_tries_no_more_rests_red() {
        let health = |status: &str, unassigned: u64, initializing: u64, tasks: u64| {
            json!({"status": status, "unassigned_shards": unassigned, "initializing_shards": initializing,
                   "number_of_in_flight_fetch": 0, "number_of_pending_tasks": tasks})
        };
        assert!(rests_red(&health("red", 1, 0, 0)));
        for moving in
            [health("red", 0, 0, 0), health("red", 1, 1, 0), health("red", 1, 0, 1), health("yellow", 1, 0, 0)]
        {
            assert!(!rests_red(&moving), "{moving}");
        }
        assert!(!rests_red(&json!({"status": "red"})), "a node that has not read its state says nothing of its shards");
    }

    #[test]
    fn a_property_with_spaces_and_signs_survives_java() {
        assert_eq!(property("a=b:c", "d e\\f"), "a\\=b\\:c=d\\ e\\\\f\n");
    }

    #[test]
    fn keys_have_the_length_of_real_ones() {
        assert_eq!(access_key("s3").len(), 20);
        assert_eq!(secret_key("a-rather-long-name-for-an-s3-server-of-tests").len(), 40);
    }

    #[test]
    fn ports_are_not_given_twice() {
        let mut last = first_port();
        assert_ne!(free_port(&mut last).unwrap(), free_port(&mut last).unwrap());
    }
}
