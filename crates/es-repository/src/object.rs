//! Object stores, by `object_store`. It is asynchronous, which stays in this file.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    ClientOptions, CredentialProvider, GetOptions, GetRange, HeaderMap, HeaderValue, ObjectStore, ObjectStoreExt,
};
use percent_encoding::percent_decode_str;
use tokio::runtime::{Handle, Runtime};
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::http::Connector;
use crate::secrets::{message_without_secrets, without_secrets};

/// Streams break off so often in a row; requests themselves are repeated by the library.
const ATTEMPTS: u32 = 5;

/// How to reach an object store, where its URL does not say.
#[derive(Debug, Clone, Default)]
pub struct ObjectOptions {
    /// Address of a store that is not the cloud's own.
    pub endpoint: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Whether the bucket is part of the path, not of the host name.
    pub path_style: bool,
    /// Whether requests go out unsigned.
    pub anonymous: bool,
    /// Credentials of S3; else the environment's.
    pub credentials: Option<S3Credentials>,
    /// Certificates to trust (PEM); else the system's.
    pub ca_bundle: Option<Vec<u8>>,
}

/// Access key id, secret key and session token, asked for whenever requests are signed: they expire while a large
/// snapshot is read. The error is what the user is told.
#[derive(Clone)]
pub struct S3Credentials(pub Arc<S3CredentialSource>);

/// What gives them; it may block.
pub type S3CredentialSource = dyn Fn() -> std::result::Result<(String, String, Option<String>), String> + Send + Sync;

impl fmt::Debug for S3Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("S3Credentials(..)")
    }
}

#[async_trait]
impl CredentialProvider for S3Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Unauthenticated {
            path: String::new(),
            source,
        };
        let given = tokio::task::block_in_place(|| (self.0)());
        let (key_id, secret_key, token) = given.map_err(|error| failed(error.into()))?;
        // Both become part of a header, which the library takes for granted.
        for (what, value) in [("access key id", Some(&key_id)), ("session token", token.as_ref())] {
            if value.is_some_and(|value| HeaderValue::from_str(value).is_err()) {
                return Err(failed(format!("the {what} holds characters that no credentials have").into()));
            }
        }
        Ok(Arc::new(AwsCredential { key_id, secret_key, token }))
    }
}

/// A store, and what its futures run in: the thread that waits for one.
pub(crate) struct Objects {
    runtime: Runtime,
    store: Arc<dyn ObjectStore>,
    /// Where it is, for messages.
    address: String,
    prefix: String,
    can_list: bool,
}

fn usage(url: &Url, what: impl std::fmt::Display) -> Error {
    let what = message_without_secrets(&what.to_string());
    Error::new(ErrorKind::Usage, format!("{}: {what}", without_secrets(url.as_str())))
}

/// What a part of a URL stands for.
fn decoded(url: &Url, part: &str) -> Result<String> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| usage(url, "what it encodes with % is not UTF-8"))?;
    Ok(text.into_owned())
}

