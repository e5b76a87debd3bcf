//! A connection over which files are sent without a copy of them in between, as web servers do.
//!
//! hyper writes bytes that are in memory. So it gets bytes that stand for those of a file, and where they would go out, here, the kernel
//! sends as many of the file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::iter;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::stream;
use hyper::body::Bytes;
use rustix::fs::sendfile;
use rustix::io::writev;
use rustix::net::{SendFlags, send};
use s3s::dto::StreamingBlob;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Stands for bytes of files, and is never sent.
static STAND_IN: [u8; 1 << 20] = [0; 1 << 20];

fn stands_in(piece: &IoSlice<'_>) -> bool {
    STAND_IN.as_ptr_range().contains(&piece.as_ptr())
}

/// What is left to send of a file.
struct Outgoing {
    file: File,
    range: Range<u64>,
}

/// What stand-ins were handed out for, in the order in which a connection sends it.
#[derive(Clone, Default)]
pub(super) struct Files(Arc<Mutex<VecDeque<Outgoing>>>);

impl Files {
    /// The body of an answer on this connection.
    pub(super) fn body(&self, file: File, range: Range<u64>) -> StreamingBlob {
        let mut left = range.end - range.start;
        let (files, mut next) = (Arc::clone(&self.0), Some(Outgoing { file, range }));
        let pieces = iter::from_fn(move || {
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(STAND_IN.len());
            left -= size as u64;
            (size > 0).then(|| {
                // When the answer's turn has come.
                files.lock().unwrap_or_else(PoisonError::into_inner).extend(next.take());
                io::Result::Ok(Bytes::from_static(&STAND_IN[..size]))
            })
        });
        StreamingBlob::wrap(stream::iter(pieces))
    }

    fn send(&self, stream: &TcpStream, most: usize) -> io::Result<usize> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Outgoing { file, range }) = files.front_mut() else { return Err(ErrorKind::NotFound.into()) };
        let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let sent = sendfile(stream, file, Some(&mut range.start), left.min(most))?;
        if range.is_empty() {
            files.pop_front();
        }
        // It became shorter meanwhile.
        if sent == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(sent) }
    }
}

/// The store's end of a connection.
pub(super) struct Connection {
    stream: TcpStream,
    files: Files,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, files: Files) -> Self {
        Self { stream, files }
    }

    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces.iter().position(stands_in) {
            Some(0) => self
                .files
                .send(&self.stream, pieces.iter().take_while(|piece| stands_in(piece)).map(|piece| piece.len()).sum()),
            // The head of an answer goes with the file's first bytes: it wakes nobody alone.
            Some(_) => Ok(send(&self.stream, &pieces[0], SendFlags::MORE)?),
            None => Ok(writev(&self.stream, pieces)?),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_io(Interest::WRITABLE, || self.send(pieces)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io::{Read, Write};
    use std::os::unix::fs::FileExt;

    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response, body::Incoming};
    use hyper_util::rt::TokioIo;
    use s3s::Body;

    use super::*;

    /// What comes over one connection that is asked for these ranges of a file, which is cut by a byte meanwhile, or not.
    fn sent(file: &File, ranges: &[Range<usize>], cut: bool) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = runtime.block_on(listener.accept()).unwrap();
        let (files, own) = (Files::default(), file.try_clone().unwrap());
        let connection = TokioIo::new(Connection::new(stream, files.clone()));
        let service = service_fn(move |request: Request<Incoming>| {
            let (from, to) = request.uri().path()[1..].split_once('-').unwrap();
            let range: Range<u64> = from.parse().unwrap()..to.parse().unwrap();
            let answer = Response::builder().header("content-length", range.end - range.start);
            let body = files.body(own.try_clone().unwrap(), range.clone());
            if cut {
                own.set_len(range.end - 1).unwrap();
            }
            async move { Ok::<_, Infallible>(answer.body(Body::from(body)).unwrap()) }
        });
        runtime.spawn(http1::Builder::new().serve_connection(connection, service));
        // All at once: no answer waits for the one before to be read.
        for (place, range) in ranges.iter().enumerate() {
            let then = if place + 1 == ranges.len() { "close" } else { "keep-alive" };
            let (from, to) = (range.start, range.end);
            write!(client, "GET /{from}-{to} HTTP/1.1\r\nhost: here\r\nconnection: {then}\r\n\r\n").unwrap();
        }
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_sent_is_the_file() {
        let size = 2 * STAND_IN.len() + 5;
        let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let ranges = [0..size, 7..7, 1..2, 3..size - 1, size - 1..size];
        let answers = sent(&file, &ranges, false);
        let mut rest = answers.as_slice();
        for range in ranges.clone() {
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            assert!(rest[end..].starts_with(&bytes[range.clone()]), "{range:?}");
            rest = &rest[end + range.len()..];
        }
        assert!(rest.is_empty());
        // Nothing stands for what is gone.
        let answer = sent(&file, &ranges[..1], true);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(answer[end..], bytes[..bytes.len() - 1]);
    }
}
