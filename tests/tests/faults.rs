//! One exchange between a tool and a real server is spoilt: the end is the one written down here, and the next run is whole.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use std::process::Command;
use std::time::Duration;

use es_testkit::bed::{self, Server};
use es_testkit::proxy::{Proxy, Spoil};
use es_testkit::score::{Score, whole};
use es_testkit::stub::Stub;
use es_testkit::tool::tool;
use es_tests::{ask, eventually, put_documents};
use serde_json::json;

const VERSIONS: [&str; 4] = ["elasticsearch-5.5.2", "elasticsearch-7.10.2", "elasticsearch-9.5.3", "opensearch-3.8.0"];

/// A fault, and its end at a read and at the write: exit code, and words of stderr (none: it is silent).
struct Fault {
    name: &'static str,
    spoil: Spoil,
    read: (i32, &'static str),
    write: (i32, &'static str),
}

const AGAIN: (i32, &str) = (0, "");
const UNKNOWN: (i32, &str) = (75, "it was not started: run the same command again");

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Spoil {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Spoil::Answer(status, headers, body.into())
}

fn faults(elsewhere: &str) -> Vec<Fault> {
    let of = |name, spoil, read, write| Fault { name, spoil, read, write };
    let both = |name, spoil, end| Fault { name, spoil, read: end, write: end };
    let page = "<html><body><h1>Bad Gateway</h1></body></html>";
    let mut all = vec![
        of("closed before the server heard", Spoil::Before, AGAIN, UNKNOWN),
        both("closed after the server acted", Spoil::After, AGAIN),
        both("cut in the head", Spoil::CutHead, AGAIN),
        both("cut in the body", Spoil::CutBody, AGAIN),
        both("slow loris", Spoil::Slow(Duration::from_millis(100)), AGAIN),
        of("429 with Retry-After", answer(429, &[("retry-after", "1")], "slow down"), AGAIN, UNKNOWN),
        of("502 page", answer(502, &[], page), AGAIN, UNKNOWN),
        of("503 page", answer(503, &[], page), AGAIN, UNKNOWN),
        of("504 page", answer(504, &[], page), AGAIN, UNKNOWN),
        of("empty 200", answer(200, &[], ""), AGAIN, UNKNOWN),
        both("page with 200", answer(200, &[], page), (3, "the answer is not JSON")),
        both("no UTF-8", answer(200, &[], b"{\"a\":\"\xff\xfe\"}".to_vec()), (3, "the answer is not JSON")),
        both("nested JSON", answer(200, &[], "[".repeat(1 << 20)), (3, "recursion limit exceeded")),
    ];
    let bomb = Command::new("sh").args(["-c", "head -c 200000000 /dev/zero | gzip"]).output().expect("gzip").stdout;
    all.push(both("gzip bomb", answer(200, &[("content-encoding", "gzip")], bomb), (3, "the answer is larger than")));
    let large = format!("[\"{}\"]", "x".repeat(20 << 20));
    let (list, neither) = ("an answer without a list of snapshots", "neither accepted nor refused");
    all.push(of("20 MB of JSON", answer(200, &[], large), (3, list), (3, neither)));
    all.push(of("wrong JSON type", answer(200, &[], "[]"), (3, list), (3, neither)));
    all.push(of("JSON of something else", answer(200, &[], "{}"), (3, list), (3, neither)));
    for (name, status) in [("301", 301), ("302", 302), ("307", 307), ("308", 308)] {
        let spoil = answer(status, &[("location", elsewhere)], "");
        all.push(both(name, spoil, (3, "redirects are not followed")));
    }
    all
}

#[test]
fn one_spoilt_exchange_of_es_snapshot_ends_as_written_and_nothing_is_taken_twice() {
    let mut score = Score::new("faults");
    for version in if whole() { &VERSIONS[..] } else { &VERSIONS[..1] } {
        let source = bed::named(version, &format!("faults-{version}"));
        spoil(&source, &mut score);
        source.kill();
    }
    score.finish();
}

fn spoil(source: &Server, score: &mut Score) {
    put_documents(source, "spoilt", 3);
    // The servers share a root: each takes a repository of its own.
    let location = source.repository_root.join(format!("spoilt-{}", source.version));
    ask(source, "PUT", "/_snapshot/spoilt", Some(&json!({"type": "fs", "settings": {"location": location}})));
    let proxy = Proxy::before(&source.url);
    // It has no answers: a request of a tool that follows a redirect is one too many.
    let elsewhere = Stub::start();
    let mut number = 0;
    for fault in faults(&elsewhere.url()) {
        for step in ["identity", "look", "start"] {
            // The short part leaves out what differs from its neighbour in the status alone.
            if !whole() && (step == "identity" || matches!(fault.name, "503 page" | "504 page" | "302" | "307")) {
                continue;
            }
            number += 1;
            let name = format!("s{number}");
            let path = format!("/_snapshot/spoilt/{name}");
            let (method, at, expected) = match step {
                "identity" if fault.read.1.starts_with("an answer without") => {
                    ("GET", "/", (3, "this is no Elasticsearch"))
                }
                "identity" => ("GET", "/", fault.read),
                "look" => ("GET", path.as_str(), fault.read),
                _ => ("PUT", path.as_str(), fault.write),
            };
            let run = |url: &str| {
                tool("es-snapshot")
                    .args(["--repository", "spoilt", "--indices", "spoilt", "--snapshot", &name])
                    .env("ES_SOURCE_URL", url)
                    .env("ES_SOURCE_USERNAME", "canary")
                    .env("ES_SOURCE_PASSWORD", "canary-of-the-faults")
                    .env("ES_SOURCE_TIMEOUT", "1s")
                    .limit(Duration::from_secs(30))
                    .run()
            };
            proxy.spoil(method, at, fault.spoil.clone());
            let output = run(&proxy.url);
            let mut end = Ok(());
            let mut check = |holds: bool, why: String| {
                if !holds && end.is_ok() {
                    end = Err(why);
                }
            };
            let said = format!("exit {} and {:?}, not {expected:?}", output.code(), output.err());
            check(output.code() == expected.0 && output.err().contains(expected.1), said);
            check(output.err().len() < 2000, format!("{} bytes on stderr", output.err().len()));
            check(proxy.spoilt() == 1, format!("{} exchanges were spoilt", proxy.spoilt()));
            let written = proxy.requests().iter().filter(|request| request.method == "PUT").count();
            check(written <= 1, format!("{written} writes were sent"));
            let there = source.call("GET", &path, None).0 == 200;
            check(there || expected.0 != 0, "exit 0, and there is no snapshot".into());
            eventually("the end of the snapshot", || {
                !there || ask(source, "GET", &path, None)["snapshots"][0]["state"] != "IN_PROGRESS"
            });
            let again = run(&source.url);
            check(again.code() == 0, format!("the next run: exit {} {}", again.code(), again.err()));
            eventually("the end of the snapshot", || {
                ask(source, "GET", &path, None)["snapshots"][0]["state"] == "SUCCESS"
            });
            score.cell(&source.version, &format!("es-snapshot {step}: {}", fault.name), end);
        }
    }
    assert_eq!(elsewhere.count(), 0, "a redirect was followed");
}
