//! What the tests on real servers share: scripts with the tools on their PATH, and servers that are asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // helpers of tests panic as tests do

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use es_testkit::bed::{self, Server};
use es_testkit::generator::Random;
use es_testkit::score::seed;
use es_testkit::tool::{Output, Tool, bin_directory, program_at};
use serde_json::{Value, json};

/// Every version that tests of all versions take.
pub const VERSIONS: [&str; 10] = [
    "elasticsearch-5.5.2",
    "elasticsearch-6.1.2",
    "elasticsearch-6.8.9",
    "elasticsearch-7.10.2",
    "elasticsearch-7.17.29",
    "elasticsearch-8.19.21",
    "elasticsearch-9.5.3",
    "opensearch-1.3.20",
    "opensearch-2.19.6",
    "opensearch-3.8.0",
];

/// The source and the target of the original migration, 5.5.2 and 6.1.2, for one test at a time: these versions take one
/// snapshot, and one restore, at a time.
pub struct Original {
    /// Elasticsearch 5.5.2.
    pub source: Server,
    /// Elasticsearch 6.1.2.
    pub target: Server,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// Waits for this test's turn at the original pair.
#[must_use]
pub fn original() -> Original {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let source = bed::server("elasticsearch-5.5.2");
    let target = bed::server("elasticsearch-6.1.2");
    assert_eq!(source.repository_root, target.repository_root);
    Original { source, target, _turn: turn }
}

/// Runs a script with the tools on its PATH and both clusters in its environment.
#[must_use]
pub fn shell(script: &str, source: &Server, target: &Server) -> Tool {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let path = format!("{}:{}:/usr/bin:/bin", bin_directory().display(), scripts.display());
    program_at("/bin/sh")
        .args(["-c", script])
        .env("PATH", path)
        .env("ES_SOURCE_URL", &source.url)
        .env("ES_TARGET_URL", &target.url)
        .limit(Duration::from_mins(4))
}

/// Runs a script to its end.
#[must_use]
pub fn run(script: &str, source: &Server, target: &Server) -> Output {
    shell(script, source, target).run()
}

/// Asks a server that must not refuse.
#[expect(clippy::must_use_candidate, reason = "what the server does is the use")]
pub fn ask(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Value {
    let (status, answer) = server.call(method, path, body);
    assert!(status < 300, "{method} {path}: {status} {answer}");
    answer
}

/// The type of documents: `_doc` suits every version that has types from 6.2 on; 5.x and 6.1 take `doc`.
#[must_use]
pub fn kind(server: &Server) -> &'static str {
    if server.version.starts_with("5.") || server.version.starts_with("6.1") { "doc" } else { "_doc" }
}

/// Puts a few documents into an index.
pub fn put_documents(server: &Server, index: &str, documents: u32) {
    for number in 0..documents {
        let path = format!("/{index}/{}/{number}", kind(server));
        ask(server, "PUT", &path, Some(&json!({"n": number, "이름": "자바카페"})));
    }
    ask(server, "POST", &format!("/{index}/_refresh"), None);
    // A snapshot of a primary that is not started is another test's matter.
    eventually(&format!("{index} with its primaries"), || {
        ask(server, "GET", &format!("/_cluster/health/{index}"), None)["status"] != "red"
    });
}

/// Makes an index with these settings, of documents of so many words that nothing compresses: copying them takes as long as the
/// throttle makes it.
pub fn fill(server: &Server, index: &str, settings: &Value, documents: u32, words: u32, random: &mut Random) {
    ask(server, "PUT", &format!("/{index}"), Some(&json!({"settings": settings})));
    let mut lines = String::new();
    for number in 0..documents {
        let mut text = String::new();
        for _ in 0..words {
            write!(text, "{:016x}", random.bits()).expect("a string takes text");
        }
        let mut action = json!({"index": {"_index": index, "_id": number.to_string()}});
        if server.version.starts_with(['5', '6']) && server.server.starts_with("elasticsearch") {
            action["index"]["_type"] = json!(kind(server));
        }
        writeln!(lines, "{action}\n{}", json!({"text": text})).expect("a string takes text");
    }
    let (status, answer) = server.text("POST", "/_bulk", "application/x-ndjson", lines.as_bytes());
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    assert!(status == 200 && answer["errors"] == false, "_bulk: {status} {answer}");
    ask(server, "POST", &format!("/{index}/_refresh"), None);
}

/// Target index and verdict of each count.
#[must_use]
pub fn verdicts(output: &Output) -> Vec<(String, String)> {
    let word = |v: &Value| v.as_str().unwrap_or_default().to_string();
    output.json_lines().iter().map(|r| (word(&r["target_index"]), word(&r["verdict"]))).collect()
}

/// Waits until something is so; never longer than half a minute.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: not after half a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How a cell ended: what was not as it must be, if anything.
pub type End = Result<(), String>;

/// Documents of an index, if it can be counted.
#[must_use]
pub fn count(server: &Server, index: &str) -> Option<u64> {
    match server.call("GET", &format!("/{index}/_count"), None) {
        (200, answer) => answer["count"].as_u64(),
        _ => None,
    }
}

/// The tools said no: not 0, with a reason.
#[expect(clippy::missing_errors_doc, reason = "its error is the answer")]
pub fn told(output: &Output) -> End {
    if output.code() == 0 {
        Err(format!("exit 0\n{}{}", output.out(), output.err()))
    } else if output.err().trim().is_empty() {
        Err(format!("exit {} without a word", output.code()))
    } else {
        Ok(())
    }
}

/// This is so, or else this is what is wrong.
#[expect(clippy::missing_errors_doc, reason = "its error is the answer")]
pub fn must_be(is: bool, what: &str) -> End {
    if is { Ok(()) } else { Err(what.to_string()) }
}

/// Runs a script with one server as both clusters.
#[must_use]
pub fn sh(server: &Server, script: &str) -> Output {
    shell(script, server, server).limit(Duration::from_mins(2)).run()
}

/// A pipeline from a snapshot to the counts, the restored index under another name.
#[must_use]
pub fn moved(server: &Server, index: &str, from: &str, as_name: &str) -> Output {
    let script = format!(
        "{from} | es-restore --rename-pattern '{index}' --rename-replacement {as_name} --replicas 0 --refresh-interval -1 |
         es-wait --timeout 60s | es-finish-restore | es-wait --timeout 60s | es-compare-counts"
    );
    sh(server, &script)
}

/// Which half of a move is struck.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Half {
    /// The snapshot.
    Snapshot,
    /// The restore.
    Restore,
}

