//! One exchange between a tool and a real server is spoilt: the end is the one written down here, nothing is done twice, and the
//! next run is whole. Every tool that talks to a cluster, each of its requests in turn.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use es_testkit::bed::{self, Server};
use es_testkit::proxy::{Proxy, Spoil};
use es_testkit::score::{Score, seed, whole};
use es_testkit::stub::{Request, Stub};
use es_testkit::tls::{Authority, Presents};
use es_testkit::tool::{Output, tool};
use es_tests::{End, ask, count, eventually, must_be, put_documents, sh};
use serde_json::{Value, json};

/// Each takes a part of the cells, and all of them take every cell.
const VERSIONS: [&str; 4] = ["elasticsearch-5.5.2", "elasticsearch-7.10.2", "elasticsearch-9.5.3", "opensearch-3.8.0"];
/// How many of the cells are the short part: one in so many.
const SHORT: u64 = 16;
/// The most memory that a tool may hold, whatever it is answered.
const MOST_MEMORY: u64 = 320 << 20;
/// The most that any held, in bytes.
static PEAK: AtomicU64 = AtomicU64::new(0);

/// How a run ends whose exchange was spoilt.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// As if nothing had been.
    Clean,
    /// With this exit code, and these words on stderr.
    With(i32, &'static str),
    /// With 0 only where what it says is so, and else with a word: the answer is one that no server gives.
    Truthfully,
    /// With 0, as after any answer that says accepted; and es-wait finds out that nothing was.
    Promised,
}

/// A fault, and its end at a read and at a write.
struct Fault {
    name: &'static str,
    spoil: Spoil,
    read: Ends,
    write: Ends,
    at: At,
}

/// At which requests of a run a fault is tried.
#[derive(Clone, Copy, PartialEq)]
enum At {
    All,
    /// Where the cluster says who it is.
    Identity,
    /// Where the undisturbed answer is no refusal.
    Found,
    /// At the first and at writes: it takes its time.
    Some,
}

/// A tool on a server: what it is given for the cell of this number, and what is so once it has ended with 0.
struct Case<'a> {
    name: &'static str,
    /// The exit code and words of a run that nothing disturbs. Only strange answers are tried on one that says no.
    clean: (i32, &'static str),
    given: Box<dyn Fn(usize) -> (Vec<String>, String) + 'a>,
    holds: Box<dyn Fn(usize) -> bool + 'a>,
    /// Takes away what the cell left.
    clear: Box<dyn Fn(usize) + 'a>,
    /// How many writes it sends at most.
    writes: usize,
}

/// What differs from the table: tool, part of what is asked, fault, end.
const EXCEPTIONS: &[(&str, &str, &str, Ends)] = &[
    ("es-snapshot", "PUT /_snapshot/", "all is well", Ends::Promised),
    ("es-restore", "/_restore", "all is well", Ends::Promised),
    // It looks whether the indices are there from this snapshot, and they are.
    ("es-restore", "/_restore", "a key twice", Ends::Clean),
    // A setting is the same however often it is sent: it is sent again, once.
    ("es-finish-restore", "PUT /back/_settings", "closed before", Ends::Clean),
    ("es-finish-restore", "PUT /back/_settings", "reset before", Ends::Clean),
    ("es-finish-restore", "PUT /back/_settings", "429", Ends::Clean),
    ("es-finish-restore", "PUT /back/_settings", "502", Ends::Clean),
    ("es-finish-restore", "PUT /back/_settings", "503", Ends::Clean),
    ("es-finish-restore", "PUT /back/_settings", "504", Ends::Clean),
    ("es-finish-restore", "PUT /back/_settings", "empty 200", Ends::Clean),
    // What it tries changes nothing, and is sent again.
    ("es-preflight", "", "closed before", Ends::Clean),
    ("es-preflight", "", "reset before", Ends::Clean),
    ("es-preflight", "", "429", Ends::Clean),
    ("es-preflight", "", "502", Ends::Clean),
    ("es-preflight", "", "503", Ends::Clean),
    ("es-preflight", "", "504", Ends::Clean),
    ("es-preflight", "", "empty 200", Ends::Clean),
];

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Spoil {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Spoil::Answer(status, headers, body.into())
}

