//! Moves from Amazon Elasticsearch 5.5.2: a real 5.5.2 behind the stand-in for Amazon's edge, which verifies every request
//! with botocore and refuses as Amazon does.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use es_testkit::bed::{self, Edge, EdgeOptions};
use es_testkit::generator::{Plan, Random};
use es_testkit::tool::{Output, Tool};
use es_tests::{Original, ask, original, put_documents, shell, verdicts};
use serde_json::{Value, json};

const BUCKET: &str = "javacafe-es-backup";
const REGION: &str = "ap-northeast-2";
const ROLE: &str = "arn:aws:iam::123456789012:role/es-snapshot";
/// What every secret of a generated credential begins with.
const SECRET: &str = "SECRETOFTHEPROCESS";
const TOKEN: &str = "TOKENOFTHEPROCESS";

/// The original pair with the edge before its source; the edge has nothing of an earlier test in its memory.
struct Amazon {
    original: Original,
    edge: Edge,
}

fn amazon() -> Amazon {
    let original = original();
    let options = EdgeOptions {
        upstream: original.source.url.clone(),
        bucket_root: Some(original.source.repository_root.clone()),
        bucket: BUCKET.into(),
        region: REGION.into(),
        gateway_timeout_ms: 60_000,
    };
    let edge = bed::edge("aws-edge", &options);
    let calm = json!({"clear": true, "cut": 0, "throttle": 0, "throttle_status": 429, "gateway_timeout": 60});
    edge.turn(Some(&calm));
    Amazon { original, edge }
}

impl Amazon {
    /// A script that reaches the source through the edge, with whatever credentials its environment has.
    fn script(&self, script: &str) -> Tool {
        shell(script, &self.original.source, &self.original.target)
            .env("ES_SOURCE_URL", &self.edge.url)
            .env("ES_SOURCE_AUTH", "sigv4")
            .env("AWS_REGION", REGION)
    }

    /// The same, with the keys that the edge knows from its start.
    fn signed(&self, script: &str) -> Tool {
        self.script(script)
            .env("AWS_ACCESS_KEY_ID", &self.edge.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.edge.secret_key)
    }

    /// The command that moves `indices`; the target reads the bucket's files as a directory.
    fn migrate(&self, repository: &str, indices: &str, work: &Path) -> String {
        format!(
            "es-migrate --repository {repository} --type s3 --bucket {BUCKET} --base-path {repository} --region {REGION} \
             --role-arn {ROLE} --target-type fs --target-setting location={}/{BUCKET}/{repository} \
             --snapshot {repository} --indices '{indices}' --work-dir {} --format jsonl",
            self.original.source.repository_root.display(),
            work.display()
        )
    }

    /// What the edge was asked, as method, path and access key.
    fn asked(&self) -> Vec<(String, String, String)> {
        let told = self.edge.turn(None);
        let rows = told["requests"].as_array().expect("requests").clone();
        rows.into_iter().map(|row| serde_json::from_value(row).expect("three words")).collect()
    }

    /// What the edge refused, as status and words.
    fn refused(&self) -> Vec<(u64, String)> {
        let told = self.edge.turn(None);
        let rows = told["refused"].as_array().expect("refusals").clone();
        rows.iter().map(|row| (row[2].as_u64().unwrap(), row[3].as_str().unwrap().to_owned())).collect()
    }
}

fn all_equal(output: &Output, indices: usize) {
    let verdicts = verdicts(output);
    assert!(verdicts.len() == indices && verdicts.iter().all(|(_, verdict)| verdict == "equal"), "{verdicts:?}");
}

#[test]
fn a_move_through_the_edge_arrives_whole_and_keeps_its_secrets() {
    let amazon = amazon();
    let Original { source, target, .. } = &amazon.original;
    let plan = Plan { documents: 1500, indices: 2, prefix: "edge".into(), ..Plan::default() };
    let truth = plan.load(&source.url).expect("the source takes the seed");
    let open: Vec<_> = truth.iter().filter(|index| index.status == "open" && !index.hidden).collect();
    let work = tempfile::tempdir().expect("a work directory");
    let command = amazon.migrate("edge-whole", "edge_*", work.path());
    let output = amazon.signed(&format!("{command} --progress plain")).run();
    output.exit(0).kept_secrets_from(work.path());
    all_equal(&output, open.len());
    for index in open {
        assert_eq!(ask(target, "GET", &format!("/{}/_count", index.index), None)["count"], index.documents);
    }
    let asked = amazon.asked();
    assert!(asked.len() > 10 && asked.iter().all(|(_, _, key)| *key == amazon.edge.access_key), "{asked:?}");
    // No request waits for the node's work, so a gateway has nothing to cut.
    assert!(!asked.iter().any(|(_, path, _)| path.contains("wait_for_completion=true")), "{asked:?}");
    assert_eq!(amazon.refused(), []);
    // The node itself was given a directory, and the domain shows the bucket.
    let kept = ask(source, "GET", "/_snapshot/edge-whole", None);
    assert_eq!(kept["edge-whole"]["type"], "fs");
    amazon
        .signed("es-register-repository --list")
        .run()
        .exit(0)
        .stderr("")
        .stdout_contains("cs-automated")
        .stdout_contains(ROLE);
    amazon.signed(&command).run().exit(0).stderr("");
    // Requests in words, retries, and a failure: nothing of the keys is in any of them.
    amazon.signed("es-snapshot -v --repository edge-whole --snapshot again --indices no-such-index").run().exit(1);
}

