//! A stand-in that speaks TLS with a certificate of an authority of its own: who is not told to trust that one refuses.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::stub::{Request, read};

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
    _directory: tempfile::TempDir,
}

impl Secure {
    /// Starts one that answers 200 with this body to what it is asked.
    ///
    /// # Panics
    /// If there is no port or no room for the certificate.
    #[must_use]
    pub fn start(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        match Self::try_start(answer) {
            Ok(secure) => secure,
            Err(error) => panic!("a stand-in that speaks TLS: {error:#}"),
        }
    }

    fn try_start(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority)?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("authority.pem");
        std::fs::write(&file, authority.pem())?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let heard = Heard::default();
        let (log, config, answer) = (Arc::clone(&heard), Arc::new(config), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, config, answer) = (Arc::clone(&log), Arc::clone(&config), Arc::clone(&answer));
                // A client that does not trust the certificate goes away, which is what some tests want.
                thread::spawn(move || drop(serve(stream, config, &log, answer.as_ref())));
            }
        });
        Ok(Self { url, authority: file, heard, _directory: directory })
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