/// The first key of an answer, twice.
fn doubled(body: &str) -> String {
    let key = body.split('"').nth(1).unwrap_or("a");
    match body.find('{') {
        Some(at) if body.contains('"') => format!("{}\"{key}\":null,{}", &body[..=at], &body[at + 1..]),
        _ => "{\"a\":1,\"a\":2}".to_owned(),
    }
}

/// The answer of another cluster.
fn of_another(body: &str) -> String {
    let mut answer: Value = serde_json::from_str(body).unwrap_or_default();
    answer["cluster_uuid"] = json!("of-another-cluster-0000");
    answer.to_string()
}

fn faults(elsewhere: &str) -> Vec<Fault> {
    let of = |name, spoil, read, write| Fault { name, spoil, read, write, at: At::All };
    let both = |name, spoil, end| of(name, spoil, end, end);
    let strange = |name, body: &str| both(name, answer(200, &[], body), Ends::Truthfully);
    let unknown = Ends::With(75, "");
    let page = "<html><body><h1>Bad Gateway</h1></body></html>";
    let mut all = vec![
        of("closed before the server heard", Spoil::Before, Ends::Clean, unknown),
        of("reset before the server heard", Spoil::ResetBefore, Ends::Clean, unknown),
        both("gone", Spoil::Gone, Ends::With(75, "connection refused")),
        both("closed after the server acted", Spoil::After, Ends::Clean),
        both("reset after the server acted", Spoil::ResetAfter, Ends::Clean),
        both("cut in the head", Spoil::CutHead, Ends::Clean),
        both("cut in the body", Spoil::CutBody, Ends::Clean),
        both("cut in a gzip body", Spoil::CutGzip, Ends::Clean),
        of("429 with Retry-After", answer(429, &[("retry-after", "1")], "slow down"), Ends::Clean, unknown),
        of("502 page", answer(502, &[], page), Ends::Clean, unknown),
        of("503 page", answer(503, &[], page), Ends::Clean, unknown),
        of("504 page", answer(504, &[], page), Ends::Clean, unknown),
        of("empty 200", answer(200, &[], ""), Ends::Clean, unknown),
        both("page with 200", answer(200, &[], page), Ends::With(3, "the answer is not JSON")),
        both("no UTF-8", answer(200, &[], b"{\"a\":\"\xff\xfe\"}".to_vec()), Ends::With(3, "the answer is not JSON")),
        both("nested JSON", answer(200, &[], "[".repeat(1 << 20)), Ends::With(3, "recursion limit exceeded")),
        strange("nothing", "null"),
        strange("an empty object", "{}"),
        strange("an empty list", "[]"),
        strange("a word", "\"SUCCESS\""),
        strange(
            "all is well",
            "{\"acknowledged\":true,\"accepted\":true,\"status\":\"green\",\"count\":3,\"state\":\"SUCCESS\"}",
        ),
        strange(
            "empty of all",
            "{\"snapshots\":[],\"indices\":{},\"nodes\":{},\"_shards\":{\"total\":0,\"successful\":0,\"failed\":0},\"count\":0}",
        ),
        strange("an error with 200", "{\"error\":{\"type\":\"x\",\"reason\":\"y\"},\"status\":500}"),
    ];
    for (name, status) in [("301", 301), ("302", 302), ("307", 307), ("308", 308)] {
        let spoil = answer(status, &[("location", elsewhere)], "");
        all.push(both(name, spoil, Ends::With(3, "redirects are not followed")));
    }
    all.push(Fault { at: At::Found, ..both("a key twice", Spoil::Edit(doubled), Ends::With(3, "twice")) });
    all.push(Fault { at: At::Identity, ..both("another cluster", Spoil::Edit(of_another), Ends::Truthfully) });
    let bomb = |script: &str| {
        let packed = Command::new("sh").args(["-c", script]).output().expect("gzip").stdout;
        answer(200, &[("content-encoding", "gzip")], packed)
    };
    let values = bomb("{ printf '['; head -c 60000000 /dev/zero | tr '\\0' 0 | sed 's/0/0,/g'; printf '0]'; } | gzip");
    let bomb = bomb("head -c 200000000 /dev/zero | gzip");
    let large = answer(200, &[], format!("[\"{}\"]", "x".repeat(20 << 20)));
    all.push(Fault { at: At::Some, ..both("slow loris", Spoil::Slow(Duration::from_millis(100)), Ends::Clean) });
    all.push(Fault { at: At::Some, ..both("gzip bomb", bomb, Ends::With(3, "the answer is larger than")) });
    all.push(Fault {
        at: At::Some,
        ..both("sixty million values", values, Ends::With(3, "the answer is larger than"))
    });
    all.push(Fault { at: At::Some, ..both("20 MB of JSON", large, Ends::Truthfully) });
    all
}

