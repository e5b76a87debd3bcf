//! Standard streams and the clock, as every tool sees them.
//!
//! stdout is written through one checked writer: a full disk is a failure even when the last line was short, and
//! a closed pipe stops the printing but never changes the verdict.

use crate::text::printable_json;
use crate::{Common, ErrorFormat, Exit, Fault, Meter, Progress, printable};
use es_records::{Record, Step};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdout};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::io::{BufRead, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest line of standard input that is taken for a record, in bytes.
const LONGEST_LINE: u64 = 64 << 20;
/// Most records that are held at once. Who needs them all before the first acts on thousands.
const MOST_RECORDS: usize = 100_000;
/// Most that the lines of all of them may be, in bytes.
const MOST_BYTES: usize = 128 << 20;
/// Most values in all of them: one is larger in memory than its text.
const MOST_VALUES: usize = 2_000_000;

/// What a tool may use of the outside world beside its clusters.
pub struct Io {
    tool: String,
    out: BufWriter<Output>,
    reader_gone: bool,
    /// Whether what is printed would run into the display of progress.
    prints_to_terminal: bool,
    errors: ErrorFormat,
    quiet: bool,
    verbose: bool,
    progress: Progress,
    began: Instant,
    began_at: jiff::Timestamp,
    meter: Option<Meter>,
    /// Whether every line of standard input that has come was taken.
    drained: Arc<AtomicBool>,
}

impl Io {
    pub(crate) fn new(tool: &str, common: &Common) -> Self {
        Self {
            tool: tool.to_string(),
            out: BufWriter::with_capacity(1 << 16, Output(stdout())),
            reader_gone: false,
            prints_to_terminal: std::io::stdout().is_terminal(),
            errors: common.errors,
            quiet: common.quiet,
            verbose: common.verbose,
            progress: if common.quiet { Progress::None } else { common.progress },
            began: Instant::now(),
            began_at: jiff::Timestamp::now(),
            meter: None,
            drained: Arc::default(),
        }
    }

    /// The tool's name.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Whether `-v` was given.
    #[must_use]
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Time since the tool began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits.
    pub fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// The tool's own entry for a record's audit trail, until now.
    #[must_use]
    pub fn step(&self, requests: u64, retries: u64) -> Step {
        Step {
            tool: self.tool.clone(),
            tool_version: env!("CARGO_PKG_VERSION").to_string(),
            started_at: self.began_at.round(jiff::Unit::Millisecond).unwrap_or(self.began_at).to_string(),
            took_in_millis: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            requests,
            retries,
            extra: es_records::Extra::new(),
        }
    }

    /// All records of standard input. They are read and checked to the end before the tool acts on the first, so
    /// that a bad line leaves nothing half done.
    pub fn records(&self) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::new();
        let (mut bytes, mut values) = (0, 0);
        for line in self.lines()? {
            let (number, line) = line?;
            bytes += line.len();
            // Those within strings count too: the bound is far from what is needed.
            values += line.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
            if records.len() == MOST_RECORDS || bytes > MOST_BYTES || values > MOST_VALUES {
                return Err(Fault::usage(format!(
                    "standard input, line {number}: more than {MOST_RECORDS} records, {MOST_BYTES} bytes or {MOST_VALUES} values"
                ))
                .hint("give the tool a part of them at a time; nothing was done"));
            }
            records.push(parse(number, &line)?);
        }
        if records.is_empty() {
            return Err(no_records());
        }
        Ok(records)
    }

    /// The lines of standard input with their numbers, for tools that work record by record. Blank lines are passed over.
    pub fn lines(&self) -> Result<impl Iterator<Item = Result<(usize, Vec<u8>), Fault>> + use<>, Fault> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Fault::usage("standard input is a terminal, and records are read from it")
                .hint(format!("pipe the output of another tool into {0}, or see {0} --help", self.tool)));
        }
        let mut number = 0;
        let mut stdin = std::io::BufReader::with_capacity(1 << 16, stdin);
        let drained = Arc::clone(&self.drained);
        Ok(std::iter::from_fn(move || {
            loop {
                let mut line = Vec::new();
                number += 1;
                let mut limited = (&mut stdin).take(LONGEST_LINE + 1);
                match limited.read_until(b'\n', &mut line) {
                    Ok(0) => return None,
                    Ok(_) if line.len() as u64 > LONGEST_LINE => {
                        return Some(Err(Fault::usage(format!(
                            "standard input, line {number}: longer than {LONGEST_LINE} bytes"
                        ))));
                    }
                    Ok(_) if line.iter().all(u8::is_ascii_whitespace) => {}
                    Ok(_) => {
                        // The line's end is not part of it: columns in messages count from its beginning.
                        line.truncate(line.trim_ascii_end().len());
                        drained.store(stdin.buffer().is_empty(), Ordering::Relaxed);
                        return Some(Ok((number, line)));
                    }
                    Err(error) => return Some(Err(Fault::failed(format!("standard input: {error}")))),
                }
            }
        }))
    }

    /// Prints one record and hands it on at once.
    pub fn emit(&mut self, record: &impl Serialize) -> Result<(), Fault> {
        self.emit_later(record)?;
        self.flush()
    }

    /// Prints one record; it may stay in the buffer for a while (for tools that print very many).
    pub fn emit_later(&mut self, record: &impl Serialize) -> Result<(), Fault> {
        self.write(record_line(record)?.as_bytes())
    }

    /// Prints text other than a record: a table, a curl config.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(meter) = self.meter.as_mut().filter(|_| self.prints_to_terminal) {
            meter.clear();
        }
        if self.reader_gone {
            return Ok(());
        }
        let result = self.out.write_all(bytes);
        self.checked(result)
    }

    /// Hands on what was printed, unless more lines of standard input are there already. Who waits for an answer before
    /// it sends the next record gets it, and many records at once cost no more writes than they need.
    pub fn flush_if_drained(&mut self) -> Result<(), Fault> {
        if self.drained.load(Ordering::Relaxed) { self.flush() } else { Ok(()) }
    }

    /// Hands on what was printed.
    pub fn flush(&mut self) -> Result<(), Fault> {
        if self.reader_gone {
            return Ok(());
        }
        let result = self.out.flush();
        self.checked(result)
    }

    /// Whether whoever read standard output has gone.
    #[must_use]
    pub fn reader_is_gone(&self) -> bool {
        self.reader_gone
    }

    fn checked(&mut self, result: std::io::Result<()>) -> Result<(), Fault> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            Err(error) => Err(stdout_fault(&error)),
        }
    }

    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        if let Some(mut meter) = self.meter.take() {
            meter.clear();
        }
        self.flush()
    }

    /// A line on stderr that the user should see and can live with.
    pub fn warn(&mut self, text: &str) {
        if !self.quiet {
            self.say(&format!("warning: {text}"));
        }
    }

    /// A line on stderr under `-v`.
    pub fn note(&mut self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }

    /// What hears of each request under `-v`, and of warnings unless `-q`; a silent ear otherwise.
    pub fn listener(&self) -> impl Fn(&str) + 'static {
        let (tool, verbose, quiet) = (self.tool.clone(), self.verbose, self.quiet);
        // It may be heard by another thread while there is a bar, which is drawn again after it.
        let clear = if self.progress.has_bar() { "\r\x1b[2K" } else { "" };
        move |text| {
            if verbose || (!quiet && text.starts_with("warning: ")) {
                tell(&format!("{clear}{tool}: {}", printable(text)));
            }
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(meter) = &mut self.meter {
            meter.clear();
        }
        tell(&format!("{}: {}", self.tool, printable(text)));
    }

    /// Whether progress goes anywhere; if not, the tool need not ask the cluster for it.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        self.progress == Progress::Plain || self.progress.has_bar()
    }

    /// Where progress is shown, under this title.
    pub fn meter(&mut self, title: &str) -> &mut Meter {
        let (progress, tool) = (self.progress, &self.tool);
        self.meter.get_or_insert_with(|| Meter::new(tool, title, progress))
    }

    /// Ends the present progress display.
    pub fn end_meter(&mut self) {
        if let Some(mut meter) = self.meter.take() {
            meter.clear();
        }
    }

    /// Prints a fault on stderr and goes on: for a verdict on one of several records. Returns its exit code.
    pub fn report(&mut self, fault: &Fault) -> Exit {
        if let Some(meter) = &mut self.meter {
            meter.clear();
        }
        complain(&self.tool, self.errors, fault);
        fault.exit
    }
}

