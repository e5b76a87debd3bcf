//! Signing (aws-sigv4) and credentials (aws-config) for requests to Amazon's services. The clock is passed in.
//!
//! Nothing of the credential chain is written here: environment, profiles, SSO, assumed roles, web identity,
//! container and instance metadata are aws-config's. It is asked only when a request is to be signed.

mod credentials;
mod sign;

pub use credentials::{CredentialSource, Credentials};
pub use sign::{Body, Request, Signed, Signer};

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
    if host.ends_with(".es") {
        Some("es")
    } else if host.ends_with(".aoss") {
        Some("aoss")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
