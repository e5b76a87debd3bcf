//! Files that are written whole or not at all.

use crate::Fault;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Writes a file whole or not at all: beside its place first, on disk, then by a rename. Who reads it sees the old one or the
/// new one, a full disk leaves the old one, and a symbolic link stays a link. What is no file (`/dev/stdout`, a pipe) is
/// written in place.
///
/// # Errors
/// Exit 3, with the path and what the system says.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), Fault> {
    let written = match fs::metadata(path) {
        Ok(_) if is_written_in_place(path) => in_place(path, content),
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) => {
            by_rename(&fs::canonicalize(path).unwrap_or_else(|_| path.into()), content, there.permissions().mode())
        }
        // A link to nothing yet makes what it names.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let named = fs::read_link(path).map(|to| path.parent().unwrap_or(Path::new("")).join(to));
            by_rename(&named.unwrap_or_else(|_| path.into()), content, 0o666)
        }
        Err(error) => Err(error),
    };
    written.map_err(|error| Fault::failed(format!("{}: {error}", path.display())))
}

/// Whether what is written to a path comes behind what was, as in a pipe, and replaces nothing.
#[must_use]
pub fn is_written_in_place(path: &Path) -> bool {
    // A descriptor that is open already, whatever is behind it: another file under its name would not be what it writes.
    let open = ["/dev", "/proc"].iter().any(|system| path.starts_with(system));
    fs::metadata(path).is_ok_and(|there| !there.is_dir() && (open || !there.is_file()))
}

fn in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(content)?;
    file.flush()
}

fn by_rename(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    // The umask is applied to what a new file may have.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    // Removed again wherever this ends early. Opened here, since the library's messages have the name it has until it is whole.
    let mut file = tempfile::Builder::new().prefix(".es-migrate-").make_in(directory, |name| options.open(name))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn who_has_the_old_file_open_still_reads_the_old_one() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("record");
        write_whole(&file, b"old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let mut old = fs::File::open(&file).unwrap();
        write_whole(&file, b"new").unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut old, &mut text).unwrap();
        assert_eq!((text.as_str(), fs::read_to_string(&file).unwrap().as_str()), ("old", "new"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(names(scratch.path()), ["record"]);
    }

    #[test]
    fn a_link_stays_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        let (link, file) = (scratch.path().join("link"), scratch.path().join("file"));
        symlink("file", &link).unwrap();
        for text in ["first", "second"] {
            write_whole(&link, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_left() {
        let scratch = tempfile::tempdir().unwrap();
        let message = |path: &Path| write_whole(path, b"x").unwrap_err().message;
        assert!(message(scratch.path()).ends_with("is a directory"), "{}", message(scratch.path()));
        let nowhere = scratch.path().join("no/record");
        let why = "No such file or directory (os error 2)";
        assert_eq!(message(&nowhere), format!("{}: {why}", nowhere.display()));
        assert!(message(Path::new("/dev/full")).contains("No space left on device"));
        assert!(message(Path::new("/proc/es-migrate")).starts_with("/proc/es-migrate: "));
        assert_eq!(names(scratch.path()), [] as [&str; 0]);
        write_whole(Path::new("/dev/null"), b"x").unwrap();
    }
}
