//! A real S3 server in a process of its own.
//!
//! It verifies Signature Version 4 by an implementation that is not the project's, and keeps each object as the plain
//! file `BUCKET/KEY`, so a test can look at, damage or plant objects without S3.
//!
//! The implementation reads objects 4 KiB at a time, with a change of thread for each, which takes it twice the time that
//! reading a snapshot takes. So their bytes are sent from here, by the kernel. For each request it reads also what it knows of
//! the object, with five changes of thread: of an object whose parts are asked for that is kept. Every answer is its own
//! otherwise.

#[cfg(feature = "s3")]
mod connection;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

/// `es-testbed serve-s3`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Where the buckets are
    #[arg(long)]
    root: PathBuf,
    /// Port on the loopback
    #[arg(long)]
    port: u16,
    /// Region requests are signed for
    #[arg(long)]
    region: String,
    /// The only access key that is known
    #[arg(long)]
    access_key: String,
    /// Its secret: a made-up one, so it may be seen in the process list
    #[arg(long)]
    secret_key: String,
}

#[cfg(not(feature = "s3"))]
pub(crate) fn serve(serve: &Serve) -> Result<()> {
    anyhow::bail!("port {}: this es-testbed was built without the feature s3", serve.port)
}

#[cfg(feature = "s3")]
pub(crate) fn serve(serve: &Serve) -> Result<()> {
    use std::io;
    use std::net::Ipv4Addr;

    use anyhow::{Context, anyhow};
    use hyper::Request;
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::{Service, service_fn};
    use hyper_util::rt::TokioIo;
    use s3s::auth::SimpleAuth;
    use s3s::service::S3ServiceBuilder;

    use self::connection::{Connection, Files};

    let store = store::Store::new(&serve.root)
        .map_err(|error| anyhow!("{error:?}"))
        .with_context(|| format!("opening {}", serve.root.display()))?;
    let mut builder = S3ServiceBuilder::new(store);
    builder.set_auth(SimpleAuth::from_single(serve.access_key.as_str(), serve.secret_key.as_str()));
    let service = builder.build();

    // On a machine of two processors the store has half a one. Each more thread that may take up a request, and each more that may do
    // an operation on a file, is a change of threads more.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, serve.port)))?;
    // Which every system has. BBR, which some have by default, paces what it sends by a timer for every few segments, and each is a way
    // out of a virtual machine and back. What is accepted inherits it; set there, it comes too late to be without timers.
    rustix::net::sockopt::set_tcp_congestion(&listener, "reno")?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            // Or small answers wait for the client's delayed acknowledgement, which no S3 server does.
            let _ = stream.set_nodelay(true);
            let files = Files::default();
            let connection = TokioIo::new(Connection::new(stream, files.clone()));
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(files.clone());
                Service::call(&service, request)
            });
            // A client that goes away in the middle is its own affair.
            tokio::spawn(http1::Builder::new().serve_connection(connection, service));
        }
    });
    // The bed holds the other end of this pipe and never writes: its end is the bed's end.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

