//! A proxy before a real server that spoils one exchange and passes all else through.
//!
//! The server behind is real, so what a lost answer leaves there is real too: a test looks at it directly.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::http;
use crate::stub::{Request, read};

/// How an exchange is spoilt.
#[derive(Clone, Debug)]
pub enum Spoil {
    /// The connection is closed; the server never hears of the request.
    Before,
    /// The connection is reset (RST); the server never hears of the request.
    ResetBefore,
    /// The connection is closed, and every later one is refused; the server never hears of the request.
    Gone,
    /// The server acts, and its answer is thrown away.
    After,
    /// The server acts, and the connection is reset (RST).
    ResetAfter,
    /// The server acts, and its answer ends in the middle of the head.
    CutHead,
    /// The server acts, and its answer ends in the middle of the body.
    CutBody,
    /// The same, where the body is compressed by gzip, as most servers send it.
    CutGzip,
    /// The server acts, and its answer comes a byte at a time with this pause between.
    Slow(Duration),
    /// The server acts, and the body of its answer is changed.
    Edit(fn(&str) -> String),
    /// The server never hears of the request; this status is the answer, with a refusal that says all headers back.
    Echo(u16),
    /// The server never hears of the request; this status, headers and body are the answer.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
}

#[derive(Debug, Default)]
struct State {
    /// Which request, counted from 0, is spoilt, and how.
    rule: Option<(usize, Spoil)>,
    requests: Vec<Request>,
    statuses: Vec<u16>,
    spoilt: usize,
    gone: bool,
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
        Self::start(upstream, None)
    }

    /// The same, spoken to by TLS, as `localhost`.
    ///
    /// # Panics
    /// If there is no free port on the loopback.
    #[must_use]
    pub fn secure(upstream: &str, config: Arc<ServerConfig>) -> Self {
        Self::start(upstream, Some(config))
    }

    fn start(upstream: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let bound =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("the proxy has no port: {error}"),
        };
        let url = match &tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://127.0.0.1:{}", address.port()),
        };
        let state = Arc::<Mutex<State>>::default();
        let (shared, upstream) = (Arc::clone(&state), upstream.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if lock(&shared).gone {
                    // The listener ends with this: from here on the port refuses.
                    return;
                }
                let (state, upstream, tls) = (Arc::clone(&shared), upstream.clone(), tls.clone());
                // A client that goes away is its own affair.
                thread::spawn(move || drop(accept(&stream, &upstream, tls, &state)));
            }
        });
        Self { url, state }
    }

    /// Spoils the request of this number, counted from 0.
    pub fn spoil(&self, number: usize, how: Spoil) {
        lock(&self.state).rule = Some((number, how));
    }

    /// How many exchanges were spoilt.
    #[must_use]
    pub fn spoilt(&self) -> usize {
        lock(&self.state).spoilt
    }

    /// What was asked.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state).requests.clone()
    }

    /// The statuses of the answers, in the order they came.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        lock(&self.state).statuses.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(tcp: &TcpStream, upstream: &str, tls: Option<Arc<ServerConfig>>, state: &Mutex<State>) -> anyhow::Result<()> {
    match tls {
        None => serve(tcp, BufReader::new(tcp), upstream, state)?,
        Some(config) => {
            let mut stream = StreamOwned::new(ServerConnection::new(config)?, tcp);
            serve(tcp, BufReader::new(&mut stream), upstream, state)?;
            stream.conn.send_close_notify();
            stream.flush()?;
        }
    }
    Ok(())
}

fn serve(
    tcp: &TcpStream,
    mut reader: BufReader<impl Read + Write>,
    upstream: &str,
    state: &Mutex<State>,
) -> anyhow::Result<()> {
    let Some(request) = read(&mut reader)? else { return Ok(()) };
    let spoil = {
        let mut state = lock(state);
        let number = state.requests.len();
        state.requests.push(request.clone());
        let spoil = state.rule.take_if(|(at, _)| *at == number).map(|(_, how)| how);
        state.spoilt += usize::from(spoil.is_some());
        state.gone |= matches!(spoil, Some(Spoil::Gone));
        spoil
    };
    let answer = match &spoil {
        Some(Spoil::Before) => return Ok(()),
        Some(Spoil::ResetBefore) => return Ok(set_socket_linger(tcp, Some(Duration::ZERO))?),
        Some(Spoil::Gone) => {
            // Wakes the listener, which then ends.
            drop(TcpStream::connect(tcp.local_addr()?));
            return Ok(());
        }
        Some(Spoil::Answer(status, headers, body)) => whole(*status, headers, body),
        Some(Spoil::Echo(status)) => {
            let headers: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let refusal = json!({"error": {"type": "echo_exception", "reason": headers.join("; ")}, "status": status});
            whole(*status, &[], refusal.to_string().as_bytes())
        }
        _ => forward(&request, upstream)?,
    };
    let status =
        answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok()).unwrap_or_default();
    lock(state).statuses.push(status);
    let out = reader.get_mut();
    let head = end_of_head(&answer);
    match spoil {
        Some(Spoil::After) => {}
        Some(Spoil::ResetAfter) => set_socket_linger(tcp, Some(Duration::ZERO))?,
        Some(Spoil::CutHead) => out.write_all(&answer[..head / 2])?,
        Some(Spoil::CutBody) => out.write_all(half_of_body(&answer))?,
        Some(Spoil::CutGzip) => {
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            packed.write_all(&answer[head..])?;
            let encoding = ("content-encoding".to_owned(), "gzip".to_owned());
            let answer = whole(status, &[encoding], &packed.finish()?);
            out.write_all(half_of_body(&answer))?;
        }
        Some(Spoil::Slow(pause)) => slowly(tcp, out, &answer, pause)?,
        Some(Spoil::Edit(edit)) => {
            let body = edit(&String::from_utf8_lossy(&answer[head..]));
            out.write_all(&whole(status, &[], body.as_bytes()))?;
        }
        _ => out.write_all(&answer)?,
    }
    Ok(())
}

fn end_of_head(answer: &[u8]) -> usize {
    answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(answer.len(), |at| at + 4)
}

fn half_of_body(answer: &[u8]) -> &[u8] {
    &answer[..usize::midpoint(end_of_head(answer), answer.len())]
}

fn slowly(tcp: &TcpStream, out: &mut impl Write, answer: &[u8], pause: Duration) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    for byte in answer.chunks(1) {
        out.write_all(byte)?;
        out.flush()?;
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
