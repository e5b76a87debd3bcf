//! Signing (aws-sigv4) and credentials (aws-config) for requests to Amazon's services. The clock is passed in.
//!
//! Nothing of the credential chain is written here: environment, profiles, SSO, assumed roles, web identity,
//! container and instance metadata are aws-config's. It is asked only when a request is to be signed.

mod ca_bundle;
mod canonical;
mod credentials;
mod sign;
mod url;

pub use ca_bundle::ca_bundle;
pub use canonical::{Explanation, Sha256Hex, sha256_hex};
pub use credentials::{CredentialSource, Credentials, origin};
pub use sign::{Body, Placement, Request, Rules, Signed, Signer, unsigned_by_default};
pub use url::{PathRules, WireUrl};

/// An error and its causes on one line: the SDK's own Display leaves the causes out.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

/// The region in a service endpoint's host name: `search-x-1.ap-northeast-2.es.amazonaws.com`.
#[must_use]
pub fn region_of_host(host: &str) -> Option<&str> {
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let rest = host.strip_suffix(".es").or_else(|| host.strip_suffix(".aoss"))?;
    rest.rsplit('.').next().filter(|region| !region.is_empty())
}

/// The service that an endpoint's host name tells: `es` for domains, `aoss` for serverless collections.
#[must_use]
pub fn service_of_host(host: &str) -> Option<&'static str> {
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    match host.rsplit('.').next() {
        Some("es") => Some("es"),
        Some("aoss") => Some("aoss"),
        _ => None,
    }
}

/// The time in a `Date` header (`Thu, 18 Jan 2018 01:48:39 GMT`).
#[must_use]
pub fn http_date(text: &str) -> Option<std::time::SystemTime> {
    // RFC 2822 takes GMT for +0000, as RFC 9110 means it.
    let at = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(at.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let at = http_date("Thu, 18 Jan 2018 01:48:39 GMT").unwrap();
        assert_eq!(at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_516_240_119);
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn region_and_service_are_read_from_the_endpoint() {
        let domain = "search-javacafe-abc123.ap-northeast-2.es.amazonaws.com";
        assert_eq!((region_of_host(domain), service_of_host(domain)), (Some("ap-northeast-2"), Some("es")));
        let serverless = "abc.us-east-1.aoss.amazonaws.com";
        assert_eq!((region_of_host(serverless), service_of_host(serverless)), (Some("us-east-1"), Some("aoss")));
        let china = "vpc-x.cn-north-1.es.amazonaws.com.cn";
        assert_eq!((region_of_host(china), service_of_host(china)), (Some("cn-north-1"), Some("es")));
        assert_eq!((region_of_host("localhost"), service_of_host("es.example.org")), (None, None));
    }
}
