//! The tool as its users see it, on a stub that counts every request.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_testkit::contract::{self, CANARY};
use es_testkit::recorded::{answer, body};
use es_testkit::stub::{Answer, Stub};
use es_testkit::tls::Secure;
use es_testkit::tool::{Tool, tool};
use serde_json::{Value, json};

const NAME: &str = "es-register-repository";
const SOURCE: &str = "elasticsearch-5.5.2";
const TARGET: &str = "elasticsearch-6.1.2";

fn register(stub: &Stub) -> Tool {
    tool(NAME).url(stub.url()).args(["--repository", "move", "--type", "fs", "--location", "rec"])
}

#[test]
fn the_help_is_whole() {
    contract::help(NAME, env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn closed_doors_have_codes_and_keep_the_password() {
    contract::doors(NAME, "SOURCE", |tool, url| {
        tool.url(url).args(["--repository", "move", "--type", "fs", "--location", "rec"])
    });
}

#[test]
fn a_new_repository_is_registered_verified_and_recorded() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .replay("GET /_snapshot/move", "elasticsearch-5.5.2/repository-missing")
        .replay("PUT /_snapshot/move", "elasticsearch-5.5.2/repository-put")
        .replay("GET /_snapshot/move", "elasticsearch-5.5.2/repository")
        .replay("POST /_snapshot/move/_verify", "elasticsearch-5.5.2/repository-verify");
    let output = register(&stub).run();
    output.exit(0).stderr("");
    let [record] = output.json_lines().try_into().unwrap();
    assert_eq!(
        (&record["type"], &record["repository"], &record["repository_type"], &record["changed"], &record["verified"]),
        (&json!("repository"), &json!("move"), &json!("fs"), &json!(true), &json!(true))
    );
    assert_eq!(record["nodes"], json!(["Node 1"]));
    assert_eq!(record["cluster"], contract::cluster_id(SOURCE, "source", &stub.url()));
    assert_eq!(record["steps"][0]["requests"], 5);
    let requests = stub.finish();
    assert_eq!(requests[2].json(), json!({"type": "fs", "settings": {"location": "rec"}}));
    assert_eq!(requests.len(), 5);
}

#[test]
fn a_registration_that_is_as_asked_is_left_alone() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .on("GET", "/_snapshot/move", answer("elasticsearch-5.5.2/repository").repeat())
        .replay("POST /_snapshot/move/_verify", "elasticsearch-5.5.2/repository-verify");
    let output = register(&stub).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["changed"], false);
    let requests = stub.finish();
    assert!(requests.iter().all(|request| request.method != "PUT"));
    assert_eq!(requests.len(), 4);
}

#[test]
fn a_registration_that_points_elsewhere_is_changed_with_a_warning() {
    let elsewhere = json!({"move": {"type": "fs", "settings": {"location": "old"}}});
    let stub = Stub::start();
    stub.root(SOURCE)
        .on("GET", "/_snapshot/move", Answer::json(200, &elsewhere))
        .replay("PUT /_snapshot/move", "elasticsearch-5.5.2/repository-put")
        .replay("GET /_snapshot/move", "elasticsearch-5.5.2/repository")
        .replay("POST /_snapshot/move/_verify", "elasticsearch-5.5.2/repository-verify");
    let output = register(&stub).run();
    output.exit(0).stderr(
        "es-register-repository: warning: repository \"move\" on the source cluster pointed elsewhere before: \
         location \"old\" becomes \"rec\"\n",
    );
    assert_eq!(output.json_lines()[0]["changed"], true);
    assert_eq!(stub.finish().len(), 5);
}

