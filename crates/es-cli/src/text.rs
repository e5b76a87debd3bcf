//! Text for people: safe on a terminal, sizes and times in words.

use std::time::Duration;

/// Text with everything that could steer a terminal made visible: servers take index names with escape sequences.
///
/// C0, C1 and DEL become `\u{..}`, and so do the marks that reorder text from right to left.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c == '\n' || c == '\t' {
            safe.push(' ');
        } else if c.is_control() || reorders {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Bytes in binary units: `512 B`, `3.4 MiB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A duration to the second, or to the millisecond below ten seconds: `850ms`, `3.2s`, `4m 32s`, `2h 5m`.
#[must_use]
pub fn human_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_name_cannot_paint_the_terminal() {
        assert_eq!(printable("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(printable("a\u{202e}b\nc"), "a\\u{202e}b c");
        assert_eq!(printable("자바카페 é 🦀"), "자바카페 é 🦀");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let said: Vec<_> = [850, 3200, 42_000, 272_000, 7_500_000]
            .into_iter()
            .map(|ms| human_duration(Duration::from_millis(ms)))
            .collect();
        assert_eq!(said, ["850ms", "3.2s", "42s", "4m 32s", "2h 5m"]);
    }
}
