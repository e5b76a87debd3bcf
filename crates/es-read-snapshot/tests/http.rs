//! Repositories of type `url`: read over HTTP, where nothing can be listed.

#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use es_testkit::golden;
use es_testkit::tls::Secure;

/// Serves the files below `root`, whole or in ranges, and says where.
fn serve(root: PathBuf) -> String {
    serve_at_most(root, usize::MAX)
}

/// The same, by a server that says and sends no more than so much of a range.
fn serve_at_most(root: PathBuf, limit: usize) -> String {
    serve_with(root, ETAG, move |from, to| (to.min(from.saturating_add(limit)), to))
}

/// A line of an answer's head by which the library knows that what it asks for again is the same.
const ETAG: &str = "etag: \"1\"\r\n";

/// The same, by a server that for a range says the first end and sends up to the second of these, if that is before.
fn serve_with(
    root: PathBuf,
    etag: &'static str,
    ends: impl Fn(usize, usize) -> (usize, usize) + Clone + Send + 'static,
) -> String {
    serve_when(root, etag, ends, |_| true)
}

/// The same, by a server that refuses what `may` does not allow by its name.
fn serve_when(
    root: PathBuf,
    etag: &'static str,
    ends: impl Fn(usize, usize) -> (usize, usize) + Clone + Send + 'static,
    may: impl Fn(&str) -> bool + Clone + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (root, ends, may) = (root.clone(), ends.clone(), may.clone());
            // A client that goes away in the middle is its own affair.
            thread::spawn(move || answer(&root, connection.unwrap(), etag, ends, may).unwrap_or(()));
        }
    });
    url
}