#[test]
fn the_targets_registration_is_read_only_and_unthrottled() {
    let stub = Stub::start();
    stub.root(TARGET)
        .replay("GET /_snapshot/move", "elasticsearch-5.5.2/repository-missing")
        .replay("PUT /_snapshot/move", "elasticsearch-5.5.2/repository-put")
        .replay("GET /_snapshot/move", "elasticsearch-6.1.2/repository")
        .replay("POST /_snapshot/move/_verify", "elasticsearch-6.1.2/repository-verify")
        .replay("GET /_snapshot/move/_all", "elasticsearch-6.1.2/repository-snapshots");
    let output = register(&stub).args(["--cluster", "target"]).run();
    output.exit(0).stderr("");
    let record = &output.json_lines()[0];
    assert_eq!((&record["snapshots"], &record["cluster"]["role"]), (&json!(1), &json!("target")));
    let requests = stub.finish();
    assert_eq!(
        requests[2].json()["settings"],
        json!({"location": "rec", "max_restore_bytes_per_sec": "0b", "readonly": "true"})
    );
    assert_eq!(requests.len(), 6);
}

#[test]
fn a_read_only_repository_without_a_snapshot_is_warned_of() {
    let stub = Stub::start();
    stub.root(TARGET)
        .on("GET", "/_snapshot/move", answer("elasticsearch-6.1.2/repository").repeat())
        .replay("POST /_snapshot/move/_verify", "elasticsearch-6.1.2/repository-verify")
        .on("GET", "/_snapshot/move/_all", Answer::json(200, &json!({"snapshots": []})));
    let output = register(&stub).args(["--cluster", "target"]).run();
    output.exit(0).stderr_contains("is read-only and holds no snapshot yet: are bucket, base_path or location those");
    assert_eq!(output.json_lines()[0]["snapshots"], 0);
    assert_eq!(stub.finish().len(), 5);
}

#[test]
fn a_lost_answer_to_the_registration_is_settled_by_looking() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .replay("GET /_snapshot/move", "elasticsearch-5.5.2/repository-missing")
        .on("PUT", "/_snapshot/move", Answer::raw(""))
        .on("GET", "/_snapshot/move", answer("elasticsearch-5.5.2/repository").repeat())
        .replay("POST /_snapshot/move/_verify", "elasticsearch-5.5.2/repository-verify");
    let output = register(&stub).run();
    output.exit(0).stderr("");
    assert_eq!(output.json_lines()[0]["changed"], true);
    let puts = stub.finish().iter().filter(|request| request.method == "PUT").count();
    assert_eq!(puts, 1, "a write is never sent again blindly");
}

#[test]
fn a_lost_registration_that_is_not_there_is_to_be_tried_again() {
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot/move", answer("elasticsearch-5.5.2/repository-missing").repeat()).on(
        "PUT",
        "/_snapshot/move",
        Answer::raw(""),
    );
    register(&stub).run().exit(75).stdout("").stderr_contains("repository \"move\" on the source cluster: ");
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn a_location_the_server_may_not_use_is_refused_for_good() {
    let stub = Stub::start();
    stub.root(SOURCE)
        .replay("GET /_snapshot/move", "elasticsearch-5.5.2/repository-missing")
        .replay("PUT /_snapshot/move", "elasticsearch-5.5.2/repository-not-allowed");
    register(&stub)
        .run()
        .exit(3)
        .stdout("")
        .stderr_contains("doesn't match any of the locations specified by path.repo")
        .stderr_contains("hint: the location must be under path.repo of every node");
    assert_eq!(stub.finish().len(), 3);
}

#[test]
fn a_repository_in_use_is_to_be_tried_again() {
    let elsewhere = json!({"move": {"type": "fs", "settings": {"location": "rec", "compress": "true"}}});
    let stub = Stub::start();
    stub.root(SOURCE)
        .on("GET", "/_snapshot/move", Answer::json(200, &elsewhere))
        .replay("PUT /_snapshot/move", "elasticsearch-5.5.2/repository-busy");
    register(&stub).run().exit(75).stdout("").stderr_contains("currently used");
    assert_eq!(stub.finish().len(), 3);
}

