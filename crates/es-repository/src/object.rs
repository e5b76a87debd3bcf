//! Object stores, by `object_store`. It is asynchronous, which stays in this file.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
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
use crate::health::Health;
use crate::http::{CONNECT, Connector, TRICKLE};
use crate::object_error::{reworded, to_io};
use crate::secrets::{message_without_secrets, without_secrets};

/// Streams break off so often in a row; requests themselves are repeated by the library.
const ATTEMPTS: u32 = 5;
/// A store that has answered before may be away for so long.
const LONGEST: Duration = Duration::from_mins(3);
/// After the library's own tries, before the next ones.
const PAUSE: Duration = Duration::from_secs(1);
/// After an answer that broke off.
const BREATH: Duration = Duration::from_millis(50);

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
    /// What hears of each request.
    pub listener: Option<RequestListener>,
}

/// Hears of each request, in a line.
#[derive(Clone)]
pub struct RequestListener(pub Arc<dyn Fn(&str) + Send + Sync>);

impl fmt::Debug for RequestListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RequestListener(..)")
    }
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
    health: Arc<Health>,
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

/// Fails on a URL of a store that names nothing in it that can be asked for.
pub(crate) fn check_url(url: &Url) -> Result<()> {
    if matches!(url.scheme(), "s3" | "gs" | "azure" | "az" | "abfs") {
        bucket(url)?;
        check_base_path(url, &base_path(url)?)?;
    }
    Ok(())
}

fn base_path(url: &Url) -> Result<String> {
    decoded(url, url.path().trim_matches('/'))
}

fn check_base_path(url: &Url, path: &str) -> Result<()> {
    if path.contains("//") {
        return Err(usage(url, "a base path with two '/' in a row cannot be read")
            .with_hint("copy the repository to another base path"));
    }
    Path::parse(path).map(drop).map_err(|error| usage(url, error))
}

fn bucket(url: &Url) -> Result<&str> {
    // Left out, it would be missed by those who believe that it counts.
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        let what = "a bucket has no user, password or port";
        return Err(usage(url, what).with_hint("credentials come from the environment, an address by --endpoint"));
    }
    let name = url.host_str().filter(|name| !name.is_empty());
    name.ok_or_else(|| {
        usage(url, "the name of a bucket is missing").with_hint(format!("{}://bucket/base_path", url.scheme()))
    })
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
        let health = Arc::new(Health::new(options.listener.clone()));
        let http = Connector::new(bundle, Arc::clone(&health)).map_err(|why| usage(url, why))?;
        let mut prefix = base_path(url)?;
        let mut can_list = true;
        let failed = |error: object_store::Error| usage(url, reworded(&error.to_string()));
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "s3" => Arc::new(s3(bucket(url)?, options)?.with_http_connector(http).build().map_err(failed)?),
            "gs" => {
                let mut builder =
                    GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket(url)?).with_client_options(client());
                if let Some(endpoint) = &options.endpoint {
                    builder = builder.with_base_url(&checked_endpoint(endpoint)?);
                }
                if options.anonymous {
                    builder = builder.with_skip_signature(true);
                }
                Arc::new(builder.with_http_connector(http).build().map_err(failed)?)
            }
            "azure" | "az" | "abfs" => {
                let mut builder =
                    MicrosoftAzureBuilder::from_env().with_container_name(bucket(url)?).with_client_options(client());
                if options.anonymous {
                    builder = builder.with_skip_signature(true);
                }
                if let Some(endpoint) = &options.endpoint {
                    builder = builder.with_endpoint(checked_endpoint(endpoint)?);
                }
                let told = |key| builder.get_config_value(&key).filter(|value| !value.is_empty());
                let emulated = told(AzureConfigKey::UseEmulator).is_some_and(|value| value == "true");
                if !emulated && told(AzureConfigKey::AccountName).is_none() {
                    return Err(
                        usage(url, "the account is missing").with_hint("AZURE_STORAGE_ACCOUNT_NAME is its name")
                    );
                }
                Arc::new(builder.with_http_connector(http).build().map_err(failed)?)
            }
            "http" | "https" => {
                // A repository of type `url`: read-only, and not listed.
                can_list = false;
                prefix = String::new();
                let (plain, headers) = basic_auth(url)?;
                let client = client().with_default_headers(headers);
                let builder = HttpBuilder::new().with_url(plain).with_client_options(client);
                Arc::new(builder.with_http_connector(http).build().map_err(failed)?)
            }
            other => {
                return Err(usage(url, format!("repositories of {other}:// are not known"))
                    .with_hint("file, s3, gs, azure, http and https are"));
            }
        };
        let address = without_secrets(url.as_str());
        check_base_path(url, &prefix)?;
        Ok(Self { runtime, store, address, prefix, can_list, health })
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
        // Only what lies directly here; the folder of indices may hold millions.
        let listed = self.asked(|| match self.runtime.block_on(self.store.list_with_delimiter(Some(&root))) {
            Ok(list) => Ok(Some(list)),
            Err(object_store::Error::NotImplemented { .. }) => Ok(None),
            Err(error) => Err(to_io(&error)),
        });
        let names = listed.map_err(|error| failed(&error))?.map(|list| {
            let names = list.objects.iter().filter_map(|object| object.location.filename());
            names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
        });
        Ok(names)
    }

    /// Asks again while a store that has answered before does not; an address that never did is most often a wrong one.
    fn asked<T>(&self, ask: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let mut lost_since = None;
        loop {
            let answer = ask();
            match &answer {
                Err(lost) if lost.kind() == io::ErrorKind::TimedOut => {
                    let waited = lost_since.get_or_insert_with(Instant::now).elapsed();
                    if !self.health.was_reached() || waited >= LONGEST {
                        return answer;
                    }
                    self.health.is_away(lost, LONGEST);
                }
                _ => {
                    self.health.answered();
                    return answer;
                }
            }
            thread::sleep(PAUSE);
        }
    }

    pub(crate) fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path(name)?;
        self.asked(|| {
            self.runtime.block_on(async {
                let got = self.store.get(&path).await.map_err(|error| to_io(&error))?;
                Ok(got.bytes().await.map_err(|error| to_io(&error))?.to_vec())
            })
        })
    }

    pub(crate) fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.stream(name, offset, buffer.len() as u64)?.read_exact(buffer)
    }

    /// One request for the whole range, asked for again from where it broke off.
    pub(crate) fn stream(&self, name: &str, offset: u64, length: u64) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(Box::new(Pieces {
            runtime: self.runtime.handle().clone(),
            store: Arc::clone(&self.store),
            health: Arc::clone(&self.health),
            path: self.path(name)?,
            offset,
            end: offset + length,
            left: ATTEMPTS,
            breaking: None,
            came: 0,
            answer: None,
            piece: Bytes::new(),
        }))
    }
}

