//! What can go wrong while reading a Lucene file: every message names the file.

use std::fmt;
use std::io;

/// The result of reading Lucene files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes contradict themselves: damaged, truncated or mixed up.
    Corrupt,
    /// The format is sound as far as one can tell, but not known to this reader.
    Unknown,
    /// A file that must exist does not.
    Missing,
    /// The byte source failed.
    Source,
}

/// A file that cannot be read, and why.
#[derive(Debug)]
pub struct Error(Box<Details>);

/// Behind a pointer: results are returned for every number that is read, errors almost never.
#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    file: String,
    what: String,
    source: Option<io::Error>,
}

impl Error {
    /// The bytes of `file` contradict themselves.
    pub fn corrupt(file: &str, what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, file, what)
    }

    /// The format of `file` is not known to this reader.
    pub fn unknown(file: &str, what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unknown, file, what)
    }

    /// `file` does not exist.
    #[must_use]
    pub fn missing(file: &str) -> Self {
        Self::new(ErrorKind::Missing, file, "no such file in this shard")
    }

    /// The byte source under `file` failed.
    #[must_use]
    pub fn from_source(file: &str, error: io::Error) -> Self {
        let what = error.to_string();
        Self(Box::new(Details { kind: ErrorKind::Source, file: file.to_owned(), what, source: Some(error) }))
    }

    fn new(kind: ErrorKind, file: &str, what: impl Into<String>) -> Self {
        Self(Box::new(Details { kind, file: file.to_owned(), what: what.into(), source: None }))
    }

    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file that could not be read.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// What the byte source said, if it was the byte source that failed.
    #[must_use]
    pub fn into_source(self) -> Option<io::Error> {
        self.0.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.file, self.0.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text of the source is part of the message already; its cause is what comes next.
        self.0.source.as_ref().and_then(|error| error.get_ref()).and_then(|inner| inner.source())
    }
}