#[test]
fn the_requests_of_2018_work_to_the_letter_and_a_cut_one_is_polled() {
    let amazon = amazon();
    let Original { source, .. } = &amazon.original;
    put_documents(source, "letter", 5);
    let script = format!(
        r#"signed() {{ es-sign-request --service es --format curl -H 'content-type: application/json' "$@" |
               curl -q -sS -w ' %{{http_code}}\n' -K -; }}
        set -e
        curl -q -sS "$ES_SOURCE_URL/_snapshot"; echo
        signed -X POST --data '{{"type":"s3","settings":{{"bucket":"{BUCKET}","region":"{REGION}","role_arn":"{ROLE}"}}}}' \
            "$ES_SOURCE_URL/_snapshot/{BUCKET}"
        curl -q -sS -o knob -d '{{"gateway_timeout":0.01}}' "$ES_SOURCE_URL/_edge"
        signed -X PUT --data '{{"indices":"letter","ignore_unavailable":true,"include_global_state":false}}' \
            "$ES_SOURCE_URL/_snapshot/{BUCKET}/letter?wait_for_completion=true"
        curl -q -sS -o knob -d '{{"gateway_timeout":60}}' "$ES_SOURCE_URL/_edge"
        es-wait --repository {BUCKET} --snapshot letter"#
    );
    let output = amazon.signed(&script).run();
    output.exit(0).stderr("");
    let lines: Vec<&str> = output.out().lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], r#"{"Message": "User: anonymous is not authorized to perform: es:ESHttpGet"}"#);
    assert_eq!(lines[1], r#"{"acknowledged":true} 200"#);
    assert!(lines[2].contains("504 GATEWAY_TIMEOUT") && lines[2].ends_with(" 504"), "{}", lines[2]);
    let snapshot: Value = serde_json::from_str(lines[3]).expect("a record");
    assert_eq!((&snapshot["state"], &snapshot["indices"]), (&json!("SUCCESS"), &json!(["letter"])));
}

#[test]
fn answers_lost_at_the_gateway_and_throttling_end_well_when_the_command_is_repeated() {
    let amazon = amazon();
    let Original { source, .. } = &amazon.original;
    put_documents(source, "weather", 5);
    let work = tempfile::tempdir().expect("a work directory");
    // What es-preflight tries would be lost first.
    let command = format!("{} --no-preflight", amazon.migrate("edge-weather", "weather", work.path()));
    // Each run meets another kind of weather.
    for weather in [
        json!({"cut": 1}),
        json!({"cut": 2}),
        json!({"throttle": 2, "throttle_status": 429}),
        json!({"throttle": 2, "throttle_status": 403}),
        json!({"throttle": 30, "throttle_status": 429}),
    ] {
        amazon.edge.turn(Some(&weather));
        let output = amazon.signed(&command).run();
        assert!(matches!(output.code(), 0 | 75), "{weather}: {} {}", output.code(), output.err());
        output.kept_secrets_from(work.path());
    }
    amazon.edge.turn(Some(&json!({"cut": 0, "throttle": 0})));
    let output = amazon.signed(&command).run();
    output.exit(0).stderr("").kept_secrets_from(work.path());
    all_equal(&output, 1);
    let seen: BTreeSet<u64> = amazon.refused().into_iter().map(|(status, _)| status).collect();
    assert_eq!(seen, BTreeSet::from([403, 429, 504]));
    let taken = ask(source, "GET", "/_snapshot/edge-weather/_all", None);
    assert_eq!(taken["snapshots"].as_array().map(Vec::len), Some(1), "{taken}");
}

