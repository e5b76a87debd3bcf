//! A proxy before a real server that spoils one answer and passes all else through.
//!
//! The server behind is real, so what a lost answer leaves there is real too: a test looks at it directly.

use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::http;
use crate::stub::{Request, read};

/// How an exchange is spoilt.
#[derive(Clone, Debug)]
pub enum Spoil {
    /// The connection is closed; the server never hears of the request.
    Before,
    /// The server acts, and its answer is thrown away.
    After,
    /// The server acts, and its answer ends in the middle of the head.
    CutHead,
    /// The server acts, and its answer ends in the middle of the body.
    CutBody,
    /// The server acts, and its answer comes a byte at a time with this pause between.
    Slow(Duration),
    /// The server never hears of the request; this status, headers and body are the answer.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
}

#[derive(Debug)]
struct State {
    rule: Option<(String, String, Spoil)>,
    requests: Vec<Request>,
    spoilt: usize,
}

/// The proxy. Its thread ends with the test.
#[derive(Debug)]
pub struct Proxy {
    /// Where it answers, without a trailing slash.
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Starts one before the server at this URL.
    ///
    /// # Panics
    /// If there is no free port on the loopback.
    #[must_use]
    pub fn before(upstream: &str) -> Self {
        let bound =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("the proxy has no port: {error}"),
        };
        let state = Arc::new(Mutex::new(State { rule: None, requests: Vec::new(), spoilt: 0 }));
        let (shared, upstream) = (Arc::clone(&state), upstream.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, upstream) = (Arc::clone(&shared), upstream.clone());
                // A client that goes away is its own affair.
                thread::spawn(move || drop(serve(&stream, &upstream, &state)));
            }
        });
        Self { url: format!("http://127.0.0.1:{}", address.port()), state }
    }

    /// Spoils the next exchange of this method and path, once.
    pub fn spoil(&self, method: &str, path: &str, how: Spoil) {
        let mut state = lock(&self.state);
        state.rule = Some((method.to_owned(), path.to_owned(), how));
        state.requests.clear();
        state.spoilt = 0;
    }

    /// How many exchanges were spoilt since [`Proxy::spoil`].
    #[must_use]
    pub fn spoilt(&self) -> usize {
        lock(&self.state).spoilt
    }

    /// What was asked since [`Proxy::spoil`].
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state).requests.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, upstream: &str, state: &Mutex<State>) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some(request) = read(&mut reader)? else { return Ok(()) };
    let spoil = {
        let mut state = lock(state);
        state.requests.push(request.clone());
        let spoil = state
            .rule
            .take_if(|(method, path, _)| {
                *method == request.method && *path == request.path.split('?').next().unwrap_or("")
            })
            .map(|(_, _, how)| how);
        state.spoilt += usize::from(spoil.is_some());
        spoil
    };
    let answer = match &spoil {
        Some(Spoil::Before) => return Ok(stream.shutdown(Shutdown::Both)?),
        Some(Spoil::Answer(status, headers, body)) => whole(*status, headers, body),
        _ => forward(&request, upstream)?,
    };
    let mut out = stream;
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    match spoil {
        Some(Spoil::After) => {}
        Some(Spoil::CutHead) => out.write_all(&answer[..head / 2])?,
        Some(Spoil::CutBody) => out.write_all(&answer[..head + (answer.len() - head) / 2])?,
        Some(Spoil::Slow(pause)) => slowly(out, &answer, pause)?,
        _ => out.write_all(&answer)?,
    }
    Ok(stream.shutdown(Shutdown::Both)?)
}

fn slowly(mut out: &TcpStream, answer: &[u8], pause: Duration) -> io::Result<()> {
    out.set_nodelay(true)?;
    for byte in answer.chunks(1) {
        out.write_all(byte)?;
        thread::sleep(pause);
    }
    Ok(())
}

fn whole(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Proxy\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

fn forward(request: &Request, upstream: &str) -> anyhow::Result<Vec<u8>> {
    let mut sent =
        ureq::http::Request::builder().method(request.method.as_str()).uri(format!("{upstream}{}", request.path));
    for (name, value) in &request.headers {
        // What belongs to one hop, or is computed anew.
        if !matches!(name.as_str(), "host" | "connection" | "content-length" | "transfer-encoding" | "accept-encoding")
        {
            sent = sent.header(name, value);
        }
    }
    let agent = http::agent(Duration::from_mins(1));
    let mut answer =
        if request.body.is_empty() { agent.run(sent.body(())?)? } else { agent.run(sent.body(&request.body[..])?)? };
    let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec()?;
    Ok(whole(answer.status().as_u16(), &[("content-type".to_owned(), kind)], &body))
}
