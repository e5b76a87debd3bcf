//! Why a service refused: its own words, and its canonical request beside ours, line by line.
//!
//! Services quote the canonical request and the string to sign that they computed from what arrived (`es` within
//! `message`, S3 as XML). What differs from ours was changed on the way, or was signed wrongly.

use es_cli::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

/// Largest refusal that is read.
const LARGEST: u64 = 1 << 20;
/// SHA-256 of nothing.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A refusal as a service sent it.
pub(crate) struct Refusal {
    words: String,
    canonical: Option<String>,
    string_to_sign: Option<String>,
}

/// What we sign for the same request.
pub(crate) struct Ours {
    pub(crate) canonical: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) time: SystemTime,
}

/// One thing that differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// `path_encoding`, `query_order`, `header`, `host`, `clock`, `region`, `service`, `token` ...
    pub(crate) what: &'static str,
    /// Line of the canonical request, from 1.
    line: Option<usize>,
    words: String,
    ours: Option<String>,
    theirs: Option<String>,
    hint: &'static str,
}

impl Finding {
    fn new(what: &'static str, words: impl Into<String>, hint: &'static str) -> Self {
        Self { what, line: None, words: words.into(), ours: None, theirs: None, hint }
    }

    fn at(mut self, line: usize, ours: &str, theirs: &str) -> Self {
        self.line = Some(line);
        self.ours = Some(redact(ours));
        self.theirs = Some(redact(theirs));
        self
    }

    /// As a record.
    pub(crate) fn record(&self) -> Value {
        let mut record = json!({"type": "finding", "finding": self.what, "message": self.words});
        for (name, value) in [("signed", &self.ours), ("arrived", &self.theirs)] {
            if let Some(value) = value {
                record[name] = json!(value);
            }
        }
        if let Some(line) = self.line {
            record["line"] = json!(line);
        }
        record["hint"] = json!(self.hint);
        record
    }

    /// In words, for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.what.replace('_', " "), es_cli::printable(&self.words));
        let line = self.line.map_or(String::new(), |line| format!(" (line {line} of the canonical request)"));
        if let (Some(ours), Some(theirs)) = (&self.ours, &self.theirs) {
            text.push_str(
                &format!("  signed:  {}{line}\n  arrived: {}\n", es_cli::printable(ours), es_cli::printable(theirs))
                    .replace("\n\n", "\n"),
            );
        }
        text.push_str("  hint: ");
        text.push_str(self.hint);
        text.push('\n');
        text
    }
}

