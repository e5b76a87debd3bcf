//! Where a cluster is and how to get in: `ES_SOURCE_*` and `ES_TARGET_*`, and the flags that override them.

use es_records::{Fault, Role};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Text for the ENVIRONMENT section of `--help`.
pub const ENVIRONMENT: &str = "\
  Each cluster role is configured by variables; the same ones exist with ES_TARGET_.
  ES_SOURCE_URL                     where the cluster is: http(s)://host:port
  ES_SOURCE_USERNAME, _PASSWORD or _PASSWORD_FILE           basic authentication
  ES_SOURCE_API_KEY or _API_KEY_FILE                        Elasticsearch API key
  ES_SOURCE_BEARER or _BEARER_FILE                          bearer token
  ES_SOURCE_CACERT                  certificate authority to trust (PEM file)
  ES_SOURCE_CLIENT_CERT, _CLIENT_KEY                        client certificate (PEM files)
  ES_SOURCE_AUTH                    auto, none, basic, api-key, bearer or sigv4
  ES_SOURCE_AWS_REGION, _AWS_SERVICE, _AWS_PROFILE, _AWS_ROLE_ARN  for sigv4
  ES_SOURCE_TIMEOUT                 longest time for one request (default 60s)
  AWS_*, HTTPS_PROXY, NO_PROXY      as everywhere; docs/environment.md has all";

/// `--url`, for tools that talk to one cluster whose role is fixed or comes with their input.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct UrlFlag {
    /// URL of the cluster, instead of `ES_SOURCE_URL` or `ES_TARGET_URL`
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// `--cluster` and `--url`, for tools that can talk to either cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Which cluster: source or target
    #[arg(long, value_name = "ROLE")]
    pub cluster: Option<RoleFlag>,

    /// URL of the cluster, instead of `ES_SOURCE_URL` or `ES_TARGET_URL`
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// `--source-url` and `--target-url`, for tools that talk to both clusters.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Clusters")]
pub struct PairArgs {
    /// URL of the source, instead of `ES_SOURCE_URL`
    #[arg(long, value_name = "URL")]
    pub source_url: Option<String>,

    /// URL of the target, instead of `ES_TARGET_URL`
    #[arg(long, value_name = "URL")]
    pub target_url: Option<String>,
}

/// A role as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RoleFlag {
    /// The cluster of `ES_SOURCE_*`
    Source,
    /// The cluster of `ES_TARGET_*`
    Target,
}

impl From<RoleFlag> for Role {
    fn from(flag: RoleFlag) -> Self {
        match flag {
            RoleFlag::Source => Self::Source,
            RoleFlag::Target => Self::Target,
        }
    }
}

impl ClusterArgs {
    /// The role asked for.
    #[must_use]
    pub fn role(&self) -> Role {
        self.cluster.map_or(Role::Source, Role::from)
    }
}

/// Text that never shows in `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(redacted)")
    }
}

/// How to get in.
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    None,
    /// The whole value of the `Authorization` header.
    Header(Secret),
    Sigv4 {
        region: Option<String>,
        service: String,
        profile: Option<String>,
        role_arn: Option<String>,
    },
}

/// One cluster's configuration, read from flags and environment.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) role: Role,
    pub(crate) url: Url,
    pub(crate) auth: Auth,
    pub(crate) cacert: Option<PathBuf>,
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    pub(crate) timeout: Duration,
}

