//! Jars and compiled launchers, fetched once and kept outside the tree.
//!
//! Everything is keyed by the content it was made from and renamed into place when it is whole: a fetch that is killed
//! leaves only a temporary directory, never half a server.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::catalogue::{Entry, Source};

/// The oldest JDK that runs every server of the catalogue.
const OLDEST_JDK: u32 = 21;
/// The JDK the servers were tried with.
const PREFERRED_JDK: u32 = 25;

/// What a server is started from.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) jdk: Jdk,
    /// Jars of the class path.
    pub(crate) jars: PathBuf,
    /// Jars of the modules (8.x and 9.x), else empty.
    pub(crate) modules: PathBuf,
    /// The compiled launcher.
    pub(crate) launcher: PathBuf,
    /// The compiled stand-in for the module that answers `GET /` (8.x and 9.x), else empty.
    pub(crate) rest_root: PathBuf,
}

/// Makes sure the server's jars and launcher are in the cache.
pub(crate) fn prepare(entry: &Entry) -> Result<Prepared> {
    let jdk = Jdk::find()?;
    let cache = directory()?;

    let jars = cache.join("servers").join(format!("{}-{:016x}", entry.name, hash(&[entry.pom])));
    once(&jars, |draft| fetch(entry, &jdk, draft)).with_context(|| format!("fetching the jars of {}", entry.name))?;

    let mut parts = vec![entry.pom, jdk.version.as_str()];
    let sources = entry.launcher().into_iter().chain(entry.rest_root());
    parts.extend(sources.flat_map(|(name, text)| [name, text]));
    let classes = cache.join("launchers").join(format!("{}-{:016x}", entry.name, hash(&parts)));
    let library = jars.join("lib");
    once(&classes, |draft| {
        compile(&jdk, &library, &entry.launcher(), &draft.join("launcher"))?;
        compile(&jdk, &library, &entry.rest_root(), &draft.join("rest-root"))
    })
    .with_context(|| format!("compiling the launcher of {}", entry.name))?;

    Ok(Prepared {
        jdk,
        jars: library,
        modules: jars.join("modules"),
        launcher: classes.join("launcher"),
        rest_root: classes.join("rest-root"),
    })
}

/// The stand-in for the AWS edge, and what it is made of.
const EDGE: &str = include_str!("../../../tests/servers/aws-edge/aws_edge.py");
const EDGE_REQUIREMENTS: &str = include_str!("../../../tests/servers/aws-edge/requirements.txt");

/// The interpreter and the script of the stand-in for the AWS edge.
#[derive(Debug)]
pub(crate) struct PreparedEdge {
    /// The interpreter of a virtual environment that has what the script imports.
    pub(crate) python: PathBuf,
    /// The script's text, which the bed writes beside the server's log.
    pub(crate) script: &'static str,
}

/// Makes sure that what the stand-in for the AWS edge imports is in the cache.
pub(crate) fn prepare_edge() -> Result<PreparedEdge> {
    let packages = directory()?.join("servers").join(format!("aws-edge-{:016x}", hash(&[EDGE_REQUIREMENTS])));
    once(&packages, install_packages).context("installing what the AWS edge imports")?;
    Ok(PreparedEdge { python: packages.join("bin/python"), script: EDGE })
}

/// A virtual environment: its interpreter finds its packages beside itself, so it can be renamed into place.
fn install_packages(draft: &Path) -> Result<()> {
    let requirements = tempfile::NamedTempFile::new()?;
    fs::write(requirements.path(), EDGE_REQUIREMENTS)?;
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(draft);
    run(venv, "python3 -m venv", "python3 with its venv module makes the AWS edge: `apt-get install python3-venv`")?;
    let mut pip = Command::new(draft.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(requirements.path());
    run(pip, "pip", "the virtual environment has no interpreter")
}

/// Runs a command to its end, quietly; what it said is in the error if it fails.
fn run(mut command: Command, name: &str, missing: &str) -> Result<()> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("no {name}: {missing}"),
        Err(error) => return Err(error).with_context(|| format!("running {name}")),
    };
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{name} ended with {}:\n{}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

fn directory() -> Result<PathBuf> {
    if let Some(directory) = env::var_os("ES_MIGRATE_CACHE").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(directory));
    }
    let base = env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("no place for the cache: set ES_MIGRATE_CACHE or HOME")?;
    Ok(base.join("es-migrate"))
}