#[test]
fn settings_that_the_cluster_changed_are_a_failure() {
    let other = json!({"move": {"type": "fs", "settings": {"location": "rec", "readonly": "true"}}});
    let stub = Stub::start();
    stub.root(SOURCE)
        .replay("GET /_snapshot/move", "elasticsearch-5.5.2/repository-missing")
        .replay("PUT /_snapshot/move", "elasticsearch-5.5.2/repository-put")
        .on("GET", "/_snapshot/move", Answer::json(200, &other));
    register(&stub).run().exit(3).stdout("").stderr_contains("the cluster keeps other settings than were sent");
    assert_eq!(stub.finish().len(), 4);
}

#[test]
fn a_dry_run_prints_the_request_and_sends_nothing() {
    let stub = Stub::start();
    let output = register(&stub).arg("--dry-run").run();
    output.exit(0).stderr("");
    let [request] = output.json_lines().try_into().unwrap();
    assert_eq!(
        (&request["type"], &request["method"], &request["url"]),
        (&json!("request"), &json!("PUT"), &json!(format!("{}/_snapshot/move", stub.url())))
    );
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({"type": "fs", "settings": {"location": "rec"}}));
    assert!(stub.finish().is_empty());
}

#[test]
fn what_must_not_be_sent_is_wrong_usage() {
    let stub = Stub::start();
    let wrong = |args: &[&str]| tool(NAME).url(stub.url()).args(args).run();
    let base = ["--repository", "move", "--type"];
    wrong(&[&base[..], &["s3"]].concat()).exit(2).stdout("").stderr_contains("a repository of type s3 needs --bucket");
    wrong(&[&base[..], &["fs"]].concat())
        .exit(2)
        .stdout("")
        .stderr_contains("a repository of type fs needs --location");
    let secret = format!("secret_key={CANARY}");
    let output = wrong(&[&base[..], &["s3", "--bucket", "b", "--setting", &secret]].concat());
    output.exit(2).stdout("").stderr_contains("a secret in a repository's settings is readable by every user");
    assert!(!output.err().contains(CANARY), "{}", output.err());
    wrong(&["--repository", "a/b", "--type", "fs", "--location", "x"])
        .exit(2)
        .stdout("")
        .stderr_contains("repository name \"a/b\": servers refuse it");
    wrong(&[&base[..], &["fs", "--location", "x", "--readonly", "--writable"]].concat())
        .exit(2)
        .stdout("")
        .stderr_contains("cannot be used with");
    assert!(stub.finish().is_empty());
}

#[test]
fn the_list_has_every_registration() {
    let all = json!({
        "cs-automated": {"type": "s3"},
        "move": body("elasticsearch-5.5.2/repository")["move"],
    });
    let stub = Stub::start();
    stub.root(SOURCE).on("GET", "/_snapshot", Answer::json(200, &all));
    let output = tool(NAME).url(stub.url()).arg("--list").run();
    output.exit(0).stderr("");
    let names: Vec<Value> = output.json_lines().iter().map(|line| line["repository"].clone()).collect();
    assert_eq!(names, ["cs-automated", "move"]);
    assert_eq!(stub.finish().len(), 2);
}

#[test]
fn an_answer_that_lists_nothing_of_what_was_asked_for_is_a_failure() {
    let refusal = json!({"error": {"type": "repository_exception", "reason": "[move] could not read"}, "status": 500});
    for (strange, words) in [
        (json!([]), "lists no repositories: []"),
        (json!({"r": {"type": "fs", "settings": {}}, "seen": "x"}), "lists no repositories: {"),
        (refusal.clone(), "repository_exception: [move] could not"),
    ] {
        let stub = Stub::start();
        stub.root(SOURCE).on("GET", "/_snapshot", Answer::json(200, &strange));
        tool(NAME).url(stub.url()).arg("--list").run().exit(3).stdout("").stderr_contains(words);
        drop(stub.finish());
    }
    for (strange, words) in [(json!({}), "lists no nodes: {}"), (refusal, "repository_exception: [move] could not")] {
        let stub = Stub::start();
        stub.root(SOURCE).on("GET", "/_snapshot/move", answer("elasticsearch-5.5.2/repository").repeat()).on(
            "POST",
            "/_snapshot/move/_verify",
            Answer::json(200, &strange),
        );
        register(&stub).run().exit(3).stdout("").stderr_contains(words);
        drop(stub.finish());
    }
}