impl Refusal {
    /// Reads the body of an answer.
    pub(crate) fn read(file: &Path) -> Result<Self, Fault> {
        let named = |e: std::io::Error| Fault::failed(format!("{}: {e}", file.display()));
        let mut text = Vec::new();
        if file == Path::new("-") {
            std::io::stdin().lock().take(LARGEST).read_to_end(&mut text).map_err(named)?;
        } else {
            std::fs::File::open(file).map_err(named)?.take(LARGEST).read_to_end(&mut text).map_err(named)?;
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(Fault::usage(format!("{}: it is empty", file.display()))
                .hint("save the body of the 403 answer: curl -sS -o FILE ..."));
        }
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    pub(crate) fn parse(text: &str) -> Self {
        // The body may come after the head (`curl -i`).
        let text = text.replace("\r\n", "\n");
        let body = match text.split_once("\n\n") {
            Some((head, body)) if head.starts_with("HTTP/") => body,
            _ => text.as_str(),
        };
        if let Ok(json) = serde_json::from_str::<Value>(body) {
            let word = |value: &Value| value.as_str().map(str::to_string);
            let words = word(&json["message"])
                .or_else(|| word(&json["Message"]))
                .or_else(|| word(&json["error"]["reason"]))
                .or_else(|| word(&json["error"]))
                .unwrap_or_else(|| body.to_string());
            let canonical = quoted(&words, "Canonical String for this request should have been");
            let string_to_sign = quoted(&words, "String-to-Sign should have been");
            return Self { words, canonical, string_to_sign };
        }
        let tag = |name: &str| {
            let after = body.split_once(&format!("<{name}>"))?.1;
            Some(entities(after.split_once(&format!("</{name}>"))?.0))
        };
        match tag("Message") {
            Some(message) => Self {
                words: format!("{}: {message}", tag("Code").unwrap_or_default()),
                canonical: tag("CanonicalRequest"),
                string_to_sign: tag("StringToSign"),
            },
            None => Self {
                canonical: quoted(body, "Canonical String for this request should have been"),
                string_to_sign: quoted(body, "String-to-Sign should have been"),
                words: body.to_string(),
            },
        }
    }

    /// When the request was signed, as it arrived.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        let stamp = match &self.string_to_sign {
            Some(text) => text.lines().nth(1)?,
            None => self.canonical.as_deref()?.lines().find_map(|line| line.strip_prefix("x-amz-date:"))?,
        };
        crate::date(stamp).ok()
    }

    /// What is wrong, as far as it can be told.
    pub(crate) fn findings(&self, ours: Option<&Ours>) -> Vec<Finding> {
        let mut findings = self.said(ours);
        let Some(ours) = ours else {
            if self.canonical.is_some() && findings.is_empty() {
                findings.push(Finding::new(
                    "signature",
                    "the service computed another signature, and quotes what it signed",
                    "give the URL and the flags the request was signed with, and the two are compared",
                ));
            }
            return findings;
        };
        if let Some(text) = &self.string_to_sign {
            scope(ours, text, &mut findings);
        }
        if let Some(theirs) = &self.canonical {
            compare(&ours.canonical, theirs, &mut findings);
        }
        let differs = self.words.contains("signature we calculated does not match");
        if findings.is_empty() && differs {
            findings.push(if self.canonical.is_some() {
                Finding::new(
                    "secret_key",
                    "the service signed the very same text: only the secret key differs",
                    "the secret key does not belong to this access key id, or was cut when it was copied",
                )
            } else {
                Finding::new(
                    "signature",
                    "the service computed another signature, and does not say from what",
                    "compare --explain with the request that arrives, behind every proxy; then check the secret key",
                )
            });
        }
        findings
    }

    /// What the service says in so many words.
    fn said(&self, ours: Option<&Ours>) -> Vec<Finding> {
        let words = self.words.as_str();
        let says = |text: &str| words.contains(text);
        let mut found = Vec::new();
        if says("Signature expired")
            || says("Signature not yet current")
            || says("RequestTimeTooSkewed")
            || says("is too large")
        {
            found.push(clock(words));
        }
        if says("scoped to a valid region")
            || says("region") && says("is wrong; expecting")
            || says("AuthorizationHeaderMalformed")
        {
            let hint = "give --region with the region in the endpoint's host name";
            let words = match ours {
                Some(ours) => {
                    format!("signed for region {}, which is not the endpoint's: {}", ours.region, first(words))
                }
                None => first(words),
            };
            found.push(Finding::new("region", words, hint));
        }
        if says("scoped to correct service") {
            let hint = "give --service: es for domains, aoss for serverless collections";
            let words = match ours {
                Some(ours) => format!("signed for service {}: {}", ours.service, first(words)),
                None => first(words),
            };
            found.push(Finding::new("service", words, hint));
        }
        if says("security token included in the request is expired") || says("ExpiredToken") {
            found.push(Finding::new(
                "token",
                "the session token has expired",
                "get new credentials: aws sso login, or wait for the role's next ones",
            ));
        } else if says("security token included in the request is invalid")
            || says("InvalidClientTokenId")
            || says("InvalidAccessKeyId")
            || says("UnrecognizedClient")
        {
            found.push(Finding::new(
                "token",
                "the service does not know this access key, or the token is not its token",
                "set AWS_SESSION_TOKEN together with the two keys, or unset all three; is it the right partition?",
            ));
        }
        if says("User: anonymous is not authorized") || says("Missing Authentication Token") {
            found.push(Finding::new(
                "header",
                "the request arrived without its authorization header",
                "a proxy or client dropped it, or the request was not signed; send all printed headers",
            ));
        } else if says("is not authorized to perform: iam:PassRole") {
            found.push(Finding::new(
                "permission",
                first(words),
                "the signature is right; the caller needs iam:PassRole: see es-iam-policy",
            ));
        } else if says("is not authorized to perform") || says("no permissions for") {
            found.push(Finding::new(
                "permission",
                first(words),
                "the signature is right; the caller needs the permission: see es-iam-policy",
            ));
        }
        if says("XAmzContentSHA256Mismatch") || says("x-amz-content-sha256") && says("does not match") {
            found.push(Finding::new(
                "body",
                "the body that arrived is not the body that was signed",
                "send the bytes as printed: --data-binary, never -d",
            ));
        }
        found
    }
}