#[cfg(feature = "s3")]
mod store {
    use std::collections::HashMap;
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, SystemTime};

    use async_trait::async_trait;
    #[allow(clippy::wildcard_imports)] // two types of each operation
    use s3s::dto::*;
    use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
    use s3s_fs::FileSystem;

    use super::connection::Files;

    /// s3s-fs describes an object only after it is there: what it says of one that is no older may be of the one before.
    const NEW: Duration = Duration::from_secs(5);

    /// The store of s3s-fs, and where it keeps its buckets.
    pub(super) struct Store {
        files: FileSystem,
        root: PathBuf,
        /// What was said of objects whose parts were asked for, while their files are the same.
        known: Mutex<HashMap<PathBuf, (Version, GetObjectOutput)>>,
    }

    /// Tells a file from what was or will be in its place.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Version {
        /// When it was written or put there.
        changed: SystemTime,
        inode: (u64, u64),
    }

    impl Version {
        fn of(metadata: &Metadata) -> Option<Self> {
            let since_1970 = Duration::new(metadata.ctime().try_into().ok()?, metadata.ctime_nsec().try_into().ok()?);
            Some(Self { changed: SystemTime::UNIX_EPOCH + since_1970, inode: (metadata.dev(), metadata.ino()) })
        }

        fn is_old(&self) -> bool {
            self.changed.elapsed().is_ok_and(|age| age >= NEW)
        }
    }

    impl Store {
        pub(super) fn new(root: &Path) -> s3s_fs::Result<Self> {
            Ok(Self { files: FileSystem::new(root)?, root: root.to_owned(), known: Mutex::default() })
        }

        /// Part of an object, where everything else is known.
        fn known_part(&self, request: &S3Request<GetObjectInput>) -> Option<GetObjectOutput> {
            let (path, range) = (self.path(&request.input), request.input.range?);
            let file = File::open(&path).ok()?;
            let metadata = file.metadata().ok()?;
            let (size, version) = (metadata.len(), Version::of(&metadata)?);
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let (_, answer) = known.get(&path).filter(|(of, _)| *of == version)?;
            let range = range.check(size).ok().filter(|range| range.end - range.start < size)?;
            Some(GetObjectOutput {
                content_length: (range.end - range.start).try_into().ok(),
                content_range: Some(format!("bytes {}-{}/{}", range.start, range.end - 1, size)),
                body: Some(request.extensions.get::<Files>()?.body(file, range)),
                ..of_the_whole(answer)
            })
        }

        /// What s3s-fs answers, with a body that is sent from here.
        async fn object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
            let (path, range) = (self.path(&request.input), request.input.range);
            let files = request.extensions.get::<Files>().cloned().unwrap_or_default();
            let mut answer = self.files.get_object(request).await?;
            let failed = |error: io::Error| S3Error::with_source(S3ErrorCode::InternalError, Box::new(error));
            let file = File::open(&path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            let modified = metadata.modified().map_err(failed)?;
            let part = range.map_or(Ok(0..metadata.len()), |range| range.check(metadata.len()))?;
            let length = (part.end - part.start).try_into().ok();
            if answer.output.last_modified != Some(modified.into()) || answer.output.content_length != length {
                return Err(failed(io::Error::other("another object took its place")));
            }
            if let (Some(_), Some(version)) = (range, Version::of(&metadata).filter(Version::is_old)) {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(path, (version, of_the_whole(&answer.output)));
            }
            answer.output.body = Some(files.body(file, part));
            Ok(answer)
        }

        fn path(&self, input: &GetObjectInput) -> PathBuf {
            self.root.join(&input.bucket).join(&input.key)
        }
    }

    /// What an answer says of the whole object: all that s3s-fs does, but for checksums, which come with whole objects.
    fn of_the_whole(answer: &GetObjectOutput) -> GetObjectOutput {
        GetObjectOutput {
            cache_control: answer.cache_control.clone(),
            content_disposition: answer.content_disposition.clone(),
            content_encoding: answer.content_encoding.clone(),
            content_language: answer.content_language.clone(),
            content_type: answer.content_type.clone(),
            e_tag: answer.e_tag.clone(),
            expires: answer.expires.clone(),
            last_modified: answer.last_modified.clone(),
            metadata: answer.metadata.clone(),
            website_redirect_location: answer.website_redirect_location.clone(),
            ..GetObjectOutput::default()
        }
    }

    macro_rules! store {
        ($($operation:ident($input:ty) -> $output:ty;)*) => {
            #[async_trait]
            impl S3 for Store {
                $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.files.$operation(request).await
                })*

                async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
                    match self.known_part(&request) {
                        Some(known) => Ok(S3Response::new(known)),
                        None => self.object(request).await,
                    }
                }
            }
        };
    }

    // All that s3s-fs knows.
    store! {
        create_bucket(CreateBucketInput) -> CreateBucketOutput;
        copy_object(CopyObjectInput) -> CopyObjectOutput;
        delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
        delete_object(DeleteObjectInput) -> DeleteObjectOutput;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
        head_bucket(HeadBucketInput) -> HeadBucketOutput;
        head_object(HeadObjectInput) -> HeadObjectOutput;
        list_buckets(ListBucketsInput) -> ListBucketsOutput;
        list_objects(ListObjectsInput) -> ListObjectsOutput;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
        put_object(PutObjectInput) -> PutObjectOutput;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
        upload_part(UploadPartInput) -> UploadPartOutput;
        upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
        list_parts(ListPartsInput) -> ListPartsOutput;
        complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput;
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    }
}
