//! Parsers of flag values.

use std::time::Duration;

/// A duration: a number with `ms`, `s`, `m`, `h` or `d`, or several of these (`1h30m`). A bare 0 is allowed.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let span = text.parse::<jiff::SignedDuration>().or_else(|_| days(text));
    match span.map(Duration::try_from) {
        Ok(Ok(time)) => Ok(time),
        _ => Err("a duration looks like 90s, 10m, 2h or 1d".into()),
    }
}

/// jiff reads no days in an absolute duration, since a calendar day may have 23 hours; a waiting time has 24.
fn days(text: &str) -> Result<jiff::SignedDuration, ()> {
    let days: i64 = text.strip_suffix('d').ok_or(())?.trim().parse().map_err(|_| ())?;
    days.checked_mul(24).and_then(jiff::SignedDuration::try_from_hours).ok_or(())
}

/// A size as Elasticsearch spells it: a number with `b`, `kb`, `mb`, `gb`, `tb` (powers of 1024). Returned as typed.
pub fn bytes(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &lower[digits.len()..];
    let number = digits.parse::<f64>().is_ok_and(f64::is_finite);
    if number && matches!(unit, "b" | "k" | "kb" | "m" | "mb" | "g" | "gb" | "t" | "tb")
        || lower == "0"
        || lower == "-1"
    {
        Ok(lower)
    } else {
        Err("a size looks like 40mb, 1gb or 500kb".into())
    }
}

/// `key=value`; the value may hold more `=`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
        _ => Err("a setting looks like key=value".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_typed() {
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(duration("1h30m").unwrap(), Duration::from_mins(90));
        assert_eq!(duration("2d").unwrap(), Duration::from_hours(48));
        for wrong in ["", "10", "-5s", "soon", "99999999999999999999d", "9999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_without_a_unit_are_refused() {
        assert_eq!(bytes("1GB").unwrap(), "1gb");
        assert!(bytes("40").is_err() && bytes("mb").is_err() && bytes("40mib").is_err());
    }

    #[test]
    fn a_setting_keeps_its_later_equal_signs() {
        assert_eq!(key_value("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(key_value("=x").is_err() && key_value("x").is_err());
    }
}
