//! Runs a tool as cron would: a clean environment, no terminal, and a limit on its time.
//!
//! Whatever a test runs here is watched for the secrets it was given: in all that it prints, and in the command lines of
//! it and its children.
//!
//! ```no_run
//! use es_testkit::tool::tool;
//!
//! tool("es-wait").arg("--timeout").arg("1s").stdin("").run().exit(2).stdout("");
//! ```

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::secrets::Secrets;

/// How long a tool may run unless the test says otherwise.
const LIMIT: Duration = Duration::from_mins(1);

/// A tool about to be run.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Option<Vec<u8>>,
    stdout: Out,
    limit: Duration,
    home: tempfile::TempDir,
    more_secrets: Vec<String>,
}

/// The tool of this name, as the build left it.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn tool(name: &str) -> Tool {
    let program = env::var_os(format!("CARGO_BIN_EXE_{name}")).map_or_else(|| beside_the_test(name), PathBuf::from);
    assert!(
        program.is_file(),
        "{} is not there: build the tools first, `cargo build --workspace --bins`",
        program.display()
    );
    program_at(program)
}

/// Any program, run under the same conditions: a script, or a shell with a pipeline.
///
/// # Panics
/// If there is no room for its scratch directory.
#[must_use]
pub fn program_at(program: impl Into<PathBuf>) -> Tool {
    Tool {
        program: program.into(),
        args: Vec::new(),
        env: Vec::new(),
        stdin: None,
        stdout: Out::Collected,
        limit: LIMIT,
        home: must("a scratch directory", tempfile::tempdir()),
        more_secrets: Vec::new(),
    }
}

/// Where a tool's standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Collected,
    Full,
    Closed,
}

/// A test is `target/PROFILE/deps/NAME-HASH`, the tools are `target/PROFILE/NAME`.
fn beside_the_test(name: &str) -> PathBuf {
    let test = must("the test's own path", env::current_exe());
    let deps = test.parent().unwrap_or(Path::new("."));
    let profile = if deps.ends_with("deps") { deps.parent().unwrap_or(deps) } else { deps };
    profile.join(name)
}

/// The directory the tools are in, for the PATH of a script that chains them.
///
/// # Panics
/// If the test has no path.
#[must_use]
pub fn bin_directory() -> PathBuf {
    beside_the_test("")
}

fn must<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

impl Tool {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable in the otherwise clean environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds `--url URL`.
    #[must_use]
    pub fn url(self, url: impl AsRef<OsStr>) -> Self {
        self.arg("--url").arg(url)
    }

    /// What it reads; without this, standard input is empty.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(input.into());
        self
    }

    /// Gives it a full disk to print to.
    #[must_use]
    pub fn stdout_full(mut self) -> Self {
        self.stdout = Out::Full;
        self
    }

    /// Gives it a pipe to print to whose reader has gone.
    #[must_use]
    pub fn stdout_closed(mut self) -> Self {
        self.stdout = Out::Closed;
        self
    }

    /// How long it may run.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// A secret that it comes to know otherwise than by its environment.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.more_secrets.push(secret.to_owned());
        self
    }

    /// Its home, which is also where it runs: empty, and gone when the tool is.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it does not start, or is still running at the limit: it is killed then.
    #[must_use]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it, for a test that kills it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn spawn(self) -> Running {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .envs([("LC_ALL", "C"), ("TZ", "UTC"), ("COLUMNS", "100")])
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            // Its own process group, so that a test can kill it with everything that it started.
            .process_group(0)
            .stdout(match self.stdout {
                Out::Collected => Stdio::piped(),
                Out::Full => must("the full disk", fs::File::options().write(true).open("/dev/full")).into(),
                // The reading end ends here.
                Out::Closed => must("a pipe", std::io::pipe()).1.into(),
            })
            .stderr(Stdio::piped());
        let env = self.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        let mut secrets = Secrets::of(&self.program, env, self.args.iter().map(OsString::as_os_str));
        for secret in &self.more_secrets {
            secrets.add("the test", secret, false);
        }
        let mut child = must(&format!("running {}", self.program.display()), command.spawn());
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), self.stdin) {
            // A tool that does not read its input is right to do so; the pipe then breaks, which is no fault.
            thread::spawn(move || drop(pipe.write_all(&input)));
        }
        Running {
            name: self.program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            stdout: child.stdout.take().map(collect),
            stderr: child.stderr.take().map(collect),
            child,
            until: Instant::now() + self.limit,
            limit: self.limit,
            secrets,
            peak: 0,
            _home: self.home,
        }
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = pipe.read_to_end(&mut all);
        all
    })
}

