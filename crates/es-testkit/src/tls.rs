//! Certificates of an authority of a test's own, and a stand-in that speaks TLS with one: who is not told to trust the
//! authority refuses it.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::stub::{Request, read};

/// An authority that nobody trusts unless told to. Its files are gone when it is.
pub struct Authority {
    /// Its certificate (PEM).
    pub file: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

/// What a server presents, and what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presents {
    /// The name in its certificate.
    pub name: &'static str,
    /// Whether the certificate is of the past.
    pub expired: bool,
    /// Whether a client must present a certificate of the same authority.
    pub asks: bool,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If there is no room for its certificate.
    #[must_use]
    pub fn new() -> Self {
        must("an authority", Self::try_new())
    }

    fn try_new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("authority.pem");
        std::fs::write(&file, issuer.pem())?;
        Ok(Self { file, issuer, directory })
    }

    /// A server's side of TLS.
    ///
    /// # Panics
    /// If the certificate cannot be made.
    #[must_use]
    pub fn server(&self, presents: Presents) -> Arc<ServerConfig> {
        must("a certificate", self.try_server(presents))
    }

    fn try_server(&self, presents: Presents) -> Result<Arc<ServerConfig>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![presents.name.to_owned()])?;
        if presents.expired {
            params.not_before = date_time_ymd(2017, 1, 1);
            params.not_after = date_time_ymd(2018, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = if presents.asks {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        Ok(Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key)?))
    }

    /// Files of a client's certificate and its key (PEM).
    ///
    /// # Panics
    /// If they cannot be made.
    #[must_use]
    pub fn client(&self) -> (PathBuf, PathBuf) {
        must("a client's certificate", self.try_client())
    }

    fn try_client(&self) -> Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["client".to_owned()])?.signed_by(&key, &self.issuer)?;
        let files = (self.directory.path().join("client.pem"), self.directory.path().join("client.key"));
        std::fs::write(&files.0, certificate.pem())?;
        std::fs::write(&files.1, key.serialize_pem())?;
        Ok(files)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn must<T>(what: &str, result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error:#}"),
    }
}

/// What came in.
type Heard = Arc<Mutex<Vec<Request>>>;

/// The stand-in. Its thread ends with the test.
#[derive(Debug)]
pub struct Secure {
    /// `https://localhost:PORT`.
    pub url: String,
    /// The authority's certificate (PEM).
    pub authority: PathBuf,
    heard: Heard,
    _authority: Authority,
}

impl Secure {
    /// Starts one that answers 200 with this body to what it is asked.
    ///
    /// # Panics
    /// If there is no port or no room for the certificate.
    #[must_use]
    pub fn start(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        must("a stand-in that speaks TLS", Self::try_start(answer))
    }

    fn try_start(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Result<Self> {
        let authority = Authority::try_new()?;
        let config = authority.try_server(Presents { name: "localhost", expired: false, asks: false })?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let heard = Heard::default();
        let (log, answer) = (Arc::clone(&heard), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, config, answer) = (Arc::clone(&log), Arc::clone(&config), Arc::clone(&answer));
                // A client that does not trust the certificate goes away, which is what some tests want.
                thread::spawn(move || drop(serve(stream, config, &log, answer.as_ref())));
            }
        });
        Ok(Self { url, authority: authority.file.clone(), heard, _authority: authority })
    }

    /// What it was asked, by clients that trust it.
    #[must_use]
    pub fn heard(&self) -> Vec<Request> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One request a connection.
fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    heard: &Heard,
    answer: &dyn Fn(&Request) -> String,
) -> Result<()> {
    let mut tls = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    let Some(request) = read(&mut tls)? else { return Ok(()) };
    let body = answer(&request);
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let kind = if body.starts_with('<') { "text/xml" } else { "application/json" };
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close", body.len());
    let tls = tls.get_mut();
    write!(tls, "{head}\r\n\r\n{body}")?;
    tls.conn.send_close_notify();
    tls.flush()?;
    Ok(())
}