impl Config {
    /// The configuration of `role`. The URL is `flag`, else the variable, else `known` (from a record).
    ///
    /// # Errors
    /// Exit 2 where the URL is missing or wrong, or variables contradict each other; 3 where a file cannot be read.
    pub fn of(role: Role, flag: Option<&str>, known: Option<&str>) -> Result<Self, Fault> {
        let env = Environment(role);
        let name = env.name("URL");
        let from_environment = env.get("URL");
        let (text, origin) = match (flag, &from_environment, known) {
            (Some(url), _, _) => (url, "the URL flag"),
            (None, Some(url), _) => (url.as_str(), name.as_str()),
            (None, None, Some(url)) => (url, "the record"),
            (None, None, None) => {
                return Err(Fault::usage(format!("no URL for the {role} cluster"))
                    .hint(format!("set {name}, or give it as a flag")));
            }
        };
        let mut url = parse_url(text, origin)?;
        let inline = userinfo(&mut url);
        if inline.is_some() && flag.is_some() {
            return Err(Fault::usage("the URL flag holds a password, which every user of this machine can read")
                .hint(format!("set {} and {}", env.name("USERNAME"), env.name("PASSWORD_FILE"))));
        }
        let auth = auth(&env, &url, inline.as_ref())?;
        let client = match (env.get("CLIENT_CERT"), env.get("CLIENT_KEY")) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            _ => {
                return Err(Fault::usage(format!(
                    "{} and {} belong together",
                    env.name("CLIENT_CERT"),
                    env.name("CLIENT_KEY")
                )));
            }
        };
        let timeout = match env.get("TIMEOUT") {
            None => Duration::from_mins(1),
            Some(text) => seconds(&text).ok_or_else(|| {
                Fault::usage(format!("{}: {text:?} is no time; write 60s or 2m", env.name("TIMEOUT")))
            })?,
        };
        Ok(Self { role, url, auth, cacert: env.get("CACERT").map(PathBuf::from), client, timeout })
    }
}

/// A request's time limit: whole seconds or minutes.
fn seconds(text: &str) -> Option<Duration> {
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|n| *n > 0).map(u64::from);
    match text.strip_suffix('m') {
        Some(minutes) => number(minutes).map(|n| Duration::from_secs(n * 60)),
        None => number(text.strip_suffix('s').unwrap_or(text)).map(Duration::from_secs),
    }
}

fn parse_url(text: &str, origin: &str) -> Result<Url, Fault> {
    // The text may hold a password: it is not repeated.
    let wrong =
        |why: &str| Fault::usage(format!("{origin}: {why}")).hint("a cluster's URL looks like https://host:9200");
    let url = Url::parse(text).map_err(|e| wrong(&format!("not a URL: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&format!("scheme {:?} is not http or https", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("no host"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a query or fragment has no place here"));
    }
    Ok(url)
}

/// Takes user and password out of a URL.
fn userinfo(url: &mut Url) -> Option<(String, Secret)> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| {
        // form decoding would turn + into a space; userinfo keeps it.
        let plus = text.replace('+', "%2B");
        url::form_urlencoded::parse(format!("x={plus}").as_bytes())
            .next()
            .map(|(_, v)| v.into_owned())
            .unwrap_or_default()
    };
    let pair = (decode(url.username()), Secret(decode(url.password().unwrap_or_default())));
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    debug_assert!(cleared.is_ok(), "http URLs with a host can hold userinfo");
    Some(pair)
}

