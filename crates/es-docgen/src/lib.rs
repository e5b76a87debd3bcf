//! Man pages, completions and the command-line reference, all from each tool's own `command()`, and the page of errors.
//!
//! A page written by hand would lag behind the flags. docs/cli.md is committed, so that every change of a flag shows in
//! review; the rest is made when it is wanted.

pub mod errors;
mod man;

use clap::{Args as ClapArgs, Command, ValueHint};
use clap_complete::{Shell, generate};
use es_cli::{Exit, Fault, Io};
use std::fs;
use std::path::{Path, PathBuf};

/// Every tool. A new one is one line here and one in Cargo.toml.
#[must_use]
pub fn tools() -> Vec<Command> {
    vec![
        es_sign_request::command(),
        es_iam_policy::command(),
        es_register_repository::command(),
        es_preflight::command(),
        es_snapshot::command(),
        es_wait::command(),
        es_restore::command(),
        es_finish_restore::command(),
        es_compare_counts::command(),
        es_read_snapshot::command(),
    ]
}

/// The script that chains the tools; its usage text is read out of it.
const SCRIPT: &str = include_str!("../../../scripts/es-migrate");
/// The map of the tools, written by hand.
const MAP: &str = include_str!("../../../docs/es-migrate.7");
/// Columns of the help texts: fixed, so that they are the same on every terminal.
const WIDTH: usize = 100;

/// Make man pages, completions and the command-line reference of the tools
///
/// Writes man/ and completions/ under `OUT_DIR`. With --check or --write it looks after docs/cli.md instead.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Where man/ and completions/ are written
    #[arg(value_name = "OUT_DIR", default_value = "target/doc-out", value_hint = ValueHint::DirPath)]
    out: PathBuf,

    /// Fail if the reference or the page of errors is not what the code says now
    #[arg(long)]
    check: bool,

    /// Write the reference and the page of errors
    #[arg(long, conflicts_with = "check")]
    write: bool,

    /// The reference
    #[arg(long, value_name = "FILE", default_value = "docs/cli.md", value_hint = ValueHint::FilePath)]
    reference: PathBuf,

    /// The page of errors
    #[arg(long, value_name = "FILE", default_value = "docs/errors.md", value_hint = ValueHint::FilePath)]
    catalogue: PathBuf,

    /// Refusals that were recorded from real servers
    #[arg(long, value_name = "DIR", default_value = "crates/es-testkit/answers/errors", value_hint = ValueHint::DirPath)]
    answers: PathBuf,
}

/// The generator's own command line.
#[must_use]
pub fn command() -> Command {
    let examples = "  \
  Pages and completions, to look at or to install:
    es-docgen target/doc-out
    man -l target/doc-out/man/es-wait.1

  After a change of a flag, and in every check:
    es-docgen --write
    es-docgen --check";
    es_cli::command::<Args>("es-docgen", examples, "")
}

/// Does it.
///
/// # Errors
/// Exit 1 where the reference is stale; 3 where a file cannot be read or written.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    if args.check || args.write {
        for (file, made) in [(&args.reference, reference()), (&args.catalogue, errors::page(&args.answers)?)] {
            if args.write {
                save(file, &made)?;
                continue;
            }
            let kept = fs::read_to_string(file).map_err(|e| Fault::failed(format!("{}: {e}", file.display())))?;
            if let Some(line) = difference(&kept, &made) {
                return Err(Fault::no(format!("{}, line {line}: not what the code says now", file.display()))
                    .hint("cargo run -p es-docgen -- --write, then look at the change")
                    .into());
            }
        }
    } else {
        for (name, text) in pages().into_iter().chain(completions()) {
            save(&args.out.join(&name), &text)?;
            io.note(&name);
        }
    }
    Ok(Exit::Ok)
}

fn save(file: &Path, text: &str) -> Result<(), Fault> {
    let parent = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(file, text))
        .map_err(|e| Fault::failed(format!("{}: {e}", file.display())))
}

