//! What a tool is given to be let in is in nothing that it prints, on no command line, and goes to no other host: whatever the server
//! answers, even where it says every header back.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use es_testkit::bed;
use es_testkit::proxy::{Proxy, Spoil};
use es_testkit::score::Score;
use es_testkit::stub::Stub;
use es_testkit::tool::{Tool, tool};
use es_tests::{must_be, put_documents};

/// Long enough to be in no text by chance; the file for `.._FILE` holds it too.
const CANARY: &str = "canary-Of+The/Leaks==";

/// Ways to be let in: what is set for each role. `FILE` stands for the file, `URL` for the proxy.
const WAYS: [(&str, &[(&str, &str)]); 8] = [
    ("a password", &[("USERNAME", "user"), ("PASSWORD", CANARY)]),
    ("a password in a file", &[("USERNAME", "user"), ("PASSWORD_FILE", "FILE")]),
    ("an API key", &[("API_KEY", CANARY)]),
    ("an API key in a file", &[("API_KEY_FILE", "FILE")]),
    ("a bearer token", &[("BEARER", CANARY)]),
    ("a bearer token in a file", &[("BEARER_FILE", "FILE")]),
    ("a password in the URL", &[("URL", "http://user:canary-in-the-url@HOST")]),
    ("keys of AWS", &[("AUTH", "sigv4"), ("AWS_REGION", "eu-west-1")]),
];

const TOOLS: [(&str, &[&str]); 6] = [
    ("es-register-repository", &["--list"]),
    ("es-snapshot", &["--repository", "none", "--indices", "small", "-v"]),
    ("es-wait", &["--cluster", "source", "--indices", "small", "--patience", "1s", "-v"]),
    ("es-restore", &["--repository", "none", "--snapshot", "small", "--errors", "json"]),
    ("es-compare-counts", &["--index", "small", "--target-index", "same", "-v"]),
    ("es-preflight", &["--indices", "small", "--errors", "json", "-v"]),
];

fn given(run: Tool, way: &[(&str, &str)], url: &str, file: &Path) -> Tool {
    let mut run = run;
    for role in ["SOURCE", "TARGET"] {
        run = run.env(format!("ES_{role}_URL"), url);
        for (name, value) in way {
            let value = match *value {
                "FILE" => file.display().to_string(),
                other => other.replace("HOST", url.trim_start_matches("http://")),
            };
            run = run.env(format!("ES_{role}_{name}"), value);
        }
    }
    if way.iter().any(|(_, value)| *value == "sigv4") {
        let keys = [
            ("ACCESS_KEY_ID", "AKIACANARY0000000000"),
            ("SECRET_ACCESS_KEY", CANARY),
            ("SESSION_TOKEN", "canary-token=="),
        ];
        for (name, value) in keys {
            run = run.env(format!("AWS_{name}"), value);
        }
    }
    run
}

#[test]
fn no_secret_is_printed_listed_or_sent_elsewhere() {
    let mut score = Score::new("leaks");
    let server = bed::server("elasticsearch-7.10.2");
    put_documents(&server, "small", 1);
    put_documents(&server, "same", 1);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{CANARY}\n")).unwrap();
    // It has no answers: a request that follows a redirect is one too many.
    let elsewhere = Stub::start();
    let mut situations = vec![("as it should be".to_owned(), None)];
    for status in [200, 400, 401, 403, 404, 429, 500, 503] {
        situations.push((format!("{status} that says the headers back"), Some(Spoil::Echo(status))));
    }
    for status in [301, 302, 303, 307, 308] {
        let headers = vec![("location".to_owned(), elsewhere.url())];
        situations.push((format!("{status} to another host"), Some(Spoil::Answer(status, headers, Vec::new()))));
    }
    for (way, variables) in WAYS {
        for (name, args) in TOOLS {
            for (situation, spoil) in &situations {
                let before = elsewhere.count();
                let proxy = Proxy::before(&server.url);
                if let Some(spoil) = spoil {
                    proxy.spoil(1, spoil.clone());
                }
                let run =
                    given(tool(name).args(args), variables, &proxy.url, file.path()).limit(Duration::from_secs(40));
                // The run itself fails where a secret is in what it prints or on a command line.
                let end = match catch_unwind(AssertUnwindSafe(|| run.run())) {
                    Ok(_) => must_be(elsewhere.count() == before, "another host heard of it"),
                    Err(found) => Err(found.downcast_ref::<String>().cloned().unwrap_or_default()),
                };
                let let_in = proxy.requests().iter().all(|request| request.header("authorization").is_some());
                let end =
                    end.and_then(|()| must_be(proxy.spoilt() == usize::from(spoil.is_some()), "nothing was spoilt"));
                let end = end.and_then(|()| must_be(let_in && !proxy.requests().is_empty(), "it was not sent at all"));
                score.cell(&server.version, &format!("{name}, {way}, {situation}"), end);
            }
        }
    }
    score.finish();
}
