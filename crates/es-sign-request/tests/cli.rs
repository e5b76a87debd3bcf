//! es-sign-request as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_es-sign-request"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("COLUMNS", "100")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .stdin(Stdio::null());
    command
}

struct Seen {
    code: i32,
    out: String,
    err: String,
}

fn seen(output: &Output) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let seen = Seen { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) };
    assert!(!seen.out.contains(SECRET) && !seen.err.contains(SECRET), "the secret key was printed");
    seen
}

fn run(command: &mut Command) -> Seen {
    seen(&command.output().unwrap())
}

fn fed(command: &mut Command, input: impl AsRef<[u8]>) -> Seen {
    let input = input.as_ref().to_vec();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    seen(&output)
}

/// One JSON object on stdout, nothing on stderr, exit 0.
fn record(seen: &Seen) -> Value {
    assert_eq!((seen.code, seen.err.as_str()), (0, ""), "{}", seen.out);
    serde_json::from_str(&seen.out).unwrap()
}

const AT: [&str; 4] = ["--date", "20180118T014839Z", "--service", "es"];

fn signature(record: &Value) -> &str {
    record["headers"]["authorization"].as_str().unwrap().rsplit("Signature=").next().unwrap()
}

/// The registry's copy of aws-sigv4, found as cargo finds it; nothing of the suite is kept here.
fn suite() -> std::path::PathBuf {
    // Only this platform's packages need to be on disk.
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata");
    let package = metadata["packages"].as_array().unwrap().iter().find(|p| p["name"] == "aws-sigv4").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("aws-signing-test-suite/v4")
}

/// A request of the suite: raw HTTP, with folded header lines, and spaces and unicode in the request line.
struct Case {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn case(text: &str) -> Case {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end_matches('\n'), ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with(' ') {
            let last = headers.last_mut().unwrap();
            last.1.push('\n');
            last.1.push_str(line);
        } else {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.into(), value.into()));
        }
    }
    Case { method: method.into(), target: target.into(), headers, body: body.into() }
}

fn suite_command(dir: &Path, context: &Value, asked: &Case) -> Command {
    let mut command = tool();
    let credentials = &context["credentials"];
    command
        .env("AWS_ACCESS_KEY_ID", credentials["access_key_id"].as_str().unwrap())
        .env("AWS_SECRET_ACCESS_KEY", credentials["secret_access_key"].as_str().unwrap());
    if let Some(token) = credentials["token"].as_str() {
        command.env("AWS_SESSION_TOKEN", token);
    }
    for (flag, field) in [("--region", "region"), ("--service", "service"), ("--date", "timestamp")] {
        command.arg(flag).arg(context[field].as_str().unwrap());
    }
    if context["normalize"] == false {
        command.arg("--path-as-is");
    }
    if context["sign_body"] == true {
        command.arg("--content-sha256");
    }
    if context["omit_session_token"] == true {
        command.arg("--unsigned-token");
    }
    // The suite gives some paths as they are before encoding, and signs them encoded once.
    let canonical = std::fs::read_to_string(dir.join("header-canonical-request.txt")).unwrap();
    if !canonical.lines().nth(1).unwrap().contains("%25") {
        command.arg("--path-encoded-once");
    }
    command.args(["-X", &asked.method]);
    let host = asked.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap().1.trim().to_string();
    for (name, value) in &asked.headers {
        if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("x-amz-date") {
            command.arg("-H").arg(format!("{name}:{value}"));
        }
    }
    if !asked.body.is_empty() {
        command.arg("--data").arg(&asked.body);
    }
    command.arg(format!("https://{host}{}", asked.target));
    command
}

/// Cases without a context are of the library's own tests; it uses these values there.
fn context(dir: &Path, signed: &str) -> Value {
    if let Ok(text) = std::fs::read_to_string(dir.join("context.json")) {
        return serde_json::from_str(&text).unwrap();
    }
    let stamp = signed.lines().find_map(|l| l.to_lowercase().strip_prefix("x-amz-date:").map(str::to_uppercase));
    let scope = signed.split("Credential=").nth(1).unwrap().split(',').next().unwrap();
    let parts: Vec<&str> = scope.split('/').collect();
    json!({
        "credentials": {"access_key_id": parts[0], "secret_access_key": "notarealsecret"},
        "region": parts[2], "service": parts[3], "normalize": true, "timestamp": stamp.unwrap().trim(),
    })
}