/// Has `make` fill a draft of `target` unless `target` is there; a lock keeps two processes from making it at once.
fn once(target: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    let parent = target.parent().context("a cache entry has a parent directory")?;
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    let lock_path = target.with_added_extension("lock");
    let lock = File::create(&lock_path).with_context(|| format!("creating {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("locking {}", lock_path.display()))?;
    if target.is_dir() {
        return Ok(());
    }
    let draft = tempfile::Builder::new().prefix(".draft-").tempdir_in(parent)?;
    make(draft.path())?;
    fs::rename(draft.path(), target).with_context(|| format!("renaming to {}", target.display()))?;
    Ok(())
}

fn fetch(entry: &Entry, jdk: &Jdk, draft: &Path) -> Result<()> {
    let pom = draft.join("pom.xml");
    fs::write(&pom, entry.pom)?;
    let library = draft.join("lib");
    let modules = draft.join("modules");
    fs::create_dir_all(&modules)?;
    let mut mvn = Command::new("mvn");
    mvn.args(["-q", "-B", "-f"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", library.display()))
        .env("JAVA_HOME", &jdk.home);
    run(mvn, "mvn", "it fetches the servers: install it, e.g. with `apt-get install maven`")?;
    unpack(jdk, &library)?;
    for file in fs::read_dir(&library)? {
        let name = file?.file_name();
        if entry.is_module_jar(&name.to_string_lossy()) {
            fs::rename(library.join(&name), modules.join(&name))?;
        }
    }
    Ok(())
}

/// A plugin is published as a zip of its jars, which go beside those that are there.
fn unpack(jdk: &Jdk, library: &Path) -> Result<()> {
    let zips: Vec<_> = fs::read_dir(library)?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    for zip in zips.iter().filter(|file| file.extension().is_some_and(|end| end == "zip")) {
        let place = tempfile::tempdir_in(library)?;
        let mut jar = Command::new(jdk.home.join("bin/jar"));
        jar.arg("xf").arg(zip).current_dir(&place);
        run(jar, "jar", "it is in every JDK")?;
        for file in fs::read_dir(&place)? {
            let file = file?.path();
            let name = file.file_name().context("a file of a directory has a name")?;
            if file.extension().is_some_and(|end| end == "jar") {
                fs::rename(&file, library.join(name))?;
            }
        }
        fs::remove_file(zip)?;
    }
    Ok(())
}

fn compile(jdk: &Jdk, library: &Path, sources: &[Source], classes: &Path) -> Result<()> {
    fs::create_dir_all(classes)?;
    if sources.is_empty() {
        return Ok(());
    }
    let text = tempfile::tempdir()?;
    let mut javac = Command::new(jdk.home.join("bin/javac"));
    javac.args(["-proc:none", "-nowarn", "-encoding", "UTF-8", "-cp"]);
    javac.arg(library.join("*")).arg("-d").arg(classes);
    for (name, source) in sources {
        let file = Path::new(name).file_name().context("a source has a file name")?;
        fs::write(text.path().join(file), source)?;
        javac.arg(text.path().join(file));
    }
    let output = javac.stdin(Stdio::null()).output().context("running javac")?;
    if !output.status.success() {
        bail!("javac ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// FNV-1a over length-prefixed parts. Not a guard against an adversary: it only has to notice a change.
fn hash(parts: &[&str]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(part.as_bytes()) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    state
}

/// A JDK that can compile and run the servers.
#[derive(Debug)]
pub(crate) struct Jdk {
    pub(crate) home: PathBuf,
    version: String,
}

impl Jdk {
    /// `JAVA_HOME` if it is new enough, else the best of the usual places, else the one on PATH.
    fn find() -> Result<Self> {
        let mut seen = Vec::new();
        let named = env::var_os("JAVA_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some((jdk, major)) = named.and_then(Self::at) {
            if major >= OLDEST_JDK {
                return Ok(jdk);
            }
            seen.push((major, jdk));
        }
        for place in ["/usr/lib/jvm", "/usr/lib64/jvm", "/usr/java", "/opt/java", "/Library/Java/JavaVirtualMachines"] {
            let Ok(entries) = fs::read_dir(place) else {
                continue;
            };
            for home in entries.flatten().map(|entry| entry.path()) {
                let found = Self::at(home.clone()).or_else(|| Self::at(home.join("Contents/Home")));
                seen.extend(found.map(|(jdk, major)| (major, jdk)));
            }
        }
        seen.extend(Self::on_path().map(|(jdk, major)| (major, jdk)));

        let found: Vec<_> = seen.iter().map(|(_, jdk)| format!("{} at {}", jdk.version, jdk.home.display())).collect();
        // The preferred one, else the oldest that will do: it is the nearest to what the servers were made for.
        let best = seen
            .into_iter()
            .filter(|(major, _)| *major >= OLDEST_JDK)
            .min_by_key(|(major, _)| (*major != PREFERRED_JDK, *major));
        match best {
            Some((_, jdk)) => Ok(jdk),
            None => bail!(
                "no JDK {OLDEST_JDK} or newer, and it runs the servers (found: {}): install one, e.g. with \
                 `apt-get install openjdk-{OLDEST_JDK}-jdk-headless`, or set JAVA_HOME",
                if found.is_empty() { "none".to_owned() } else { found.join(", ") }
            ),
        }
    }

    fn on_path() -> Option<(Self, u32)> {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find_map(|directory| {
            let java = fs::canonicalize(directory.join("java")).ok()?;
            Self::at(java.parent()?.parent()?.to_owned())
        })
    }

    /// The JDK in this directory with its major version; none where there is no compiler or no `release` file.
    fn at(home: PathBuf) -> Option<(Self, u32)> {
        if !home.join("bin/javac").is_file() {
            return None;
        }
        let release = fs::read_to_string(home.join("release")).ok()?;
        let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"').to_owned();
        let major = version.split(['.', '-', '+']).next()?.parse().ok()?;
        Some((Self { home, version }, major))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_where_one_part_ends() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
    }

    #[test]
    fn a_failed_fetch_leaves_no_entry() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("entry");
        let result = once(&target, |draft| {
            fs::write(draft.join("half"), "done")?;
            bail!("cut off")
        });
        assert_eq!(result.unwrap_err().to_string(), "cut off");
        assert!(!target.exists());
        let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["entry.lock"]);
    }

    #[test]
    fn what_is_there_is_not_made_again() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("entry");
        once(&target, |draft| Ok(fs::write(draft.join("whole"), "done")?)).unwrap();
        once(&target, |_| bail!("asked twice")).unwrap();
        assert_eq!(fs::read_to_string(target.join("whole")).unwrap(), "done");
    }

    #[test]
    fn a_jdk_is_told_by_its_release_file() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("bin")).unwrap();
        fs::write(scratch.path().join("bin/javac"), "").unwrap();
        fs::write(scratch.path().join("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"25.0.1\"\n").unwrap();
        let (jdk, major) = Jdk::at(scratch.path().to_owned()).unwrap();
        assert_eq!((jdk.version.as_str(), major), ("25.0.1", 25));
    }
}
