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
use es_tests::{ask, must_be, put_documents, run};
use serde_json::json;

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

/// One of the situations.
const QUOTES: &str = "an answer of another kind that quotes it";

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
    let quotes = json!({"seen": CANARY, CANARY: {"words": format!("it is {CANARY}, and basic")}});
    situations.push((QUOTES.to_owned(), Some(Spoil::Answer(200, Vec::new(), quotes.to_string().into_bytes()))));
    for (way, variables) in WAYS {
        for (name, args) in TOOLS {
            for (situation, spoil) in &situations {
                // A secret key is never sent, so that no answer can know it.
                if situation == QUOTES && way == "keys of AWS" {
                    continue;
                }
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

#[test]
fn an_index_that_is_called_as_the_password_is_moved_and_counted() {
    let (source, target) = (&bed::server("opensearch-2.19.1"), &bed::server("opensearch-2.19.6"));
    // What es-testkit is not told it does not look for: here it is the name of an index too, which has to be printed.
    let name = "kq7-vexing-harbour-31";
    let who = json!({"password": name, "opendistro_security_roles": ["all_access"]});
    ask(source, "PUT", "/_plugins/_security/api/internalusers/careless", Some(&who));
    let place = source.repository_root.join("careless");
    ask(source, "PUT", "/_snapshot/careless", Some(&json!({"type": "fs", "settings": {"location": place}})));
    for server in [source, target] {
        put_documents(server, name, 3);
    }
    let let_in = format!("export ES_SOURCE_USERNAME=careless ES_SOURCE_PASSWORD={name}");
    let output = run(
        &format!("{let_in}; es-snapshot --repository careless --snapshot careless --indices 'kq7*' | es-wait"),
        source,
        target,
    );
    output.exit(0);
    let snapshot = output.json_lines().remove(0);
    assert_eq!((&snapshot["state"], &snapshot["indices"]), (&json!("SUCCESS"), &json!([name])), "{snapshot}");
    let output = run(&format!("{let_in}; es-compare-counts --index {name}"), source, target);
    output.exit(0);
    let count = &output.json_lines()[0];
    assert_eq!(
        (&count["index"], &count["source_count"], &count["verdict"]),
        (&json!(name), &json!(3), &json!("equal"))
    );
    ask(source, "DELETE", "/_snapshot/careless/careless", None);
    ask(source, "DELETE", "/_snapshot/careless", None);
    for server in [source, target] {
        ask(server, "DELETE", &format!("/{name}"), None);
    }
}
