//! Figures of the scorecard: how many cells of a kind were tried, and how many ended right.
//!
//! The same tests run short in `make test` and whole in `make chaos` (`ES_CHAOS=1`); each figure is a line of JSON in the
//! file that `ES_CHAOS_SCORES` names, and a cell that ended wrong fails its test in either.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

/// Whether the whole of each figure is asked for, not its short seeded part.
#[must_use]
pub fn whole() -> bool {
    std::env::var_os("ES_CHAOS").is_some()
}

/// The seed of this run: `ES_CHAOS_SEED`, or the one that `make test` uses.
///
/// # Panics
/// If the variable is no number.
#[must_use]
pub fn seed() -> u64 {
    std::env::var("ES_CHAOS_SEED").map_or(20_181_123, |seed| match seed.parse() {
        Ok(seed) => seed,
        Err(error) => panic!("ES_CHAOS_SEED is a number, not {seed:?}: {error}"),
    })
}

/// One figure, while its cells are tried.
#[derive(Debug)]
#[must_use = "a score counts when it is finished"]
pub struct Score {
    figure: &'static str,
    versions: Vec<String>,
    tried: usize,
    wrong: Vec<String>,
    notes: Value,
}

impl Score {
    /// Begins the figure of this name (`silent-traps`, `faults`, `sigkill`, ...).
    pub fn new(figure: &'static str) -> Self {
        Self { figure, versions: Vec::new(), tried: 0, wrong: Vec::new(), notes: json!({}) }
    }

    /// Counts one cell: what was tried on which version, and, where it ended wrong, how.
    pub fn cell(&mut self, version: &str, what: &str, end: Result<(), String>) {
        self.tried += 1;
        if !version.is_empty() && !self.versions.iter().any(|known| known == version) {
            self.versions.push(version.to_owned());
        }
        if let Err(why) = end {
            self.wrong.push(format!("{version} {what}: {why}"));
        }
    }

    /// How many cells were tried so far.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.tried
    }

    /// Adds a figure of its own beside the counts, such as a median in milliseconds.
    pub fn note(&mut self, key: &str, value: impl Into<Value>) {
        self.notes[key] = value.into();
    }

    /// Writes the line where the scorecard is kept.
    ///
    /// # Panics
    /// If a cell ended wrong, nothing was tried, or the file cannot be written.
    pub fn finish(mut self) {
        self.versions.sort();
        let mut line = json!({
            "figure": self.figure,
            "tried": self.tried,
            "right": self.tried - self.wrong.len(),
            "versions": self.versions,
            "seed": seed(),
            "wrong": self.wrong,
        });
        if let (Some(line), Some(notes)) = (line.as_object_mut(), self.notes.as_object()) {
            line.extend(notes.clone());
        }
        if let Some(file) = std::env::var_os("ES_CHAOS_SCORES") {
            let appended = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&file)
                .and_then(|mut scores| scores.write_all(format!("{line}\n").as_bytes()));
            if let Err(error) = appended {
                panic!("{}: {error}", std::path::Path::new(&file).display());
            }
        }
        assert!(self.tried > 0, "{}: nothing was tried", self.figure);
        let mut text = String::new();
        for wrong in &self.wrong {
            let _ = writeln!(text, "{wrong}");
        }
        assert!(self.wrong.is_empty(), "{}: {} of {} ended wrong\n{text}", self.figure, self.wrong.len(), self.tried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "figure: 1 of 2 ended wrong\n6.1.2 cut: exit 0")]
    fn a_wrong_cell_fails_the_figure() {
        let mut score = Score::new("figure");
        score.cell("5.5.2", "cut", Ok(()));
        score.cell("6.1.2", "cut", Err("exit 0".into()));
        score.finish();
    }

    #[test]
    #[should_panic(expected = "nothing was tried")]
    fn a_figure_of_nothing_is_none() {
        Score::new("figure").finish();
    }
}