#[test]
fn every_case_of_the_signing_test_suite_passes_through_the_built_binary() {
    let mut tried = 0;
    let mut failed = Vec::new();
    let mut dirs: Vec<_> = std::fs::read_dir(suite()).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    for dir in dirs {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let signed = std::fs::read_to_string(dir.join("header-signed-request.txt")).unwrap();
        let asked = case(&std::fs::read_to_string(dir.join("request.txt")).unwrap());
        let context = context(&dir, &signed);
        let wanted = signed.split("Signature=").nth(1).unwrap().lines().next().unwrap().trim().to_string();
        let got = run(&mut suite_command(&dir, &context, &asked));
        tried += 1;
        let canonical = std::fs::read_to_string(dir.join("header-canonical-request.txt")).unwrap();
        if dir.join("context.json").exists() {
            if got.code != 0 || signature(&record(&got)) != wanted {
                failed.push(format!("{name}: header: {} {}", got.err, got.out));
            }
        } else {
            // Only the canonical request can be compared: the key of the signature was never published.
            let mut explain = suite_command(&dir, &context, &asked);
            let said = run(explain.arg("--explain")).out;
            let path = canonical.lines().nth(1).unwrap();
            if !said.contains(&format!("\n  {path}\n")) {
                failed.push(format!("{name}: canonical path: {said}"));
            }
        }
        let Ok(query) = std::fs::read_to_string(dir.join("query-signature.txt")) else { continue };
        let mut presigned = suite_command(&dir, &context, &asked);
        let seconds = format!("{}s", context["expiration_in_seconds"]);
        let got = run(presigned.args(["--expires", &seconds, "--format", "url"]));
        if !got.out.contains(&format!("X-Amz-Signature={}", query.trim())) {
            failed.push(format!("{name}: query: {} {}", got.err, got.out));
        }
    }
    assert!(failed.is_empty(), "{} of {tried} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(tried >= 40, "the suite has {tried} cases");
}

#[test]
fn a_signed_record_carries_everything_to_send() {
    let seen = run(tool()
        .args(AT)
        .args(["-X", "post", "-H", "content-type: application/json", "--data", "{}"])
        .arg("https://search-x.us-east-1.es.amazonaws.com/_snapshot/javacafe-es-backup"));
    let record = record(&seen);
    assert_eq!(record["type"], "request");
    assert_eq!((&record["method"], &record["body"]), (&json!("POST"), &json!("{}")));
    let headers = record["headers"].as_object().unwrap();
    assert_eq!(
        headers.keys().collect::<Vec<_>>(),
        ["host", "content-type", "x-amz-date", "authorization"].iter().collect::<Vec<_>>()
    );
    assert_eq!(headers["host"], "search-x.us-east-1.es.amazonaws.com");
    assert_eq!(headers["x-amz-date"], "20180118T014839Z");
}

#[test]
fn records_come_back_signed_one_a_line_with_what_else_they_had() {
    let input = "{\"type\":\"request\",\"url\":\"https://h/a\",\"note\":7}\n\n\
                 {\"type\":\"request\",\"method\":\"PUT\",\"url\":\"https://h/b\",\"headers\":{\"X-A\":[\"1\",\"2\"]},\"body_base64\":\"AAE=\"}\n";
    let seen = fed(tool().args(AT), input);
    assert_eq!((seen.code, seen.err.as_str()), (0, ""));
    let lines: Vec<Value> = seen.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["note"], &lines[0]["method"]), (&json!(7), &json!("GET")));
    assert_eq!((&lines[1]["headers"]["X-A"], &lines[1]["body_base64"]), (&json!(["1", "2"]), &json!("AAE=")));
    let again = fed(tool().args(AT), &seen.out);
    assert_eq!(again.out, seen.out, "what is signed can be signed again");
}