/// A tool that runs. Dropped before its end, it is killed.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    until: Instant,
    limit: Duration,
    secrets: Secrets,
    peak: u64,
    _home: tempfile::TempDir,
}

impl Running {
    /// The process, for signals.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    ///
    /// # Panics
    /// If the system does not say.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        must("asking for the state of a process", self.child.try_wait()).is_none()
    }

    /// Sends this signal, such as `TERM` or `INT`.
    ///
    /// # Panics
    /// If there is no such signal, or it cannot be sent.
    pub fn signal(&self, name: &str) {
        self.send(name, false);
    }

    /// The same to it and all that it started, as a terminal does for Ctrl-C.
    ///
    /// # Panics
    /// If the name is none of these.
    pub fn signal_group(&self, name: &str) {
        self.send(name, true);
    }

    fn send(&self, name: &str, group: bool) {
        use rustix::process::{Pid, Signal, kill_process, kill_process_group};
        let signal = match name {
            "HUP" => Signal::HUP,
            "INT" => Signal::INT,
            "KILL" => Signal::KILL,
            "PIPE" => Signal::PIPE,
            "TERM" => Signal::TERM,
            _ => panic!("{name:?} is no signal of a test"),
        };
        let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) else {
            panic!("{} is no process id", self.pid());
        };
        must("sending a signal", if group { kill_process_group(pid, signal) } else { kill_process(pid, signal) });
    }

    /// SIGKILL, and what it had said until then.
    ///
    /// # Panics
    /// If it cannot be killed.
    #[must_use]
    pub fn kill(mut self) -> Output {
        must("killing a tool", self.child.kill());
        self.wait()
    }

    /// Kills it and everything that it started, as a machine that fails does.
    ///
    /// # Panics
    /// As [`Running::wait`] does.
    #[must_use]
    pub fn kill_group(self) -> Output {
        kill_all(&self.child);
        self.wait()
    }

    /// SIGKILL to the processes that it started itself, and not to it. Says how many there were.
    #[expect(clippy::must_use_candidate, reason = "the killing itself is the use")]
    pub fn kill_children(&self) -> usize {
        use rustix::process::{Pid, Signal, kill_process};
        let children = children(self.pid());
        for child in children.iter().filter_map(|child| i32::try_from(*child).ok().and_then(Pid::from_raw)) {
            // It may have ended by itself in this very moment.
            let _ = kill_process(child, Signal::KILL);
        }
        children.len()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it is still running at the limit: it is killed then.
    #[must_use]
    pub fn wait(mut self) -> Output {
        let status = loop {
            self.watch_command_lines();
            self.peak = self.peak.max(peak_bytes(self.pid()));
            if let Some(status) = must("waiting for a tool", self.child.try_wait()) {
                break status;
            }
            if Instant::now() > self.until {
                kill_all(&self.child);
                let _ = self.child.wait();
                let (stdout, stderr) = self.streams();
                let limit = self.limit;
                panic!("{} was still running after {limit:?}\nstdout:\n{stdout}\nstderr:\n{stderr}", self.name);
            }
            thread::sleep(Duration::from_millis(2));
        };
        let (stdout, stderr) = self.streams();
        if let Some(found) = self.secrets.printed(&stdout, &stderr) {
            panic!("{found}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        }
        Output { status, stdout, stderr, peak: self.peak, secrets: self.secrets.clone() }
    }

    fn watch_command_lines(&self) {
        if self.secrets.is_empty() {
            return;
        }
        let mut pids = vec![self.pid()];
        while let Some(pid) = pids.pop() {
            if let Some(found) = self.secrets.in_command_line(pid) {
                panic!("{found}");
            }
            pids.extend(children(pid));
        }
    }

    fn streams(&mut self) -> (String, String) {
        let text = |stream: Option<JoinHandle<Vec<u8>>>| {
            let bytes = stream.and_then(|stream| stream.join().ok()).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_else(|error| format!("{error}"))
        };
        (text(self.stdout.take()), text(self.stderr.take()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_all(&self.child);
            let _ = self.child.wait();
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    let all = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    all.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// The most memory that a process has held so far, in bytes; 0 of one that has ended, or does not run its own program yet: up to
/// then the memory is ours.
fn peak_bytes(pid: u32) -> u64 {
    let program = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).ok();
    if program(&pid.to_string()) == program("self") {
        return 0;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    kilobytes.and_then(|number| number.parse::<u64>().ok()).map_or(0, |number| number << 10)
}

/// SIGKILL to a child and to all that it started: it leads a process group. What has ended already is no fault.
fn kill_all(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// What a tool said, with checks that can be chained; each shows everything when it fails.
#[derive(Debug)]
pub struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    peak: u64,
    secrets: Secrets,
}

impl Output {
    /// The exit code; 128 and the signal if one ended it, as a shell says it.
    #[must_use]
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Standard output.
    #[must_use]
    pub fn out(&self) -> &str {
        &self.stdout
    }

    /// Standard error.
    #[must_use]
    pub fn err(&self) -> &str {
        &self.stderr
    }

    /// The most memory that the program itself held, in bytes, as it was seen every few milliseconds.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.peak
    }

    /// It ended with this code.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the check itself is the use")]
    pub fn exit(&self, code: i32) -> &Self {
        assert!(self.code() == code, "exit code {} and not {code}\n{}", self.code(), self.all());
        self
    }

    /// No file that it left below this directory holds a secret that it was given.
    ///
    /// # Panics
    /// If one does, or there is no file at all.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the check itself is the use")]
    pub fn kept_secrets_from(&self, directory: &Path) -> &Self {
        let any = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        assert!(any, "{} is empty: nothing was searched", directory.display());
        if let Some(found) = self.secrets.in_files(directory) {
            panic!("{found}");
        }
        self
    }

    /// Standard output is exactly this.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn stdout(&self, expected: impl AsRef<str>) -> &Self {
        let expected = expected.as_ref();
        assert!(self.stdout == expected, "expected stdout:\n{expected}\n{}", self.all());
        self
    }

    /// Standard error is exactly this.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn stderr(&self, expected: impl AsRef<str>) -> &Self {
        let expected = expected.as_ref();
        assert!(self.stderr == expected, "expected stderr:\n{expected}\n{}", self.all());
        self
    }

    /// Standard output has this in it.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn stdout_contains(&self, part: impl AsRef<str>) -> &Self {
        let part = part.as_ref();
        assert!(self.stdout.contains(part), "expected in stdout:\n{part}\n{}", self.all());
        self
    }

    /// Standard error has this in it.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn stderr_contains(&self, part: impl AsRef<str>) -> &Self {
        let part = part.as_ref();
        assert!(self.stderr.contains(part), "expected in stderr:\n{part}\n{}", self.all());
        self
    }

    /// Standard output as JSON Lines.
    ///
    /// # Panics
    /// If a line is no JSON.
    #[must_use]
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line| match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("no JSON: {error}: {line}\n{}", self.all()),
        };
        self.stdout.lines().map(parse).collect()
    }

    fn all(&self) -> String {
        format!("exit code {}\nstdout:\n{}\nstderr:\n{}", self.code(), self.stdout, self.stderr)
    }
}

