//! Why a repository could not be read, and whether trying again may help.

use std::fmt;
use std::io;

/// The result of reading a repository.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; each has one exit code in every tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked for is not in the repository, or not whole: the answer is no.
    Absent,
    /// The request makes no sense: a URL that is none.
    Usage,
    /// Damaged, missing or contradictory bytes.
    Corrupt,
    /// Sound, but not readable by this reader.
    Unsupported,
    /// Any other failure for good.
    Failed,
    /// No, wrong or expired credentials.
    Denied,
    /// Trying again later may help.
    Retry,
}

/// A failure, the thing it happened to, and what to do about it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

impl Error {
    /// A failure of this kind; the message names the thing first.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub(crate) fn corrupt(thing: &str, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, format!("{thing}: {what}"))
    }

    pub(crate) fn unsupported(thing: &str, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, format!("{thing}: {what}"))
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts the thing that was being read in front of the message.
    #[must_use]
    pub fn context(mut self, thing: impl fmt::Display) -> Self {
        self.message = format!("{thing}: {}", self.message);
        self
    }

    /// The class of this failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// A failure of a blob. A blob that is not there has been deleted, or was never written.
    pub(crate) fn blob(name: &str, error: &io::Error) -> Self {
        let hint = error.get_ref().and_then(|inner| inner.downcast_ref::<Told>()).and_then(|told| told.hint.clone());
        let own = Self::of_blob(name, error);
        Self { hint: own.hint.or(hint), ..own }
    }

    fn of_blob(name: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::corrupt(name, "no such blob in the repository"),
            io::ErrorKind::PermissionDenied => Self::new(ErrorKind::Denied, format!("{name}: {error}")),
            io::ErrorKind::UnexpectedEof => Self::corrupt(name, "the blob is shorter than the repository says"),
            io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => Self::new(ErrorKind::Retry, format!("{name}: {error}")),
            _ => Self::new(ErrorKind::Failed, format!("{name}: {error}")),
        }
    }
}

/// What goes into an [`io::Error`] with a hint.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) said: String,
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Told {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

impl From<es_lucene::Error> for Error {
    fn from(error: es_lucene::Error) -> Self {
        let message = error.to_string();
        let file = error.file().to_owned();
        match error.kind() {
            es_lucene::ErrorKind::Unknown => Self::new(ErrorKind::Unsupported, message),
            es_lucene::ErrorKind::Corrupt | es_lucene::ErrorKind::Missing => Self::new(ErrorKind::Corrupt, message),
            es_lucene::ErrorKind::Source => match error.into_source().map(io::Error::downcast) {
                Some(Ok(inner)) => Self::context(inner, file),
                Some(Err(other)) => Self::blob(&file, &other),
                None => Self::new(ErrorKind::Failed, message),
            },
        }
    }
}
