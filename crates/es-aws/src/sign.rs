//! One signature.

use crate::Credentials;
use crate::canonical::squeeze;
use crate::url::{PathRules, WireUrl};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use es_records::Fault;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// What is signed of a body.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// The bytes.
    Bytes(&'a [u8]),
    /// Their SHA-256 in lower-case hexadecimal, for bodies that are not held in memory.
    Sha256(&'a str),
    /// Nothing of it.
    Unsigned,
}

/// A request to be signed. `host` is among the headers, or is taken from the URL.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// Headers to sign beside those that signing adds.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: Body<'a>,
}

/// What signing adds to a request.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The URL to send: spelled so that the service reads it as it was signed, and with the signature where that
    /// goes into the query.
    pub url: String,
    /// The value of the `host` header, which is signed.
    pub host: String,
    /// Name and value of the headers that signing adds: `authorization`, `x-amz-date`, `x-amz-security-token` where
    /// there is a token, `x-amz-content-sha256` where the service asks for it.
    pub headers: Vec<(String, String)>,
    /// The signature alone.
    pub signature: String,
}

/// Where a signature goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Into the `authorization` header.
    Headers,
    /// Into the query, for a URL that works by itself until it expires.
    Query {
        /// How long the URL works.
        expires: Duration,
    },
}

/// What a service wants signed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Dot segments and repeated slashes are resolved in what is signed.
    pub path_normalized: bool,
    /// The path is encoded once more in what is signed.
    pub path_encoded_twice: bool,
    /// `x-amz-content-sha256` is sent and signed.
    pub content_sha256: bool,
    /// The session token is sent but not signed.
    pub token_unsigned: bool,
    /// Sign only these headers (lower case) beside `host` and `x-amz-*`; none means all that proxies leave alone.
    pub only: Option<Vec<String>>,
    /// Where the signature goes.
    pub placement: Placement,
}

impl Rules {
    /// The rules of a service: S3 takes paths as they are, and it and `OpenSearch` Serverless ask for the body's hash.
    #[must_use]
    pub fn of_service(service: &str) -> Self {
        let s3 = matches!(service, "s3" | "s3-object-lambda" | "s3-outposts" | "s3express");
        Self {
            path_normalized: !s3,
            path_encoded_twice: !s3,
            content_sha256: s3 || service == "aoss",
            token_unsigned: false,
            only: None,
            placement: Placement::Headers,
        }
    }

    /// The part that is about paths.
    #[must_use]
    pub fn path(&self) -> PathRules {
        PathRules { normalize: self.path_normalized, encode_twice: self.path_encoded_twice }
    }
}

/// Headers that are never signed: signing makes them itself, or proxies and clients change them on the way.
const UNSIGNED: [&str; 12] = [
    "authorization",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// Whether a header (lower case) is never signed.
#[must_use]
pub fn unsigned_by_default(name: &str) -> bool {
    UNSIGNED.contains(&name)
}

/// A region and a service to sign for.
#[derive(Debug, Clone)]
pub struct Signer {
    /// `ap-northeast-2`.
    pub region: String,
    /// `es`, `aoss`, `s3` ...
    pub service: String,
    /// What the service wants.
    pub rules: Rules,
}

impl Signer {
    /// Signs for this region and service, by the service's rules.
    #[must_use]
    pub fn new(region: impl Into<String>, service: impl Into<String>) -> Self {
        let service = service.into();
        Self { region: region.into(), rules: Rules::of_service(&service), service }
    }

    /// Signs a request as of `time`.
    ///
    /// # Errors
    /// Exit 2 where the request cannot be signed at all: a header that is no header, a URL that is no URL.
    pub fn sign(&self, request: &Request<'_>, credentials: &Credentials, time: SystemTime) -> Result<Signed, Fault> {
        let mut wire = WireUrl::parse(request.url, self.rules.path())?;
        let identity = credentials.clone().into();
        let unsignable = |why: &dyn std::error::Error| {
            Fault::usage(format!("cannot sign {} {}: {}", request.method, request.url, crate::causes(why)))
        };
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(self.settings(request.headers))
            .build()
            .map_err(|e| unsignable(&e))?;
        let body = match request.body {
            Body::Bytes(bytes) => SignableBody::Bytes(bytes),
            Body::Sha256(hash) => SignableBody::Precomputed(hash.to_string()),
            Body::Unsigned => SignableBody::UnsignedPayload,
        };
        let headers: Vec<(&str, Cow<'_, str>)> = request
            .headers
            .iter()
            .filter(|(name, _)| !unsigned_by_default(&name.to_ascii_lowercase()))
            .map(|(name, value)| (name.as_str(), one_line(value)))
            .collect();
        let host = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = host.map_or_else(|| wire.host.clone(), |(_, value)| value.clone());
        let named = [("host", host.as_str())];
        let more = named.into_iter().filter(|_| !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")));
        let all = headers.iter().map(|(name, value)| (*name, value.as_ref())).chain(more);
        let signable =
            SignableRequest::new(request.method, wire.url.as_str(), all, body).map_err(|e| unsignable(&e))?;
        let (instructions, signature) = sign(signable, &parameters.into()).map_err(|e| unsignable(&e))?.into_parts();
        let (added, query) = instructions.into_parts();
        let query: Vec<(String, String)> = query.into_iter().map(|(n, v)| (n.to_string(), v.into_owned())).collect();
        wire.add(&query);
        let headers = added.iter().map(|h| (h.name().to_string(), h.value().to_string())).collect();
        Ok(Signed { url: wire.url, host, headers, signature })
    }

    fn settings(&self, headers: &[(String, String)]) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.rules.content_sha256 {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if !self.rules.path_encoded_twice {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
        }
        if !self.rules.path_normalized {
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        if self.rules.token_unsigned {
            settings.session_token_mode = SessionTokenMode::Exclude;
        }
        if let Placement::Query { expires } = self.rules.placement {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(expires);
        }
        settings.excluded_headers = self.rules.only.as_ref().map(|only| {
            let names = headers.iter().map(|(name, _)| name.to_ascii_lowercase());
            names.filter(|n| n != "host" && !n.starts_with("x-amz-") && !only.contains(n)).map(Cow::Owned).collect()
        });
        settings
    }
}

/// Folded lines and tabs count as spaces; implementations differ over them, so they are spaces before signing.
fn one_line(value: &str) -> Cow<'_, str> {
    if value.contains(['\t', '\r', '\n']) { Cow::Owned(squeeze(value)) } else { Cow::Borrowed(value) }
}