/// Without TLS where the address says so.
fn client() -> ClientOptions {
    ClientOptions::new().with_allow_http(true).with_connect_timeout(CONNECT)
}

fn s3(bucket: &str, options: &ObjectOptions) -> Result<AmazonS3Builder> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client())
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
    let mut is_amazons = true;
    for key in [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint] {
        if let Some(endpoint) = builder.get_config_value(&key) {
            is_amazons = false;
            builder = builder.with_config(key, checked_endpoint(&endpoint)?);
        }
    }
    builder = builder.with_virtual_hosted_style_request(!options.path_style && is_amazons);
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

/// The URL without a '/' at the end and a user's name and password, and the header that says these.
fn basic_auth(url: &Url) -> Result<(String, HeaderMap)> {
    let mut headers = HeaderMap::new();
    let mut plain = url.clone();
    // Names are put after it and a '/'.
    plain.set_path(url.path().trim_end_matches('/'));
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
    health: Arc<Health>,
    path: Path,
    /// Where the next piece begins.
    offset: u64,
    end: u64,
    /// How often it may break off before the next piece.
    left: u32,
    /// Since when it has been breaking off.
    breaking: Option<Instant>,
    /// Bytes since they were last enough to forget that.
    came: u64,
    /// What is being answered.
    answer: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// What is left of the piece at hand.
    piece: Bytes,
}

impl Pieces {
    fn has_broken_too_long(&mut self) -> bool {
        self.breaking.get_or_insert_with(Instant::now).elapsed() >= LONGEST
    }

    /// The next piece; none at the end of the range.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.offset < self.end {
            let answer = if let Some(answer) = &mut self.answer {
                answer
            } else {
                let range = Some(GetRange::Bounded(self.offset..self.end));
                let options = GetOptions { range, ..GetOptions::default() };
                match self.store.get_opts(&self.path, options).await.map_err(|error| to_io(&error)) {
                    Ok(got) => self.answer.insert(got.into_stream()),
                    Err(lost) if lost.kind() == io::ErrorKind::TimedOut && !self.has_broken_too_long() => {
                        self.health.is_away(&lost, LONGEST);
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            };
            let broken = match answer.next().await {
                Some(Ok(piece)) if piece.len() as u64 > self.end - self.offset => return Err(more_than_asked()),
                Some(Ok(piece)) => {
                    self.health.answered();
                    self.offset += piece.len() as u64;
                    self.came += piece.len() as u64;
                    self.left = ATTEMPTS;
                    // A byte now and then is no progress for ever.
                    if self.came >= TRICKLE {
                        (self.came, self.breaking) = (0, None);
                    }
                    return Ok(Some(piece));
                }
                Some(Err(error)) => to_io(&error),
                None => io::ErrorKind::UnexpectedEof.into(),
            };
            if self.left == 0 || self.has_broken_too_long() {
                return Err(broken);
            }
            self.left -= 1;
            self.answer = None;
            tokio::time::sleep(BREATH).await;
        }
        Ok(None)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.runtime.clone().block_on(self.next())? {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, count: usize) {
        self.piece.advance(count);
        if self.piece.is_empty() {
            // Its memory is used again.
            self.piece = Bytes::new();
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

fn more_than_asked() -> io::Error {
    io::Error::other("the store answers with more bytes than were asked for")
}