fn answer(
    root: &Path,
    mut connection: TcpStream,
    etag: &str,
    ends: impl Fn(usize, usize) -> (usize, usize),
    may: impl Fn(&str) -> bool,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let request = lines.next().unwrap()?;
    let name = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some((from, to)) = line.strip_prefix("range: bytes=").and_then(|range| range.split_once('-')) {
            range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap()));
        }
    }
    if !may(&name) {
        return connection.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    let Ok(bytes) = fs::read(root.join(name)) else {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    if range.is_some_and(|(from, _)| from >= bytes.len()) {
        return connection
            .write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    let (status, from, (to, sent)) = match range {
        Some((from, to)) => {
            let (to, sent) = ends(from, (to + 1).min(bytes.len()));
            ("206 Partial Content", from, (to.min(bytes.len()), sent))
        }
        None => ("200 OK", 0, (bytes.len(), bytes.len())),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\n{etag}last-modified: Mon, 01 Jan 2018 00:00:00 GMT\r\nconnection: close\r\n\r\n",
        to - from,
        to.saturating_sub(1),
        bytes.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(&bytes[from..to.min(sent)])
}

fn golden(server: &str) -> PathBuf {
    golden::place().join(server)
}

/// The tool with nothing in its environment.
fn tool(repository: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_es-read-snapshot"));
    command.env_clear().args(["--repository", repository]);
    command
}

fn read(repository: &str, arguments: &[&str]) -> Output {
    tool(repository).args(arguments).output().unwrap()
}

fn sorted(bytes: &[u8]) -> Vec<&str> {
    let mut lines: Vec<&str> = std::str::from_utf8(bytes).unwrap().lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_repository_is_the_same_over_http() {
    for server in ["elasticsearch-5.5.2", "elasticsearch-9.5.3"] {
        let arguments = ["--snapshot", "two", "--quiet"];
        let files = read(&format!("file://{}", golden(server).canonicalize().unwrap().display()), &arguments);
        let over_http = read(&serve(golden(server)), &arguments);
        assert_eq!(over_http.status.code(), Some(0), "{}", String::from_utf8_lossy(&over_http.stderr));
        assert_eq!(sorted(&over_http.stdout), sorted(&files.stdout));
        assert!(sorted(&files.stdout).len() > 10);
    }
}

#[test]
fn a_list_that_was_left_behind_is_noticed_over_http_too() {
    let root = tempfile::tempdir().unwrap();
    let of = golden("elasticsearch-9.5.3");
    let latest = fs::read(of.join("index.latest")).unwrap();
    let newest = u64::from_be_bytes(latest.as_slice().try_into().unwrap());
    fs::copy(of.join(format!("index-{newest}")), root.path().join(format!("index-{newest}"))).unwrap();
    fs::write(root.path().join("index.latest"), (newest - 1).to_be_bytes()).unwrap();
    let output = read(&serve(root.path().to_owned()), &["--list", "snapshots"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(75), 0));
    let said = format!("index.latest says {}, but there is index-{newest}", newest - 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains(&said), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The number of the next list of snapshots, the list that there is, the next one if one snapshot is deleted, and the uuid of that.
fn deletion(golden: &Path, name: &str) -> (u64, String, String, String) {
    let next = 1 + u64::from_be_bytes(fs::read(golden.join("index.latest")).unwrap().try_into().unwrap());
    let with = fs::read_to_string(golden.join(format!("index-{}", next - 1))).unwrap();
    let mut list: serde_json::Value = serde_json::from_str(&with).unwrap();
    let snapshots = list["snapshots"].as_array_mut().unwrap();
    let one = snapshots.iter().position(|snapshot| snapshot["name"] == name).unwrap();
    let one = snapshots.remove(one)["uuid"].as_str().unwrap().to_owned();
    for index in list["indices"].as_object_mut().unwrap().values_mut() {
        index["snapshots"].as_array_mut().unwrap().retain(|uuid| *uuid != one);
    }
    (next, with, list.to_string(), one)
}

#[test]
fn a_snapshot_that_is_deleted_meanwhile_is_not_listed_and_one_that_is_damaged_is_named() {
    let golden = golden("elasticsearch-7.10.2");
    let (next, with, without, one) = deletion(&golden, "one");
    let list: serde_json::Value = serde_json::from_str(&without).unwrap();
    let others = list["snapshots"].as_array().unwrap().len();
    // How the list is replaced when the first snapshot is asked for, the blob of which is gone from then on.
    let answer = |list: Option<String>, latest: u64, arguments: &[&str]| {
        let root = golden::copy(&golden);
        let (path, own) = (root.path().to_owned(), format!("snap-{one}.dat"));
        let may = move |name: &str| {
            if name.starts_with("snap-") {
                if let Some(list) = &list {
                    fs::write(path.join(format!("index-{next}")), list).unwrap();
                }
                fs::write(path.join("index.latest"), latest.to_be_bytes()).unwrap();
                fs::remove_file(path.join(&own)).unwrap_or(());
            }
            true
        };
        let url = serve_when(root.path().to_owned(), ETAG, |_, to| (to, to), may);
        let output = read(&url, &[&["--list", "snapshots", "--without-sizes"], arguments].concat());
        let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        (output.status.code().unwrap(), texts)
    };
    let (code, [lines, said]) = answer(Some(without.clone()), next, &[]);
    let told = "es-read-snapshot: warning: snapshot \"one\" was deleted while they were listed\n";
    assert_eq!((code, said.as_str()), (0, told));
    assert!(lines.lines().count() == others && !lines.contains("\"one\""), "{lines}");

    let generation = next - 1;
    let damaged = [
        // Asked for by its name.
        (Some(without.clone()), next, vec!["--snapshot", "one"]),
        // Of a list that was chosen nobody knows what came next.
        (Some(without.clone()), next, vec!["--generation", "2"]),
        // A newer list that has it, one that is not named yet, and none.
        (Some(with), next, vec![]),
        (Some(without), generation, vec![]),
        (None, generation, vec![]),
        (None, generation - 1, vec![]),
        (None, next, vec![]),
    ];
    for (list, latest, arguments) in damaged {
        let (code, [lines, said]) = answer(list, latest, &arguments);
        assert!(code == 3 && said.contains("no such blob") && lines.contains("\"one\""), "{code} {lines} {said}");
    }
}

#[test]
fn a_reading_that_misses_a_blob_says_that_its_snapshot_was_deleted_if_a_newer_list_does() {
    let golden = golden("elasticsearch-7.10.2");
    let (next, with, without, _) = deletion(&golden, "two");
    // What is gone when it is asked for once more than so many times, and the list of snapshots that came; then index.latest stays.
    let answer_after = |times: usize, gone: &str, list: Option<&String>, arguments: &[&str]| {
        let root = golden::copy(&golden);
        let (path, gone, list) = (root.path().to_owned(), gone.to_owned(), list.cloned());
        let asked = Arc::new(AtomicUsize::new(0));
        let may = move |name: &str| {
            if name.contains(&gone) && asked.fetch_add(1, Ordering::Relaxed) >= times {
                if let Some(list) = &list {
                    fs::write(path.join(format!("index-{next}")), list).unwrap();
                    fs::write(path.join("index.latest"), next.to_be_bytes()).unwrap();
                }
                if list.is_none() || name != "index.latest" {
                    fs::remove_file(path.join(name)).unwrap_or(());
                }
            }
            true
        };
        let url = serve_when(root.path().to_owned(), ETAG, |_, to| (to, to), may);
        let output = read(&url, &[&["--snapshot", "two", "--quiet"], arguments].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let answer = |gone: &str, list: Option<&String>, arguments: &[&str]| answer_after(0, gone, list, arguments);
    let deleted = "no such blob in the repository; snapshot \"two\" was deleted meanwhile\n";
    for gone in ["snap-", "/meta-", "/0/snap-", "/0/__"] {
        let (code, said) = answer(gone, Some(&without), &[]);
        assert!(code == 3 && said.contains(deleted) && !said.contains("leave it out"), "{gone}: {code} {said}");
        for (list, arguments) in [(Some(&with), &[][..]), (None, &[]), (Some(&without), &["--generation", "2"])] {
            let (code, said) = answer(gone, list, arguments);
            let named = said.contains("no such blob in the repository\n") && !said.contains("deleted");
            assert!(code == 3 && named, "{gone}: {code} {said}");
        }
    }
    // What is said of many parts is said once.
    for (gone, arguments) in [
        ("snap-", &["--list", "indices"][..]),
        ("snap-", &["--list", "snapshots", "--without-sizes"]),
        ("/meta-", &["--metadata"]),
        ("/meta-", &["--list", "indices"]),
        ("/meta-", &["--list", "shards"]),
        ("/0/snap-", &["--list", "indices"]),
        ("/0/snap-", &["--list", "shards"]),
        ("/0/snap-", &["--list", "snapshots"]),
        ("/0/__", &["--list", "shards"]),
    ] {
        let (code, said) = answer(gone, Some(&without), arguments);
        let once = said.lines().count() == 1 && said.ends_with(deleted);
        assert!(code == 3 && once, "{gone} {arguments:?}: {code} {said}");
        let (code, said) = answer(gone, Some(&with), arguments);
        assert!(code == 3 && said.contains("no such blob") && !said.contains("deleted"), "{code} {said}");
    }
    // Nothing of it was missed until the end.
    let (code, said) = answer_after(1, "index.latest", Some(&without), &[]);
    let told = "snapshot \"two\" was deleted while it was read\nes-read-snapshot: hint: lines were already printed";
    assert!(code == 3 && said.contains(told), "{code} {said}");
    // A list that is gone says nothing: its own blob is there.
    let (code, said) = answer_after(1, "index.latest", None, &[]);
    assert!(code == 0 && said.is_empty(), "{code} {said}");
    // The list itself.
    let (code, said) = answer(&format!("index-{}", next - 1), Some(&without), &[]);
    assert!(code == 75 && said.contains(&format!("index-{next} took its place")), "{code} {said}");
}

#[test]
fn damage_is_told_without_a_look_at_what_came_next() {
    let root = golden::copy(&golden("elasticsearch-7.10.2"));
    for name in golden::files(root.path()).iter().filter(|name| name.to_string_lossy().contains("/__")) {
        let path = root.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let may = move |name: &str| {
        count.fetch_add(usize::from(name == "index.latest"), Ordering::Relaxed);
        true
    };
    let url = serve_when(root.path().to_owned(), ETAG, |_, to| (to, to), may);
    let output = read(&url, &["--snapshot", "two", "--quiet"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(3) && said.contains("checksum"), "{said}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn addresses_that_make_no_sense_are_wrong_usage_and_say_no_secrets() {
    let s3 = "s3://bucket/base";
    let no_url = "is no URL of http or https";
    for (repository, flags, words) in [
        (s3, &["--endpoint", "127.0.0.1:9000", "--anonymous"][..], no_url),
        (s3, &["--endpoint", "", "--anonymous"], no_url),
        (s3, &["--endpoint", "localhost:9000", "--anonymous"], no_url),
        (s3, &["--endpoint", "http://127.0.0.1:99999", "--anonymous"], no_url),
        (s3, &["--endpoint", "http://user:canary-secret@h", "--anonymous"], "http://h"),
        (s3, &["--region", "eu\ncentral", "--anonymous"], "is no name of a region"),
        ("s3://bucket/a#canary-secret", &["--anonymous"], "a URL ends at its '#'"),
        ("file:///tmp?canary-secret", &[], "a path ends at its '?'"),
        ("s3://key:canary@bucket/a", &["--anonymous"], "a bucket has no user, password or port"),
        ("s3://bucket:9000/a", &["--anonymous"], "an address by --endpoint"),
        ("azure://bucket/a", &[], "hint: AZURE_STORAGE_ACCOUNT_NAME is its name"),
        ("s3://bucket/a//b", &[], "a base path with two '/' in a row cannot be read"),
        ("s3://", &[], "hint: s3://bucket/base_path"),
        ("gs:///base", &[], "the name of a bucket is missing"),
        ("file:tmp/a", &[], "/tmp/a\n"),
        ("file://tmp/a", &[], "a path begins with a third '/': file:///tmp/a"),
    ] {
        let output = read(repository, &[&["--list", "snapshots"], flags].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{repository} {flags:?}: {said}");
        assert!(said.contains(words) && said.contains("hint: ") && !said.contains("canary"), "{said}");
    }
}

#[test]
fn a_password_in_a_url_is_in_no_message() {
    // Nothing listens there; a port that was free a moment ago may be another test's.
    let output = read("http://me:canary-secret@127.0.0.1:1/x?sig=canary-too", &["--list", "snapshots"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(75), 0), "{said}");
    assert!(said.contains("127.0.0.1") && !said.contains("canary"), "{said}");
}

/// Ends with this code, says this, prints nothing, and shows no secret.
fn refuses(output: &Output, code: i32, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{said}");
    assert!(said.contains(why) && !said.contains("canary") && !said.contains("panicked"), "{why}: {said}");
}

#[test]
fn credentials_that_fit_no_header_are_not_sent() {
    for (name, what) in [("AWS_ACCESS_KEY_ID", "access key id"), ("AWS_SESSION_TOKEN", "session token")] {
        let output = tool("s3://bucket/a")
            .envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "canary"), (name, "can\nary")])
            .args(["--region", "eu-central-1", "--endpoint", "http://127.0.0.1:1"])
            .output()
            .unwrap();
        refuses(&output, 4, &format!("the {what} holds characters that no credentials have"));
    }
}

/// The lines of a request up to its body.
fn head(connection: &TcpStream) -> Vec<String> {
    let lines = BufReader::new(connection.try_clone().unwrap()).lines();
    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect()
}

/// Answers every request with this status and body, and hands on how each began.
fn answers(status: &'static str, body: &'static str) -> (String, Receiver<String>) {
    answers_by(status, move |_| body)
}

/// The same, with the body that is for a request that begins so.
fn answers_by(
    status: &'static str,
    body: impl Fn(&str) -> &'static str + Send + 'static,
) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, requests) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let head = head(&connection).join("\n");
            let body = body(&head);
            let _ = sender.send(head);
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = connection.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (address, requests)
}

#[test]
fn a_password_in_the_url_is_sent_and_in_no_message() {
    let (address, requests) = answers("400 Bad Request", "no");
    // With and without a '/' at its end.
    for path in ["/r", "/r/"] {
        let url = format!("http://me:top%20canary@{address}{path}?sig=canary");
        refuses(&read(&url, &["--list", "snapshots"]), 3, &address);
        let request = requests.recv().unwrap();
        assert!(request.starts_with("GET /r/index.latest?sig=canary "), "{request}");
        assert!(request.to_lowercase().contains("authorization: basic bwu6dg9wignhbmfyeq=="), "{request}");
    }
}

#[test]
fn what_a_store_refuses_for_good_is_not_tried_again() {
    for (status, body, code, why) in [
        ("400 Bad Request", "<Code>InvalidRequest</Code>", 3, "/bucket/a%20b/index.latest"),
        ("404 Not Found", "<Code>NoSuchBucket</Code><BucketName>bucket</BucketName>", 3, "there is no such bucket: "),
        ("403 Forbidden", "<Code>AccessDenied</Code>", 4, "/bucket/a%20b/index.latest"),
        ("400 Bad Request", "<Code>ExpiredToken</Code>", 4, "HTTP 400 Bad Request: ExpiredToken\n"),
        ("400 Bad Request", "<Code>A</Code><Region>eu-x-1</Region>", 3, "hint: --region eu-x-1\n"),
        ("301 Moved\r\nx-amz-bucket-region: eu-x-1", "", 3, "HTTP 301: the bucket is in region eu-x-1\n"),
        ("301 Moved", "", 3, "HTTP 301: a redirect that does not say where to\n"),
        ("403 Forbidden", "<Code>InvalidObjectState</Code>", 3, "hint: it is archived"),
        ("403 Forbidden", "<a>\n <b>c\n", 4, "HTTP 403 Forbidden: <a> <b>c\n"),
    ] {
        let (address, requests) = answers(status, body);
        let endpoint = format!("http://{address}");
        let flags = ["--anonymous", "--path-style", "--list", "snapshots", "--endpoint", &endpoint];
        refuses(&read("s3://bucket/a%20b", &flags), code, why);
        let asked: Vec<String> = requests.try_iter().collect();
        assert_eq!(asked.len(), 1, "{asked:?}");
        // Encoded once.
        assert!(asked[0].starts_with("GET /bucket/a%20b/index.latest "), "{asked:?}");
    }
    // Of a bucket that is not there, s3s-fs says of a key that there is none.
    let (address, _requests) = answers_by("404 Not Found", |request| {
        if request.contains("list-type=2") { "<Code>NoSuchBucket</Code>" } else { "<Code>NoSuchKey</Code>" }
    });
    let endpoint = format!("http://{address}");
    let flags = ["--anonymous", "--path-style", "--generation", "2", "--list", "snapshots", "--endpoint", &endpoint];
    refuses(&read("s3://bucket/a", &flags), 3, "there is no such bucket: ");
}

#[test]
fn what_a_store_does_not_know_is_not_for_later() {
    let (address, _requests) = answers("501 Not Implemented", "<Code>NotImplemented</Code>");
    refuses(&read(&format!("http://{address}/r"), &["--list", "snapshots"]), 3, "HTTP 501 Not Implemented");
}

#[test]
fn what_is_said_of_indices_shards_and_snapshots_is_waited_for_side_by_side() {
    let of_two = |more: &[&'static str]| [&["--snapshot", "two", "--quiet"], more].concat();
    for (arguments, blob) in [
        (of_two(&[]), "/meta-"),
        (of_two(&["--metadata"]), "/meta-"),
        (of_two(&["--list", "indices"]), "/meta-"),
        (of_two(&["--list", "shards"]), "/meta-"),
        // Each index has one such shard.
        (of_two(&["--list", "indices"]), "/0/snap-"),
        (of_two(&["--list", "shards"]), "/0/snap-"),
        (of_two(&["--list", "snapshots"]), "/0/snap-"),
        (vec!["--list", "snapshots", "--without-sizes"], "snap-"),
    ] {
        // The first is answered when the second has come.
        let asked = Arc::new((Mutex::new(0), Condvar::new()));
        let together = move |name: &str| {
            if !name.contains(blob) {
                return true;
            }
            let (count, changed) = &*asked;
            *count.lock().unwrap() += 1;
            changed.notify_all();
            let longest = Duration::from_secs(20);
            !changed.wait_timeout_while(count.lock().unwrap(), longest, |count| *count < 2).unwrap().1.timed_out()
        };
        let whole = |_, to| (to, to);
        let output = read(&serve_when(golden("elasticsearch-5.5.2"), ETAG, whole, together), &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}, {blob}: {said}");
        let files = golden("elasticsearch-5.5.2").canonicalize().unwrap();
        let files = read(&format!("file://{}", files.display()), &arguments);
        assert_eq!(sorted(&output.stdout), sorted(&files.stdout), "{arguments:?}");
    }
}

#[test]
fn what_breaks_off_is_asked_for_from_there_on() {
    let arguments = ["--snapshot", "two", "--quiet"];
    let of = golden("elasticsearch-5.5.2");
    let files = read(&format!("file://{}", of.canonicalize().unwrap().display()), &arguments);
    let breaks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&breaks);
    // One answer in three ends in its middle.
    let url = serve_with(of, ETAG, move |from, to| {
        let half = from + (to - from).div_ceil(2);
        if half < to && counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) { (to, half) } else { (to, to) }
    });
    let over_http = read(&url, &arguments);
    assert_eq!(over_http.status.code(), Some(0), "{}", String::from_utf8_lossy(&over_http.stderr));
    assert_eq!(sorted(&over_http.stdout), sorted(&files.stdout));
    assert!(breaks.load(Ordering::Relaxed) > 10, "{breaks:?}");
}

#[test]
fn what_breaks_off_often_is_read_as_long_as_something_comes() {
    let arguments = ["--quiet"];
    let of = golden("../chunks/elasticsearch-5.5.2");
    let files = read(&format!("file://{}", of.canonicalize().unwrap().display()), &arguments);
    // Without an ETag the library asks for nothing again. Small files are asked for whole.
    let by = |bytes: usize| {
        serve_with(of.clone(), "", move |from, to| (to, if to - from > 3000 { from + bytes } else { to }))
    };
    let over_http = read(&by(400), &arguments);
    assert_eq!(over_http.status.code(), Some(0), "{}", String::from_utf8_lossy(&over_http.stderr));
    assert_eq!(sorted(&over_http.stdout), sorted(&files.stdout));
    refuses(&read(&by(0), &arguments), 75, "/__");
}

#[test]
fn a_redirect_is_not_followed_and_names_where_it_leads() {
    let (address, requests) = answers("302 Found\r\nlocation: http://127.0.0.1:1/there?sig=canary", "");
    let output = read(&format!("http://me:canary@{address}/r"), &["--list", "snapshots"]);
    refuses(&output, 3, "a redirect to http://127.0.0.1:1/there");
    assert_eq!(requests.try_iter().count(), 1);
}

#[test]
fn an_answer_that_is_compressed_is_not_taken_for_the_blob() {
    let (address, requests) = answers("200 OK\r\ncontent-encoding: gzip", "x");
    let output = read(&format!("http://{address}/r"), &["--list", "snapshots"]);
    refuses(&output, 3, "the store does not say how long the blob is");
    let asked: Vec<String> = requests.try_iter().collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(!asked[0].contains("gzip"), "{asked:?}");
}

#[test]
fn a_store_over_tls_is_asked_with_the_authority_of_aws_ca_bundle_and_no_other() {
    let secure = Secure::start(|_| String::new());
    let list_at = |url: &str, bundle: Option<&Path>, flags: &[&str]| {
        tool("s3://bucket")
            .envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "canary")])
            .envs(bundle.map(|bundle| ("AWS_CA_BUNDLE", bundle)))
            .args(["--region", "eu-central-1", "--path-style", "--list", "snapshots"])
            .args(["--endpoint", url])
            .args(flags)
            .output()
            .unwrap()
    };
    let list = |bundle| list_at(&secure.url, bundle, &[]);
    refuses(
        &list(None),
        3,
        "UnknownIssuer\nes-read-snapshot: hint: AWS_CA_BUNDLE is a file of certificates to trust\n",
    );
    assert!(secure.heard().is_empty());
    refuses(&list(Some(Path::new("/dev/null"))), 2, "AWS_CA_BUNDLE: /dev/null: no certificate in it");
    refuses(&list(Some(&secure.authority)), 3, "index.latest");
    assert!(!secure.heard().is_empty());
    let unsigned = list_at(&secure.url, Some(&secure.authority), &["--anonymous"]);
    refuses(&unsigned, 3, "index.latest");
    // Where nobody shows a certificate, none is read.
    let (address, _requests) = answers("404 Not Found", "");
    refuses(&list_at(&format!("http://{address}"), Some(Path::new("/nonexistent")), &[]), 3, "HTTP 404 Not Found");
}

#[test]
fn a_blob_that_was_cut_is_damaged_over_http_too() {
    let (address, _requests) = answers("416 Range Not Satisfiable", "");
    let output = read(&format!("http://{address}/r"), &["--list", "snapshots"]);
    refuses(&output, 3, "the blob is shorter than the repository says");
    let output = read(&serve_at_most(golden("elasticsearch-5.5.2"), 100), &["--snapshot", "two", "--quiet"]);
    refuses(&output, 3, "the blob is shorter than the repository says");
    // Most servers answer with what there is: every file of segments is cut, to so many quarters, or by a byte.
    let of = golden("elasticsearch-5.5.2");
    for left in [1, 2, 4] {
        let root = golden::copy(&of);
        for name in golden::files(root.path()) {
            let path = root.path().join(&name);
            if name.file_name().unwrap().to_str().unwrap().starts_with("__") {
                let mut bytes = fs::read(&path).unwrap();
                bytes.truncate(if left == 4 { bytes.len() - 1 } else { bytes.len() * left / 4 });
                fs::write(path, bytes).unwrap();
            }
        }
        let output = read(&serve(root.path().to_owned()), &["--snapshot", "two", "--quiet"]);
        refuses(&output, 3, "the blob is shorter than the repository says");
    }
}

#[test]
fn a_store_that_knows_no_ranges_is_refused_for_good() {
    let (address, _requests) = answers("200 OK", "{}");
    let output = read(&format!("http://{address}/r"), &["--generation", "0", "--snapshot", "x"]);
    refuses(&output, 3, "index-0: missing field");
    // As python's http.server answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let head = head(&connection);
            let name = head[0].split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
            let bytes = fs::read(golden("elasticsearch-5.5.2").join(name));
            let (status, bytes) = bytes.map_or(("404 Not Found", Vec::new()), |bytes| ("200 OK", bytes));
            let dates = "last-modified: Mon, 01 Jan 2018 00:00:00 GMT\r\nconnection: close";
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{dates}\r\n\r\n", bytes.len());
            let _ = connection.write_all(&[head.as_bytes(), &bytes].concat());
        }
    });
    let output = read(&url, &["--snapshot", "two", "--quiet"]);
    refuses(&output, 3, "the store knows no ranges: it answers with the whole blob\n");
}

