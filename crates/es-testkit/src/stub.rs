//! A stub cluster: counts requests, and gives answers that no real server gives on demand.
//!
//! Every answer is queued for one request. What was queued and never asked for, and what was asked and not queued, both
//! fail the test: a tool that sends one request too many is as wrong as one that sends the wrong one. Only a stub that is a
//! function of its requests ([`Stub::of`]) answers whatever comes.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

/// The status of an answer that was not queued.
const UNASKED: u16 = 599;
/// How long a connection may stay silent before its thread gives up on it.
const IDLE: Duration = Duration::from_mins(1);

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path with query, as it was sent.
    pub path: String,
    /// Headers in the order they were sent, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, freed of chunks.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{} {}: the body is no JSON: {error}", self.method, self.path),
        }
    }
}

/// What the stub answers.
#[derive(Clone, Debug)]
pub struct Answer {
    content: Content,
    delay: Duration,
    repeat: bool,
}

#[derive(Clone, Debug)]
enum Content {
    Http { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    Raw(Vec<u8>),
}

impl Answer {
    /// A JSON body with this status.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string()).header("content-type", "application/json; charset=UTF-8")
    }

    /// Any body with this status; a content type is set by [`Answer::header`].
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self::of(Content::Http { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
    }

    /// These bytes in place of an HTTP answer, and then the connection is closed. No bytes at all are a connection
    /// that is cut.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Content::Raw(bytes.into()))
    }

    fn of(content: Content) -> Self {
        Self { content, delay: Duration::ZERO, repeat: false }
    }

    /// Adds a header; a raw answer has none.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Content::Http { headers, .. } = &mut self.content {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Waits this long before it answers.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Gives this answer, if it is the last of its queue, as often as it is asked for, but still at least once.
    #[must_use]
    pub fn repeat(mut self) -> Self {
        self.repeat = true;
        self
    }
}

#[derive(Debug)]
struct Route {
    method: String,
    path: String,
    prefix: bool,
    answers: VecDeque<(Answer, bool)>,
}

#[derive(Debug, Default)]
struct State {
    routes: Vec<Route>,
    requests: Vec<Request>,
    unanswered: Vec<String>,
    otherwise: Option<Otherwise>,
}

/// Answers what no answer was queued for.
struct Otherwise(Box<dyn FnMut(&Request) -> Answer + Send>);

impl std::fmt::Debug for Otherwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Otherwise")
    }
}