/// A record as it is printed and kept: one line of JSON that steers no terminal.
///
/// # Errors
/// Exit 3 where it cannot be JSON at all.
pub fn record_line(record: &impl Serialize) -> Result<String, Fault> {
    let line = serde_json::to_string(record).map_err(|e| Fault::failed(format!("record: {e}")))?;
    Ok(printable_json(line) + "\n")
}

/// Parses one line of standard input.
fn parse<T: DeserializeOwned>(number: usize, line: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(line).map_err(|error| {
        // serde_json counts lines within what it was given, which is one line: its own words about it mislead.
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        Fault::usage(format!("standard input, line {number}: {why} (column {})", error.column()))
            .hint("each line must be one record of an es-migrate tool; nothing was done")
    })
}

fn no_records() -> Fault {
    Fault::usage("no record on standard input")
        .hint("the stage before this one failed, or printed nothing: look at its message and exit code")
}

fn stdout_fault(error: &std::io::Error) -> Fault {
    Fault::failed(format!("standard output: {error}"))
}

/// Standard output or standard error as it is: that of the standard library takes what cannot be written to for written.
struct Output(BorrowedFd<'static>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        loop {
            match rustix::io::write(self.0, bytes) {
                // Who shares a pipe or a terminal with others, such as ssh and node, may have made it one that never waits.
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                },
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn write_stdout(text: &str) -> Result<(), Fault> {
    match Output(stdout()).write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(stdout_fault(&error)),
        _ => Ok(()),
    }
}

/// A line on standard error.
pub(crate) fn tell(line: &str) {
    // Nothing can be done about a broken stderr; the exit code still speaks.
    let _ = Output(stderr()).write_all(format!("{line}\n").as_bytes());
}

pub(crate) fn complain(tool: &str, format: ErrorFormat, fault: &Fault) {
    match format {
        ErrorFormat::Text => {
            tell(&format!("{tool}: {}", printable(&fault.message)));
            if let Some(hint) = &fault.hint {
                tell(&format!("{tool}: hint: {}", printable(hint)));
            }
        }
        ErrorFormat::Json => tell(&printable_json(
            json!({
                "tool": tool,
                "exit": fault.exit.code(),
                "retry": fault.exit == Exit::TryAgain,
                "type": fault.kind,
                "message": fault.message,
                "hint": fault.hint,
            })
            .to_string(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named_by_its_number_in_the_stream() {
        let fault = parse::<Record>(2, b"{\"type\":\"snapshot\"\n").unwrap_err();
        assert_eq!(fault.exit, Exit::Usage);
        assert!(fault.message.starts_with("standard input, line 2: EOF while parsing"), "{}", fault.message);
    }

    #[test]
    fn a_record_of_an_unknown_type_is_refused_by_name() {
        let fault = parse::<Record>(1, b"{\"type\":\"poem\"}").unwrap_err();
        assert!(fault.message.contains("unknown variant `poem`"), "{}", fault.message);
    }
}