/// Compares with a golden file, or writes it if `UPDATE_GOLDEN=1` is set.
///
/// # Panics
/// If they differ, or the file cannot be read or written.
#[track_caller]
pub fn golden(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    if env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        if let Some(directory) = path.parent() {
            must("making the directory of a golden file", fs::create_dir_all(directory));
        }
        must("writing a golden file", fs::write(path, actual));
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs; if the new text is right: UPDATE_GOLDEN=1 cargo test\nexpected:\n{expected}\nactual:\n{actual}",
        path.display()
    );
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use serde_json::json;

    use super::*;

    fn sh(script: &str) -> Tool {
        program_at("/bin/sh").args(["-c", script])
    }

    fn panic_text(action: impl FnOnce()) -> String {
        *catch_unwind(AssertUnwindSafe(action)).unwrap_err().downcast::<String>().unwrap()
    }

    #[test]
    fn a_tool_gets_nothing_but_the_clean_environment() {
        let output = program_at("/usr/bin/env").env("EXTRA", "1").run();
        let mut names: Vec<_> = output.out().lines().map(|line| line.split('=').next().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["COLUMNS", "EXTRA", "HOME", "LC_ALL", "PATH", "TZ"]);
    }

    #[test]
    fn checks_can_be_chained() {
        sh("cat; echo wrong >&2; exit 4")
            .stdin("in")
            .run()
            .exit(4)
            .stdout("in")
            .stderr("wrong\n")
            .stderr_contains("ron");
    }

    #[test]
    fn a_failed_check_shows_everything() {
        let output = sh("echo out; echo err >&2").run();
        let text = panic_text(|| {
            output.exit(1);
        });
        assert_eq!(text, "exit code 0 and not 1\nexit code 0\nstdout:\nout\n\nstderr:\nerr\n");
    }

    #[test]
    fn a_tool_that_hangs_is_killed_at_the_limit() {
        let hanging = sh("echo begun; exec sleep 60").limit(Duration::from_millis(200));
        let text = panic_text(|| drop(hanging.run()));
        assert!(text.starts_with("sh was still running after 200ms\nstdout:\nbegun\n"), "{text}");
    }

    #[test]
    fn the_memory_that_a_program_held_is_known_after_its_end() {
        let held = |bytes: &str| {
            // The shell holds what its variable does; the wait for input gives time to look.
            let script =
                format!("text=$(head -c {bytes} /dev/zero | tr '\\0' x); sleep 0.1; test ${{#text}} = {bytes}");
            let output = sh(&script).run();
            output.exit(0).peak_bytes()
        };
        assert!(held("1") + (16 << 20) < held("20000000"));
    }

    #[test]
    fn a_killed_tool_ends_as_a_shell_says_it() {
        let mut running = sh("exec sleep 60").spawn();
        assert!(running.is_running());
        running.kill().exit(137);
    }

    #[test]
    fn a_group_is_killed_with_everything_in_it() {
        let mut running = sh("sleep 60 & sleep 60; :").spawn();
        let pid = running.pid();
        while children(pid).len() < 2 {
            assert!(running.is_running());
        }
        let children = children(pid);
        running.kill_group().exit(137);
        let gone = |pid: &u32| !Path::new(&format!("/proc/{pid}/exe")).exists();
        let until = Instant::now() + Duration::from_secs(5);
        while !children.iter().all(gone) {
            assert!(Instant::now() < until, "still there: {children:?}");
        }
    }

    #[test]
    fn children_are_killed_and_their_parent_goes_on() {
        let mut running = sh("sleep 60; echo $?").spawn();
        while running.kill_children() == 0 {
            assert!(running.is_running());
        }
        running.wait().exit(0).stdout("137\n");
    }

    #[test]
    fn a_secret_that_is_printed_fails_the_test_that_ran_the_tool() {
        let text = panic_text(|| drop(sh("echo $A_PASSWORD >&2").env("A_PASSWORD", "pass-word").run()));
        assert!(text.starts_with("sh: the secret of A_PASSWORD is in its stderr\n"), "{text}");
        let text = panic_text(|| drop(sh("echo of-a-file").secret("of-a-file").run()));
        assert!(text.starts_with("sh: the secret of the test is in its stdout\n"), "{text}");
    }

    #[test]
    fn a_secret_on_the_command_line_of_a_child_fails_the_test() {
        // The substitution happens in the shell: its own command line has the name only.
        let running = sh("sleep 60 $A_PASSWORD; :").env("A_PASSWORD", "59.125");
        let text = panic_text(|| drop(running.run()));
        assert!(text.starts_with("the secret of A_PASSWORD is in a command line: sleep 60 59.125"), "{text}");
    }

    #[test]
    fn json_lines_are_parsed() {
        assert_eq!(sh("printf '{\"a\":1}\\n2\\n'").run().json_lines(), [json!({"a": 1}), json!(2)]);
    }

    #[test]
    fn a_tool_that_was_not_built_is_named_with_the_command_that_builds_it() {
        let text = panic_text(|| drop(tool("es-nothing")));
        assert!(text.contains("es-nothing is not there: build the tools first"), "{text}");
    }

    #[test]
    fn a_golden_file_that_differs_says_how_to_accept_the_new_text() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("help.txt");
        fs::write(&path, "old").unwrap();
        golden(&path, "old");
        assert!(panic_text(|| golden(&path, "new")).contains("UPDATE_GOLDEN=1 cargo test"));
    }
}
