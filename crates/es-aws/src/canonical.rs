//! What a signature covers, spelled out for people: `--explain` and `--diagnose` show it.
//!
//! The signature itself is aws-sigv4's, which keeps its canonical request to itself. This spelling is checked
//! against it: [`Signer::explain`] signs both ways, and the two signatures must be the same.

use crate::sign::{Body, Request, Signer, unsigned_by_default};
use crate::url::{WireUrl, encode};
use crate::{Credentials, Placement};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use es_records::Fault;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::SystemTime;

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The SHA-256 of a body that is read piece by piece.
#[derive(Debug, Default, Clone)]
pub struct Sha256Hex(Sha256);

impl Sha256Hex {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces in lower-case hexadecimal.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// What was signed, in words that both sides can compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Method, path, query, headers, names of the signed headers, hash of the body. It holds the session token.
    pub canonical_request: String,
    /// Algorithm, time, scope, hash of the canonical request.
    pub string_to_sign: String,
    /// `20180118/ap-northeast-2/es/aws4_request`.
    pub scope: String,
}

impl Signer {
    /// What signing this request as of `time` covers.
    ///
    /// # Errors
    /// Those of [`Signer::sign`]; exit 3 where aws-sigv4 signed something else.
    pub fn explain(
        &self,
        request: &Request<'_>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<Explanation, Fault> {
        let signed = self.sign(request, credentials, time)?;
        let wire = WireUrl::parse(request.url, self.rules.path())?;
        let (date, stamp) = stamp(time)?;
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let hash = match request.body {
            Body::Bytes(bytes) => sha256_hex(bytes),
            Body::Sha256(hash) => hash.to_string(),
            Body::Unsigned => "UNSIGNED-PAYLOAD".into(),
        };
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in request.headers {
            let name = name.to_ascii_lowercase();
            if self.covers(&name) {
                headers.entry(name).or_default().push(squeeze(value));
            }
        }
        headers.entry("host".into()).or_insert_with(|| vec![wire.host.clone()]);
        let token = credentials.session_token().filter(|_| !self.rules.token_unsigned);
        let mut query: Vec<(String, String)> = pairs(wire.query());
        if self.rules.placement == Placement::Headers {
            headers.insert("x-amz-date".into(), vec![stamp.clone()]);
            if let Some(token) = token {
                headers.insert("x-amz-security-token".into(), vec![token.into()]);
            }
            if self.rules.content_sha256 {
                headers.insert("x-amz-content-sha256".into(), vec![hash.clone()]);
            }
        }
        let names = headers.keys().map(String::as_str).collect::<Vec<_>>().join(";");
        if let Placement::Query { expires } = self.rules.placement {
            let mut add = |name: &str, value: &str| query.push((name.into(), encoded(value)));
            add("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
            add("X-Amz-Credential", &format!("{}/{scope}", credentials.access_key_id()));
            add("X-Amz-Date", &stamp);
            add("X-Amz-Expires", &expires.as_secs().to_string());
            add("X-Amz-SignedHeaders", &names);
            if let Some(token) = token {
                add("X-Amz-Security-Token", token);
            }
        }
        query.sort();
        let query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let path = self.canonical_path(wire.path());
        let mut text = format!("{}\n{path}\n{query}\n", request.method);
        for (name, values) in &headers {
            let _ = writeln!(text, "{name}:{}", values.join(","));
        }
        let _ = write!(text, "\n{names}\n{hash}");
        let string_to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256_hex(text.as_bytes()));
        let key = generate_signing_key(credentials.secret_access_key(), time, &self.region, &self.service);
        if calculate_signature(key, string_to_sign.as_bytes()) != signed.signature {
            return Err(Fault::failed(
                "the explanation differs from what was signed: this is a defect of es-sign-request",
            ));
        }
        Ok(Explanation { canonical_request: text, string_to_sign, scope })
    }

    fn canonical_path(&self, path: &str) -> String {
        let mut normal = String::with_capacity(path.len() + 8);
        if self.rules.path_normalized {
            for segment in path.split('/').filter(|segment| !segment.is_empty()) {
                normal.push('/');
                normal.push_str(segment);
            }
            if normal.is_empty() || path.ends_with('/') {
                normal.push('/');
            }
        } else {
            normal.push_str(path);
        }
        if !self.rules.path_encoded_twice {
            return normal;
        }
        let mut text = String::with_capacity(normal.len() + 8);
        for (i, segment) in normal.split('/').enumerate() {
            if i > 0 {
                text.push('/');
            }
            encode(segment.as_bytes(), &mut text);
        }
        text
    }

    fn covers(&self, name: &str) -> bool {
        match &self.rules.only {
            _ if unsigned_by_default(name) => false,
            Some(only) => name == "host" || name.starts_with("x-amz-") || only.iter().any(|o| o == name),
            None => true,
        }
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    encode(text.as_bytes(), &mut out);
    out
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// A header's value as it is signed: no white space around it, and single spaces within.
pub(crate) fn squeeze(value: &str) -> String {
    value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `20180118` and `20180118T014839Z`.
fn stamp(time: SystemTime) -> Result<(String, String), Fault> {
    let at = jiff::Timestamp::try_from(time).map_err(|e| Fault::usage(format!("the date: {e}")))?;
    Ok((at.strftime("%Y%m%d").to_string(), at.strftime("%Y%m%dT%H%M%SZ").to_string()))
}
