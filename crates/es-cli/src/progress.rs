//! Progress on stderr: a bar on a terminal, a line a change elsewhere if asked for, otherwise nothing.

use crate::{human_bytes, human_duration, printable};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// When progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Progress {
    /// Bars on a terminal, nothing elsewhere.
    Auto,
    /// A line a change, for logs.
    Plain,
    /// Nothing.
    None,
}

impl Progress {
    /// Whether there is a terminal to draw a bar on, and it is wanted.
    pub(crate) fn has_bar(self) -> bool {
        self == Self::Auto && std::io::stderr().is_terminal()
    }
}

/// A bar that is not drawn yet.
fn bar(title: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3}% {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.with_prefix(printable(title))
}

/// One piece of long work, as it is shown.
pub struct Meter {
    tool: String,
    title: String,
    bar: Option<ProgressBar>,
    plain: bool,
    said: String,
    began: Instant,
}

impl Meter {
    pub(crate) fn new(tool: &str, title: &str, progress: Progress) -> Self {
        let bar = progress.has_bar().then(|| bar(title));
        Self {
            tool: tool.to_string(),
            title: title.to_string(),
            bar,
            plain: progress == Progress::Plain,
            said: String::new(),
            began: Instant::now(),
        }
    }

    /// Shows where the work stands: bytes done of a total (0 where unknown), and words such as `3/5 shards`.
    pub fn show(&mut self, done: u64, total: u64, words: &str) {
        let done = done.min(total.max(done));
        let mut text = words.to_string();
        if total > 0 {
            text = format!("{}/{} {words}{}", human_bytes(done), human_bytes(total), self.pace(done, total));
        }
        // Of what nobody knows, nothing is done.
        self.draw(if total > 0 { done } else { 0 }, total, &text);
        if self.plain {
            // The rate alone is not a change worth a line.
            let state = format!("{done}/{total} {words}");
            let percent = (done * 100).checked_div(total).map_or(String::new(), |p| format!("{p}% "));
            self.tell(state, &format!("{percent}{text}"));
        }
    }

    /// Shows a share of work whose size is only guessed, in percent, how many bytes that were, and words.
    pub fn show_share(&mut self, percent: u64, bytes: u64, words: &str) {
        let text = format!("{words}, {}", human_bytes(bytes));
        self.draw(percent, 100, &text);
        if self.plain {
            self.tell(format!("{percent} {words}"), &format!("{percent}% {text}"));
        }
    }

    fn draw(&mut self, done: u64, total: u64, text: &str) {
        if let Some(old) = &mut self.bar {
            // It was taken away for a line of text. Begun again, it would be drawn as empty, with the words of before.
            if old.is_finished() {
                *old = bar(&self.title).with_position(done).with_message(printable(text));
            }
            old.set_length(total.max(1));
            old.set_position(done);
            old.set_message(printable(text));
        }
    }

    /// A line, if the state is another one than before.
    fn tell(&mut self, state: String, text: &str) {
        if state != self.said {
            let line = format!("{}: {}: {text}", self.tool, self.title);
            crate::io::tell(&printable(&line));
            self.said = state;
        }
    }

    /// Rate since the display began, and the time left at that rate.
    fn pace(&self, done: u64, total: u64) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        if done == 0 || seconds < 1.0 {
            return String::new();
        }
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (rate, left) = {
            let rate = done as f64 / seconds;
            (rate as u64, total.saturating_sub(done) as f64 / rate)
        };
        let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
        format!(" {}/s, {} left", human_bytes(rate), human_duration(left))
    }

    pub(crate) fn clear(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
