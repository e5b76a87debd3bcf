//! Answers of real servers, recorded whole, for the stub to give again.
//!
//! Each file of `answers/SERVER/` is one answer, named after what it shows: the request it was given to, its status and its body.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::stub::{Answer, Stub};

/// The list of the settings of all indices.
pub const SETTINGS: &str = "/_all/_settings/index.number_of_shards%2Cindex.number_of_replicas%2Cindex.refresh_interval%2Cindex.creation_date%2Cindex.hidden?expand_wildcards=all";
/// The list of their states.
pub const STATES: &str = "/_cat/indices?format=json&h=index%2Cstatus%2Chealth";

/// Status and body of a recorded answer, named as `SERVER/WHAT`.
///
/// # Panics
/// If there is no such file.
#[must_use]
#[track_caller]
pub fn recorded(name: &str) -> (u16, Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("answers").join(format!("{name}.json"));
    let read = || -> anyhow::Result<(u16, Value)> {
        let mut whole: Value = serde_json::from_slice(&fs::read(&path)?)?;
        Ok((serde_json::from_value(whole["status"].take())?, whole["body"].take()))
    };
    match read() {
        Ok(answer) => answer,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// The body of a recorded answer.
///
/// # Panics
/// If there is no such file.
#[must_use]
#[track_caller]
pub fn body(name: &str) -> Value {
    recorded(name).1
}

/// A recorded answer as the stub gives it.
///
/// # Panics
/// If there is no such file.
#[must_use]
#[track_caller]
pub fn answer(name: &str) -> Answer {
    let (status, body) = recorded(name);
    Answer::json(status, &body)
}

impl Stub {
    /// Queues a recorded answer to `METHOD PATH`.
    ///
    /// # Panics
    /// If there is no such recording.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the stub itself is the effect")]
    pub fn replay(&self, request: &str, name: &str) -> &Self {
        let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
        self.on(method, path, answer(name))
    }

    /// Queues what this server says of itself.
    ///
    /// # Panics
    /// If it was not recorded.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the stub itself is the effect")]
    pub fn root(&self, server: &str) -> &Self {
        self.replay("GET /", &format!("{server}/root"))
    }

    /// Queues one listing of the server's indices: settings, aliases, states.
    ///
    /// # Panics
    /// If it was not recorded.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "the stub itself is the effect")]
    pub fn indices(&self, name: &str) -> &Self {
        self.on("GET", SETTINGS, answer(&format!("{name}-settings")));
        let (status, body) = recorded(&format!("{name}-alias-parameter"));
        self.on("GET", "/_alias?expand_wildcards=all", Answer::json(status, &body));
        if status == 400 {
            self.on("GET", "/_alias", answer(&format!("{name}-alias")));
        }
        self.on("GET", STATES, answer(&format!("{name}-states")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_given_again_with_its_status() {
        let (status, body) = recorded("elasticsearch-5.5.2/snapshot-missing");
        assert_eq!((status, &body["error"]["type"]), (404, &Value::from("snapshot_missing_exception")));
    }
}