fn first(words: &str) -> String {
    words.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// The stretch between quotes after `marker`.
fn quoted(text: &str, marker: &str) -> Option<String> {
    let after = text.split_once(marker)?.1;
    let after = after.split_once('\'')?.1;
    // The quoted text may hold quotes itself; the closing one ends a line that an empty line or nothing follows.
    let end = after.find("'\n\n").or_else(|| after.rfind('\''))?;
    Some(after[..end].to_string())
}

fn entities(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

/// `Signature expired: A is now earlier than B (C - 5 min.)`: the service's clock is C.
fn clock(words: &str) -> Finding {
    let stamps: Vec<i64> = words
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| crate::date(word).ok())
        .filter_map(|at| jiff::Timestamp::try_from(at).ok())
        .map(jiff::Timestamp::as_second)
        .collect();
    let text = match stamps.as_slice() {
        [signed, _, service, ..] => {
            let behind = service - signed;
            let side = if behind > 0 { "before" } else { "after" };
            format!("signed {} s {side} the service's clock", behind.unsigned_abs())
        }
        _ => first(words),
    };
    Finding::new("clock", text, "set this machine's clock by NTP; a signature is good for five minutes only")
}

/// Region and service, as they arrived and as we would sign them.
fn scope(ours: &Ours, string_to_sign: &str, findings: &mut Vec<Finding>) {
    let mut lines = string_to_sign.lines();
    let arrived_at = lines.nth(1).and_then(|stamp| crate::date(stamp).ok());
    let parts: Vec<&str> = lines.next().unwrap_or_default().split('/').collect();
    let [_, region, service, _] = parts[..] else { return };
    let mut add = |what, mine: &str, theirs: &str, hint| {
        if mine != theirs && !findings.iter().any(|f: &Finding| f.what == what) {
            let mut finding =
                Finding::new(what, format!("signed for {mine}, and the service signed for {theirs}"), hint);
            finding.ours = Some(mine.to_string());
            finding.theirs = Some(theirs.to_string());
            findings.push(finding);
        }
    };
    add("region", &ours.region, region, "give --region with the region in the endpoint's host name");
    add("service", &ours.service, service, "give --service: es for domains, aoss for serverless collections");
    if let Some(arrived) = arrived_at {
        let apart = arrived.duration_since(ours.time).unwrap_or_else(|e| e.duration()).as_secs();
        if apart > 0 && !findings.iter().any(|f| f.what == "clock") {
            findings.push(Finding::new(
                "clock",
                format!("--date is {apart} s from the time the request arrived with"),
                "give --date as the x-amz-date header of the request that was refused",
            ));
        }
    }
}

/// A canonical request, taken apart.
struct Parts<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: BTreeMap<&'a str, (usize, &'a str)>,
    names: (usize, &'a str),
    hash: (usize, &'a str),
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let lines: Vec<&str> = text.split('\n').collect();
    let blank = lines.iter().enumerate().skip(3).find(|(_, line)| line.is_empty())?.0;
    let headers =
        (3..blank).filter_map(|i| lines[i].split_once(':').map(|(name, value)| (name, (i + 1, value)))).collect();
    Some(Parts {
        method: lines.first()?,
        path: lines.get(1)?,
        query: lines.get(2)?,
        headers,
        names: (blank + 2, lines.get(blank + 1)?),
        hash: (blank + 3, lines.get(blank + 2)?),
    })
}

fn compare(ours: &str, theirs: &str, findings: &mut Vec<Finding>) {
    let (Some(a), Some(b)) = (parts(ours), parts(theirs)) else { return };
    if a.method != b.method {
        findings.push(
            Finding::new("method", "the method was changed on the way", "a proxy or client rewrites it")
                .at(1, a.method, b.method),
        );
    }
    if a.path != b.path {
        findings.push(path(a.path, b.path).at(2, a.path, b.path));
    }
    if a.query != b.query {
        findings.push(query(a.query, b.query).at(3, a.query, b.query));
    }
    for (name, (line, mine)) in &a.headers {
        match b.headers.get(name) {
            Some((_, theirs)) if theirs == mine => {}
            Some((_, theirs)) => {
                let line_of = |value: &str| format!("{name}:{value}");
                findings.push(header(name).at(*line, &line_of(mine), &line_of(theirs)));
            }
            None => findings.push(
                Finding::new(
                    if *name == "x-amz-security-token" { "token" } else { "header" },
                    format!("{name} was signed here, and not in the request that arrived"),
                    "send all printed headers; if a proxy removes it, sign without it: --sign-header",
                )
                .at(*line, &format!("{name}:{mine}"), ""),
            ),
        }
    }
    for (name, (line, theirs)) in &b.headers {
        if !a.headers.contains_key(name) {
            let what = if *name == "x-amz-security-token" { "token" } else { "header" };
            let hint = "the request that arrived was signed with other flags: give the same headers here";
            let words = format!("{name} was signed in the request that arrived, and not here");
            findings.push(Finding::new(what, words, hint).at(*line, "", &format!("{name}:{theirs}")));
        }
    }
    if a.names.1 != b.names.1 && a.headers.keys().eq(b.headers.keys()) {
        findings.push(
            Finding::new(
                "header",
                "the list of signed headers differs",
                "a client reordered or rewrote the authorization header",
            )
            .at(a.names.0, a.names.1, b.names.1),
        );
    }
    if a.hash.1 != b.hash.1 {
        let words = match (a.hash.1, b.hash.1) {
            (_, NOTHING) => "the body did not arrive",
            (NOTHING, _) => "a body arrived, and none was signed",
            (_, "UNSIGNED-PAYLOAD") | ("UNSIGNED-PAYLOAD", _) => "one side leaves the body out of the signature",
            _ => "the body that arrived is not the body that was signed",
        };
        let hint =
            "send the bytes as they were signed: curl --data-binary, never -d; no proxy may rewrite or compress them";
        findings.push(Finding::new("body", words, hint).at(a.hash.0, a.hash.1, b.hash.1));
    }
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .flatten();
        if let Some(byte) = escape {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn all_decoded(text: &str) -> String {
    let mut text = text.to_string();
    for _ in 0..4 {
        let next = decoded(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn path(ours: &str, theirs: &str) -> Finding {
    if all_decoded(ours) == all_decoded(theirs) {
        let words = if decoded(ours) == theirs {
            "the path was signed encoded twice, and the service encodes it once"
        } else if decoded(theirs) == ours {
            "the path was signed encoded once, and the service encodes it twice"
        } else {
            "the path means the same, and is encoded in another way"
        };
        let hint = "send the printed URL to the byte; a proxy or client decodes it (an ingress, a URL library), or the service is s3";
        return Finding::new("path_encoding", words, hint);
    }
    let collapse = |text: &str| text.split('/').filter(|s| !s.is_empty() && *s != ".").collect::<Vec<_>>().join("/");
    if collapse(ours) == collapse(theirs) {
        return Finding::new(
            "path_encoding",
            "slashes or dots of the path were resolved on one side only",
            "send the printed URL to the byte (curl: path-as-is), or sign with --path-as-is",
        );
    }
    Finding::new("path", "another path arrived", "a proxy rewrites it: sign the path that it sends on")
}

fn query(ours: &str, theirs: &str) -> Finding {
    let sorted = |text: &str| {
        let mut pairs: Vec<String> = text.split('&').map(str::to_string).collect();
        pairs.sort();
        pairs
    };
    let (a, b) = (sorted(ours), sorted(theirs));
    if a == b {
        return Finding::new(
            "query_order",
            "the parameters are the same in another order",
            "the client that signed did not sort them: sign with this tool",
        );
    }
    let plain = |pairs: &[String]| {
        let mut plain: Vec<String> = pairs
            .iter()
            .map(|pair| all_decoded(&pair.replace('+', " ")))
            .map(|pair| if pair.contains('=') { pair } else { pair + "=" })
            .collect();
        plain.sort();
        plain
    };
    if plain(&a) == plain(&b) {
        return Finding::new(
            "query_encoding",
            "the parameters mean the same, and are encoded in another way",
            "send the printed URL to the byte",
        );
    }
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|p| !those.contains(p)).map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    let words = format!("only signed: [{}]; only arrived: [{}]", redact(&only(&a, &b)), redact(&only(&b, &a)));
    Finding::new("query", words, "a proxy or client added, dropped or changed parameters")
}

fn header(name: &str) -> Finding {
    match name {
        "host" => Finding::new(
            "host",
            "another host arrived than was signed",
            "sign the host that the service sees: behind a proxy or tunnel give -H 'host: DOMAIN'",
        ),
        "x-amz-date" => Finding::new(
            "clock",
            "another time arrived than was signed",
            "sign and send in one go: a signature is good for five minutes only",
        ),
        "x-amz-security-token" => Finding::new(
            "token",
            "another session token arrived than was signed",
            "set all three of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN from one source",
        ),
        "x-amz-content-sha256" => {
            Finding::new("body", "the hash of the body that arrived is another", "send the bytes as they were signed")
        }
        other => Finding::new(
            "header",
            format!("{other} was changed on the way"),
            "a proxy rewrites it: sign without it, naming the others with --sign-header",
        ),
    }
}

/// A canonical request, or a part of it, without the session token.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if let Some(token) = line.strip_prefix("x-amz-security-token:") {
            out.push_str(&format!("x-amz-security-token:(redacted, {} characters)", token.len()));
        } else if let Some((before, after)) = line.split_once("X-Amz-Security-Token=") {
            let (token, rest) = after.split_at(after.find(['&', ' ']).unwrap_or(after.len()));
            out.push_str(&format!("{before}X-Amz-Security-Token=(redacted, {} characters){rest}", token.len()));
        } else if let Some((name, value)) = line.split_once(':').filter(|(name, _)| secret(name)) {
            out.push_str(&format!("{name}:(redacted, {} characters)", value.len()));
        } else {
            out.push_str(line);
        }
    }
    out
}

/// Headers whose values are secrets of their own.
fn secret(name: &str) -> bool {
    matches!(name, "cookie" | "authorization" | "proxy-authorization")
        || name.contains("customer-key")
        || name.contains("api-key")
        || name.contains("token")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "GET\n/a%252Cb/_search\nq=1&r=2\nhost:h.es.amazonaws.com\nx-amz-date:20180118T014839Z\nx-amz-security-token:TOKENSECRET\n\nhost;x-amz-date;x-amz-security-token\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn ours() -> Ours {
        Ours {
            canonical: SIGNED.into(),
            region: "ap-northeast-2".into(),
            service: "es".into(),
            time: crate::date("20180118T014839Z").unwrap(),
        }
    }

    fn refusal(canonical: &str, scope: &str) -> Refusal {
        let text = format!(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20180118T014839Z\n{scope}\n00'\n"
        );
        Refusal::parse(&json!({"message": text}).to_string())
    }

    fn found(canonical: &str) -> Vec<(&'static str, Option<usize>)> {
        let refusal = refusal(canonical, "20180118/ap-northeast-2/es/aws4_request");
        let findings = refusal.findings(Some(&ours()));
        for finding in &findings {
            assert!(!finding.text().contains("TOKENSECRET") && !finding.record().to_string().contains("TOKENSECRET"));
        }
        findings.iter().map(|f| (f.what, f.line)).collect()
    }

    #[test]
    fn each_line_that_differs_is_named_with_its_number() {
        assert_eq!(found(&SIGNED.replace("%252C", "%2C")), [("path_encoding", Some(2))]);
        assert_eq!(found(&SIGNED.replace("/a%252Cb/", "/proxy/a%252Cb/")), [("path", Some(2))]);
        assert_eq!(found(&SIGNED.replace("q=1&r=2", "r=2&q=1")), [("query_order", Some(3))]);
        assert_eq!(found(&SIGNED.replace("q=1&r=2", "q=1")), [("query", Some(3))]);
        assert_eq!(found(&SIGNED.replace("host:h.es", "host:internal")), [("host", Some(4))]);
        assert_eq!(found(&SIGNED.replace("TOKENSECRET", "TOKENSECRET2")), [("token", Some(6))]);
        assert_eq!(found(&SIGNED.replace("e3b0", "0000")), [("body", Some(9))]);
        assert_eq!(found(&SIGNED.replace("GET", "POST")), [("method", Some(1))]);
    }

    #[test]
    fn the_same_text_on_both_sides_leaves_only_the_secret_key() {
        assert_eq!(found(SIGNED), [("secret_key", None)]);
    }

    #[test]
    fn another_scope_is_named() {
        let other = refusal(SIGNED, "20180118/us-east-1/opensearch/aws4_request");
        let findings = other.findings(Some(&ours()));
        assert_eq!(findings.iter().map(|f| f.what).collect::<Vec<_>>(), ["region", "service"]);
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_in_seconds() {
        let words =
            "Signature expired: 20180118T014839Z is now earlier than 20180118T015500Z (20180118T020000Z - 5 min.)";
        let findings = Refusal::parse(&json!({"message": words}).to_string()).findings(None);
        assert_eq!(findings[0].what, "clock");
        assert_eq!(findings[0].words, "signed 681 s before the service's clock");
    }

    #[test]
    fn an_s3_refusal_is_read_from_xml() {
        let xml = format!(
            "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the signature you provided.</Message><StringToSign>AWS4-HMAC-SHA256\n20180118T014839Z\n20180118/ap-northeast-2/es/aws4_request\n00</StringToSign><CanonicalRequest>{}</CanonicalRequest></Error>",
            SIGNED.replace("q=1&r=2", "q=1&amp;r=3")
        );
        let findings = Refusal::parse(&xml).findings(Some(&ours()));
        assert_eq!(findings.iter().map(|f| f.what).collect::<Vec<_>>(), ["query"]);
    }
}
