//! A cluster's refusal, decoded; what it means is looked up in the [`crate::catalogue`].
//!
//! `error` may be an object, a string, or missing (the AWS gateway says `message` or `Message`).

use crate::answer;
use crate::catalogue::{About, CATALOGUE, Class, Entry, Flavour};
use crate::secrets::Secrets;
use es_records::{Exit, Fault};
use serde_json::Value;

/// How many causes of an answer are looked at: a server that lists a failure for each of ten thousand shards says the same of all.
const CAUSES: usize = 32;

/// What TLS complains of, in the words of its library, and what to do about it.
const TLS_HINTS: &[(&str, &str)] = &[
    ("UnknownIssuer", "if its authority is your own, name the file: ES_SOURCE_CACERT, ES_TARGET_CACERT"),
    (
        "CertificateRequired",
        "it asks for a client certificate: ES_SOURCE_CLIENT_CERT and ES_SOURCE_CLIENT_KEY, or ES_TARGET_...",
    ),
    ("InvalidContentType", "is it plain http that is spoken there?"),
    ("not valid for name", "use the name that is in its certificate"),
    ("expired", "renew the cluster's certificate, or look at the clock of this machine"),
];

/// A cluster's refusal, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// HTTP status.
    pub status: u16,
    /// `error.type`; empty where the answer has none.
    pub kind: String,
    /// `error.reason`, or whatever words the answer has.
    pub reason: String,
    /// The deepest `caused_by`, as `type: reason`.
    pub cause: Option<String>,
    /// Who answered, where it is known already.
    pub server: Option<Flavour>,
    /// `Retry-After` in seconds, where the answer has one.
    pub retry_after: Option<u32>,
    /// The reason and every cause that the answer names, of shards too, as `type: reason`: what they mean does not hang on whether a
    /// word of them is a password too.
    said: Unspoken,
}

/// Words that may hold secrets: they are searched, and never shown.
#[derive(Clone, PartialEq, Eq)]
struct Unspoken(Vec<String>);

impl std::fmt::Debug for Unspoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Why a call brought no answer to build on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// Nothing, or nothing whole, came back. `sent` is false where the request cannot have reached the server.
    Lost {
        /// What happened.
        why: String,
        /// Whether the server may have acted on it.
        sent: bool,
    },
    /// It will never work like this: TLS, a redirect, an answer too large, a URL of something else.
    Unusable(String),
    /// The cluster refused.
    Server(ServerError),
    /// Credentials could not be had, or the request could not be made.
    Fault(Fault),
}

impl ServerError {
    /// Decodes an answer of status 400 or higher.
    #[must_use]
    pub fn decode(status: u16, body: &[u8]) -> Self {
        Self::decode_without(&Secrets::default(), status, body)
    }

    /// The same, without the secrets that the server may say back.
    pub(crate) fn decode_without(secrets: &Secrets, status: u16, body: &[u8]) -> Self {
        // What it means is read before the secrets are taken out of it.
        let json = answer::decode(body, &Secrets::default()).unwrap_or_default();
        let reason = reason_of(&json);
        let untold = reason.is_none();
        let rest = || if json.is_null() { plain(body) } else { json.to_string() };
        let mut error = Self::of(status, &json, reason.unwrap_or_else(rest));
        error.hide(secrets);
        if untold {
            error.reason = short(&error.reason);
        }
        error
    }

    /// What an answer of status 200 says in truth, where it is a refusal: its bytes, and what was made of them. An index or a
    /// repository may be called `error`: none of them has a reason.
    pub(crate) fn within(secrets: &Secrets, status: u16, body: &[u8], answer: &Value) -> Option<Self> {
        let error = answer.get("error")?;
        if !error["type"].is_string() || error.get("reason").is_none() {
            return None;
        }
        let status = answer["status"].as_u64().and_then(|said| said.try_into().ok()).unwrap_or(status);
        Some(Self::decode_without(secrets, status, body))
    }

    fn hide(&mut self, secrets: &Secrets) {
        // A type is a word of the server's own, by which the refusal is known, whatever the password is.
        let kind = Some(&mut self.kind).filter(|kind| !kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        for text in kind.into_iter().chain([&mut self.reason]).chain(&mut self.cause) {
            secrets.hide(text);
        }
    }

    fn of(status: u16, json: &Value, reason: String) -> Self {
        let error = &json["error"];
        let mut causes = Vec::new();
        chain(&error["caused_by"], &mut causes);
        let cause = causes.last().cloned();
        for list in ["root_cause", "failed_shards"] {
            for one in error[list].as_array().into_iter().flatten().take(CAUSES) {
                chain(if list == "root_cause" { one } else { &one["reason"] }, &mut causes);
            }
        }
        causes.push(reason.clone());
        Self {
            status,
            kind: error["type"].as_str().unwrap_or_default().to_string(),
            reason,
            cause,
            server: None,
            retry_after: None,
            said: Unspoken(causes),
        }
    }

    /// Whether the reason or a cause has these words.
    #[must_use]
    pub fn says(&self, words: &str) -> bool {
        self.said.0.iter().any(|said| said.contains(words))
    }

    /// The row of the catalogue that is about it; none where it is not known.
    #[must_use]
    pub fn entry(&self) -> Option<&'static Entry> {
        CATALOGUE.iter().find(|entry| entry.fits(self))
    }

