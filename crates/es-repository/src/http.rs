//! HTTP for `object_store`, by ureq: who waits for an answer receives it, into memory that is used again for each piece.

use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use es_http::NoAnswer;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientOptions, HeaderMap};
use ureq::http::{Response, header};
use ureq::tls::{RootCerts, TlsConfig};

use crate::health::Health;
use crate::secrets::without_secrets;

/// How long a connection may take to be made.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection may be silent.
const SILENT: Duration = Duration::from_secs(30);
/// How long the head of an answer may take, however it trickles in.
const HEAD: Duration = Duration::from_mins(1);
/// Over so long a time of waiting, fewer than [`TRICKLE`] bytes are as good as none.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes.
pub(crate) const TRICKLE: u64 = 30 << 10;
/// Bytes of an answer that a connection is asked for, and that are handed on, at a time: what is copied on is still in the
/// processor's cache.
const PIECE: usize = 128 << 10;
/// Connections that are kept for the next request: as many as there are readers, most of the time.
const IDLE: usize = 32;

/// What is said of a bucket that lies elsewhere, before the name of its region.
pub(crate) const BUCKET_REGION: &str = "the bucket is in region ";

/// Whom to trust, and who hears of requests.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    trusted: RootCerts,
    health: Arc<Health>,
}

impl Connector {
    /// Trusts the certificates of a bundle (PEM), or whom the system trusts.
    pub(crate) fn new(bundle: Option<&[u8]>, health: Arc<Health>) -> Result<Self, String> {
        es_http::check_proxy()?;
        let trusted = match bundle {
            None => RootCerts::PlatformVerifier,
            Some(bundle) => {
                let certificates = es_http::certificates(bundle);
                certificates.map_err(|why| format!("certificates to trust: {why}"))?.into()
            }
        };
        Ok(Self { trusted, health })
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let agent = es_http::agent(TlsConfig::builder().root_certs(self.trusted.clone()).build())
            .https_only(!allows_http)
            .timeout_connect(Some(connect_time(options)))
            .timeout_recv_response(Some(HEAD))
            .timeout_per_read(Some(SILENT))
            .timeout_per_write(Some(SILENT))
            // Ranges are of what is stored.
            .accept_encoding("")
            .input_buffer_size(PIECE)
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE)
            .build()
            .new_agent();
        let headers = options.get_default_headers().cloned().unwrap_or_default();
        Ok(HttpClient::new(Service { agent, headers, health: Arc::clone(&self.health) }))
    }
}

/// The library has less patience with metadata of a machine, which there is in its own cloud only.
fn connect_time(options: &ClientOptions) -> Duration {
    let told = options.get_config_value(&ClientConfigKey::ConnectTimeout);
    let seconds = told.and_then(|told| told.strip_suffix('s')?.parse().ok());
    seconds.map_or(CONNECT, Duration::from_secs)
}

#[derive(Debug)]
struct Service {
    agent: ureq::Agent,
    /// Of every request.
    headers: HeaderMap,
    health: Arc<Health>,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut head, body) = request.into_parts();
        for (name, value) in &self.headers {
            head.headers.entry(name).or_insert_with(|| value.clone());
        }
        // Requests in pieces are uploads.
        let body = body.as_bytes().cloned().ok_or_else(|| refused("a request in pieces"))?;
        let request = ureq::http::Request::from_parts(head, body);
        let (what, began) = (described(&request), Instant::now());
        let sent = if request.body().is_empty() && request.method().is_safe() {
            self.agent.run(request.map(|_| ()))
        } else {
            self.agent.run(request.map(|body| body.to_vec()))
        };
        let took = began.elapsed();
        let (head, body) = match sent {
            Ok(answer) => answer.into_parts(),
            Err(why) => {
                self.health.tell(&format!("{what}: {why}, {} ms", took.as_millis()));
                return Err(failed(&self.health, &what, &why, took));
            }
        };
        self.health.tell(&format!("{what}: {}, {} ms", head.status, took.as_millis()));
        if !head.status.is_server_error() {
            self.health.reached();
        }
        if head.status.is_redirection() {
            return Err(redirected(&head));
        }
        let body = ResponseBody {
            left: body.content_length(),
            reader: body.into_with_config().limit(u64::MAX).reader(),
            buffer: Arc::default(),
            pace: Pace::default(),
            failed: None,
            what,
            health: Arc::clone(&self.health),
        };
        Ok(Response::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// A request for those who read along, without what nobody else may read.
fn described<T>(request: &ureq::http::Request<T>) -> String {
    let url = without_secrets(&request.uri().to_string());
    match request.headers().get(header::RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) => format!("{} {url} {range}", request.method()),
        None => format!("{} {url}", request.method()),
    }
}