#[test]
fn one_spoilt_exchange_ends_as_written_and_nothing_is_done_twice() {
    let mut score = Score::new("faults");
    let versions = if whole() { &VERSIONS[..] } else { &VERSIONS[..1] };
    // Most of the time is spent waiting: the versions wait at the same time.
    let cells = thread::scope(|scope| {
        let versions = versions.iter().enumerate();
        let running: Vec<_> = versions.map(|(number, version)| scope.spawn(move || spoilt(version, number))).collect();
        running.into_iter().flat_map(|one| one.join().expect("the cells of a version")).collect::<Vec<_>>()
    });
    let mut by_tool: BTreeMap<String, u64> = BTreeMap::new();
    for (version, what, end) in cells {
        let tool = what.split([' ', ',']).next().unwrap_or_default().to_owned();
        *by_tool.entry(tool).or_default() += 1;
        score.cell(&version, &what, end);
    }
    score.note("by_tool", json!(by_tool));
    score.note("most_memory_bytes", PEAK.load(Ordering::Relaxed));
    score.finish();
}

/// The cells of one version: what was tried, and its end.
fn spoilt(version: &str, place: usize) -> Vec<(String, String, End)> {
    let server = bed::named(version, &format!("faults-{version}"));
    let prepared = Prepared::on(&server);
    // It has no answers: a request of a tool that follows a redirect is one too many.
    let elsewhere = Stub::start();
    let faults = faults(&elsewhere.url());
    let mut ends = Vec::new();
    let mut number = 0;
    for case in cases(&server, &prepared) {
        // What it asks when nothing disturbs it.
        let proxy = Proxy::before(&server.url);
        let output = run(&case, 0, &proxy.url);
        let clean = must_be(
            output.code() == case.clean.0 && output.err().contains(case.clean.1),
            &format!("undisturbed: exit {} and {:?}", output.code(), output.err()),
        );
        ends.push((server.version.clone(), case.name.to_owned(), clean));
        (case.clear)(0);
        for (at, (request, status)) in proxy.requests().iter().zip(proxy.statuses()).enumerate() {
            for fault in &faults {
                let fits = match fault.at {
                    At::All => true,
                    At::Identity => request.path == "/",
                    At::Found => status == 200,
                    At::Some => at == 0 || is_write(request),
                };
                if !fits || case.clean.0 != 0 && !matches!(fault.read, Ends::Truthfully) {
                    continue;
                }
                number += 1;
                let (turn, turns) = if whole() { (place as u64, VERSIONS.len() as u64) } else { (0, SHORT) };
                if !(number as u64 + turn + seed()).is_multiple_of(turns) {
                    continue;
                }
                let what = format!("{} {} {}: {}", case.name, request.method, request.path, fault.name);
                let end = cell(&server, &case, number, (at, request), fault);
                (case.clear)(number);
                ends.push((server.version.clone(), what, end));
            }
        }
    }
    assert_eq!(elsewhere.count(), 0, "a redirect was followed");
    server.kill();
    ends
}

fn is_write(request: &Request) -> bool {
    request.method == "PUT" || request.path.contains("/_restore")
}

