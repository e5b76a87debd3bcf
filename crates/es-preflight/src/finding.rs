//! What a check found, and how it is printed.

use std::cmp::Reverse;

use es_cli::{Fault, Io, printable};
use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    Warning,
    Blocker,
}

/// One finding: a `check` record.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename = "check")]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<String>,
}

/// All findings, in the order of the checks.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    pub(crate) fn add(
        &mut self,
        check: &'static str,
        level: Level,
        index: Option<&str>,
        message: String,
        fix: Option<&str>,
    ) {
        let (fix, index) = (fix.map(str::to_string), index.map(str::to_string));
        self.all.push(Finding { check, level, message, fix, index });
    }

    pub(crate) fn ok(&mut self, check: &'static str, message: String) {
        self.add(check, Level::Ok, None, message, None);
    }

    pub(crate) fn warning(&mut self, check: &'static str, index: Option<&str>, message: String, fix: &str) {
        self.add(check, Level::Warning, index, message, Some(fix));
    }

    pub(crate) fn blocker(&mut self, check: &'static str, index: Option<&str>, message: String, fix: &str) {
        self.add(check, Level::Blocker, index, message, Some(fix));
    }

    /// Says that all is well with a check that found nothing.
    pub(crate) fn well(&mut self, check: &'static str, message: &str) {
        if self.all.iter().all(|finding| finding.check != check) {
            self.ok(check, message.to_string());
        }
    }

    pub(crate) fn count(&self, level: Level) -> usize {
        self.all.iter().filter(|finding| finding.level == level).count()
    }

    pub(crate) fn first_blocker(&self) -> Option<&Finding> {
        self.all.iter().find(|finding| finding.level == Level::Blocker)
    }

    /// Prints them as records, or as lines for people: what stops the move first.
    pub(crate) fn write(&self, table: bool, io: &mut Io) -> Result<(), Fault> {
        if table {
            let mut sorted: Vec<&Finding> = self.all.iter().collect();
            sorted.sort_by_key(|finding| Reverse(finding.level));
            for finding in sorted {
                let word = match finding.level {
                    Level::Ok => "ok",
                    Level::Warning => "warning",
                    Level::Blocker => "BLOCKER",
                };
                let fix =
                    finding.fix.as_ref().map_or(String::new(), |fix| format!("\n         fix: {}", printable(fix)));
                let line = format!("{word:<8} {}: {}{fix}\n", finding.check, printable(&finding.message));
                io.write(line.as_bytes())?;
            }
        } else {
            for finding in &self.all {
                io.emit_later(finding)?;
            }
        }
        io.flush()
    }
}