#[test]
fn a_domain_is_a_target_too() {
    let original = original();
    let Original { source, target, .. } = &original;
    put_documents(source, "edge-to-a-domain", 6);
    let options = EdgeOptions {
        upstream: target.url.clone(),
        bucket_root: Some(target.repository_root.clone()),
        bucket: BUCKET.into(),
        region: REGION.into(),
        gateway_timeout_ms: 60_000,
    };
    let edge = bed::edge("aws-edge-of-the-target", &options);
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository to-a-domain --type fs --location {}/{BUCKET}/to-a-domain --target-type s3 \
         --target-setting bucket={BUCKET} --target-setting base_path=to-a-domain --target-setting region={REGION} \
         --target-setting role_arn={ROLE} --indices edge-to-a-domain --work-dir {} --format jsonl --progress plain",
        source.repository_root.display(),
        work.path().display()
    );
    let output = shell(&command, source, target)
        .env("ES_TARGET_URL", &edge.url)
        .env("ES_TARGET_AUTH", "sigv4")
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", &edge.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &edge.secret_key)
        .run();
    output.exit(0).kept_secrets_from(work.path());
    all_equal(&output, 1);
    assert_eq!(ask(target, "GET", "/edge-to-a-domain/_count", None)["count"], 6);
    assert_eq!(edge.turn(None)["refused"], json!([]));
}

/// A name as one segment of a path.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[test]
fn names_and_queries_that_need_encoding_mean_the_same_behind_the_edge() {
    let amazon = amazon();
    let Original { source, target, .. } = &amazon.original;
    let odd = "edge-자바=카페%41+~";
    for (index, documents) in [("edge-enc-a", 5), ("edge-enc-b", 2), (&encoded(odd), 3)] {
        put_documents(source, index, documents);
    }
    // The node resolves it, so that no midnight comes between this and the count.
    let this_year = "<edge-math-{now/y{yyyy}}>";
    put_documents(source, &encoded(this_year), 4);
    let asked = [
        (format!("/{this_year}/_count"), 4),
        // 5.5.2 takes a bare + in a path for a space.
        ("/edge-자바=카페%2541%2B~/_count".into(), 3),
        ("/edge-enc*,-edge-enc-b/_count".into(), 5),
        ("/edge-enc-a,edge-enc-b/_count".into(), 7),
        ("/edge-enc-b/./../edge-enc-a/_count".into(), 5),
        ("/edge-enc-a/_count?q=이름:자바카페".into(), 5),
        ("/edge-enc-a/_count?q=n:[1 TO 2]".into(), 2),
        ("/edge-enc-a/_count?q=n:(1+OR+2+OR+3)".into(), 3),
        ("/edge-enc-a/_count?q=n:1&q=n:(1 OR 4)".into(), 2),
        ("/edge-enc-a/_count?pretty&human=&q=*".into(), 5),
    ];
    let urls: Vec<String> = asked.iter().map(|(path, _)| format!("{}{path}", amazon.edge.url)).collect();
    let records: Vec<String> = urls.iter().map(|url| json!({"type": "request", "url": url}).to_string()).collect();
    let script = "es-sign-request --service es --format curl | curl -q -sS -f -K -";
    let output = amazon.signed(script).stdin(records.join("\n")).run();
    output.exit(0).stderr("");
    let answers: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(output.out()).into_iter().collect();
    let answers = answers.unwrap_or_else(|error| panic!("{error}: {}", output.out()));
    assert_eq!(answers.len(), asked.len(), "{}", output.out());
    for ((path, count), answer) in asked.iter().zip(&answers) {
        assert_eq!(answer["count"], *count, "{path}: {answer}");
    }
    // The tools sign their own requests.
    let work = tempfile::tempdir().expect("a work directory");
    let output = amazon.signed(&amazon.migrate("edge-encoded", odd, work.path())).run();
    output.exit(0).stderr("");
    assert_eq!(verdicts(&output), [(odd.to_string(), "equal".to_string())]);
    assert_eq!(ask(target, "GET", &format!("/{}/_count", encoded(odd)), None)["count"], 3);
    assert_eq!(amazon.refused(), []);
}

#[test]
fn refusals_of_the_edge_are_exit_4_with_a_hint() {
    let amazon = amazon();
    let register = |flags: &str| {
        let script = format!("es-register-repository --type s3 --bucket {BUCKET} --region {REGION} {flags}");
        amazon.signed(&script)
    };
    register("--repository edge-no-role")
        .run()
        .exit(4)
        .stdout("")
        .stderr_contains("HTTP 401: settings.role_arn is needed for snapshot registration.")
        .stderr_contains("hint: give --role-arn");
    let role = format!("--role-arn {ROLE}");
    let look = "es-register-repository --list";
    amazon
        .signed(look)
        .env("AWS_SECRET_ACCESS_KEY", "another-secret-key")
        .run()
        .exit(4)
        .stdout("")
        .stderr_contains("HTTP 403: The request signature we calculated does not match the signature you provided")
        .stderr_contains("es-sign-request --explain");
    amazon
        .signed(look)
        .env("AWS_SESSION_TOKEN", "no-token-of-these-keys")
        .run()
        .exit(4)
        .stdout("")
        .stderr_contains("The security token included in the request is invalid.");
    amazon
        .signed(look)
        .env("AWS_REGION", "eu-west-1")
        .run()
        .exit(4)
        .stdout("")
        .stderr_contains("Credential should be scoped to a valid region, not 'eu-west-1'");
    amazon
        .signed(look)
        .env("ES_SOURCE_AUTH", "none")
        .run()
        .exit(4)
        .stdout("")
        .stderr_contains("User: anonymous is not authorized to perform: es:ESHttpGet");
    // A name that Amazon keeps for itself is refused by the tool or by the edge, and in any case not registered.
    let reserved = register(&format!("--repository cs-mine {role}")).run();
    assert!(reserved.code() != 0 && reserved.out().is_empty(), "{} {}", reserved.code(), reserved.out());
    assert_eq!(amazon.original.source.call("GET", "/_snapshot/cs-mine", None).0, 404);
}

