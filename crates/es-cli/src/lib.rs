//! The frame every tool stands in: it parses, runs, prints the one error line and knows the exit code.
//!
//! Only this crate touches standard output, standard error and the exit code, so that all tools behave alike:
//! stdout carries records, stderr carries words, and the number says whether to try again.

mod file;
mod io;
mod plan;
mod progress;
pub mod rename;
mod text;
mod value;

pub use es_records::{Exit, Fault};
pub use file::{is_written_in_place, write_whole};
pub use io::{Io, record_line};
pub use plan::{PlanRow, parse_plan, read_plan};
pub use progress::{Meter, Progress};
pub use text::{human_bytes, human_duration, printable};
pub use value::{bytes, duration, key_value};

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use std::process::ExitCode;

/// Flags that every tool has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct Common {
    /// Progress on stderr: auto (bars on a terminal, nothing elsewhere), plain (a line a change), none
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub progress: Progress,

    /// How errors are printed: text, or json (one object on the last line of stderr)
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub errors: ErrorFormat,

    /// Say less: no warnings, no progress
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more: each request and each retry on stderr
    #[arg(short, long)]
    pub verbose: bool,
}

/// How errors are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ErrorFormat {
    /// `tool: what: cause`, and a hint on a line of its own.
    Text,
    /// One JSON object with tool, exit, retry, type, message, hint.
    Json,
}

#[derive(Debug, Parser)]
struct Whole<A: Args> {
    #[command(flatten)]
    tool: A,
    #[command(flatten)]
    common: Common,
}

const EXIT_STATUS: &str = "\
EXIT STATUS
  0    done; the awaited state was reached; the two sides are equal
  1    the answer is no: PARTIAL or FAILED, something asked for is missing, counts differ
  2    wrong usage, or a malformed or foreign record on standard input
  3    failed for good: refused by the cluster, an unexpected answer, local I/O
  4    not allowed: missing, wrong or expired credentials
  75   try again later: no connection, 429, 502-504, another snapshot is running
  124  --timeout ran out
  Any other non-zero code is a failure too; 128+n means killed by signal n.";

/// The whole command of a tool: its own flags, the common ones, and the closing sections of `--help`.
///
/// `examples` is the text under EXAMPLES; `environment` the text under ENVIRONMENT (may be empty).
#[must_use]
pub fn command<A: Args>(name: &'static str, examples: &str, environment: &str) -> clap::Command {
    let mut after = format!("EXAMPLES\n{}\n", examples.trim_end());
    if !environment.is_empty() {
        after.push_str("\nENVIRONMENT\n");
        after.push_str(environment.trim_end());
        after.push('\n');
    }
    after.push('\n');
    after.push_str(EXIT_STATUS);
    // What is flattened into a command brings its own description along: the tool's own words go last.
    let own = A::augment_args(clap::Command::new(name));
    let mut whole = Whole::<A>::command().name(name).bin_name(name).version(env!("CARGO_PKG_VERSION"));
    if let Some(about) = own.get_about() {
        whole = whole.about(about.clone());
    }
    if let Some(about) = own.get_long_about() {
        whole = whole.long_about(about.clone());
    }
    whole.after_long_help(after)
}

/// Runs a tool: parse, run, one error line, exit code.
pub fn main<A: Args>(command: clap::Command, run: impl FnOnce(&A, &mut Io) -> anyhow::Result<Exit>) -> ExitCode {
    no_core_file();
    let name = command.get_name().to_string();
    let parsed = command.try_get_matches().and_then(|matches| Whole::<A>::from_arg_matches(&matches));
    let whole = match parsed {
        Ok(whole) => whole,
        Err(error) => return usage(&name, &error),
    };
    let mut io = Io::new(&name, &whole.common);
    let outcome = run(&whole.tool, &mut io);
    let outcome = io.finish().map_err(anyhow::Error::from).and(outcome);
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            let fault = fault_of(&error);
            ExitCode::from(io.report(&fault).code())
        }
    }
}

/// A tool has passwords and session tokens in its memory: a core file would keep them on a disk, for ever.
fn no_core_file() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Where that is not allowed, the limits are somebody's decision already.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The fault in an error's chain, with the words of everything around it; without one it is exit 3.
fn fault_of(error: &anyhow::Error) -> Fault {
    let message = format!("{error:#}");
    match error.chain().find_map(|cause| cause.downcast_ref::<Fault>()) {
        Some(fault) => Fault { message, ..fault.clone() },
        None => Fault::failed(message),
    }
}

/// What clap has to say: help and version are answers, everything else is wrong usage.
fn usage(name: &str, error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    let json = std::env::args().any(|a| a == "--errors=json")
        || std::env::args().zip(std::env::args().skip(1)).any(|(a, b)| a == "--errors" && b == "json");
    if matches!(error.kind(), DisplayHelp | DisplayVersion) {
        // A full disk or a closed pipe under `--help` is a failure like any other.
        return match io::write_stdout(&error.render().to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => {
                io::complain(name, ErrorFormat::Text, &fault);
                ExitCode::from(fault.exit.code())
            }
        };
    }
    let rendered = error.render().to_string();
    let first = rendered.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("wrong usage");
    let mut message = first.trim_start_matches("error: ").to_string();
    if error.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        message = "no arguments given".into();
    } else if message.ends_with(':') {
        // clap lists missing arguments on lines of their own.
        for line in rendered.lines().skip(1).map(str::trim).take_while(|line| !line.is_empty()) {
            message.push(' ');
            message.push_str(line);
        }
    }
    let hint = rendered
        .lines()
        .find_map(|line| line.trim().strip_prefix("tip: "))
        .map_or_else(|| format!("see {name} --help"), str::to_string);
    let format = if json { ErrorFormat::Json } else { ErrorFormat::Text };
    io::complain(name, format, &Fault::usage(message).hint(hint));
    ExitCode::from(Exit::Usage.code())
}
