//! Man pages: the parts that `clap_mangen` makes of flags, and the closing sections of `--help` as sections of their own.

use clap::Command;
use std::fmt::Write;

const MANUAL: &str = "es-migrate manual";

/// The page of one tool.
pub(crate) fn page(tool: &Command) -> String {
    let name = tool.get_name().to_string();
    let closing = tool.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let page = clap_mangen::Man::new(tool.clone());
    let mut roff = title(&name).into_bytes();
    // Writing into memory does not fail; a page cut short would fail the test of its sections.
    let _ = page
        .render_name_section(&mut roff)
        .and_then(|()| page.render_synopsis_section(&mut roff))
        .and_then(|()| page.render_description_section(&mut roff))
        .and_then(|()| page.render_options_section(&mut roff));
    let mut text = String::from_utf8_lossy(&roff).into_owned();
    for (heading, body) in sections(&closing) {
        verbatim(&mut text, heading, &body);
    }
    see_also(&mut text, &name);
    text
}

/// The title line. `clap_mangen` leaves a date that is not given out, and the version then stands in its place; a date of
/// the day would make every build another one.
fn title(name: &str) -> String {
    format!(".TH {} 1 \"\" \"es\\-migrate {}\" \"{MANUAL}\"\n", name.to_uppercase(), env!("CARGO_PKG_VERSION"))
}

/// The page of a script, from its usage text.
pub(crate) fn script(name: &str, usage: &str) -> String {
    let mut text = title(name);
    let _ = write!(text, ".SH NAME\n{} \\- move indices from one cluster to another by snapshot\n", escape(name));
    let (first, rest) = usage.split_once("\n\n").unwrap_or((usage, ""));
    verbatim(&mut text, "SYNOPSIS", first.trim_start_matches("usage: "));
    verbatim(&mut text, "DESCRIPTION", rest);
    text.push_str(".SH \"SEE ALSO\"\n.BR es\\-migrate (7)\n");
    text
}

/// The sections of a closing text: a heading is a line of capitals at the margin.
fn sections(text: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        let heading =
            !line.is_empty() && line.chars().all(|c| c.is_ascii_uppercase() || c == ' ') && !line.starts_with(' ');
        if heading {
            found.push((line, String::new()));
        } else if let Some((_, body)) = found.last_mut() {
            body.push_str(line.strip_prefix("  ").unwrap_or(line));
            body.push('\n');
        }
    }
    found
}

/// A section whose lines stay as they are: commands are there to be copied.
fn verbatim(page: &mut String, heading: &str, body: &str) {
    let _ = writeln!(page, ".SH \"{heading}\"\n.nf");
    for line in body.trim_matches('\n').lines() {
        page.push_str(&escape(line));
        page.push('\n');
    }
    page.push_str(".fi\n");
}

/// Text that roff prints as it is, with hyphens and quotes that a shell understands.
fn escape(line: &str) -> String {
    let mut safe = String::with_capacity(line.len() + 8);
    if line.starts_with(['.', '\'']) {
        safe.push_str("\\&");
    }
    for c in line.chars() {
        match c {
            '\\' => safe.push_str("\\e"),
            '-' => safe.push_str("\\-"),
            '\'' => safe.push_str("\\(aq"),
            '`' => safe.push_str("\\(ga"),
            '^' => safe.push_str("\\(ha"),
            '~' => safe.push_str("\\(ti"),
            _ => safe.push(c),
        }
    }
    safe
}

fn see_also(page: &mut String, name: &str) {
    page.push_str(".SH \"SEE ALSO\"\n");
    for other in crate::tools().iter().map(Command::get_name).filter(|other| *other != name) {
        let _ = writeln!(page, ".BR {} (1),", escape(other));
    }
    page.push_str(".BR es\\-migrate (7)\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_from_a_page_is_what_a_shell_reads() {
        assert_eq!(escape("es-wait --x '(.+)'"), "es\\-wait \\-\\-x \\(aq(.+)\\(aq");
        assert_eq!(escape(".hidden \\"), "\\&.hidden \\e");
    }

    #[test]
    fn closing_text_is_cut_at_its_headings() {
        let cut = sections("EXAMPLES\n  One:\n    a\n\nEXIT STATUS\n  0  done\n");
        assert_eq!(cut, [("EXAMPLES", "One:\n  a\n\n".to_string()), ("EXIT STATUS", "0  done\n".to_string())]);
    }
}