/// A `credential_process` that issues credentials for some seconds, and has the edge know them for as long. `lies` has it
/// say that they are good for an hour.
fn credential_process(amazon: &Amazon, name: &str, home: &Path, seconds: u32, lies: bool) {
    let told = if lies { "3600".to_owned() } else { seconds.to_string() };
    let process = format!(
        r#"#!/bin/sh
        set -eu
        echo issued >>{home}/issued
        n={name}$(grep -c . {home}/issued)
        now=$(date +%s)
        # From standard input: the process list is searched for secrets.
        printf '{{"key":"%s"}}' "ASIA$n:{SECRET}$n:{TOKEN}$n:$((now + {seconds}))" |
            curl -q -sS -f -o {home}/knob -d @- {url}/_edge
        expires=$(date -u -d "@$((now + {told}))" +%Y-%m-%dT%H:%M:%SZ)
        echo "{{\"Version\":1,\"AccessKeyId\":\"ASIA$n\",\"SecretAccessKey\":\"{SECRET}$n\",\"SessionToken\":\"{TOKEN}$n\",\"Expiration\":\"$expires\"}}""#,
        home = home.display(),
        url = amazon.edge.url
    );
    std::fs::write(home.join("process"), process).expect("the credential process");
    let config = format!("[default]\ncredential_process = sh {}/process\n", home.display());
    std::fs::write(home.join("config"), config).expect("the profile");
}

/// A move whose snapshot takes many times the life of its credentials, as an hour takes with roles that are assumed anew
/// all the time.
fn outlives_its_credentials(index: &str, lies: bool) -> (Vec<String>, Vec<(u64, String)>) {
    let amazon = amazon();
    let Original { source, target, .. } = &amazon.original;
    let settings = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}});
    ask(source, "PUT", &format!("/{index}"), Some(&settings));
    let mut random = Random::new(4, &[]);
    for number in 0..25 {
        let mut text = String::new();
        for _ in 0..400 {
            write!(text, "{:016x}", random.bits()).expect("a string takes text");
        }
        ask(source, "PUT", &format!("/{index}/doc/{number}"), Some(&json!({"text": text})));
    }
    ask(source, "POST", &format!("/{index}/_refresh"), None);
    let home = tempfile::tempdir().expect("a home");
    credential_process(&amazon, index, home.path(), 3, lies);
    let work = tempfile::tempdir().expect("a work directory");
    let command = amazon.migrate(index, index, work.path());
    let output = amazon
        .script(&format!("{command} --max-snapshot-bytes-per-sec 40kb"))
        .env("AWS_CONFIG_FILE", home.path().join("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", home.path().join("none"))
        .secret(SECRET)
        .secret(TOKEN)
        .run();
    output.exit(0).stderr("").kept_secrets_from(work.path());
    all_equal(&output, 1);
    assert_eq!(ask(target, "GET", &format!("/{index}/_count"), None)["count"], 25);
    // Those that es-wait used while it looked at the snapshot: no other tool asks for it so often.
    let looked = format!("/_snapshot/{index}/{index}");
    let looks = amazon.asked().into_iter().filter(|(method, path, _)| method == "GET" && path.starts_with(&looked));
    let keys: BTreeSet<String> = looks.map(|(_, _, key)| key).collect();
    (keys.into_iter().collect(), amazon.refused())
}

#[test]
fn credentials_that_expire_every_few_seconds_are_renewed_before_they_do() {
    let (keys, refused) = outlives_its_credentials("edge-renewed", false);
    assert!(keys.len() >= 5, "the wait outlived its credentials too seldom: {keys:?}");
    assert_eq!(refused, [], "requests were signed with credentials that had expired");
}

#[test]
fn credentials_that_end_before_their_time_are_replaced_when_the_service_says_so() {
    let (keys, refused) = outlives_its_credentials("edge-revoked", true);
    assert!(keys.len() >= 3, "the wait outlived its credentials too seldom: {keys:?}");
    let expired = (403, "The security token included in the request is expired".to_owned());
    assert!(refused.len() >= 2 && refused.iter().all(|one| *one == expired), "{refused:?}");
}
