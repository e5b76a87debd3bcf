//! What no tool may show: found out from what a test gives it, and looked for in every byte that it prints.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Words in the names of variables that hold a secret, or with `_FILE` the name of a file that does.
const NAMES: [&str; 5] = ["PASSWORD", "SECRET", "TOKEN", "API_KEY", "BEARER"];
/// How a header begins that carries credentials, where only a tool that was asked for one may print it.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=";
/// The tool whose very output is signatures, and the session token that has to be sent with them.
const SIGNER: &str = "es-sign-request";

/// The secrets of one run of a program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    program: String,
    /// A test that types a secret where it does not belong knows that the process list shows it.
    typed: Vec<String>,
    found: Vec<Secret>,
}

#[derive(Clone, Debug)]
struct Secret {
    /// Where it was found, for the complaint.
    place: String,
    text: String,
    /// A session token is part of a signed request.
    token: bool,
}

impl Secrets {
    /// The secrets in the environment and the arguments that a program is started with.
    pub(crate) fn of<'a>(
        program: &Path,
        env: impl Iterator<Item = (&'a OsStr, &'a OsStr)>,
        args: impl Iterator<Item = &'a OsStr>,
    ) -> Self {
        let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = |text: &OsStr| text.to_string_lossy().into_owned();
        let mut all = Self { program, typed: args.map(text).collect(), found: Vec::new() };
        let env: Vec<_> = env.map(|(name, value)| (text(name), text(value))).collect();
        for (name, value) in &env {
            let secret = NAMES.iter().any(|word| name.contains(word));
            match name.strip_suffix("_FILE") {
                Some(_) if secret => {
                    all.add(name, fs::read_to_string(value).unwrap_or_default().trim_end(), false);
                }
                None if secret => all.add(name, value, name.ends_with("_SESSION_TOKEN")),
                _ => {}
            }
            if let Some(rest) = name.strip_suffix("_USERNAME")
                && let Some((_, password)) = env.iter().find(|(name, _)| *name == format!("{rest}_PASSWORD"))
            {
                all.add("the Authorization header", &STANDARD.encode(format!("{value}:{password}")), false);
            }
            if let Some((pair, _)) = value.split_once("://").and_then(|(_, rest)| rest.split_once('@'))
                && let Some((_, password)) = pair.split_once(':')
            {
                all.add(name, password, false);
            }
        }
        all
    }

    /// Adds one that the environment does not tell.
    pub(crate) fn add(&mut self, place: &str, text: &str, token: bool) {
        // A shorter one would be found in anything.
        if text.len() >= 4 {
            self.found.push(Secret { place: place.to_owned(), text: text.to_owned(), token });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The first secret in what was printed.
    pub(crate) fn printed(&self, stdout: &str, stderr: &str) -> Option<String> {
        let signer = self.program == SIGNER;
        for (stream, text) in [("stdout", stdout), ("stderr", stderr)] {
            let requested = signer && stream == "stdout";
            for secret in &self.found {
                if text.contains(&secret.text) && !(requested && secret.token) {
                    return Some(format!("{}: the secret of {} is in its {stream}", self.program, secret.place));
                }
            }
            if text.contains(SIGNATURE) && !requested {
                return Some(format!("{}: a signature is in its {stream}", self.program));
            }
        }
        None
    }

    /// The first secret in the command line of a process, as every user of the machine can read it.
    pub(crate) fn in_command_line(&self, pid: u32) -> Option<String> {
        // It may have ended by now.
        let line = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned();
        let typed = |secret: &Secret| self.typed.iter().any(|arg| arg.contains(&secret.text));
        let secret = self.found.iter().find(|secret| line.contains(&secret.text) && !typed(secret))?;
        Some(format!("the secret of {} is in a command line: {}", secret.place, line.replace('\0', " ")))
    }

    /// The first secret in a file below a directory.
    pub(crate) fn in_files(&self, directory: &Path) -> Option<String> {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if let Some(found) = self.in_files(&path) {
                    return Some(found);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            let secret = self.found.iter().find(|secret| text.contains(&secret.text));
            if let Some(place) = secret.map(|secret| secret.place.as_str()) {
                return Some(format!("the secret of {place} is in {}", path.display()));
            }
            if text.contains(SIGNATURE) {
                return Some(format!("a signature is in {}", path.display()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(program: &str, env: &[(&str, &str)], args: &[&str]) -> Secrets {
        let env = env.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value)));
        Secrets::of(Path::new(program), env, args.iter().map(OsStr::new))
    }

    #[test]
    fn secrets_are_found_by_the_names_of_their_variables_and_in_urls() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "from-a-file\n").unwrap();
        let env = [
            ("AWS_SECRET_ACCESS_KEY", "secret-key"),
            ("ES_TARGET_USERNAME", "elastic"),
            ("ES_TARGET_PASSWORD", "in-basic"),
            ("ES_SOURCE_BEARER_FILE", file.path().to_str().unwrap()),
            ("ES_SOURCE_URL", "http://user:in-the-url@host:9200/"),
            ("AWS_REGION", "eu-west-1"),
        ];
        let secrets = of("/bin/es-wait", &env, &[]);
        for said in ["secret-key", "in-basic", "ZWxhc3RpYzppbi1iYXNpYw==", "from-a-file", "in-the-url"] {
            assert!(secrets.printed(said, "").is_some(), "{said} on stdout");
            assert!(secrets.printed("", said).is_some(), "{said} on stderr");
        }
        assert_eq!(secrets.printed("eu-west-1 elastic", "http://host:9200/"), None);
    }

    #[test]
    fn only_the_signer_prints_signatures_and_tokens_and_only_where_asked() {
        let env = [("AWS_SESSION_TOKEN", "the-token"), ("AWS_SECRET_ACCESS_KEY", "secret-key")];
        let signed = format!("authorization: {SIGNATURE}AKID x-amz-security-token: the-token");
        let signer = of("es-sign-request", &env, &[]);
        assert_eq!(signer.printed(&signed, ""), None);
        assert!(signer.printed("", &signed).is_some() && signer.printed("secret-key", "").is_some());
        assert!(of("es-wait", &env, &[]).printed(&signed, "").is_some());
        assert!(of("es-wait", &[], &[]).printed(SIGNATURE, "").is_some());
    }

    #[test]
    fn a_command_line_may_hold_only_what_the_test_typed_itself() {
        let own = fs::read_to_string("/proc/self/cmdline").unwrap().split('\0').next().unwrap().to_owned();
        let pid = std::process::id();
        assert!(of("x", &[("A_SECRET", &own)], &[]).in_command_line(pid).is_some());
        assert_eq!(of("x", &[("A_SECRET", &own)], &[&own]).in_command_line(pid), None);
    }

    #[test]
    fn files_are_searched_to_the_bottom() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("a")).unwrap();
        fs::write(directory.path().join("a/log"), "the secret-key was used").unwrap();
        let secrets = of("es-wait", &[("AWS_SECRET_ACCESS_KEY", "secret-key")], &[]);
        assert!(secrets.in_files(directory.path()).is_some_and(|found| found.ends_with("a/log")));
        assert_eq!(of("es-wait", &[], &[]).in_files(directory.path()), None);
    }
}
