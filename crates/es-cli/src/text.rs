//! Text for people: safe on a terminal, sizes and times in words.

use std::time::Duration;

/// Text with everything that could steer a terminal made visible: servers take index names with escape sequences.
///
/// C0, C1 and DEL become `\u{..}`, and so do the marks that reorder text from right to left.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || c == '\t' {
            safe.push(' ');
        } else if steers(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Whether a terminal would do something else than show it.
fn steers(c: char) -> bool {
    let reorders = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || reorders
}

/// JSON that means the same and steers no terminal: JSON itself escapes C0 in strings, and neither DEL nor C1 nor the marks
/// that reorder text. Outside of strings it has none of them.
pub(crate) fn printable_json(json: String) -> String {
    if !json.contains(steers) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if steers(c) { safe.push_str(&format!("\\u{:04x}", u32::from(c))) } else { safe.push(c) }
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
        assert_eq!(printable("a\u{9b}31m\u{7f}\u{61c}"), "a\\u{9b}31m\\u{7f}\\u{61c}");
        assert_eq!(printable("자바카페 é 🦀"), "자바카페 é 🦀");
    }

    #[test]
    fn records_mean_the_same_and_steer_no_terminal() {
        let record = serde_json::json!({"index": "\u{1b}[31m\u{9b}2J\u{7f}\u{202e}자바 \\ \"", "n\u{9d}": 1});
        let line = printable_json(record.to_string());
        assert!(!line.contains(steers) && line.contains("자바"), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), record);
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