/// The stub cluster; it ends with this value, and its end is the check.
#[derive(Debug)]
pub struct Stub {
    port: u16,
    state: Arc<Mutex<State>>,
    ending: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Stub {
    /// Starts a stub on a port of its own, with no answers yet.
    ///
    /// # Panics
    /// If there is no free port on the loopback.
    #[must_use]
    pub fn start() -> Self {
        Self::with(State::default())
    }

    /// Starts a stub that gives to each request, one at a time, what this function says.
    ///
    /// # Panics
    /// If there is no free port on the loopback.
    #[must_use]
    pub fn of(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::with(State { otherwise: Some(Otherwise(Box::new(answer))), ..State::default() })
    }

    fn with(state: State) -> Self {
        let bound =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(error) => panic!("the stub has no port: {error}"),
        };
        let state = Arc::new(Mutex::new(state));
        let ending = Arc::new(AtomicBool::new(false));
        let (shared, ended) = (Arc::clone(&state), Arc::clone(&ending));
        let listener = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&shared);
                // A client that cuts the connection is its own affair.
                thread::spawn(move || drop(serve(&stream, &state)));
            }
        });
        Self { port: address.port(), state, ending, listener: Some(listener) }
    }

    /// Where it answers, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Queues an answer to this method and exactly this path with its query.
    #[expect(clippy::must_use_candidate, reason = "the stub itself is the effect")]
    pub fn on(&self, method: &str, path: &str, answer: Answer) -> &Self {
        self.queue(method, path, false, answer)
    }

    /// Queues an answer to this method and any path that begins so; an exact path is preferred to it.
    #[expect(clippy::must_use_candidate, reason = "the stub itself is the effect")]
    pub fn on_prefix(&self, method: &str, path: &str, answer: Answer) -> &Self {
        self.queue(method, path, true, answer)
    }

    fn queue(&self, method: &str, path: &str, prefix: bool, answer: Answer) -> &Self {
        let mut state = lock(&self.state);
        let known = state
            .routes
            .iter_mut()
            .find(|route| route.method == method && route.path == path && route.prefix == prefix);
        match known {
            Some(route) => route.answers.push_back((answer, false)),
            None => state.routes.push(Route {
                method: method.to_owned(),
                path: path.to_owned(),
                prefix,
                answers: VecDeque::from([(answer, false)]),
            }),
        }
        self
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state).requests.clone()
    }

    /// How many requests there were so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.state).requests.len()
    }

    /// `METHOD PATH` of every request so far: what a test compares most often.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        lock(&self.state).requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    /// Ends the stub and gives the requests.
    ///
    /// # Panics
    /// If a queued answer was never asked for, or a request had none.
    #[must_use]
    pub fn finish(mut self) -> Vec<Request> {
        self.end();
        let requests = self.requests();
        let complaint = self.complaint();
        // The check is done; dropping must not do it again.
        *lock(&self.state) = State::default();
        assert!(complaint.is_empty(), "{complaint}");
        requests
    }

    fn end(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }

    fn complaint(&self) -> String {
        let state = lock(&self.state);
        let mut complaint = String::new();
        for request in &state.unanswered {
            let _ = writeln!(complaint, "the stub had no answer to {request}");
        }
        for route in &state.routes {
            let left = route.answers.iter().filter(|(_, given)| !given).count();
            if left > 0 {
                let _ = writeln!(complaint, "nobody asked for {left} answers to {} {}", route.method, route.path);
            }
        }
        complaint
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.end();
        let complaint = self.complaint();
        // A test that fails already says why; a second panic would abort it and hide that.
        if !thread::panicking() {
            assert!(complaint.is_empty(), "{complaint}");
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: Request) -> Answer {
        let fits = |route: &&mut Route| {
            let path = if route.prefix { request.path.starts_with(&route.path) } else { request.path == route.path };
            route.method == request.method && path && !route.answers.is_empty()
        };
        let route =
            self.routes.iter_mut().filter(fits).min_by_key(|route| (route.prefix, usize::MAX - route.path.len()));
        let answer = route.and_then(|route| {
            let is_last = route.answers.len() == 1;
            let (answer, given) = route.answers.front_mut()?;
            if answer.repeat && is_last {
                *given = true;
                return Some(answer.clone());
            }
            route.answers.pop_front().map(|(answer, _)| answer)
        });
        let answer = answer.or_else(|| self.otherwise.as_mut().map(|otherwise| otherwise.0(&request)));
        let answer = answer.unwrap_or_else(|| {
            self.unanswered.push(format!("{} {}", request.method, request.path));
            Answer::text(UNASKED, "the stub has no answer to this")
        });
        self.requests.push(request);
        answer
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let is_head = request.method == "HEAD";
        let close = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let answer = lock(state).answer(request);
        thread::sleep(answer.delay);
        match answer.content {
            Content::Raw(bytes) => {
                (&mut &*stream).write_all(&bytes)?;
                return stream.shutdown(Shutdown::Both);
            }
            Content::Http { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Stub\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    let _ = write!(head, "{name}: {value}\r\n");
                }
                head.push_str("\r\n");
                let mut bytes = head.into_bytes();
                if !is_head {
                    bytes.extend(body);
                }
                (&mut &*stream).write_all(&bytes)?;
            }
        }
        if close {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// The next request; none when the client closed the connection between two.
pub(crate) fn read<S: Read + Write>(reader: &mut BufReader<S>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(io::Error::other("no request line"));
    };
    let mut request =
        Request { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    if request.header("expect").is_some() {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
            reader.by_ref().take(size).read_to_end(&mut request.body)?;
            reader.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length").and_then(|value| value.parse().ok()) {
        reader.by_ref().take(length).read_to_end(&mut request.body)?;
    }
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use serde_json::json;

    use super::*;
    use crate::http;

    fn call(stub: &Stub, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        http::call(&http::agent(Duration::from_secs(5)), method, &format!("{}{path}", stub.url()), body)
    }

    fn panic_text(action: impl FnOnce()) -> String {
        *catch_unwind(AssertUnwindSafe(action)).unwrap_err().downcast::<String>().unwrap()
    }

    #[test]
    fn answers_come_in_the_order_they_were_queued_and_the_last_repeats() {
        let stub = Stub::start();
        stub.on("GET", "/_cluster/health", Answer::json(200, &json!({"status": "red"}))).on(
            "GET",
            "/_cluster/health",
            Answer::json(200, &json!({"status": "green"})).repeat(),
        );
        let colours: Vec<_> =
            (0..3).map(|_| call(&stub, "GET", "/_cluster/health", None).unwrap().1["status"].clone()).collect();
        assert_eq!(colours, ["red", "green", "green"]);
        assert_eq!(stub.finish().len(), 3);
    }

    #[test]
    fn a_request_is_recorded_with_headers_and_body() {
        let stub = Stub::start();
        stub.on("POST", "/_aliases?pretty", Answer::json(200, &json!({})));
        call(&stub, "POST", "/_aliases?pretty", Some(&json!({"actions": []}))).unwrap();
        let requests = stub.finish();
        assert_eq!(requests[0].header("Content-Type"), Some("application/json"));
        assert_eq!(requests[0].json(), json!({"actions": []}));
    }

    #[test]
    fn an_exact_path_is_preferred_to_a_prefix() {
        let stub = Stub::start();
        stub.on_prefix("GET", "/_cat", Answer::text(200, "\"any\"")).on(
            "GET",
            "/_cat/nodes",
            Answer::text(200, "\"one\""),
        );
        assert_eq!(call(&stub, "GET", "/_cat/nodes", None).unwrap().1, "one");
        assert_eq!(call(&stub, "GET", "/_cat/shards?v", None).unwrap().1, "any");
    }

    #[test]
    fn an_answer_nobody_asked_for_fails_the_test() {
        let stub = Stub::start();
        stub.on("GET", "/", Answer::text(200, ""));
        assert_eq!(panic_text(|| drop(stub)), "nobody asked for 1 answers to GET /\n");
    }

    #[test]
    fn a_repeated_answer_must_be_asked_for_once() {
        let stub = Stub::start();
        stub.on("GET", "/", Answer::text(200, "").repeat());
        assert_eq!(panic_text(|| drop(stub)), "nobody asked for 1 answers to GET /\n");
    }

    #[test]
    fn a_request_without_an_answer_fails_the_test() {
        let stub = Stub::start();
        assert_eq!(call(&stub, "DELETE", "/index", None).unwrap().0, UNASKED);
        assert_eq!(panic_text(|| drop(stub.finish())), "the stub had no answer to DELETE /index\n");
    }

    #[test]
    fn a_stub_that_is_a_function_answers_whatever_comes() {
        let mut asked = 0;
        let stub = Stub::of(move |request| {
            asked += 1;
            Answer::json(200, &json!({"asked": asked, "path": request.path}))
        });
        assert_eq!(call(&stub, "GET", "/a", None).unwrap().1, json!({"asked": 1, "path": "/a"}));
        assert_eq!(call(&stub, "PUT", "/b", Some(&json!({}))).unwrap().1, json!({"asked": 2, "path": "/b"}));
        assert_eq!(stub.finish().len(), 2);
    }

    #[test]
    fn a_cut_connection_and_garbage_are_faults_to_the_client() {
        let stub = Stub::start();
        stub.on("GET", "/", Answer::raw("")).on("GET", "/", Answer::raw("garbage\r\n\r\n"));
        assert!(call(&stub, "GET", "/", None).is_err());
        assert!(call(&stub, "GET", "/", None).is_err());
    }
}