#[test]
fn an_answer_of_very_many_values_is_refused_before_it_fills_the_memory() {
    for item in ["0,", "[[0]],", "{\"a\":0},", "\"a\","] {
        let stub = Stub::start();
        let body = format!("[{}0]", item.repeat((60 << 20) / item.len()));
        stub.on("GET", "/", Answer::text(200, &body));
        let output = tool(NAME).url(stub.url()).arg("--list").run();
        output.exit(3).stdout("").stderr_contains("the answer is larger than 268435456 bytes of memory");
        assert!(output.peak_bytes() < 320 << 20, "{item}: {} bytes", output.peak_bytes());
        drop(stub.finish());
    }
}

#[test]
fn credentials_that_a_server_says_back_are_in_no_message() {
    for password in [r#"pa"ss\word"#, "ab1"] {
        let stub = Stub::start();
        let reason = format!("user [mover] with password {password} is not known");
        let refusal = json!({"error": {"type": "security_exception", "reason": reason}, "status": 401});
        stub.on("GET", "/", Answer::json(401, &refusal));
        let output = tool(NAME)
            .url(stub.url())
            .arg("--list")
            .env("ES_SOURCE_USERNAME", "mover")
            .env("ES_SOURCE_PASSWORD", password)
            .run();
        output.exit(4).stdout("").stderr_contains("user [mover] with password (redacted) is not known");
        drop(stub.finish());
    }
}

#[test]
fn a_reader_that_has_gone_changes_no_verdict_and_a_full_disk_does() {
    for (full, code) in [(false, 0), (true, 3)] {
        let stub = Stub::start();
        stub.root(SOURCE)
            .on("GET", "/_snapshot/move", answer("elasticsearch-5.5.2/repository").repeat())
            .replay("POST /_snapshot/move/_verify", "elasticsearch-5.5.2/repository-verify");
        let tool = register(&stub);
        let output = if full { tool.stdout_full() } else { tool.stdout_closed() }.run();
        output.exit(code);
        assert_eq!(output.err().contains("No space left on device"), full, "{}", output.err());
        assert_eq!(stub.finish().len(), 4);
    }
}

#[test]
fn the_authority_of_aws_ca_bundle_is_trusted_on_the_way_to_amazon_alone() {
    let secure = Secure::start(|asked| {
        let root = body("elasticsearch-5.5.2/root").to_string();
        if asked.path == "/" { root } else { r#"{"cs-automated":{"type":"s3"}}"#.into() }
    });
    let list = || tool(NAME).url(&secure.url).arg("--list").env("AWS_REGION", "ap-northeast-2");
    let signed = || {
        list()
            .env("ES_SOURCE_AUTH", "sigv4")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret-of-the-key")
    };
    signed().env("AWS_CA_BUNDLE", &secure.authority).run().exit(0).stderr("").stdout_contains("cs-automated");
    let heard = secure.heard().len();
    let authorization = secure.heard().first().and_then(|asked| asked.header("authorization").map(str::to_string));
    assert!(authorization.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ")), "{:?}", secure.heard());
    signed().run().exit(3).stdout("").stderr_contains("TLS: ");
    list().env("AWS_CA_BUNDLE", &secure.authority).run().exit(3).stdout("").stderr_contains("TLS: ");
    assert_eq!(secure.heard().len(), heard, "someone who is not trusted was asked");
    list().env("ES_SOURCE_CACERT", &secure.authority).run().exit(0).stderr("");
    // The variable of the cluster goes before the one of all that is Amazon's.
    let own = signed().env("AWS_CA_BUNDLE", "/nonexistent").env("ES_SOURCE_CACERT", &secure.authority).run();
    own.exit(0).stderr("");
    let wrong = signed().env("AWS_CA_BUNDLE", "/dev/null").run();
    wrong.exit(2).stdout("").stderr_contains("AWS_CA_BUNDLE: /dev/null: no certificate in it (PEM is expected)");
}