/// The first line at which two texts part, counted from 1.
fn difference(kept: &str, made: &str) -> Option<usize> {
    if kept == made {
        return None;
    }
    let same = kept.lines().zip(made.lines()).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

/// The whole of docs/cli.md.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Command-line reference\n\n\
         The whole `--help` of every tool. Made by `es-docgen --write`; `es-docgen --check` fails if a flag has changed\n\
         and this page has not.\n",
    );
    for tool in tools() {
        let name = tool.get_name().to_string();
        section(&mut text, &name, &tool.term_width(WIDTH).render_long_help().to_string());
    }
    section(&mut text, "es-migrate", usage());
    text
}

fn section(text: &mut String, name: &str, help: &str) {
    text.push_str(&format!("\n## {name}\n\n```text\n"));
    for line in help.trim_end().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str("```\n");
}

/// What `scripts/es-migrate --help` prints.
fn usage() -> &'static str {
    SCRIPT.split_once("<<'USAGE'\n").and_then(|(_, rest)| rest.split_once("\nUSAGE\n")).map_or("", |(text, _)| text)
}

/// Man pages: path under the output directory, and text.
#[must_use]
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<_> =
        tools().iter().map(|tool| (format!("man/{}.1", tool.get_name()), man::page(tool))).collect();
    pages.push(("man/es-migrate.1".into(), man::script("es-migrate", usage())));
    pages.push(("man/es-migrate.7".into(), MAP.to_string()));
    pages
}

/// Completions: path under the output directory, and text.
fn completions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for tool in tools() {
        let name = tool.get_name().to_string();
        let places = [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Zsh, format!("_{name}")),
            (Shell::Fish, format!("{name}.fish")),
        ];
        for (shell, place) in places {
            let mut script = Vec::new();
            generate(shell, &mut tool.clone(), &name, &mut script);
            all.push((format!("completions/{place}"), String::from_utf8_lossy(&script).into_owned()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_page_with_the_sections_that_users_look_for() {
        for (name, page) in pages().iter().filter(|(name, _)| !name.contains("es-migrate")) {
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"] {
                assert!(
                    page.contains(&format!(".SH \"{section}\"")) || page.contains(&format!(".SH {section}\n")),
                    "{name}: {section}"
                );
            }
        }
    }

    #[test]
    fn the_reference_holds_every_long_flag_of_every_tool() {
        let text = reference();
        for tool in tools() {
            for flag in tool.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text.contains(&format!("--{flag}")), "{}: --{flag}", tool.get_name());
            }
        }
        assert!(text.contains("usage: es-migrate --repository NAME"));
    }

    #[test]
    fn no_line_of_the_reference_is_wider_than_a_page() {
        for line in reference().lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }

    #[test]
    fn every_tool_can_be_completed_in_three_shells() {
        let all = completions();
        assert_eq!(all.len(), 3 * tools().len());
        assert!(all.iter().all(|(_, text)| text.contains("--progress") || text.contains("progress")));
    }

    #[test]
    fn the_committed_reference_is_what_help_says() {
        let stale = difference(include_str!("../../../docs/cli.md"), &reference());
        assert_eq!(stale, None, "docs/cli.md: cargo run -p es-docgen -- --write, then look at the change");
    }

    #[test]
    fn the_committed_page_of_errors_is_what_the_catalogue_and_the_recordings_say() {
        let answers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../es-testkit/answers/errors");
        let made = errors::page(&answers).expect("recorded answers");
        let stale = difference(include_str!("../../../docs/errors.md"), &made);
        assert_eq!(stale, None, "docs/errors.md: cargo run -p es-docgen -- --write, then look at the change");
    }

    #[test]
    fn a_stale_reference_is_named_by_its_first_line() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(difference("a\n", "a\nb\n"), Some(2));
    }
}
