//! Object stores, by `object_store`. It is asynchronous, which stays in this file.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, CredentialProvider, GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use url::Url;

use crate::error::{Error, ErrorKind, Result};

/// Pieces a stream holds ahead of its reader.
const PIECES_AHEAD: usize = 16;

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
        let source = Arc::clone(&self.0);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Unauthenticated {
            path: String::new(),
            source,
        };
        let given = tokio::task::spawn_blocking(move || source()).await.map_err(|error| failed(error.into()))?;
        let (key_id, secret_key, token) = given.map_err(|error| failed(error.into()))?;
        Ok(Arc::new(AwsCredential { key_id, secret_key, token }))
    }
}

/// A store, and the threads that talk to it.
pub(crate) struct Objects {
    runtime: Runtime,
    store: Arc<dyn ObjectStore>,
    prefix: String,
    can_list: bool,
}

fn usage(url: &Url, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Usage, format!("{url}: {what}"))
}

impl Objects {
    pub(crate) fn open(url: &Url, options: &ObjectOptions) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("object-store")
            .enable_all()
            .build()
            .map_err(|error| Error::new(ErrorKind::Failed, format!("{url}: {error}")))?;
        let path = url.path().trim_matches('/').to_owned();
        let mut prefix = path;
        let mut can_list = true;
        let failed = |error: object_store::Error| usage(url, error);
        let bucket = || url.host_str().ok_or_else(|| usage(url, "the name of a bucket is missing"));
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "s3" => Arc::new(s3(bucket()?, options).build().map_err(failed)?),
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket()?);
                Arc::new(builder.build().map_err(failed)?)
            }
            "azure" | "az" | "abfs" => {
                let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket()?);
                if let Some(endpoint) = &options.endpoint {
                    builder = builder.with_endpoint(endpoint.clone());
                }
                Arc::new(builder.build().map_err(failed)?)
            }
            "http" | "https" => {
                // A repository of type `url`: read-only, and not listed.
                can_list = false;
                prefix = String::new();
                let client = ClientOptions::new().with_allow_http(true);
                let builder = HttpBuilder::new().with_url(url.as_str()).with_client_options(client);
                Arc::new(builder.build().map_err(failed)?)
            }
            other => {
                return Err(usage(url, format!("repositories of {other}:// are not known"))
                    .with_hint("file, s3, gs, azure, http and https are"));
            }
        };
        Ok(Self { runtime, store, prefix, can_list })
    }

    /// Blob names are below the repository, but for a leading '/', which leads to the root of the bucket.
    fn path(&self, name: &str) -> Path {
        match name.strip_prefix('/') {
            Some(name) => Path::from(name),
            None if self.prefix.is_empty() => Path::from(name),
            None => Path::from(format!("{}/{name}", self.prefix)),
        }
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
        let root = Path::from(self.prefix.as_str());
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
            Err(error) => Err(Error::blob(&format!("/{root}"), &to_io(error))),
        }
    }

    pub(crate) fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path(name);
        self.runtime.block_on(async {
            let got = self.store.get(&path).await.map_err(to_io)?;
            Ok(got.bytes().await.map_err(to_io)?.to_vec())
        })
    }

    pub(crate) fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let path = self.path(name);
        let end = offset + buffer.len() as u64;
        let got = self.runtime.block_on(self.store.get_range(&path, offset..end)).map_err(to_io)?;
        if got.len() != buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&got);
        Ok(())
    }

    /// One request for the whole range, asked for again from where it broke off.
    pub(crate) fn stream(&self, name: &str, offset: u64, length: u64) -> Box<dyn Read + Send> {
        let path = self.path(name);
        let store = Arc::clone(&self.store);
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let name = name.to_owned();
        self.runtime.spawn(async move {
            if let Err(error) = pump(store.as_ref(), &path, offset, length, &sender).await {
                // Nobody listens any more if this fails.
                let _ = sender.send(Err(Error::blob(&name, &error).into())).await;
            }
        });
        Box::new(Pieces { receiver, piece: Bytes::new() })
    }
}

fn s3(bucket: &str, options: &ObjectOptions) -> AmazonS3Builder {
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
    builder
}

async fn pump(
    store: &dyn ObjectStore,
    path: &Path,
    mut offset: u64,
    length: u64,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    /// Streams break off; requests themselves are repeated by the library.
    const ATTEMPTS: u32 = 5;
    let end = offset + length;
    let mut left = ATTEMPTS;
    while offset < end {
        let options = GetOptions { range: Some(GetRange::Bounded(offset..end)), ..GetOptions::default() };
        let mut pieces = store.get_opts(path, options).await.map_err(to_io)?.into_stream();
        loop {
            match pieces.next().await {
                Some(Ok(piece)) => {
                    offset += piece.len() as u64;
                    left = ATTEMPTS;
                    if sender.send(Ok(piece)).await.is_err() {
                        return Ok(());
                    }
                }
                None if offset >= end => break,
                None if left == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(Err(error)) if left == 0 => return Err(to_io(error)),
                None | Some(Err(_)) => {
                    left -= 1;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// The blocking end of a stream.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    /// What is left of the piece at hand.
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let piece = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

fn to_io(error: object_store::Error) -> io::Error {
    use object_store::Error as E;
    let kind = match &error {
        E::NotFound { .. } => io::ErrorKind::NotFound,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        E::Generic { .. } => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
