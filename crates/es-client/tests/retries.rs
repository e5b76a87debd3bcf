//! What is sent again, how often, after how long, and what never is.
#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use es_client::{CallError, Cluster, Config, Method, Path};
use es_records::Role;
use es_testkit::stub::{Answer, Stub};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A cluster, and the lines that `-v` prints.
fn cluster(stub: &Stub) -> (Cluster, Rc<RefCell<Vec<String>>>) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let ear = Rc::clone(&heard);
    let config = Config::of(Role::Source, Some(&stub.url()), None).unwrap();
    (Cluster::new(config, move |line| ear.borrow_mut().push(line.to_string())).unwrap(), heard)
}

/// An answer compressed by gzip: so many percent of it, after a head that promises the whole or none.
fn gzipped(body: &str, percent: usize, promised: bool) -> Answer {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let length = if promised { format!("content-length: {}\r\n", packed.len()) } else { String::new() };
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n{length}connection: close\r\n\r\n").into_bytes();
    answer.extend(&packed[..percent * packed.len() / 100]);
    Answer::raw(answer)
}

fn path() -> Path {
    Path::of(["a", "_count"])
}

/// The pauses that were told, in milliseconds.
fn pauses(heard: &Rc<RefCell<Vec<String>>>) -> Vec<u64> {
    let lines = heard.borrow();
    let told = lines.iter().filter_map(|line| line.split_once("; again in ")?.1.strip_suffix(" ms")?.parse().ok());
    told.collect()
}

#[test]
fn a_read_is_sent_five_times_after_growing_pauses_that_are_told_and_counted() {
    let stub = Stub::start();
    stub.on("GET", "/a/_count", Answer::text(503, "busy").repeat());
    let (cluster, heard) = cluster(&stub);
    let began = Instant::now();
    assert!(matches!(cluster.get(&path()), Err(CallError::Server(error)) if error.status == 503));
    let pauses = pauses(&heard);
    assert_eq!((stub.count(), cluster.requests(), cluster.retries(), pauses.len()), (5, 5, 4, 4));
    for (pause, longest) in pauses.iter().zip([200, 400, 800, 1600]) {
        assert!((20..=longest).contains(pause), "{pauses:?}");
    }
    assert!(began.elapsed() >= Duration::from_millis(pauses.iter().sum()), "what is told is waited for");
    drop(stub.finish());
}

#[test]
fn two_tools_do_not_knock_in_step() {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let stub = Stub::start();
        stub.on("GET", "/a/_count", Answer::raw("")).on("GET", "/a/_count", Answer::raw(""));
        stub.on("GET", "/a/_count", Answer::json(200, &json!({"count": 1})));
        let (cluster, heard) = cluster(&stub);
        assert_eq!(cluster.get(&path()).unwrap()["count"], 1);
        assert_eq!(cluster.retries(), 2);
        seen.push(pauses(&heard));
        drop(stub.finish());
    }
    // Six numbers out of hundreds each: all the same once in millions of runs.
    assert!(seen[0] != seen[1] || seen[1] != seen[2], "{seen:?}");
}

#[test]
fn a_post_that_only_reads_is_sent_again() {
    let stub = Stub::start();
    stub.on("POST", "/a/_count", Answer::text(502, "<html>bad gateway</html>"));
    stub.on("POST", "/a/_count", Answer::json(200, &json!({"count": 1})));
    let (cluster, _) = cluster(&stub);
    assert_eq!(cluster.read(&path(), Some(&json!({}))).unwrap()["count"], 1);
    assert_eq!(cluster.retries(), 1);
    drop(stub.finish());
}

#[test]
fn a_write_is_sent_once_whatever_comes_back() {
    for answer in [
        Answer::text(503, "busy"),
        Answer::text(429, "slow down").header("retry-after", "1"),
        Answer::text(502, "<html>bad gateway</html>"),
        Answer::raw(""),
        Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"accepted\":"),
    ] {
        for method in [Method::Put, Method::Post] {
            let stub = Stub::start();
            let word = if method == Method::Put { "PUT" } else { "POST" };
            stub.on(word, "/a/_count", answer.clone());
            let (cluster, heard) = cluster(&stub);
            let error = cluster.write(method, &path(), &Value::Null).unwrap_err();
            assert!(!matches!(error, CallError::Lost { sent: false, .. }), "{error:?}: it may have acted on it");
            assert_eq!((stub.count(), cluster.retries(), pauses(&heard).len()), (1, 0, 0), "{error:?}");
            drop(stub.finish());
        }
    }
}

