//! What a cluster's refusal means.
//!
//! Status alone never decides: user errors come as 500 (`snapshot_restore_exception`), "wait" comes as 400, 408, 409
//! and 503, and a full disk comes as 429. `error` may be an object, a string, or missing (the AWS gateway says
//! `message` or `Message`).

use es_records::{Exit, Fault};
use serde_json::Value;

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Passing trouble: the same request may succeed in a moment.
    Retry,
    /// Something else is running; wait for it.
    Busy,
    /// The thing exists already; look at it.
    Exists,
    /// The thing is not there.
    Missing,
    /// The request is wrong and will stay so.
    Refused,
    /// Credentials or permissions.
    NotAllowed,
}

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
        let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |v: &Value| v.as_str().map(str::to_string);
        let error = &json["error"];
        let mut cause = None;
        let mut inner = &error["caused_by"];
        while inner.is_object() {
            let said =
                format!("{}: {}", inner["type"].as_str().unwrap_or("?"), inner["reason"].as_str().unwrap_or("?"));
            cause = Some(said);
            inner = &inner["caused_by"];
        }
        let reason = text(&error["reason"])
            .or_else(|| text(error))
            .or_else(|| text(&json["message"]))
            .or_else(|| text(&json["Message"]))
            .or_else(|| (!json.is_null()).then(|| short(&json.to_string())))
            .unwrap_or_else(|| short(&plain(body)));
        Self { status, kind: text(&error["type"]).unwrap_or_default(), reason, cause }
    }

    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        let says = |words: &str| self.reason.contains(words) || self.cause.as_ref().is_some_and(|c| c.contains(words));
        match self.kind.as_str() {
            "concurrent_snapshot_execution_exception"
            | "snapshot_in_progress_exception"
            | "repository_conflict_exception" => Class::Busy,
            // 5.x and 6.x, any change of a repository while a snapshot or restore uses it; 7.x and later say conflict.
            "illegal_state_exception" if says("currently used") => Class::Busy,
            "snapshot_name_already_in_use_exception" | "resource_already_exists_exception" => Class::Exists,
            "invalid_snapshot_name_exception" if says("already exists") || says("already in-progress") => Class::Exists,
            "repository_missing_exception" | "snapshot_missing_exception" | "index_not_found_exception" => {
                Class::Missing
            }
            "snapshot_restore_exception" if says("snapshot does not exist") => Class::Missing,
            "security_exception" => Class::NotAllowed,
            "master_not_discovered_exception"
            | "cluster_manager_not_discovered_exception"
            | "process_cluster_event_timeout_exception"
            | "es_rejected_execution_exception"
            | "rejected_execution_exception"
            | "circuit_breaking_exception"
            | "node_disconnected_exception"
            | "node_not_connected_exception"
            | "receive_timeout_transport_exception" => Class::Retry,
            "cluster_block_exception" if says("state not recovered") || says("no master") => Class::Retry,
            // Flood stage: 403 on 5 and 6, 429 on 7 and later. It does not pass by itself.
            "cluster_block_exception" => Class::Refused,
            "" => self.class_of_gateway(),
            _ if matches!(self.status, 401 | 403) && !self.kind.contains("index_closed") => Class::NotAllowed,
            _ => Class::Refused,
        }
    }

    /// Answers without `error.type` come from something before the cluster: a gateway, a proxy, a balancer.
    fn class_of_gateway(&self) -> Class {
        let throttled = self.reason.contains("throttled") || self.reason.contains("Too Many Requests");
        match self.status {
            429 | 502..=504 => Class::Retry,
            403 if throttled => Class::Retry,
            401 | 403 => Class::NotAllowed,
            404 => Class::Missing,
            _ => Class::Refused,
        }
    }

    /// Whether the service refused a signature for its time alone: `es` says so in words, S3 by its code.
    #[must_use]
    pub(crate) fn is_about_time(&self) -> bool {
        ["Signature expired", "Signature not yet current", "RequestTimeTooSkewed", "request time and the current time"]
            .iter()
            .any(|words| self.reason.contains(words) || self.kind.contains(words))
    }

    /// What the user can do, where we know it.
    fn hint(&self) -> Option<String> {
        let all = format!("{} {}", self.reason, self.cause.as_deref().unwrap_or_default());
        let says = |words: &str| all.contains(words);
        let hint = if says("repository type [") && says("does not exist") {
            "install the repository plugin on every node and restart it: bin/elasticsearch-plugin install repository-s3"
        } else if says("Unknown s3 client name") {
            "the repository's `client` setting must name a client of the cluster's keystore"
        } else if says("readonly repository") {
            "the repository is registered read-only here: use the cluster it is writable on"
        } else if says("path.repo") {
            "the location must be under path.repo of every node of the cluster"
        } else if says("iam:PassRole") {
            "the caller needs iam:PassRole on the snapshot role: see es-iam-policy"
        } else if says("settings.role_arn is needed") {
            "give --role-arn, the role that the domain assumes to reach the bucket: see es-iam-policy"
        } else if says("Your request: '") && says("is not allowed") {
            "Amazon's domains do not offer this, whoever asks; repository names must not begin with cs-"
        } else if says("security token included in the request is expired") {
            "the session token has expired: get new credentials"
        } else if says("signature we calculated does not match") {
            "check region, service and secret key; es-sign-request --explain shows what was signed"
        } else if says("Signature expired") || says("Signature not yet current") {
            "this machine's clock differs from the service's: set it by NTP"
        } else if says("is accessible on master node") || says("is not accessible on") {
            "check bucket, region, base_path and the keys in the cluster's keystore"
        } else if says("flood-stage") || says("FORBIDDEN/12") {
            "the cluster's disks are full: free space, then remove index.blocks.read_only_allow_delete"
        } else {
            match self.class() {
                Class::NotAllowed if self.status == 401 => {
                    "check user and password, or the key, of this cluster's role"
                }
                Class::NotAllowed => {
                    "these credentials may not do this: see the cluster's role mapping or access policy"
                }
                Class::Busy => "wait for it, or run this again later",
                _ => return None,
            }
        };
        Some(hint.to_string())
    }

    /// The exit code that belongs to it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.class() {
            Class::Retry | Class::Busy => Exit::TryAgain,
            Class::NotAllowed => Exit::NotAllowed,
            Class::Exists | Class::Missing | Class::Refused => Exit::Failed,
        }
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
            Self::Unusable(why) => Fault::failed(format!("{what}: {why}")),
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

    /// Whether the same read may succeed in a moment.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Lost { .. }) || self.class() == Some(Class::Retry)
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

fn short(text: &str) -> String {
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
        assert_eq!(of(500, body).class(), Class::Refused);
        assert_eq!(of(500, body).exit(), Exit::Failed);
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
        assert_eq!(of(429, body).class(), Class::Refused);
    }
}