#[test]
fn another_range_than_was_asked_for_is_not_taken_for_a_blob_that_was_cut() {
    let url = serve_with(golden("elasticsearch-5.5.2"), ETAG, |_, to| (to + 1, to + 1));
    let output = read(&url, &["--snapshot", "two", "--quiet"]);
    refuses(&output, 3, "the store answers with another range than was asked for\n");
}

/// The first request of a reading of `url` from an emulator that refuses it, with these flags.
fn asked_of_an_emulator(url: &str, path: &str, flags: &[&str], account: &[(&str, &str)]) -> String {
    let (address, requests) = answers("403 Forbidden", "<Code>AccessDenied</Code>");
    let output = tool(url)
        .envs(account.iter().copied())
        .args(["--list", "snapshots", "--endpoint", &format!("http://{address}{path}")])
        .args(flags)
        .output()
        .unwrap();
    refuses(&output, 4, "HTTP 403 Forbidden: AccessDenied\n");
    requests.recv().unwrap()
}

#[test]
fn an_address_in_the_environment_is_as_good_as_a_flag() {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
        let (address, requests) = answers("403 Forbidden", "<Code>AccessDenied</Code>");
        let output = tool("s3://bucket/a")
            .env(name, format!("http://{address}"))
            .args(["--list", "snapshots", "--anonymous"])
            .output()
            .unwrap();
        refuses(&output, 4, "HTTP 403 Forbidden: AccessDenied\n");
        let request = requests.recv().unwrap();
        assert!(request.starts_with("GET /bucket/a/index.latest "), "{request}");
    }
}