/// Strikes a move of a new index while this half of it is at work, slowly, and runs the same command until all is there.
///
/// `mend` does what an operator does after a run that ended badly.
#[expect(clippy::missing_errors_doc, reason = "its error is the answer")]
pub fn struck(
    (source, target): (&Server, &Server),
    half: Half,
    (index, place, rate): (&str, &str, &str),
    strike: impl FnOnce(),
    mend: impl Fn(&Output),
) -> End {
    const DOCUMENTS: u32 = 40;
    let mut random = Random::new(seed(), &[7]);
    let settings = json!({"number_of_shards": 2, "number_of_replicas": 0});
    fill(source, index, &settings, DOCUMENTS, 400, &mut random);
    let work = tempfile::tempdir().expect("a work directory");
    // The work itself, not only the request for it.
    let (throttle, begun) = match half {
        Half::Snapshot => ("snapshot", "started.json"),
        Half::Restore => ("restore", "restoring.json"),
    };
    let command = format!(
        "es-migrate --repository {index} {place} --indices {index} --work-dir {} --format jsonl --timeout 2m \
         --max-{throttle}-bytes-per-sec {rate}",
        work.path().display()
    );
    let running = shell(&format!("exec {command}"), source, target).limit(Duration::from_mins(4)).spawn();
    eventually("work under way", || work.path().join(begun).exists());
    strike();
    let first = running.wait();
    // Either it was at its end before that, or it says what happened.
    if first.code() != 0 {
        told(&first)?;
    }
    again(&command, source, target, mend)?;
    let there = count(target, index);
    must_be(there == Some(DOCUMENTS.into()), &format!("{there:?} documents"))
}

/// The same command again until it ends with 0, a few times; what else it says must be an answer.
fn again(command: &str, source: &Server, target: &Server, mend: impl Fn(&Output)) -> End {
    let mut last = String::new();
    for _ in 0..4 {
        let output = run(command, source, target);
        if output.code() == 0 {
            let equal = verdicts(&output).iter().all(|(_, verdict)| verdict == "equal");
            return must_be(equal && !verdicts(&output).is_empty(), output.out());
        }
        told(&output)?;
        mend(&output);
        last = format!("exit {}: {}", output.code(), output.err());
    }
    Err(format!("four runs did not bring it over; the last: {last}"))
}
