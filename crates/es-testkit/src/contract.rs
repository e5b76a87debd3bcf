//! What every tool does alike, checked in one place: its help, its input, its secrets, its doors.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::recorded::body;
use crate::stub::{Answer, Stub};
use crate::tool::{Tool, golden, tool};

/// A password that must never be seen in anything a tool prints.
pub const CANARY: &str = "canary-8f1c7d";

/// `cluster` of a record: this server, in this role, at this URL.
///
/// # Panics
/// If the server's root was not recorded.
#[must_use]
pub fn cluster_id(server: &str, role: &str, url: &str) -> Value {
    let root = body(&format!("{server}/root"));
    json!({
        "role": role,
        "url": url,
        "cluster_name": root["cluster_name"],
        "cluster_uuid": root["cluster_uuid"],
        "version": root["version"]["number"],
        "distribution": "elasticsearch",
    })
}

/// `--help` is the golden file, has every section, and shows nothing of the environment.
///
/// # Panics
/// If not.
#[track_caller]
pub fn help(name: &str, manifest: &str) {
    let output = tool(name)
        .arg("--help")
        .env("ES_SOURCE_URL", format!("http://user:{CANARY}@host:9200"))
        .env("ES_SOURCE_PASSWORD", CANARY)
        .run();
    output.exit(0).stderr("");
    for section in ["Usage: ", "EXAMPLES\n", "ENVIRONMENT\n", "EXIT STATUS\n"] {
        output.stdout_contains(section);
    }
    assert!(!output.out().contains(CANARY), "a secret in --help:\n{}", output.out());
    golden(Path::new(manifest).join("tests/golden/help.txt"), output.out());
    tool(name).arg("--help").stdout_full().run().exit(3).stderr_contains(format!("{name}: standard output: "));
}

/// Input that holds no record, or one line that is none, is exit 2 before anything is sent.
///
/// # Panics
/// If not.
#[track_caller]
pub fn input(name: &str, url_flag: &str, record: &Value) {
    let stub = Stub::start();
    let run = |input: String| tool(name).arg(url_flag).arg(stub.url()).stdin(input).run();
    run(String::new())
        .exit(2)
        .stdout("")
        .stderr_contains(format!("{name}: no record on standard input\n{name}: hint: "));
    run("\n \n".into()).exit(2).stdout("").stderr_contains("no record on standard input");
    run(format!("{record}\n{{\"type\":\"snapshot\",\n"))
        .exit(2)
        .stdout("")
        .stderr_contains(format!("{name}: standard input, line 2: EOF while parsing"))
        .stderr_contains("nothing was done\n");
    run("{\"type\":\"poem\"}\n".into()).exit(2).stdout("").stderr_contains("unknown variant `poem`");
    run(format!("{record}\n{record} {record}\n"))
        .exit(2)
        .stdout("")
        .stderr_contains("standard input, line 2: trailing characters");
    assert!(stub.finish().is_empty(), "a request was sent");
}

/// A cluster that cannot be reached is exit 75, one that does not know the password exit 4, and neither shows it. A tool
/// that does not sign asks nobody for AWS credentials, and no tool can leave a core file. `run` makes the tool talk to the
/// cluster at the URL it is given, in the role `SOURCE` or `TARGET`.
///
/// # Panics
/// If not.
#[track_caller]
pub fn doors(name: &str, role: &str, run: impl Fn(Tool, &str) -> Tool) {
    let with = |url: &str| {
        let user = format!("ES_{role}_USERNAME");
        run(tool(name), url).env(user, "elastic").env(format!("ES_{role}_PASSWORD"), CANARY).arg("-v").run()
    };
    let output = with("http://127.0.0.1:1");
    output.exit(75).stdout("").stderr_contains("connection refused");
    assert!(!output.err().contains(CANARY), "{}", output.err());

    let stub = Stub::start();
    stub.on_prefix("GET", "/", unauthorized());
    let output = with(&stub.url());
    output.exit(4).stdout("").stderr_contains("HTTP 401 security_exception: unable to authenticate user [elastic]");
    output.stderr_contains(format!("{name}: hint: check user and password"));
    assert!(!output.err().contains(CANARY), "{}", output.err());
    let requests = stub.finish();
    assert_eq!(requests.len(), 1, "a refused password is not tried again");
    assert!(requests[0].header("authorization").is_some_and(|value| value.starts_with("Basic ")));

    let output = run(tool(name), &format!("http://elastic:{CANARY}@127.0.0.1:1")).run();
    output.exit(2).stdout("").stderr_contains("the URL flag holds a password");
    assert!(!output.err().contains(CANARY), "{}", output.err());

    let output = run(tool(name), "http://127.0.0.1:1").args(["--errors", "json"]).run();
    output.exit(75).stdout("");
    let last = output.err().lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let last = last.unwrap_or_else(|| panic!("the last line is no JSON:\n{}", output.err()));
    assert_eq!((&last["tool"], &last["exit"], &last["retry"]), (&json!(name), &json!(75), &json!(true)), "{last}");

    memory(name, role, run);
}

/// What a tool knows stays in its memory, and it knows no more than it needs.
#[track_caller]
fn memory(name: &str, role: &str, run: impl Fn(Tool, &str) -> Tool) {
    let (stub, metadata) = (Stub::start(), Stub::start());
    stub.on_prefix("GET", "/", unauthorized().after(Duration::from_millis(500)));
    let keys = format!("{}/keys", metadata.url());
    let mut running = run(tool(name), &stub.url())
        .env(format!("ES_{role}_USERNAME"), "elastic")
        .env(format!("ES_{role}_PASSWORD"), CANARY)
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url())
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", keys)
        .env("AWS_ENDPOINT_URL_STS", metadata.url())
        .env("AWS_CA_BUNDLE", "/nonexistent")
        .spawn();
    let limits = format!("/proc/{}/limits", running.pid());
    let no_core = |limits: &str| {
        let line = limits.lines().find(|line| line.starts_with("Max core file size"));
        line.is_some_and(|line| line.split_whitespace().skip(4).take(2).eq(["0", "0"]))
    };
    // It has its limit before it has sent anything, and it waits for its answer when it has.
    while stub.count() == 0 {
        assert!(running.is_running(), "{name} ended before it asked");
    }
    let limits = std::fs::read_to_string(limits).unwrap_or_default();
    assert!(no_core(&limits), "{name} may leave a core file:\n{limits}");
    let output = running.wait();
    output.exit(4);
    drop(stub);
    let asked = metadata.finish();
    assert!(asked.is_empty(), "{name} does not sign, and asked for credentials: {asked:?}");
}

/// The 401 of a cluster that was given a wrong password.
#[must_use]
pub fn unauthorized() -> Answer {
    let cause =
        json!({"type": "security_exception", "reason": "unable to authenticate user [elastic] for REST request [/]"});
    let mut error = cause.clone();
    error["root_cause"] = json!([cause]);
    Answer::json(401, &json!({"error": error, "status": 401}))
}
