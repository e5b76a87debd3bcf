//! Proxies of the environment: gone through, told apart from the cluster, and never passed over.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use es_client::{Cluster, Path};
use es_records::Role;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

/// What the child process does: the environment of the parent cannot be changed safely.
#[test]
#[ignore = "run by the other tests, in a process with its own environment"]
fn child() {
    let asked = Cluster::open(Role::Source, None, None, |_| ())
        .and_then(|cluster| cluster.look(&Path::of(["_count"])).map_err(|error| error.fault("GET /_count")));
    match asked {
        Ok(answer) => eprintln!("answer: {answer}"),
        Err(fault) => eprintln!("exit {}: {}", fault.exit.code(), fault.message),
    }
}

/// What a client with this proxy says of a cluster that only the proxy can know.
fn ask(variable: &str, proxy: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env_clear()
        .env("ES_SOURCE_URL", "http://cluster.invalid:9200")
        .env(variable, proxy)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("canary"), "{said}");
    said
}

/// Takes one connection.
fn proxy(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

/// Reads through the end of a request's head.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_socks_proxy_is_gone_through_and_finds_the_name_itself() {
    let (tell, told) = std::sync::mpsc::channel();
    let address = proxy(move |mut stream| {
        // RFC 1928: the ways to log in that the client knows, none of which is wanted.
        let mut ways = [0; 2];
        stream.read_exact(&mut ways).unwrap();
        stream.read_exact(&mut vec![0; ways[1].into()]).unwrap();
        stream.write_all(&[5, 0]).unwrap();
        // CONNECT to a name, its length, the name and the port.
        let mut to = [0; 5];
        stream.read_exact(&mut to).unwrap();
        assert_eq!(to[..4], [5, 1, 0, 3]);
        let mut name = vec![0; usize::from(to[4]) + 2];
        stream.read_exact(&mut name).unwrap();
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
        tell.send((name, head(&mut stream))).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"count\":1}").unwrap();
    });
    let said = ask("ALL_PROXY", &format!("socks5h://{address}"));
    assert!(said.contains("answer: {\"count\":1}\n"), "{said}");
    let (name, request) = told.recv().unwrap();
    assert_eq!(name, [b"cluster.invalid".as_slice(), &9200_u16.to_be_bytes()].concat());
    assert!(request.starts_with("GET /_count HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nhost: cluster.invalid:9200\r\n"), "{request}");
}

#[test]
fn a_proxy_that_cannot_reach_the_cluster_is_for_later_and_one_that_will_not_is_not() {
    for (status, exit) in [("503 Service Unavailable", 75), ("502 Bad Gateway", 75), ("403 Forbidden", 3)] {
        let address = proxy(move |mut stream| {
            assert!(head(&mut stream).starts_with("CONNECT cluster.invalid:9200 HTTP/1.1\r\n"));
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        let said = ask("HTTPS_PROXY", &format!("http://me:canary@{address}"));
        let words = format!("exit {exit}: GET /_count: CONNECT proxy failed: proxy server responded {}", &status[..3]);
        assert!(said.contains(&words), "{said}");
    }
}

#[test]
fn a_proxy_that_wants_a_password_is_told_apart() {
    let address = proxy(|mut stream| {
        head(&mut stream);
        let wants = "407 Proxy Authentication Required\r\nproxy-authenticate: Basic";
        write!(stream, "HTTP/1.1 {wants}\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let said = ask("https_proxy", &format!("http://me:canary@{address}"));
    let words = "exit 3: GET /_count: CONNECT proxy failed: proxy server responded 407/407 (https_proxy wants user:password@ before its host, or another one)\n";
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_server_that_does_not_speak_socks_is_not_blamed_on_tls_alone() {
    let address = proxy(|mut stream| {
        stream.read_exact(&mut [0; 3]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let said = ask("ALL_PROXY", &format!("socks5h://{address}"));
    assert!(said.contains("exit 3: GET /_count: TLS, or the proxy that ALL_PROXY names: "), "{said}");
}

#[test]
fn where_nobody_listens_the_proxy_is_named() {
    // A port that was free a moment ago may be another test's.
    let said = ask("http_proxy", "http://me:canary@127.0.0.1:1");
    assert!(said.contains("exit 75: GET /_count: connection refused (http_proxy names a proxy)\n"), "{said}");
}

#[test]
fn what_is_no_proxy_is_refused() {
    for other in ["ftp://canary", "http://me:canary@:80", "can ary"] {
        let said = ask("HTTP_PROXY", other);
        assert!(said.contains("exit 2: HTTP_PROXY is no URL of a proxy: http://host:port, "), "{said}");
    }
}