fn auth(env: &Environment, url: &Url, inline: Option<&(String, Secret)>) -> Result<Auth, Fault> {
    let word = env.get("AUTH").unwrap_or_else(|| "auto".into());
    let host = url.host_str().unwrap_or_default();
    let basic = || -> Result<Option<Auth>, Fault> {
        let pair = match env.get("USERNAME") {
            Some(user) => {
                let missing =
                    || Fault::usage(format!("{} is set and {} is not", env.name("USERNAME"), env.name("PASSWORD")));
                Some((user, env.secret("PASSWORD")?.ok_or_else(missing)?))
            }
            None => inline.cloned(),
        };
        Ok(pair.map(|(user, password)| {
            use base64::Engine as _;
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.0));
            Auth::Header(Secret(format!("Basic {pair}")))
        }))
    };
    let header = |variable: &str, scheme: &str| -> Result<Option<Auth>, Fault> {
        Ok(env.secret(variable)?.map(|key| Auth::Header(Secret(format!("{scheme} {}", key.0)))))
    };
    let sigv4 = || Auth::Sigv4 {
        region: env.get("AWS_REGION").or_else(|| {
            ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .into_iter()
                .find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()))
        }),
        service: env
            .get("AWS_SERVICE")
            .or_else(|| es_aws::service_of_host(host).map(str::to_string))
            .unwrap_or_else(|| "es".into()),
        profile: env.get("AWS_PROFILE"),
        role_arn: env.get("AWS_ROLE_ARN"),
    };
    let wanted = |found: Option<Auth>, variables: &str| {
        found.ok_or_else(|| Fault::usage(format!("{} is {word} and {variables} is not set", env.name("AUTH"))))
    };
    match word.as_str() {
        "none" => Ok(Auth::None),
        "basic" => wanted(basic()?, &env.name("USERNAME")),
        "api-key" => wanted(header("API_KEY", "ApiKey")?, &env.name("API_KEY")),
        "bearer" => wanted(header("BEARER", "Bearer")?, &env.name("BEARER")),
        "sigv4" => Ok(sigv4()),
        "auto" => {
            if let Some(found) = header("API_KEY", "ApiKey")?.or(header("BEARER", "Bearer")?) {
                return Ok(found);
            }
            if let Some(found) = basic()? {
                return Ok(found);
            }
            Ok(if es_aws::service_of_host(host).is_some() { sigv4() } else { Auth::None })
        }
        _ => Err(Fault::usage(format!(
            "{}: {word:?} is not auto, none, basic, api-key, bearer or sigv4",
            env.name("AUTH")
        ))),
    }
}

/// The variables of one role.
struct Environment(Role);

impl Environment {
    fn name(&self, what: &str) -> String {
        let role = match self.0 {
            Role::Source => "SOURCE",
            Role::Target => "TARGET",
        };
        format!("ES_{role}_{what}")
    }

    fn get(&self, what: &str) -> Option<String> {
        std::env::var(self.name(what)).ok().filter(|value| !value.is_empty())
    }

    /// A secret from its variable, or from the file that `.._FILE` names (one trailing newline is not part of it).
    fn secret(&self, what: &str) -> Result<Option<Secret>, Fault> {
        if let Some(value) = self.get(what) {
            return Ok(Some(Secret(value)));
        }
        let file = format!("{what}_FILE");
        let Some(path) = self.get(&file) else { return Ok(None) };
        let text =
            std::fs::read_to_string(&path).map_err(|e| Fault::failed(format!("{}: {path}: {e}", self.name(&file))))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() || text.contains(char::is_control) {
            return Err(Fault::usage(format!("{}: {path} is empty or holds more than one line", self.name(&file))));
        }
        Ok(Some(Secret(text.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_up_its_password_and_never_shows_it() {
        let mut url = parse_url("http://us%40er:p%3Aw+1@h:9200/prefix", "x").unwrap();
        let (user, password) = userinfo(&mut url).unwrap();
        assert_eq!((user.as_str(), password.0.as_str()), ("us@er", "p:w+1"));
        assert_eq!(url.as_str(), "http://h:9200/prefix");
        assert_eq!(format!("{password:?}"), "(redacted)");
    }

    #[test]
    fn what_is_no_cluster_url_is_refused_without_repeating_it() {
        for wrong in ["localhost:9200", "ftp://h", "http://", "https://h/?q=secret", "secret"] {
            let fault = parse_url(wrong, "ES_SOURCE_URL").unwrap_err();
            assert!(
                fault.message.starts_with("ES_SOURCE_URL: ") && !fault.message.contains("secret"),
                "{}",
                fault.message
            );
        }
    }

    #[test]
    fn time_limits_are_seconds_or_minutes() {
        assert_eq!(seconds("90"), Some(Duration::from_secs(90)));
        assert_eq!(seconds("2m"), Some(Duration::from_mins(2)));
        assert_eq!((seconds("0"), seconds("1h")), (None, None));
    }
}
