//! Repositories of type `url`: read over HTTP, where nothing can be listed.

#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

/// Serves the files below `root`, whole or in ranges, and says where.
fn serve(root: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let root = root.clone();
            // A client that goes away in the middle is its own affair.
            thread::spawn(move || answer(&root, connection.unwrap()).unwrap_or(()));
        }
    });
    url
}

fn answer(root: &Path, mut connection: TcpStream) -> std::io::Result<()> {
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
    let Ok(bytes) = fs::read(root.join(name)) else {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let (status, from, to) = match range {
        Some((from, to)) => ("206 Partial Content", from, (to + 1).min(bytes.len())),
        None => ("200 OK", 0, bytes.len()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\nlast-modified: Mon, 01 Jan 2018 00:00:00 GMT\r\nconnection: close\r\n\r\n",
        to - from,
        to.saturating_sub(1),
        bytes.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(&bytes[from..to])
}

fn golden(server: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/repositories").join(server)
}

fn read(repository: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_es-read-snapshot"));
    command.env_clear().args(["--repository", repository]).args(arguments).output().unwrap()
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
    ] {
        let output = read(repository, &[&["--list", "snapshots"], flags].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{repository} {flags:?}: {said}");
        assert!(said.contains(words) && said.contains("hint: ") && !said.contains("canary"), "{said}");
    }
}

#[test]
fn a_password_in_a_url_is_in_no_message() {
    // Nothing listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = read(&format!("http://me:canary-secret@127.0.0.1:{port}/x?sig=canary-too"), &["--list", "snapshots"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(75), 0), "{said}");
    assert!(said.contains("127.0.0.1") && !said.contains("canary"), "{said}");
}
