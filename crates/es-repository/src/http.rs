//! HTTP for `object_store`, by ureq: who waits for an answer receives it, into memory that is used again for each piece.

use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientOptions, HeaderMap};
use ureq::http::{Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection may be silent.
const SILENT: Duration = Duration::from_secs(30);
/// Bytes of an answer that are handed on at a time.
const PIECE: usize = 128 << 10;
/// Connections that are kept for the next request: as many as there are readers, most of the time.
const IDLE: usize = 32;

/// Whom to trust.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    trusted: RootCerts,
}

impl Connector {
    /// Trusts the certificates of a bundle (PEM), or whom the system trusts.
    pub(crate) fn new(bundle: Option<&[u8]>) -> Result<Self, ureq::Error> {
        let Some(bundle) = bundle else {
            return Ok(Self { trusted: RootCerts::PlatformVerifier });
        };
        let mut certificates = Vec::<Certificate<'static>>::new();
        for item in ureq::tls::parse_pem(bundle) {
            if let ureq::tls::PemItem::Certificate(certificate) = item? {
                certificates.push(certificate);
            }
        }
        Ok(Self { trusted: certificates.into() })
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let agent = ureq::Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(self.trusted.clone()).build())
            .https_only(!allows_http)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENT))
            .timeout_per_write(Some(SILENT))
            // A redirect would carry credentials to another host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // Ranges are of what is stored.
            .accept_encoding("")
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE)
            .user_agent(concat!("es-migrate/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let headers = options.get_default_headers().cloned().unwrap_or_default();
        Ok(HttpClient::new(Service { agent, headers }))
    }
}

#[derive(Debug)]
struct Service {
    agent: ureq::Agent,
    /// Of every request.
    headers: HeaderMap,
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
        let sent = if request.body().is_empty() && request.method().is_safe() {
            self.agent.run(request.map(|_| ()))
        } else {
            self.agent.run(request.map(|body| body.to_vec()))
        };
        let (head, body) = sent.map_err(error)?.into_parts();
        if head.status.is_redirection()
            && let Some(to) = head.headers.get(header::LOCATION)
        {
            return Err(refused(&format!(
                "HTTP {}: a redirect to {}, which is not followed",
                head.status.as_u16(),
                String::from_utf8_lossy(to.as_bytes())
            )));
        }
        let body = ResponseBody {
            left: body.content_length(),
            reader: body.into_with_config().limit(u64::MAX).reader(),
            buffer: Arc::default(),
        };
        Ok(Response::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// What does not get better by another try.
fn refused(why: &str) -> HttpError {
    HttpError::new(HttpErrorKind::Decode, io::Error::new(ErrorKind::InvalidData, why))
}

/// Says which requests may be sent again.
fn error(error: ureq::Error) -> HttpError {
    use ureq::{Error as E, Timeout as T};
    let kind = match &error {
        E::Io(error) if error.kind() == ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        E::ConnectionFailed | E::HostNotFound | E::Timeout(T::Connect | T::Resolve) => HttpErrorKind::Connect,
        E::Timeout(_) => HttpErrorKind::Timeout,
        // What TLS says of a certificate.
        E::Io(error) if error.kind() == ErrorKind::InvalidData => HttpErrorKind::Decode,
        E::Io(_) | E::Protocol(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

/// The body of an answer. To poll it is to wait for it.
struct ResponseBody {
    /// Bytes still to come, where the answer says it.
    left: Option<u64>,
    reader: ureq::BodyReader<'static>,
    buffer: Arc<Vec<u8>>,
}

/// Memory of a piece.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl ResponseBody {
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let size = self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(PIECE).min(PIECE);
        // The piece before is most often gone: fresh memory costs as much time as a copy.
        if self.buffer.is_empty() || Arc::get_mut(&mut self.buffer).is_none() {
            self.buffer = Arc::new(vec![0; size.max(1)]);
        }
        let Some(buffer) = Arc::get_mut(&mut self.buffer) else { return Ok(None) };
        let count = self.reader.read(buffer)?;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(count as u64);
            if *left == 0 {
                // The end is seen only where it is asked for; the connection is free for the next request then.
                let _ = self.reader.read(&mut [0])?;
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
        let piece = self.get_mut().piece().map_err(|why| error(why.into()));
        Poll::Ready(piece.transpose().map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