impl Objects {
    pub(crate) fn open(url: &Url, options: &ObjectOptions) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // It keeps the time between tries.
            .worker_threads(1)
            .thread_name("object-store")
            .enable_time()
            .build()
            .map_err(|error| Error::new(ErrorKind::Failed, format!("object store: {error}")))?;
        let bundle = options.ca_bundle.as_deref();
        let http = Connector::new(bundle).map_err(|error| usage(url, format!("certificates to trust: {error}")))?;
        let mut prefix = decoded(url, url.path().trim_matches('/'))?;
        let mut can_list = true;
        let failed = |error: object_store::Error| usage(url, error);
        let bucket = || url.host_str().ok_or_else(|| usage(url, "the name of a bucket is missing"));
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "s3" => Arc::new(s3(bucket()?, options)?.with_http_connector(http).build().map_err(failed)?),
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket()?);
                Arc::new(builder.with_http_connector(http).build().map_err(failed)?)
            }
            "azure" | "az" | "abfs" => {
                let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket()?);
                if let Some(endpoint) = &options.endpoint {
                    builder = builder.with_endpoint(checked_endpoint(endpoint)?);
                }
                Arc::new(builder.with_http_connector(http).build().map_err(failed)?)
            }
            "http" | "https" => {
                // A repository of type `url`: read-only, and not listed.
                can_list = false;
                prefix = String::new();
                let (plain, headers) = basic_auth(url)?;
                let client = ClientOptions::new().with_allow_http(true).with_default_headers(headers);
                let builder = HttpBuilder::new().with_url(plain).with_client_options(client);
                Arc::new(builder.with_http_connector(http).build().map_err(failed)?)
            }
            other => {
                return Err(usage(url, format!("repositories of {other}:// are not known"))
                    .with_hint("file, s3, gs, azure, http and https are"));
            }
        };
        let address = without_secrets(url.as_str());
        Path::parse(&prefix).map_err(|error| usage(url, error))?;
        Ok(Self { runtime, store, address, prefix, can_list })
    }

    /// Blob names are below the repository, but for a leading '/', which leads to the root of the bucket.
    fn path(&self, name: &str) -> io::Result<Path> {
        // As they are: made of a string in another way, paths have some characters of it encoded.
        match name.strip_prefix('/') {
            Some(name) => Path::parse(name),
            None if self.prefix.is_empty() => Path::parse(name),
            None => Path::parse(format!("{}/{name}", self.prefix)),
        }
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    pub(crate) fn before_base_path(&self, hash: &str, name: &str) -> Result<String> {
        if !self.can_list {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "shards lie before the base path, which a URL does not tell",
            ));
        }
        Ok(match self.prefix.as_str() {
            "" => format!("/{hash}/{name}"),
            prefix => format!("/{hash}/{prefix}/{name}"),
        })
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        if !self.can_list {
            return Ok(None);
        }
        let failed = |error: &io::Error| Error::blob(&self.address, error);
        let root = Path::parse(&self.prefix).map_err(|error| failed(&io::Error::other(error)))?;
        let listed = self.runtime.block_on(async {
            // Only what lies directly here; the folder of indices may hold millions.
            self.store.list_with_delimiter(Some(&root)).await
        });
        match listed {
            Ok(list) => Ok(Some(
                list.objects
                    .iter()
                    .filter_map(|object| object.location.filename())
                    .filter(|name| name.starts_with(prefix))
                    .map(str::to_owned)
                    .collect(),
            )),
            Err(object_store::Error::NotImplemented { .. }) => Ok(None),
            Err(error) => Err(failed(&to_io(&error))),
        }
    }

    pub(crate) fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path(name)?;
        self.runtime.block_on(async {
            let got = self.store.get(&path).await.map_err(|error| to_io(&error))?;
            Ok(got.bytes().await.map_err(|error| to_io(&error))?.to_vec())
        })
    }

    pub(crate) fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let path = self.path(name)?;
        let end = offset + buffer.len() as u64;
        let got = self.runtime.block_on(self.store.get_range(&path, offset..end)).map_err(|error| to_io(&error))?;
        if got.len() != buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&got);
        Ok(())
    }

    /// One request for the whole range, asked for again from where it broke off.
    pub(crate) fn stream(&self, name: &str, offset: u64, length: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Pieces {
            runtime: self.runtime.handle().clone(),
            store: Arc::clone(&self.store),
            path: self.path(name)?,
            offset,
            end: offset + length,
            left: ATTEMPTS,
            answer: None,
            piece: Bytes::new(),
        }))
    }
}

fn s3(bucket: &str, options: &ObjectOptions) -> Result<AmazonS3Builder> {
    let client = ClientOptions::new().with_allow_http(true);
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_virtual_hosted_style_request(!options.path_style && options.endpoint.is_none())
        .with_skip_signature(options.anonymous);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region.clone());
    }
    if let Some(credentials) = &options.credentials {
        builder = builder.with_credentials(Arc::new(credentials.clone()));
    }
    // Those of the environment too.
    for key in [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint] {
        if let Some(endpoint) = builder.get_config_value(&key) {
            builder = builder.with_config(key, checked_endpoint(&endpoint)?);
        }
    }
    if let Some(region) = builder.get_config_value(&AmazonS3ConfigKey::Region)
        && !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(Error::new(ErrorKind::Usage, format!("{region:?} is no name of a region"))
            .with_hint("--region eu-central-1"));
    }
    Ok(builder)
}