#[test]
fn every_cloud_may_be_an_emulator_without_tls() {
    let anonymous = &["--anonymous"][..];
    let request = asked_of_an_emulator("gs://bucket/a", "", anonymous, &[]);
    assert!(request.starts_with("GET /bucket/a%2Findex%2Elatest "), "{request}");
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
    let account = [("AZURE_STORAGE_ACCOUNT_NAME", "me"), ("AZURE_STORAGE_ACCOUNT_KEY", "Y2FuYXJ5")];
    let request = asked_of_an_emulator("azure://bucket/a", "/me", &[], &account);
    assert!(request.starts_with("GET /me/bucket/a/index.latest "), "{request}");
    assert!(request.to_lowercase().contains("authorization: sharedkey me:"), "{request}");
    let request = asked_of_an_emulator("azure://bucket/a", "/me", anonymous, &account);
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
}

#[test]
fn no_credentials_where_no_cloud_gives_them_are_not_for_later() {
    let (address, _requests) = answers("404 Not Found", "");
    for (url, hint) in
        [("gs://bucket", "GOOGLE_APPLICATION_CREDENTIALS"), ("azure://bucket", "AZURE_STORAGE_ACCOUNT_KEY")]
    {
        let output = tool(url)
            .envs([("GCE_METADATA_HOST", &address), ("GCE_METADATA_IP", &address)])
            .envs([("AZURE_MSI_ENDPOINT", format!("http://{address}/metadata/identity/oauth2/token"))])
            .env("AZURE_STORAGE_ACCOUNT_NAME", "me")
            .args(["--list", "snapshots"])
            .output()
            .unwrap();
        refuses(&output, 4, "index.latest: no credentials: request for a token: GET http://");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("hint: {hint} ")), "{output:?}");
    }
}