    /// What to do about it. What is not known is fatal, but for 401 and 403, and 429, which says that it passes: a full disk, of
    /// which it does not, is known.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.entry() {
            Some(entry) => entry.class,
            None if matches!(self.status, 401 | 403) => Class::NotAllowed,
            None if self.status == 429 => Class::Retry,
            None => Class::Fatal,
        }
    }

    /// Whether the thing that was asked about is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.is_about(&[About::Missing, About::MissingSnapshot])
    }

    fn is_about(&self, about: &[About]) -> bool {
        self.entry().is_some_and(|entry| about.contains(&entry.about))
    }

    /// Whether the repository lists no snapshot of that name, so that the name is free: one that is listed, and whose file is
    /// gone, is damage instead.
    #[must_use]
    pub fn is_snapshot_missing(&self) -> bool {
        self.is_about(&[About::MissingSnapshot])
    }

    /// Whether the cluster could not reach its repository, which may pass.
    #[must_use]
    pub fn repository_away(&self) -> bool {
        self.is_about(&[About::RepositoryAway])
    }

    /// Whether the service refused a signature for its time alone: `es` says so in words, S3 by its code.
    #[must_use]
    pub(crate) fn is_about_time(&self) -> bool {
        self.is_about(&[About::Clock])
    }

    /// What the user can do, where we know it.
    fn hint(&self) -> Option<String> {
        self.entry().map(|entry| entry.hint).filter(|hint| !hint.is_empty()).map(str::to_string)
    }

    /// The exit code that belongs to it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.class().exit()
    }

    /// The fault to end with, after `what` was tried.
    #[must_use]
    pub fn fault(&self, what: &str) -> Fault {
        Fault {
            exit: self.exit(),
            message: format!("{what}: {self}"),
            hint: self.hint(),
            kind: Some(self.kind.clone()),
        }
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if !self.kind.is_empty() {
            write!(f, " {}", self.kind)?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        match &self.cause {
            Some(cause) if !self.reason.contains(cause.as_str()) => write!(f, ": {cause}"),
            _ => Ok(()),
        }
    }
}

impl CallError {
    /// The fault to end with, after `what` was tried.
    #[must_use]
    pub fn fault(&self, what: &str) -> Fault {
        match self {
            Self::Lost { why, .. } => Fault::new(Exit::TryAgain, format!("{what}: {why}"))
                .hint("is the URL right and the cluster up? then run the same command again"),
            Self::Unusable(why) => {
                let fault = Fault::failed(format!("{what}: {why}"));
                match TLS_HINTS.iter().find(|(words, _)| why.starts_with("TLS") && why.contains(words)) {
                    Some((_, hint)) => fault.hint(*hint),
                    None => fault,
                }
            }
            Self::Server(error) => error.fault(what),
            Self::Fault(fault) => fault.clone().context(what),
        }
    }

    /// The class of a refusal; none where no server answered.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Server(error) => Some(error.class()),
            _ => None,
        }
    }

    /// How long the server asks to be left alone, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> u32 {
        match self {
            Self::Server(error) => error.retry_after.unwrap_or_default(),
            _ => 0,
        }
    }

    /// Whether the same read may succeed in a moment.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Lost { .. }) || self.class() == Some(Class::Retry)
    }
}

/// The words of a refusal, where it has some: of the cluster, of an old one, of Amazon's edge.
fn reason_of(json: &Value) -> Option<String> {
    let error = &json["error"];
    let places = [&error["reason"], error, &json["message"], &json["Message"]];
    places.into_iter().find_map(Value::as_str).map(str::to_string)
}

/// Adds what this says and what caused it, outermost first.
fn chain(from: &Value, causes: &mut Vec<String>) {
    let mut inner = from;
    while inner.is_object() && causes.len() < CAUSES {
        causes.push(format!("{}: {}", inner["type"].as_str().unwrap_or("?"), inner["reason"].as_str().unwrap_or("?")));
        inner = &inner["caused_by"];
    }
}

