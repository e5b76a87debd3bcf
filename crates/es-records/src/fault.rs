//! How a tool ends: the exit codes that every tool shares, and the error that carries one.

use std::fmt;

/// Exit codes, the same in every tool (docs/exit-codes.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; the awaited state was reached; the two sides are equal.
    Ok,
    /// 1: the answer is no: PARTIAL or FAILED, missing indices, counts differ.
    No,
    /// 2: wrong usage, or a malformed or foreign record on standard input.
    Usage,
    /// 3: failed for good: refused by the cluster, an answer nobody expected, local I/O.
    Failed,
    /// 4: not allowed: no, wrong or expired credentials; 401, 403.
    NotAllowed,
    /// 75: try again later: no connection, 429, 502-504, another snapshot is running.
    TryAgain,
    /// 124: `--timeout` ran out.
    TimedOut,
}

impl Exit {
    /// The number the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::NotAllowed => 4,
            Self::TryAgain => 75,
            Self::TimedOut => 124,
        }
    }

    /// The worse of two verdicts over several records: 2, 3, 4, 75, 124, 1, 0.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }

    fn weight(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::TimedOut => 2,
            Self::TryAgain => 3,
            Self::NotAllowed => 4,
            Self::Failed => 5,
            Self::Usage => 6,
        }
    }
}

/// An error that knows its exit code and what the user can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How the tool ends.
    pub exit: Exit,
    /// What went wrong: thing, action, the server's own `error.type` and `reason`.
    pub message: String,
    /// What to do next: a command, a flag or a setting.
    pub hint: Option<String>,
    /// The server's `error.type`, where there is one.
    pub kind: Option<String>,
}

impl Fault {
    /// A fault with this exit code and message.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, kind: None }
    }

    /// Wrong usage or bad input (2).
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Failed for good (3).
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The answer is no (1).
    #[must_use]
    pub fn no(message: impl Into<String>) -> Self {
        Self::new(Exit::No, message)
    }

    /// Adds what the user can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done before the message.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_verdicts_follows_the_table() {
        use Exit::{Failed, No, NotAllowed, Ok, TimedOut, TryAgain};
        let order = [Failed, NotAllowed, TryAgain, TimedOut, No, Ok];
        for (i, worse) in order.iter().enumerate() {
            for better in &order[i..] {
                assert_eq!(worse.worst(*better), *worse);
                assert_eq!(better.worst(*worse), *worse);
            }
        }
    }
}
