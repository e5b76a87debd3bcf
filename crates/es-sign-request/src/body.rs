//! Bodies: bytes at hand, or a file or standard input that is hashed piece by piece.

use es_aws::Sha256Hex;
use es_cli::Fault;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

/// How much is read at a time.
const PIECE: usize = 1 << 17;

/// A body that was named.
#[derive(Debug, Default)]
pub(crate) enum Body {
    /// None at all.
    #[default]
    None,
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of a file.
    File(PathBuf),
    /// Standard input to its end.
    Stdin,
}

/// A body that was read once, for its hash.
#[derive(Debug)]
pub(crate) enum Taken {
    /// None at all.
    None,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file that can be read again.
    File {
        /// Its name.
        path: PathBuf,
        /// Its SHA-256.
        hash: String,
        /// Its length.
        length: u64,
    },
    /// Standard input; kept in an unlinked file where the output needs the bytes.
    Stdin {
        /// The bytes.
        kept: Option<File>,
        /// Their SHA-256.
        hash: String,
        /// Their number.
        length: u64,
    },
}

impl Body {
    /// The value of `--data`.
    pub(crate) fn of_flag(data: &str) -> Self {
        match data.strip_prefix('@') {
            Some("-") => Self::Stdin,
            Some(file) => Self::File(file.into()),
            None if data == "-" => Self::Stdin,
            None => Self::Bytes(data.as_bytes().to_vec()),
        }
    }

    /// Reads it once.
    pub(crate) fn take(self, keep: bool) -> Result<Taken, Fault> {
        match self {
            Self::None => Ok(Taken::None),
            Self::Bytes(bytes) => Ok(Taken::Bytes(bytes)),
            Self::File(path) => {
                let named = |e: std::io::Error| Fault::failed(format!("{}: {e}", path.display()));
                let file = File::open(&path).map_err(named)?;
                if file.metadata().is_ok_and(|about| !about.is_file()) {
                    return Err(Fault::usage(format!("{}: not a file that can be read twice", path.display()))
                        .hint("its hash must be known before the first byte is sent; use @- for a pipe"));
                }
                let (hash, length) = digest(file, None).map_err(named)?;
                Ok(Taken::File { path, hash, length })
            }
            Self::Stdin => {
                let stdin = std::io::stdin();
                let named = |e: std::io::Error| Fault::failed(format!("standard input: {e}"));
                let mut kept = if keep { Some(tempfile::tempfile().map_err(named)?) } else { None };
                let (hash, length) = digest(stdin.lock(), kept.as_mut()).map_err(named)?;
                if let Some(file) = &mut kept {
                    file.rewind().map_err(named)?;
                }
                Ok(Taken::Stdin { kept, hash, length })
            }
        }
    }
}

fn digest(mut from: impl Read, mut copy: Option<&mut File>) -> std::io::Result<(String, u64)> {
    let mut hash = Sha256Hex::default();
    let mut length = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let n = match from.read(&mut piece) {
            Ok(0) => return Ok((hash.finish(), length)),
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&piece[..n]);
        if let Some(copy) = &mut copy {
            copy.write_all(&piece[..n])?;
        }
        length += n as u64;
    }
}

impl Taken {
    /// What is signed of it.
    pub(crate) fn to_sign(&self) -> es_aws::Body<'_> {
        match self {
            Self::None => es_aws::Body::Bytes(&[]),
            Self::Bytes(bytes) => es_aws::Body::Bytes(bytes),
            Self::File { hash, .. } | Self::Stdin { hash, .. } => es_aws::Body::Sha256(hash),
        }
    }

    /// Its length; none where there is no body.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File { length, .. } | Self::Stdin { length, .. } => Some(*length),
        }
    }

    /// Hands out the bytes, piece by piece, and fails where a file has changed since it was signed.
    pub(crate) fn pour(self, mut out: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
        let (mut from, name, signed) = match self {
            Self::None => return Ok(()),
            Self::Bytes(bytes) => return out(&bytes),
            Self::File { path, hash, .. } => {
                let name = path.display().to_string();
                (File::open(&path).map_err(|e| Fault::failed(format!("{name}: {e}")))?, name, hash)
            }
            Self::Stdin { kept: Some(file), hash, .. } => (file, "standard input".to_string(), hash),
            Self::Stdin { kept: None, .. } => return Err(Fault::failed("standard input: it was not kept")),
        };
        let mut hash = Sha256Hex::default();
        let mut piece = vec![0; PIECE];
        loop {
            match from.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => {
                    hash.update(&piece[..n]);
                    out(&piece[..n])?;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::failed(format!("{name}: {error}"))),
            }
        }
        if hash.finish() == signed {
            Ok(())
        } else {
            Err(Fault::failed(format!("{name}: changed while it was signed")))
        }
    }
}