/// An address that requests can be sent to; the library takes that for granted.
fn checked_endpoint(endpoint: &str) -> Result<String> {
    let url = Url::parse(endpoint).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match url {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(Error::new(
            ErrorKind::Usage,
            format!("endpoint {:?} is no URL of http or https", without_secrets(endpoint)),
        )
        .with_hint("--endpoint http://127.0.0.1:9000")),
    }
}

/// The URL without a user's name and password, and the header that says them.
fn basic_auth(url: &Url) -> Result<(String, HeaderMap)> {
    let mut headers = HeaderMap::new();
    let mut plain = url.clone();
    let password = url.password().unwrap_or_default();
    if !(url.username().is_empty() && password.is_empty()) {
        let pair = format!("{}:{}", decoded(url, url.username())?, decoded(url, password)?);
        let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)));
        let mut value = value.map_err(|error| usage(url, error))?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
        plain.set_username("").and_then(|()| plain.set_password(None)).map_err(|()| usage(url, "it has no host"))?;
    }
    Ok((plain.into(), headers))
}

/// A range of an object, piece by piece.
struct Pieces {
    runtime: Handle,
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Where the next piece begins.
    offset: u64,
    end: u64,
    /// How often it may break off before the next piece comes.
    left: u32,
    /// What is being answered.
    answer: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// What is left of the piece at hand.
    piece: Bytes,
}

impl Pieces {
    /// The next piece; none at the end of the range.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.offset < self.end {
            let answer = if let Some(answer) = &mut self.answer {
                answer
            } else {
                let range = Some(GetRange::Bounded(self.offset..self.end));
                let options = GetOptions { range, ..GetOptions::default() };
                let got = self.store.get_opts(&self.path, options).await.map_err(|error| to_io(&error))?;
                self.answer.insert(got.into_stream())
            };
            match answer.next().await {
                Some(Ok(piece)) => {
                    self.offset += piece.len() as u64;
                    self.left = ATTEMPTS;
                    return Ok(Some(piece));
                }
                None if self.left == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(Err(error)) if self.left == 0 => return Err(to_io(&error)),
                None | Some(Err(_)) => {
                    self.left -= 1;
                    self.answer = None;
                }
            }
        }
        Ok(None)
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.clone().block_on(self.next())? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let piece = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// What a failure means for who may try again.
fn to_io(error: &object_store::Error) -> io::Error {
    use object_store::Error as E;
    let said = message_without_secrets(&error.to_string());
    let kind = match &error {
        // A repository without a bucket is not one without blobs.
        E::NotFound { .. } | E::Generic { .. } if said.contains("NoSuchBucket") => {
            return io::Error::other(format!("there is no such bucket: {said}"));
        }
        E::NotFound { .. } => io::ErrorKind::NotFound,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        E::Generic { .. } => match status(&said) {
            Some(401 | 403) => io::ErrorKind::PermissionDenied,
            Some(416) => io::ErrorKind::UnexpectedEof,
            // Time, or less of it, may help here; the library has tried again already.
            Some(408 | 429 | 500..) => io::ErrorKind::TimedOut,
            Some(_) => io::ErrorKind::Other,
            // A blob that ends before the range does is answered with what there is of it.
            None if said.contains("Requested ") && said.contains(", got ") => io::ErrorKind::UnexpectedEof,
            None if said.contains("Wanted range starting at ") => io::ErrorKind::UnexpectedEof,
            // An answer without a length, as of one that was compressed on the way.
            None if said.contains("Content-Length Header missing") || is_final(error) => io::ErrorKind::Other,
            None => io::ErrorKind::TimedOut,
        },
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, said)
}

/// Whether it is about who answers or how, and not about the way there.
fn is_final(error: &object_store::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return error.kind() == HttpErrorKind::Decode;
        }
        cause = error.source();
    }
    false
}

/// The HTTP status an error speaks of. The library keeps the type that holds it to itself.
fn status(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}