/// A redirect is where the bucket is, or nobody knows where.
fn redirected(head: &ureq::http::response::Parts) -> HttpError {
    let told = |name: &str| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let status = head.status.as_u16();
    refused(&match (told("x-amz-bucket-region"), told("location")) {
        (Some(region), _) => format!("HTTP {status}: {BUCKET_REGION}{region}"),
        (None, Some(to)) => format!("HTTP {status}: a redirect to {to}, which is not followed"),
        (None, None) => format!("HTTP {status}: a redirect that does not say where to"),
    })
}

/// What does not get better by another try.
fn refused(why: &str) -> HttpError {
    HttpError::new(HttpErrorKind::Decode, io::Error::new(ErrorKind::InvalidData, why))
}

/// Says whether the request may be sent again.
fn failed(health: &Health, what: &str, error: &ureq::Error, after: Duration) -> HttpError {
    let (kind, why) = match error.into() {
        NoAnswer::Unreached(why) => (HttpErrorKind::Connect, why),
        NoAnswer::Late(why) => (HttpErrorKind::Timeout, why),
        NoAnswer::Broken(why) => (HttpErrorKind::Interrupted, why),
        NoAnswer::Never(why) => return refused(&why),
    };
    health.failed(what, &why, after);
    HttpError::new(kind, io::Error::other(why))
}

/// The body of an answer. To poll it is to wait for it.
struct ResponseBody {
    /// Bytes still to come, where the answer says it.
    left: Option<u64>,
    reader: ureq::BodyReader<'static>,
    buffer: Arc<Vec<u8>>,
    pace: Pace,
    /// Why nothing comes after the piece that was handed on.
    failed: Option<HttpError>,
    /// The request.
    what: String,
    health: Arc<Health>,
}

/// How long was waited, not counting what was done meanwhile, and how many bytes came of it.
#[derive(Default)]
struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    /// Whether that is no more than a trickle.
    fn is_too_slow(&mut self, waited: Duration, came: usize) -> bool {
        self.waited += waited;
        self.came += came as u64;
        if self.came >= TRICKLE {
            *self = Self::default();
        }
        self.waited >= PATIENCE
    }
}

fn read(reader: &mut impl Read, pace: &mut Pace, buffer: &mut [u8]) -> io::Result<usize> {
    let began = Instant::now();
    let read = reader.read(buffer);
    let is_too_slow = pace.is_too_slow(began.elapsed(), *read.as_ref().unwrap_or(&0));
    let count = read?;
    if is_too_slow {
        return Err(io::Error::new(ErrorKind::TimedOut, "less than 1 kB/s"));
    }
    Ok(count)
}

/// Memory of a piece.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl ResponseBody {
    fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        if let Some(why) = self.failed.take() {
            return Err(why);
        }
        let size = self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(PIECE).min(PIECE);
        // The piece before is most often gone: fresh memory costs as much time as a copy.
        if self.buffer.is_empty() || Arc::get_mut(&mut self.buffer).is_none() {
            self.buffer = Arc::new(vec![0; size.max(1)]);
        }
        let Some(buffer) = Arc::get_mut(&mut self.buffer) else { return Ok(None) };
        let mut count = 0;
        // Short pieces would be joined again: what is decompressed at once must lie in one.
        while count < size {
            match read(&mut self.reader, &mut self.pace, &mut buffer[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(why) => {
                    let why = failed(&self.health, &self.what, &why.into(), self.pace.waited);
                    if count == 0 {
                        return Err(why);
                    }
                    // What came before need not be asked for again.
                    self.failed = Some(why);
                    break;
                }
            }
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(count as u64);
            if *left == 0 {
                // The end is seen only where it is asked for; the connection is free for the next request then.
                let end = self.reader.read(&mut [0]);
                end.map_err(|why| failed(&self.health, &self.what, &why.into(), self.pace.waited))?;
            }
        }
        let piece = Bytes::from_owner(Shared(Arc::clone(&self.buffer))).slice(..count);
        Ok((count > 0).then_some(piece))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        Poll::Ready(self.get_mut().piece().transpose().map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_now_and_then_is_no_answer() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::default();
        assert!(!(0..29).any(|_| pace.is_too_slow(second, 1)));
        assert!(pace.is_too_slow(second, 1));
        let mut pace = Pace::default();
        assert!(!(0..1000).any(|_| pace.is_too_slow(second, 1100)));
        // What is read at once is never slow.
        assert!(!Pace::default().is_too_slow(29 * second, 1));
    }

    #[test]
    fn metadata_of_a_machine_are_waited_for_as_long_as_the_library_says() {
        let second = ClientOptions::new().with_connect_timeout(Duration::from_secs(1));
        assert_eq!(connect_time(&second), Duration::from_secs(1));
        assert_eq!(connect_time(&ClientOptions::new().with_connect_timeout(CONNECT)), CONNECT);
    }
}
