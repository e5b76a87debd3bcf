//! A real S3 server in a process of its own.
//!
//! It verifies Signature Version 4 by an implementation that is not the project's, and keeps each object as the plain
//! file `BUCKET/KEY`, so a test can look at, damage or plant objects without S3.

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

    let files = s3s_fs::FileSystem::new(&serve.root)
        .map_err(|error| anyhow!("{error:?}"))
        .with_context(|| format!("opening {}", serve.root.display()))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(serve.access_key.as_str(), serve.secret_key.as_str()));
    let service = builder.build();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, serve.port)).await?;
        tokio::spawn(async move {
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
        tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
        Ok(())
    })
}