fn run(case: &Case<'_>, number: usize, url: &str) -> Output {
    let (args, stdin) = (case.given)(number);
    tool(case.name.split([' ', ',']).next().unwrap_or_default())
        .args(args)
        .stdin(stdin)
        .env("ES_SOURCE_URL", url)
        .env("ES_TARGET_URL", url)
        .env("ES_SOURCE_USERNAME", "canary")
        .env("ES_SOURCE_PASSWORD", "canary-of-the-faults")
        .env("ES_TARGET_API_KEY", "canary-key-of-the-faults")
        .env("ES_SOURCE_TIMEOUT", "2s")
        .env("ES_TARGET_TIMEOUT", "2s")
        .limit(Duration::from_secs(40))
        .run()
}

fn cell(server: &Server, case: &Case<'_>, number: usize, (at, request): (usize, &Request), fault: &Fault) -> End {
    let usual = if is_write(request) { fault.write } else { fault.read };
    let exception = EXCEPTIONS.iter().find(|(tool, path, name, _)| {
        let asked = format!("{} {}", request.method, request.path);
        case.name.starts_with(tool) && asked.contains(path) && fault.name.starts_with(name)
    });
    let expected = exception.map_or(usual, |(.., end)| *end);
    let proxy = Proxy::before(&server.url);
    proxy.spoil(at, fault.spoil.clone());
    let output = run(case, number, &proxy.url);
    let (code, said) = (output.code(), output.err());
    let there = (case.holds)(number);
    let so = match expected {
        Ends::Clean => code == case.clean.0 && said.contains(case.clean.1),
        Ends::With(wanted, words) => code == wanted && said.contains(words),
        Ends::Truthfully => matches!(code, 0..=4 | 75 | 124) && (code == 0) <= (case.clean.0 == 0 && there),
        Ends::Promised => {
            let wait = || {
                tool("es-wait").stdin(output.out()).env("ES_SOURCE_URL", &server.url).env("ES_TARGET_URL", &server.url)
            };
            code == 0 && !there && wait().run().code() == 1
        }
    };
    must_be(so, &format!("exit {code} and {said:?}, not {expected:?}"))?;
    must_be(there || code != 0 || matches!(expected, Ends::Promised), "exit 0, and it is not so")?;
    must_be(code == 0 || !said.trim().is_empty(), "not a word")?;
    must_be(said.len() < 2000, &format!("{} bytes on stderr", said.len()))?;
    PEAK.fetch_max(output.peak_bytes(), Ordering::Relaxed);
    must_be(output.peak_bytes() < MOST_MEMORY, &format!("{} bytes of memory", output.peak_bytes()))?;
    must_be(proxy.spoilt() == 1, &format!("{} exchanges were spoilt", proxy.spoilt()))?;
    let written = proxy.requests().iter().filter(|request| is_write(request)).count();
    must_be(written <= case.writes, &format!("{written} writes were sent"))?;
    let again = run(case, number, &server.url);
    let clean = again.code() == case.clean.0 && again.err().contains(case.clean.1);
    must_be(clean, &format!("the next run: exit {} {}", again.code(), again.err()))?;
    must_be(case.clean.0 != 0 || (case.holds)(number), "after the next run it is not so")
}

/// What the cases work on, made once a server: records of what is there.
struct Prepared {
    /// Of es-wait, of a snapshot that is whole.
    snapshot: String,
    /// Of es-snapshot, of the same.
    started: String,
    /// Of es-restore, into `back`.
    restoring: String,
    /// Of es-wait, of the same.
    restored: String,
    location: String,
}

impl Prepared {
    fn on(server: &Server) -> Self {
        for (index, documents) in [("small", 3), ("short", 2)] {
            let settings = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}});
            ask(server, "PUT", &format!("/{index}"), Some(&settings));
            put_documents(server, index, documents);
        }
        let half = json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0,
            "index.routing.allocation.total_shards_per_node": 1}});
        ask(server, "PUT", "/half?wait_for_active_shards=0", Some(&half));
        // The servers share a root: each takes a place of its own.
        let location = server.repository_root.join(format!("spoilt-{}", server.server)).display().to_string();
        let settings = json!({"location": format!("{location}/spoilt")});
        ask(server, "PUT", "/_snapshot/spoilt", Some(&json!({"type": "fs", "settings": settings})));
        let said = |script: &str| {
            let output = sh(server, script);
            output.exit(0);
            output.out().to_owned()
        };
        let started = said("es-snapshot --repository spoilt --snapshot whole --indices small");
        let snapshot = said("es-snapshot --repository spoilt --snapshot whole --indices small | es-wait");
        let back = "--rename-pattern small --rename-replacement back --replicas 0 --refresh-interval -1";
        let restoring = said(&format!(
            "es-snapshot --repository spoilt --snapshot whole --indices small | es-wait | es-restore {back}"
        ));
        let pipe = format!(
            "es-snapshot --repository spoilt --snapshot whole --indices small | es-wait | es-restore {back} | es-wait"
        );
        let restored = said(&pipe);
        let partial = json!({"indices": "half", "partial": true, "include_global_state": false});
        ask(server, "PUT", "/_snapshot/spoilt/partial?wait_for_completion=true", Some(&partial));
        Self { snapshot, started, restoring, restored, location }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A case that reads alone: what it says is so before it begins.
