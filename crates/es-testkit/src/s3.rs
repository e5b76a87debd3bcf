//! A real S3 server in a process of its own.
//!
//! It verifies Signature Version 4 by an implementation that is not the project's, and keeps each object as the plain
//! file `BUCKET/KEY`, so a test can look at, damage or plant objects without S3.
//!
//! The implementation reads objects 4 KiB at a time, with a change of thread for each, which takes it twice the time that
//! reading a snapshot takes. So their bytes are read here, in larger pieces. For each request it reads also what it knows of
//! the object, with five changes of thread: of an object whose parts are asked for that is kept, as are these, up to a limit:
//! a store has memory of its own. Every answer is its own otherwise.

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
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use hyper_util::server::conn::auto;
    use s3s::auth::SimpleAuth;
    use s3s::service::S3ServiceBuilder;

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
            tokio::spawn(async move {
                let http = auto::Builder::new(TokioExecutor::new());
                // A client that goes away in the middle is its own affair.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
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
    use std::iter;
    use std::ops::Range;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, SystemTime};

    use async_trait::async_trait;
    use futures_util::stream;
    use hyper::body::Bytes;
    use rustix::buffer::spare_capacity;
    #[allow(clippy::wildcard_imports)] // two types of each operation
    use s3s::dto::*;
    use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
    use s3s_fs::FileSystem;

    /// Bytes of an object that are read and sent at a time.
    const PIECE: u64 = 256 << 10;
    /// Bytes that are kept of all objects together.
    const ROOM: usize = 512 << 20;
    /// s3s-fs describes an object only after it is there: what it says of one that is no older may be of the one before.
    const NEW: Duration = Duration::from_secs(5);

    /// The store of s3s-fs, and where it keeps its buckets.
    pub(super) struct Store {
        files: FileSystem,
        root: PathBuf,
        memory: Mutex<Memory>,
    }

    /// What is known of objects whose parts were asked for.
    struct Memory {
        objects: HashMap<PathBuf, Object>,
        /// Bytes that their parts may still take.
        room: usize,
    }

    /// An object, while its file is the same.
    struct Object {
        file: Version,
        /// What was said of it.
        answer: GetObjectOutput,
        /// Parts that were asked for since then.
        parts: HashMap<Range<u64>, Bytes>,
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
            let memory = Memory { objects: HashMap::new(), room: ROOM };
            Ok(Self { files: FileSystem::new(root)?, root: root.to_owned(), memory: Mutex::new(memory) })
        }

        /// Part of an object, where everything else is known.
        fn known_part(&self, input: &GetObjectInput) -> Option<GetObjectOutput> {
            let (path, range) = (self.path(input), input.range?);
            let file = File::open(&path).ok()?;
            let metadata = file.metadata().ok()?;
            let (size, version) = (metadata.len(), Version::of(&metadata)?);
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let Memory { objects, room } = &mut *memory;
            let object = objects.get_mut(&path).filter(|object| object.file == version)?;
            let range = range.check(size).ok().filter(|range| range.end - range.start < size)?;
            Some(GetObjectOutput {
                content_length: (range.end - range.start).try_into().ok(),
                content_range: Some(format!("bytes {}-{}/{}", range.start, range.end - 1, size)),
                body: Some(object.part(file, range, room)),
                ..of_the_whole(&object.answer)
            })
        }

        /// What s3s-fs answers, with a body that is read here.
        async fn object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
            let (path, range) = (self.path(&request.input), request.input.range);
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
                let object = Object { file: version, answer: of_the_whole(&answer.output), parts: HashMap::new() };
                let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(before) = memory.objects.insert(path, object) {
                    memory.room += before.parts.values().map(Bytes::len).sum::<usize>();
                }
            }
            answer.output.body = Some(body(file, part));
            Ok(answer)
        }

        fn path(&self, input: &GetObjectInput) -> PathBuf {
            self.root.join(&input.bucket).join(&input.key)
        }
    }

    impl Object {
        /// One that is asked for again comes from memory, if there was room.
        fn part(&mut self, file: File, range: Range<u64>, room: &mut usize) -> StreamingBlob {
            if let Some(part) = self.parts.get(&range) {
                return Body::from(part.clone()).into();
            }
            let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let Some(left) = room.checked_sub(size) else { return body(file, range) };
            let mut part = vec![0; size];
            if file.read_exact_at(&mut part, range.start).is_err() {
                return body(file, range);
            }
            *room = left;
            let part = self.parts.entry(range).insert_entry(part.into());
            Body::from(part.get().clone()).into()
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

    /// A range of a file, read when it is asked for: it is in the page cache, or soon is.
    fn body(file: File, mut range: Range<u64>) -> StreamingBlob {
        let pieces = iter::from_fn(move || {
            let size = usize::try_from((range.end - range.start).min(PIECE)).unwrap_or_default();
            let mut piece = Vec::with_capacity(size);
            let read = (size > 0).then(|| rustix::io::pread(&file, spare_capacity(&mut piece), range.start))?;
            // Memory is for no less than was asked for.
            piece.truncate(size);
            range.start += piece.len() as u64;
            Some(match read {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                read => read.map(|_| Bytes::from(piece)).map_err(io::Error::from),
            })
        });
        StreamingBlob::wrap(stream::iter(pieces))
    }

    macro_rules! store {
        ($($operation:ident($input:ty) -> $output:ty;)*) => {
            #[async_trait]
            impl S3 for Store {
                $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.files.$operation(request).await
                })*

                async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
                    match self.known_part(&request.input) {
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