#[test]
fn a_refusal_that_will_not_pass_is_asked_for_once() {
    for (status, body) in [(404, "{}"), (400, "{}"), (401, "{}"), (500, "{}"), (307, "")] {
        let stub = Stub::start();
        stub.on("GET", "/a/_count", Answer::text(status, body));
        let (cluster, _) = cluster(&stub);
        assert!(cluster.get(&path()).is_err());
        assert_eq!((stub.count(), cluster.retries()), (1, 0), "{status}");
        drop(stub.finish());
    }
}

#[test]
fn retry_after_is_obeyed_up_to_half_a_minute_and_no_longer() {
    let stub = Stub::start();
    stub.on("GET", "/a/_count", Answer::text(429, "slow down").header("retry-after", "1"));
    stub.on("GET", "/a/_count", Answer::text(429, "slow down").header("retry-after", "31"));
    let (cluster, heard) = cluster(&stub);
    let began = Instant::now();
    let error = cluster.get(&path()).unwrap_err();
    assert_eq!((error.retry_after(), cluster.retries()), (31, 1));
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(20));
    assert!(pauses(&heard)[0] >= 1020, "{:?}: on top of the jitter", pauses(&heard));
    drop(stub.finish());
}

#[test]
fn who_polls_anyway_sends_nothing_again() {
    let stub = Stub::start();
    stub.on("GET", "/a/_count", Answer::text(503, "busy"));
    let (cluster, _) = cluster(&stub);
    assert!(cluster.look(&path()).unwrap_err().may_pass());
    assert_eq!((stub.count(), cluster.retries()), (1, 0));
    drop(stub.finish());
}

#[test]
fn a_cut_answer_is_lost_whether_it_was_compressed_or_not() {
    let body = json!({"count": 12, "_shards": {"total": 5, "successful": 5, "failed": 0}}).to_string();
    for promised in [true, false] {
        for percent in [0, 5, 50, 95] {
            let stub = Stub::start();
            stub.on("GET", "/a/_count", gzipped(&body, percent, promised));
            stub.on("GET", "/a/_count", gzipped(&body, 100, promised));
            stub.on("PUT", "/a/_count", gzipped(&body, percent, promised));
            let (cluster, _) = cluster(&stub);
            let answer = cluster.get(&path());
            assert!(answer.as_ref().is_ok_and(|a| a["count"] == 12), "{percent} % {promised}: {answer:?}");
            assert_eq!(cluster.retries(), 1, "{percent} % {promised}");
            let written = cluster.write(Method::Put, &path(), &Value::Null);
            assert!(matches!(written, Err(CallError::Lost { sent: true, .. })), "{percent} % {promised}: {written:?}");
            drop(stub.finish());
        }
    }
}

#[test]
fn a_compressed_answer_that_is_whole_and_wrong_is_of_no_use() {
    let stub = Stub::start();
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 24\r\n\r\n";
    stub.on("GET", "/a/_count", Answer::raw(format!("{head}{{\"count\": 12, \"a\": true}}")));
    let (cluster, _) = cluster(&stub);
    assert!(matches!(cluster.get(&path()), Err(CallError::Unusable(_))));
    assert_eq!((stub.count(), cluster.retries()), (1, 0));
    drop(stub.finish());
}

#[test]
fn a_refusal_in_an_answer_of_200_is_a_refusal() {
    let stub = Stub::start();
    let refusal = json!({"error": {"type": "repository_exception", "reason": "[r] could not read"}, "status": 500});
    stub.on("GET", "/a/_count", Answer::json(200, &refusal));
    // A repository of this name is none.
    let named = json!({"error": {"type": "fs", "settings": {"location": "/x"}}});
    stub.on("GET", "/a/_count", Answer::json(200, &named));
    let (cluster, _) = cluster(&stub);
    let Err(CallError::Server(error)) = cluster.get(&path()) else { panic!("it is a refusal") };
    assert_eq!(
        (error.status, error.kind.as_str(), error.reason.as_str()),
        (500, "repository_exception", "[r] could not read")
    );
    assert_eq!(cluster.get(&path()).unwrap(), named);
    drop(stub.finish());
}
