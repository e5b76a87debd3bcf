//! A refusal for time is answered by the service's own time, once.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_client::{Cluster, Path};
use es_records::Role;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;

/// What the child process does: the environment of the parent cannot be changed safely.
#[test]
#[ignore = "run by the other tests, in a process with its own environment"]
fn child() {
    let cluster = Cluster::open(Role::Source, None, None, |text| eprintln!("heard: {text}")).unwrap();
    for _ in 0..2 {
        match cluster.look(&Path::of(["_count"])) {
            Ok(answer) => eprintln!("answer: {answer}"),
            Err(error) => eprintln!("fault: {}", error.fault("GET /_count")),
        }
    }
}

/// Refuses what is not signed on 18 January 2018; the requests it saw, by their x-amz-date.
fn service(forgiving: bool) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut date = String::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap();
                if let Some(value) = line.strip_prefix("x-amz-date: ") {
                    date = value.to_string();
                }
                if line.is_empty() {
                    break;
                }
            }
            let (status, body) = if forgiving && date.starts_with("20180118T0148") {
                ("200 OK", r#"{"count":1}"#.to_string())
            } else {
                let words = format!(
                    "Signature not yet current: {date} is still later than 20180118T015339Z (20180118T014839Z + 5 min.)"
                );
                ("403 Forbidden", format!(r#"{{"message":"{words}"}}"#))
            };
            tell.send(date).unwrap();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ndate: Thu, 18 Jan 2018 01:48:39 GMT\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (url, seen)
}

fn ask(url: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env_clear()
        .env("ES_SOURCE_URL", url)
        .env("ES_SOURCE_AUTH", "sigv4")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "SECRETKEY")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("SECRETKEY"));
    said
}

#[test]
fn a_clock_that_is_wrong_is_corrected_with_one_retry_and_a_warning() {
    let (url, seen) = service(true);
    let said = ask(&url);
    assert_eq!(said.matches(r#"answer: {"count":1}"#).count(), 2, "{said}");
    assert_eq!(said.matches("heard: warning: this machine's clock is ").count(), 1, "{said}");
    assert!(said.contains(" s ahead of the service's"), "{said}");
    let dates: Vec<String> = seen.try_iter().collect();
    assert_eq!(dates.len(), 3, "refused, signed again, and right from then on: {dates:?}");
}

#[test]
fn a_service_that_keeps_refusing_is_not_asked_for_ever() {
    let (url, seen) = service(false);
    let said = ask(&url);
    assert_eq!(said.matches("fault: GET /_count: HTTP 403: Signature not yet current").count(), 2, "{said}");
    assert_eq!(seen.try_iter().count(), 3, "one retry when the clock was learnt, none after");
}