/// Words of an answer that is not JSON: tags and runs of white space taken out.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let mut words = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                words.push(' ');
            }
            c if !in_tag => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> ServerError {
        ServerError::decode(status, body.as_bytes())
    }

    #[test]
    fn a_user_error_at_500_is_not_server_trouble() {
        let body = r#"{"error":{"root_cause":[],"type":"snapshot_restore_exception","reason":"[r1:s1/u] cannot restore index [a] because it's open"},"status":500}"#;
        assert_eq!(of(500, body).class(), Class::UserError);
        assert_eq!(of(500, body).exit(), Exit::Failed);
    }

    #[test]
    fn a_refusal_is_known_by_its_type_whatever_the_password_is() {
        // user:exception
        let secrets = Secrets::of(&[("authorization".to_string(), "Basic dXNlcjpleGNlcHRpb24=".to_string())]);
        let body =
            br#"{"error":{"type":"repository_missing_exception","reason":"[r] missing, no exception"},"status":404}"#;
        let error = ServerError::decode_without(&secrets, 404, body);
        assert!(error.is_missing(), "{error}");
        assert_eq!(error.reason, "[r] missing, no (redacted)");
    }

    #[test]
    fn what_a_refusal_means_does_not_hang_on_a_password_that_is_a_word_of_it() {
        let known = |password: &str, status: u16, body: &str| {
            let secrets = Secrets::of(&[("authorization".to_string(), format!("Bearer {password}"))]);
            let error = ServerError::decode_without(&secrets, status, body.as_bytes());
            assert!(!format!("{error} {error:?}").contains(password), "{error:?}");
            (error.class(), error.entry().map(|entry| entry.name))
        };
        for (password, status, body) in [
            (
                "already",
                400,
                r#"{"error":{"type":"invalid_snapshot_name_exception","reason":"[r:s] Invalid snapshot name [s], snapshot with the same name already exists"},"status":400}"#,
            ),
            (
                "because",
                500,
                r#"{"error":{"type":"snapshot_restore_exception","reason":"[r:s] cannot restore index [a] because it's open"},"status":500}"#,
            ),
            ("requests", 403, r#"{"Message":"Request throttled due to too many requests"}"#),
            ("Gateway", 502, "<html><body>Bad Gateway</body></html>"),
        ] {
            let plain = ServerError::decode(status, body.as_bytes());
            let (class, name) = known(password, status, body);
            assert_eq!((class, name), (plain.class(), plain.entry().map(|entry| entry.name)), "{body}");
            assert!(name.is_some(), "{body}");
        }
    }

    #[test]
    fn another_snapshot_running_is_a_matter_of_time() {
        let body = r#"{"error":{"type":"concurrent_snapshot_execution_exception","reason":"[r1:x] a snapshot is already running"},"status":503}"#;
        assert_eq!(of(503, body).exit(), Exit::TryAgain);
    }

    #[test]
    fn the_deepest_cause_is_kept() {
        let body = r#"{"error":{"type":"repository_verification_exception","reason":"[w] path  is not accessible on master node","caused_by":{"type":"i_o_exception","reason":"x","caused_by":{"type":"no_such_bucket_exception","reason":"The specified bucket does not exist"}}},"status":500}"#;
        let error = of(500, body);
        assert_eq!(error.cause.as_deref(), Some("no_such_bucket_exception: The specified bucket does not exist"));
        assert!(error.to_string().ends_with("The specified bucket does not exist"));
    }

    #[test]
    fn strings_gateways_and_pages_are_all_read() {
        assert_eq!(of(404, r#"{"error":"alias [x] missing","status":404}"#).reason, "alias [x] missing");
        let aws = of(403, r#"{"message":"The security token included in the request is expired"}"#);
        assert_eq!(aws.class(), Class::NotAllowed);
        assert!(aws.fault("x").hint.unwrap().contains("expired"));
        let closed = of(401, r#"{"Message":"Your request: '/_cluster/reroute' is not allowed."}"#);
        assert!(closed.fault("x").hint.unwrap().starts_with("Amazon's domains do not offer this"));
        let role = of(401, r#"{"Message":"settings.role_arn is needed for snapshot registration."}"#);
        assert_eq!((role.exit(), role.fault("x").hint.unwrap().contains("--role-arn")), (Exit::NotAllowed, true));
        let throttled = of(429, "429 Too Many Requests /_bulk");
        assert_eq!((throttled.reason.as_str(), throttled.class()), ("429 Too Many Requests /_bulk", Class::Retry));
        assert_eq!(of(403, "403 Request throttled due to too many requests /_bulk").class(), Class::Retry);
        let page = of(502, "<html><head><title>502 Bad Gateway</title></head><body></body></html>");
        assert_eq!((page.reason.as_str(), page.class()), ("502 Bad Gateway", Class::Retry));
        assert_eq!(of(403, r#"{"Message":"Request throttled due to too many requests"}"#).class(), Class::Retry);
    }

    #[test]
    fn a_full_disk_at_429_is_not_retried() {
        let body = r#"{"error":{"type":"cluster_block_exception","reason":"index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"},"status":429}"#;
        assert_eq!(of(429, body).class(), Class::Fatal);
    }

    #[test]
    fn what_nobody_knows_at_429_is_to_be_tried_again() {
        let error = of(429, r#"{"error":{"type":"of_a_later_version_exception","reason":"not now"},"status":429}"#);
        assert_eq!((error.entry().is_none(), error.exit()), (true, Exit::TryAgain));
    }
}
