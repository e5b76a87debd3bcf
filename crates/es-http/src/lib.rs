//! What is the same wherever HTTP is spoken, to a cluster or to an object store: whom to trust, which proxy to go by, and what it
//! means that no answer came.

use std::env;
use std::io::{self, ErrorKind};

use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, PemItem, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;
use ureq::{Agent, Proxy};

/// Where ureq looks for a proxy, in its order: the first that is set counts, for every URL.
const PROXIES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// What all agents have in common.
#[must_use]
pub fn agent(tls: TlsConfig) -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .tls_config(tls)
        // A redirect would carry credentials to another host: it is an answer that names the host.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("es-migrate/", env!("CARGO_PKG_VERSION")))
}

/// The certificates of a bundle (PEM), at least one. The error is what is wrong with it.
pub fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err("no certificate in it (PEM is expected)".into());
    }
    Ok(certificates)
}

/// The variable that names the proxy; empty ones count as not set.
fn proxy_variable() -> Option<&'static str> {
    PROXIES.into_iter().find(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Fails where the environment names a proxy that cannot be one: requests would go another way than they were told to. The error is
/// what to tell the user; the value may hold a password.
pub fn check_proxy() -> Result<(), String> {
    match proxy_variable() {
        Some(name) if !env::var(name).is_ok_and(|value| is_proxy(&value)) => {
            Err(format!("{name} is no URL of a proxy: http://host:port, https://host:port and socks5://host:port are"))
        }
        _ => Ok(()),
    }
}

fn is_proxy(value: &str) -> bool {
    Proxy::new(value).is_ok_and(|proxy| {
        let authority = proxy.uri().authority().map_or("", |authority| authority.as_str());
        let place = authority.rsplit('@').next().unwrap_or_default();
        // A port that is none would be taken for the usual one.
        !proxy.host().is_empty() && (place == proxy.host() || proxy.uri().port_u16().is_some())
    })
}

/// Why no answer came, or not the whole of it, in words for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nobody can have seen the request: there was no connection.
    Unreached(String),
    /// Nothing came in time.
    Late(String),
    /// The connection broke off, or what came is no HTTP.
    Broken(String),
    /// It will be the same next time.
    Never(String),
}

impl From<&ureq::Error> for NoAnswer {
    fn from(error: &ureq::Error) -> Self {
        use ureq::{Error as E, Timeout as T};
        match error {
            E::Timeout(T::Connect | T::Resolve) => unreached("no connection in time"),
            E::ConnectionFailed | E::HostNotFound => unreached(&error.to_string()),
            E::ConnectProxyFailed(why) if may_pass(why) => Self::Unreached(error.to_string()),
            E::ConnectProxyFailed(why) if why.contains(" 407/") => {
                let name = proxy_variable().unwrap_or("the proxy");
                Self::Never(format!("{error} ({name} wants user:password@ before its host, or another one)"))
            }
            E::Timeout(_) => Self::Late("no answer in time".into()),
            E::Io(error) => error.into(),
            // A stream that is whole and not compressed as it says is wrong for good; anything else is about what lies below it.
            E::Decompress(_, error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
                error.into()
            }
            E::Protocol(error) => Self::Broken(format!("not a whole HTTP answer: {error}")),
            E::BodyExceedsLimit(limit) => Self::Never(format!("the answer is larger than {limit} bytes")),
            E::RequireHttpsOnly(_) => Self::Never("it is not https".into()),
            // A URL that is none, a proxy that refuses.
            error => Self::Never(error.to_string()),
        }
    }
}

impl From<&io::Error> for NoAnswer {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => unreached("connection refused"),
            // What TLS says of a certificate, or SOCKS of a server that does not speak it.
            ErrorKind::InvalidData => Self::Never(match proxy_variable() {
                Some(name) => format!("TLS, or the proxy that {name} names: {error}"),
                None => format!("TLS: {error}"),
            }),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Where there is a proxy, it may be the one that was not reached.
fn unreached(why: &str) -> NoAnswer {
    NoAnswer::Unreached(match proxy_variable() {
        Some(name) => format!("{why} ({name} names a proxy)"),
        None => why.to_owned(),
    })
}

/// Whether a proxy says that it did not reach the host, of which only words are left. Anything else is a refusal of its own.
fn may_pass(why: &str) -> bool {
    why.ends_with("did not respond") || ["502", "503", "504"].iter().any(|status| why.contains(&format!(" {status}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_proxy_is_not_passed_over() {
        for proxy in
            ["http://a:1", "https://a", "socks5://127.0.0.1:1080", "socks5h://u:p%40@a", "a:3128", "http://[::1]:80"]
        {
            assert!(is_proxy(proxy), "{proxy}");
        }
        for other in ["ftp://a", "http://", "http://:80", "a b", "http://a:99999", "/a", "socks6://a"] {
            assert!(!is_proxy(other), "{other}");
        }
    }

    #[test]
    fn a_proxy_that_does_not_reach_the_host_may_later_and_one_that_refuses_never_does() {
        let failed = |why: &str| NoAnswer::from(&ureq::Error::ConnectProxyFailed(why.into()));
        for why in ["proxy server did not respond", "proxy server responded 503/503", "proxy server responded 502/502"]
        {
            assert!(matches!(failed(why), NoAnswer::Unreached(_)), "{why}");
        }
        let why = "proxy server responded 403/403";
        assert_eq!(failed(why), NoAnswer::Never(format!("CONNECT proxy failed: {why}")));
    }

    #[test]
    fn damage_below_compression_may_pass_and_damage_of_it_stays() {
        let packed = |kind: ErrorKind| NoAnswer::from(&ureq::Error::Decompress("gzip", io::Error::from(kind)));
        assert!(matches!(packed(ErrorKind::UnexpectedEof), NoAnswer::Broken(_)));
        assert!(matches!(packed(ErrorKind::InvalidData), NoAnswer::Never(why) if !why.starts_with("TLS")));
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        assert!(certificates(b"no PEM at all").unwrap_err().contains("PEM is expected"));
    }
}
