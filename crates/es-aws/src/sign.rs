//! One signature.

use crate::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use es_records::Fault;
use std::time::SystemTime;

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
    /// The whole URL as it will be sent: percent-encoded, no fragment.
    pub url: &'a str,
    /// Headers to sign beside those that signing adds.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: Body<'a>,
}

/// The headers that signing adds: `authorization`, `x-amz-date`, `x-amz-security-token` where there is a token,
/// `x-amz-content-sha256` where the service asks for it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Name and value.
    pub headers: Vec<(String, String)>,
}

/// A region and a service to sign for.
#[derive(Debug, Clone)]
pub struct Signer {
    /// `ap-northeast-2`.
    pub region: String,
    /// `es`, `aoss`, `s3` ...
    pub service: String,
}

impl Signer {
    /// Signs a request as of `time`.
    ///
    /// # Errors
    /// Exit 2 where the request cannot be signed at all: a header that is no header, a URL that is no URL.
    pub fn sign(&self, request: &Request<'_>, credentials: &Credentials, time: SystemTime) -> Result<Signed, Fault> {
        let identity = credentials.clone().into();
        let mut settings = SigningSettings::default();
        if self.service == "s3" || self.service == "aoss" {
            settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
        }
        if self.service == "s3" {
            // S3 keys are taken as they are: no second encoding, no dots removed.
            settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = aws_sigv4::http_request::UriPathNormalizationMode::Disabled;
        }
        let unsignable = |why: String| Fault::usage(format!("cannot sign {} {}: {why}", request.method, request.url));
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(settings)
            .build()
            .map_err(|e| unsignable(e.to_string()))?;
        let body = match request.body {
            Body::Bytes(bytes) => SignableBody::Bytes(bytes),
            Body::Sha256(hash) => SignableBody::Precomputed(hash.to_string()),
            Body::Unsigned => SignableBody::UnsignedPayload,
        };
        let headers = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let signable =
            SignableRequest::new(request.method, request.url, headers, body).map_err(|e| unsignable(e.to_string()))?;
        let (instructions, _) = sign(signable, &parameters.into()).map_err(|e| unsignable(e.to_string()))?.into_parts();
        let headers = instructions.headers().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Ok(Signed { headers })
    }
}