fn reads<'a>(name: &'static str, clean: (i32, &'static str), args: &'a str, stdin: &'a str) -> Case<'a> {
    let given = move |_| (words(args), stdin.to_owned());
    Case { name, clean, given: Box::new(given), holds: Box::new(|_| true), clear: Box::new(|_| ()), writes: 0 }
}

fn cases<'a>(server: &'a Server, prepared: &'a Prepared) -> Vec<Case<'a>> {
    let there = |path: String| server.call("GET", &path, None).0 == 200;
    let drop_it = |path: String| drop(server.call("DELETE", &path, None));
    vec![
        Case {
            name: "es-register-repository",
            clean: (0, ""),
            given: Box::new(|n| {
                let location = format!("{}/registered", prepared.location);
                (words(&format!("--repository r{n} --type fs --location {location}")), String::new())
            }),
            holds: Box::new(move |n| there(format!("/_snapshot/r{n}"))),
            clear: Box::new(move |n| drop_it(format!("/_snapshot/r{n}"))),
            writes: 1,
        },
        Case {
            name: "es-snapshot",
            clean: (0, ""),
            given: Box::new(|n| {
                (words(&format!("--repository spoilt --indices small --snapshot s{n}")), String::new())
            }),
            holds: Box::new(move |n| {
                let path = format!("/_snapshot/spoilt/s{n}");
                let there = there(path.clone());
                // Versions that take one at a time refuse the next one until this one is at its end.
                eventually("the end of the snapshot", || {
                    !there || ask(server, "GET", &path, None)["snapshots"][0]["state"] == "SUCCESS"
                });
                there
            }),
            clear: Box::new(move |n| drop_it(format!("/_snapshot/spoilt/s{n}"))),
            writes: 1,
        },
        reads("es-wait, a snapshot", (0, ""), "--patience 2s", &prepared.started),
        reads(
            "es-wait, a partial snapshot",
            (1, "PARTIAL"),
            "--repository spoilt --snapshot partial --cluster source",
            "",
        ),
        Case {
            name: "es-restore",
            clean: (0, ""),
            given: Box::new(|n| {
                let args = format!("--rename-pattern small --rename-replacement back{n} --replicas 0");
                (words(&args), prepared.snapshot.clone())
            }),
            holds: Box::new(move |n| {
                let there = there(format!("/back{n}"));
                eventually("the restored documents", || !there || count(server, &format!("back{n}")) == Some(3));
                there
            }),
            clear: Box::new(move |n| drop_it(format!("/back{n}"))),
            writes: 1,
        },
        reads("es-wait, a restore", (0, ""), "--patience 2s", &prepared.restoring),
        Case {
            name: "es-finish-restore",
            clean: (0, ""),
            given: Box::new(|_| (Vec::new(), prepared.restored.clone())),
            holds: Box::new(|_| {
                let settings = ask(server, "GET", "/back/_settings", None);
                settings["back"]["settings"]["index"]["refresh_interval"].is_null()
            }),
            clear: Box::new(|_| {
                ask(server, "PUT", "/back/_settings", Some(&json!({"index.refresh_interval": "-1"})));
            }),
            // Its one write is a setting, and the same however often it is sent.
            writes: 2,
        },
        reads("es-wait, a health", (0, ""), "--patience 2s --cluster target --indices small", ""),
        reads(
            "es-wait, a health of nothing",
            (1, "no such index"),
            "--patience 2s --cluster target --indices nothing",
            "",
        ),
        reads("es-compare-counts", (0, ""), "--index small --target-index back --settle 10ms", ""),
        reads("es-compare-counts, one short", (1, "differs"), "--index small --target-index short --settle 10ms", ""),
        // Writes that are refused for what they ask: permissions are tried by them.
        Case {
            writes: 6,
            ..reads(
                "es-preflight",
                (0, ""),
                "--indices small --rename-pattern small --rename-replacement new --repository nobody --type fs",
                "",
            )
        },
        Case {
            writes: 2,
            ..reads(
                "es-preflight, a name that is taken",
                (1, ""),
                "--indices small --rename-pattern small --rename-replacement short",
                "",
            )
        },
    ]
}

#[test]
fn tls_that_does_not_fit_is_refused_before_anything_is_said() {
    let mut score = Score::new("faults");
    let versions = if whole() { &["elasticsearch-5.5.2", "opensearch-3.8.0"][..] } else { &["elasticsearch-5.5.2"] };
    for version in versions {
        let server = bed::named(version, &format!("faults-tls-{version}"));
        put_documents(&server, "small", 3);
        put_documents(&server, "same", 3);
        let authority = Authority::new();
        let certificate = authority.client();
        let good = Presents { name: "localhost", expired: false, asks: false };
        let secure = |presents| Proxy::secure(&server.url, authority.server(presents));
        let as_https = server.url.replace("http://127.0.0.1", "https://localhost");
        let trusting = secure(good);
        let as_http = trusting.url.replace("https://", "http://");
        let (wrong_name, expired) =
            (secure(Presents { name: "elsewhere", ..good }), secure(Presents { expired: true, ..good }));
        let asking = secure(Presents { asks: true, ..good });
        // What is presented, where, whether the authority is trusted, whether a client's certificate is given; and the end.
        let cells = [
            ("a custom authority", &trusting.url, true, false, 0, ""),
            ("an authority that is not trusted", &trusting.url, false, false, 3, "ES_SOURCE_CACERT"),
            ("a wrong name", &wrong_name.url, true, false, 3, "not valid for name"),
            ("an expired certificate", &expired.url, true, false, 3, "expired"),
            (
                "a client's certificate that is missing",
                &asking.url,
                true,
                false,
                3,
                "hint: it asks for a client certificate",
            ),
            ("a client's certificate", &asking.url, true, true, 0, ""),
            ("plain HTTP where TLS is spoken to", &as_https, true, false, 3, "hint: is it plain http"),
            ("TLS where plain HTTP is spoken to", &as_http, true, false, 75, "not a whole HTTP answer"),
        ];
        for (what, url, trusted, presented, code, words) in cells {
            for (name, args) in [
                ("es-wait", "--cluster source --indices small"),
                ("es-compare-counts", "--index small --target-index same"),
                ("es-preflight", "--indices small --rename-pattern small --rename-replacement new"),
                ("es-register-repository", "--list"),
            ] {
                let mut run = tool(name).args(self::words(args)).env("ES_SOURCE_USERNAME", "canary");
                for role in ["SOURCE", "TARGET"] {
                    run = run.env(format!("ES_{role}_URL"), url).env(format!("ES_{role}_BEARER"), "canary-of-tls");
                    if trusted {
                        run = run.env(format!("ES_{role}_CACERT"), &authority.file);
                    }
                    if presented {
                        run = run.env(format!("ES_{role}_CLIENT_CERT"), &certificate.0);
                        run = run.env(format!("ES_{role}_CLIENT_KEY"), &certificate.1);
                    }
                }
                let output = run.limit(Duration::from_secs(40)).run();
                let so = output.code() == code && output.err().contains(words);
                let end = must_be(so, &format!("exit {} and {:?}", output.code(), output.err()));
                score.cell(&server.version, &format!("{name}, {what}"), end);
            }
        }
        let heard = [&wrong_name, &expired].map(|proxy| proxy.requests().len());
        assert_eq!(heard, [0, 0], "a request was sent over a connection that is not to be trusted");
        server.kill();
    }
    score.finish();
}