#[test]
fn who_waits_for_an_answer_before_it_sends_the_next_record_gets_it() {
    let mut child = tool().args(AT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (send, answers) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            send.send(line.unwrap()).unwrap();
        }
    });
    for number in 0..3 {
        writeln!(stdin, "{{\"type\":\"request\",\"url\":\"https://h/{number}\"}}").unwrap();
        let answer = answers.recv_timeout(Duration::from_secs(20)).expect("an answer while standard input is open");
        assert!(answer.contains(&format!("https://h/{number}")), "{answer}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_bad_record_is_named_by_its_line() {
    for (line, says) in [
        ("{", "line 2: EOF while parsing an object (column 1)"),
        ("{\"type\":\"snapshot\"}", "line 2: the record is not of type request"),
        ("{\"type\":\"request\"}", "line 2: the record has no url"),
        ("{\"type\":\"request\",\"url\":\"https://h\",\"body\":{}}", "line 2: body is not a string"),
        ("{\"type\":\"request\",\"url\":\"https://u:p@h\"}", "line 2: the URL: it holds a user name"),
    ] {
        let seen = fed(tool().args(AT), format!("{{\"type\":\"request\",\"url\":\"https://h\"}}\n{line}\n"));
        assert_eq!(seen.code, 2, "{line}: {}", seen.err);
        assert!(seen.err.contains(says), "{}", seen.err);
    }
    let seen = fed(tool().args(AT), "");
    assert_eq!((seen.code, seen.out.as_str()), (2, ""));
    assert!(seen.err.starts_with("es-sign-request: no record on standard input\n"), "{}", seen.err);
}

#[test]
fn a_body_is_signed_alike_from_text_file_and_pipe() {
    let dir = std::env::temp_dir().join(format!("es-sign-request-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("body \"1\".json");
    std::fs::write(&file, "{\"a\":1}\n").unwrap();
    let url = "https://h/x/_bulk";
    let text = run(tool().args(AT).args(["--data", "{\"a\":1}\n", url]));
    let named = run(tool().args(AT).args(["--data", &format!("@{}", file.display()), url]));
    let piped = fed(tool().args(AT).args(["--data", "@-", url]), "{\"a\":1}\n");
    let dash = fed(tool().args(AT).args(["--data", "-", url]), "{\"a\":1}\n");
    let all = [&text, &named, &piped, &dash].map(|seen| signature(&record(seen)).to_string());
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    assert_eq!(record(&named)["body_length"], 8);
    assert_eq!(record(&piped)["body_sha256"], record(&named)["body_sha256"]);
    let seen = run(tool().args(AT).args(["--data", "@/nonexistent", url]));
    assert_eq!((seen.code, seen.out.as_str()), (3, ""));
    assert!(seen.err.contains("/nonexistent: No such file"), "{}", seen.err);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_formats_print_what_they_are_called_after() {
    let url = "https://h/a?q=1";
    let curl = run(tool().args(AT).args(["--format", "curl", "--data", "say \"hi\"\\\n@", url])).out;
    assert!(curl.starts_with("globoff\npath-as-is\nurl = \"https://h/a?q=1\"\nrequest = \"POST\"\n"), "{curl}");
    assert!(curl.ends_with("data-raw = \"say \\\"hi\\\"\\\\\\n@\"\n"), "{curl}");
    let http = run(tool().args(AT).args(["--format", "http", "--data", "x", url])).out;
    assert!(
        http.starts_with("POST /a?q=1 HTTP/1.1\r\nhost: h\r\n") && http.ends_with("content-length: 1\r\n\r\nx"),
        "{http}"
    );
    let headers = run(tool().args(AT).args(["--format", "headers", url])).out;
    assert!(
        headers.starts_with("host: h\nx-amz-date: 20180118T014839Z\nauthorization: AWS4-HMAC-SHA256 "),
        "{headers}"
    );
    let link = run(tool().args(AT).args(["--format", "url", "--expires", "1h", url])).out;
    assert!(link.starts_with("https://h/a?q=1&X-Amz-Algorithm=") && link.contains("&X-Amz-Expires=3600&"), "{link}");
}

#[test]
fn serverless_and_s3_get_the_hash_of_the_body_as_a_header() {
    for url in ["https://x.us-east-1.aoss.amazonaws.com/i/_search", "https://b/k"] {
        let service = if url.contains("aoss") { None } else { Some("s3") };
        let mut command = tool();
        command.args(["--date", "20180118T014839Z", "--data", "{}"]).arg(url);
        if let Some(service) = service {
            command.args(["--service", service]);
        }
        let record = record(&run(&mut command));
        assert_eq!(
            record["headers"]["x-amz-content-sha256"],
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert!(record["headers"]["authorization"].as_str().unwrap().contains("x-amz-content-sha256"));
    }
    let unsigned = run(tool().args(["--service", "s3", "--unsigned-payload", "--data", "{}", "https://b/k"]));
    assert_eq!(record(&unsigned)["headers"]["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
}

#[test]
fn explain_shows_all_that_is_signed_and_no_secret() {
    let token = "SESSIONTOKENSECRET";
    let mut command = tool();
    command.env("AWS_SESSION_TOKEN", token).args(AT);
    let seen = run(command.args(["--explain", "-H", "user-agent: me", "https://h/<logs-{now/d}>/_search?b=2&a=1"]));
    assert_eq!((seen.code, seen.err.as_str()), (0, ""));
    for part in [
        "  GET\n  /%253Clogs-%257Bnow%252Fd%257D%253E/_search\n  a=1&b=2\n  host:h\n  x-amz-date:20180118T014839Z\n",
        "x-amz-security-token:(redacted, 18 characters)",
        "  AWS4-HMAC-SHA256\n  20180118T014839Z\n  20180118/us-east-1/es/aws4_request\n",
        "from the environment",
        "headers not signed\n  user-agent",
    ] {
        assert!(seen.out.contains(part), "{part}\n{}", seen.out);
    }
    assert!(!seen.out.contains(token));
    let mut command = tool();
    command.env("AWS_SESSION_TOKEN", token).args(AT);
    let seen = run(command.args(["--explain", "--expires", "1h", "https://h/"]));
    assert_eq!((seen.code, seen.err.as_str()), (0, ""));
    assert!(seen.out.contains("X-Amz-Security-Token=(redacted") && !seen.out.contains(token), "{}", seen.out);
}

#[test]
fn only_the_headers_asked_for_are_signed() {
    let seen = run(tool().args(AT).args(["-H", "a: 1", "-H", "b: 2", "--sign-header", "B", "https://h/"]));
    let record = record(&seen);
    assert!(record["headers"]["authorization"].as_str().unwrap().contains("SignedHeaders=b;host;x-amz-date,"));
    assert_eq!(record["headers"]["a"], "1");
}

#[test]
fn diagnose_names_what_a_proxy_changed() {
    let dir = std::env::temp_dir().join(format!("es-sign-diagnose-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("403.json");
    let canonical = "GET\n/a\n\nhost:internal:9200\nx-amz-date:20180118T014839Z\n\nhost;x-amz-date\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let message = format!(
        "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20180118T014839Z\n20180118/us-east-1/es/aws4_request\n00'\n"
    );
    std::fs::write(&file, json!({"message": message}).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let seen = run(tool().args(["--diagnose", file, "https://h.example/a"]));
    assert_eq!((seen.code, seen.err.as_str()), (0, ""));
    assert_eq!(
        seen.out,
        "host: another host arrived than was signed\n  signed:  host:h.example (line 4 of the canonical request)\n  \
         arrived: host:internal:9200\n  hint: sign the host that the service sees: behind a proxy or tunnel give -H \
         'host: DOMAIN'\n"
    );
    let found = record(&run(tool().args(["--format", "json", "--diagnose", file, "https://h.example/a"])));
    assert_eq!((&found["type"], &found["finding"], &found["line"]), (&json!("finding"), &json!("host"), &json!(4)));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn what_cannot_be_signed_is_wrong_usage() {
    for (arguments, says) in [
        (vec!["h/x"], "the URL: it has no scheme"),
        (vec!["-H", "no colon", "https://h/"], "a header looks like 'name: value'"),
        (vec!["-H", "a: \u{e9}", "https://h/"], "header a: its value is not printable ASCII"),
        (vec!["-X", "GE T", "https://h/"], "method \"GE T\" is not a word"),
        (vec!["--expires", "8d", "https://h/"], "--expires: a signed URL works for 1s to 7d"),
        (vec!["--data", "x"], "--data is given and no URL"),
    ] {
        let seen = run(tool().args(&arguments));
        assert_eq!((seen.code, seen.out.as_str()), (2, ""), "{arguments:?}");
        assert!(seen.err.contains(says), "{}", seen.err);
    }
}

#[test]
fn without_credentials_it_is_not_allowed_and_says_where_it_looked() {
    let mut command = tool();
    command.env_remove("AWS_ACCESS_KEY_ID").env("AWS_EC2_METADATA_DISABLED", "true");
    let seen = run(command.arg("https://h/"));
    assert_eq!((seen.code, seen.out.as_str()), (4, ""));
    assert!(seen.err.starts_with("es-sign-request: no AWS credentials: "), "{}", seen.err);
    assert!(seen.err.contains("hint: set AWS_PROFILE"), "{}", seen.err);
}

#[test]
fn a_region_that_is_not_the_hosts_is_warned_about() {
    let seen = run(tool().args(["https://x.eu-west-1.es.amazonaws.com/"]));
    assert_eq!(seen.code, 0);
    assert_eq!(
        seen.err,
        "es-sign-request: warning: signing for region us-east-1, and the host is in eu-west-1: the service will refuse it\n"
    );
}

#[test]
fn a_full_disk_and_an_output_that_takes_nothing_are_failures() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let only_read = std::fs::File::open("/dev/null").unwrap();
    let again = only_read.try_clone().unwrap();
    for (asked, output, why) in [
        ("https://h/", full, "No space left on device"),
        ("https://h/", only_read, "Bad file descriptor"),
        ("--help", again, "Bad file descriptor"),
    ] {
        let output = tool().arg(asked).stdout(output).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.starts_with(&format!("es-sign-request: standard output: {why}")), "{said}");
    }
}

#[test]
fn an_output_that_never_waits_is_waited_for() {
    let (ours, theirs) = small_pipe_that_never_waits();
    let mut child = tool().stdin(Stdio::piped()).stdout(theirs).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let fed = thread::spawn(move || {
        let host = "x.us-east-1.es.amazonaws.com";
        (0..5000).for_each(|number| {
            writeln!(input, r#"{{"type":"request","method":"GET","url":"https://{host}/{number}","headers":{{}}}}"#)
                .unwrap();
        });
    });
    let mut lines = 0;
    for line in BufReader::new(ours).lines() {
        serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap();
        lines += 1;
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), lines), (Some(0), 5000), "{}", String::from_utf8_lossy(&output.stderr));
    fed.join().unwrap();
}

/// It has room for a small part of what is written at once.
fn small_pipe_that_never_waits() -> (PipeReader, PipeWriter) {
    let (ours, theirs) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(&theirs, 4096).unwrap();
    rustix::io::ioctl_fionbio(&theirs, true).unwrap();
    (ours, theirs)
}

#[test]
fn a_message_is_not_lost_where_standard_error_never_waits() {
    let (mut ours, mut theirs) = small_pipe_that_never_waits();
    while theirs.write(&[b'.'; 512]).is_ok() {}
    let mut child = tool().arg("h/x").stderr(theirs).spawn().unwrap();
    // It waits for room, or it has gone without a word.
    let stat = format!("/proc/{}/stat", child.id());
    let began = Instant::now();
    while !std::fs::read_to_string(&stat).unwrap().contains(") S ") && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_mins(1), "neither");
    }
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert!(said.contains("es-sign-request: the URL: it has no scheme"), "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn no_line_is_torn_where_two_print_to_the_end_of_one_file() {
    let [input, output] =
        ["torn-in", "torn-out"].map(|name| std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    let record = |number| {
        format!(
            "{{\"type\":\"request\",\"method\":\"GET\",\"url\":\"https://x.us-east-1.es.amazonaws.com/a{number}\",\"headers\":{{}}}}\n"
        )
    };
    std::fs::write(&input, (0..2000).map(record).collect::<String>()).unwrap();
    let _ = std::fs::remove_file(&output); // of a run that was killed
    let append = || std::fs::OpenOptions::new().append(true).create(true).open(&output).unwrap();
    let both = [0, 1].map(|_| tool().stdin(std::fs::File::open(&input).unwrap()).stdout(append()).spawn().unwrap());
    for mut child in both {
        assert!(child.wait().unwrap().success());
    }
    let printed = std::fs::read_to_string(&output).unwrap();
    for file in [&input, &output] {
        std::fs::remove_file(file).unwrap();
    }
    let lines: Vec<_> = printed.lines().map(serde_json::from_str::<serde_json::Value>).collect();
    assert_eq!((lines.len(), lines.iter().filter(|line| line.is_err()).count()), (4000, 0));
}