#[test]
fn each_request_is_told_to_who_wants_to_hear_it() {
    let url = serve(golden("elasticsearch-5.5.2"));
    let output = read(&url, &["--snapshot", "two", "-v"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in [format!("es-read-snapshot: GET {url}/index.latest: 200 OK, "), " bytes=0-".into()] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    assert!(read(&url, &["--snapshot", "two"]).stderr.is_empty());
}

#[test]
fn a_proxy_that_refuses_is_not_for_later() {
    let (proxy, requests) = answers("403 Forbidden", "");
    let output = tool("http://there.invalid/r")
        .env("HTTP_PROXY", format!("http://me:canary@{proxy}"))
        .args(["--list", "snapshots"])
        .output()
        .unwrap();
    refuses(&output, 3, "CONNECT proxy failed: proxy server responded 403");
    assert!(requests.recv().unwrap().starts_with("CONNECT there.invalid:80 "));
}

#[test]
fn a_store_that_is_away_for_a_while_is_waited_for_once_it_has_answered() {
    let of = golden("elasticsearch-5.5.2");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            // More tries than the library makes, of whatever is asked for then.
            let is_away = (2..16).contains(&counted.fetch_add(1, Ordering::Relaxed));
            let mut connection = connection.unwrap();
            if is_away {
                let _ =
                    connection.write_all(b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            } else {
                answer(&of, connection, ETAG, |_, to| (to, to), |_| true).unwrap_or(());
            }
        }
    });
    let output = read(&url, &["--snapshot", "two", "--jobs", "1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let warning = format!("es-read-snapshot: warning: GET {url}/");
    assert!(said.starts_with(&warning) && said.ends_with("after 10 retries; it is asked again for 180 s\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(asked.load(Ordering::Relaxed) > 20);
}

#[test]
fn an_answer_that_stalls_is_told_while_it_is_waited_for_and_asked_for_from_there_on() {
    let arguments = ["--snapshot", "two", "--jobs", "1"];
    let of = golden("elasticsearch-5.5.2");
    let files = read(&format!("file://{}", of.canonicalize().unwrap().display()), &arguments);
    let ranges = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = vec![];
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            open.push(connection.try_clone().unwrap());
            // One range of all is sent to its middle, and its connection stays open.
            let ends = |from: usize, to: usize| {
                let is_third = ranges.fetch_add(1, Ordering::Relaxed) == 2;
                (to, if is_third { from + (to - from).div_ceil(2) } else { to })
            };
            answer(&of, connection, ETAG, ends, |_| true).unwrap_or(());
        }
    });
    let over_http = read(&url, &arguments);
    let said = String::from_utf8_lossy(&over_http.stderr);
    assert_eq!(over_http.status.code(), Some(0), "{said}");
    assert_eq!(sorted(&over_http.stdout), sorted(&files.stdout));
    let begins = said.starts_with(&format!("es-read-snapshot: warning: GET {url}/indices/"));
    let ends = said.ends_with(" s; it is asked again\n") && said.contains(": no answer in time, after ");
    assert!(begins && ends && said.lines().count() == 1, "{said}");
}
