//! The blobs of a repository, wherever they are: listed, read whole, in ranges, or as streams.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::object::{ObjectOptions, Objects};
use crate::secrets::without_secrets;

/// No metadata blob is larger.
const WHOLE_LIMIT: u64 = 2 << 30;
/// Bytes of a stream that are read of a file at a time.
const STEP: usize = 256 << 10;

/// What to write in place of a path as it was typed.
pub(crate) fn directory_hint(path: &str) -> String {
    let whole = std::path::absolute(path).ok().and_then(|path| Url::from_file_path(path).ok());
    format!("a directory is {}", whole.as_ref().map_or("file:///path", Url::as_str))
}

enum Backend {
    Files(PathBuf),
    Objects(Objects),
}

/// All blobs below one place, how many bytes of them were fetched, and whether one was missing that must be there.
pub(crate) struct Blobs {
    backend: Backend,
    fetched: AtomicU64,
    missed: AtomicBool,
}

impl Blobs {
    pub(crate) fn open(url: &Url, options: &ObjectOptions) -> Result<Self> {
        let plain = without_secrets(url.as_str());
        // The part that would be dropped may be what tells two repositories apart.
        if url.fragment().is_some() {
            return Err(Error::new(ErrorKind::Usage, format!("{plain}: a URL ends at its '#'"))
                .with_hint("in a path it is written %23"));
        }
        if url.query().is_some() && !matches!(url.scheme(), "http" | "https") {
            return Err(Error::new(ErrorKind::Usage, format!("{plain}: a path ends at its '?'"))
                .with_hint("in a path it is written %3F"));
        }
        let backend = if url.scheme() == "file" {
            let root = url.to_file_path().map_err(|()| {
                let path = plain.trim_start_matches("file:").trim_start_matches('/');
                let hint = if Path::new(path).is_dir() {
                    directory_hint(path)
                } else {
                    format!("a path begins with a third '/': file:///{path}")
                };
                Error::new(ErrorKind::Usage, format!("{plain}: not the path of a file")).with_hint(hint)
            })?;
            let name = root.display().to_string();
            match root.metadata() {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Err(Error::new(ErrorKind::Failed, format!("{name}: not a directory"))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(Error::new(ErrorKind::Failed, format!("{name}: no such directory")));
                }
                Err(error) => return Err(Error::blob(&name, &error)),
            }
            Backend::Files(root)
        } else {
            Backend::Objects(Objects::open(url, options)?)
        };
        Ok(Self { backend, fetched: AtomicU64::new(0), missed: AtomicBool::new(false) })
    }

    /// `name` below `hash`, which lies before the base path: in the root of the bucket. A shared file
    /// system has no base path.
    pub(crate) fn before_base_path(&self, hash: &str, name: &str) -> Result<String> {
        match &self.backend {
            Backend::Files(_) => Ok(format!("{hash}/{name}")),
            Backend::Objects(objects) => objects.before_base_path(hash, name),
        }
    }

    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    pub(crate) fn has_missed_any(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }

    /// The failure of a blob that must exist.
    pub(crate) fn failed(&self, name: &str, error: &io::Error) -> Error {
        if error.kind() == io::ErrorKind::NotFound {
            self.missed.store(true, Ordering::Relaxed);
        }
        Error::blob(name, error)
    }

    pub(crate) fn count(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Names directly below the root that begin with `prefix`. `None` where the store cannot list.
    pub(crate) fn list(&self, prefix: &str) -> Result<Option<Vec<String>>> {
        match &self.backend {
            Backend::Files(root) => {
                let failed = |error| Error::blob(&root.display().to_string(), &error);
                let mut names = Vec::new();
                for entry in root.read_dir().map_err(failed)? {
                    let entry = entry.map_err(failed)?;
                    let name = entry.file_name();
                    let Some(name) = name.to_str().filter(|name| name.starts_with(prefix)) else {
                        continue;
                    };
                    // As in an object store, where a directory is no blob.
                    if !entry.file_type().map_err(failed)?.is_dir() {
                        names.push(name.to_owned());
                    }
                }
                Ok(Some(names))
            }
            Backend::Objects(objects) => objects.list(prefix),
        }
    }

    /// A whole blob; `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let read = match &self.backend {
            Backend::Files(root) => read_file(&path(root, name)?),
            Backend::Objects(objects) => objects.get(name),
        };
        match read {
            Ok(bytes) => {
                self.count(bytes.len() as u64);
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::blob(name, &error)),
        }
    }

    /// A whole blob that must exist.
    pub(crate) fn get(&self, name: &str) -> Result<Vec<u8>> {
        self.find(name)?.ok_or_else(|| self.failed(name, &io::ErrorKind::NotFound.into()))
    }

    /// Fills `buffer` from `offset` on.
    pub(crate) fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let read = match &self.backend {
            Backend::Files(root) => open(&path(root, name)?).and_then(|file| file.read_exact_at(buffer, offset)),
            Backend::Objects(objects) => objects.read_at(name, offset, buffer),
        };
        read.map_err(|error| self.failed(name, &error))?;
        self.count(buffer.len() as u64);
        Ok(())
    }

    /// A range as a stream: one request of an object store. It ends early where the blob does.
    pub(crate) fn stream(&self, name: &str, offset: u64, length: u64) -> io::Result<Box<dyn BufRead + Send>> {
        match &self.backend {
            Backend::Files(root) => {
                let mut file = open(&path(root, name)?)?;
                file.seek(SeekFrom::Start(offset))?;
                let step = usize::try_from(length).unwrap_or(STEP).min(STEP);
                Ok(Box::new(BufReader::with_capacity(step, file.take(length))))
            }
            Backend::Objects(objects) => objects.stream(name, offset, length),
        }
    }
}

/// Opens a file, and nothing else: a pipe would be waited for, and a device may never end.
fn open(path: &Path) -> io::Result<File> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(path)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(WHOLE_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Names come out of the repository: none may lead out of it. Paths of OpenSearch's hashed layout lead
/// through the repository's own folder and back.
fn path(root: &Path, name: &str) -> Result<PathBuf> {
    let mut path = root.to_path_buf();
    for part in name.split('/') {
        check_name(part)?;
        path.push(part);
    }
    Ok(path)
}

/// Fails if a name is no name of one blob or folder.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(Error::new(ErrorKind::Corrupt, format!("{name:?} is no name of a blob")));
    }
    Ok(())
}
