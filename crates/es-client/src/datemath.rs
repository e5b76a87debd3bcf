//! Date math in names, `<logs-{now/d{yyyy.MM.dd|+09:00}}>`, resolved on this side: the name must be known before
//! the snapshot is asked for, and must be the same when the command is run again.

use std::time::SystemTime;

use es_records::Fault;
use jiff::{Span, Timestamp, Unit, Zoned, tz::TimeZone};

/// Resolves date math in a name as of `now`. A name without `<...>` is returned as it is.
///
/// # Errors
/// Exit 2 with the part that is not understood.
pub fn date_math(name: &str, now: SystemTime) -> Result<String, Fault> {
    let Some(inner) = name.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
        return Ok(name.to_string());
    };
    let wrong = |why: &str| {
        Fault::usage(format!("name {name:?}: {why}"))
            .hint("date math looks like <backup-{now/d}> or <logs-{now-1M/M{yyyy.MM|+09:00}}>")
    };
    let now = Timestamp::try_from(now).map_err(|e| Fault::failed(format!("this machine's clock: {e}")))?;
    let mut out = String::new();
    let mut rest = inner;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let close = closing(&rest[open..]).ok_or_else(|| wrong("a brace is not closed"))?;
        out.push_str(&expression(&rest[open + 1..open + close], now).map_err(|why| wrong(&why))?);
        rest = &rest[open + close + 1..];
    }
    if rest.contains('}') {
        return Err(wrong("a brace is closed that was not opened"));
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace that opens `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn expression(text: &str, now: Timestamp) -> Result<String, String> {
    let (math, format) = match text.split_once('{') {
        Some((math, format)) => (math, format.strip_suffix('}').ok_or("a brace is not closed")?),
        None => (text, "yyyy.MM.dd"),
    };
    let (format, zone) = match format.split_once('|') {
        Some((format, zone)) => (format, timezone(zone)?),
        None => (format, TimeZone::UTC),
    };
    let time = calculate(math, now.to_zoned(zone))?;
    pattern(format, &time)
}

fn timezone(text: &str) -> Result<TimeZone, String> {
    let wrong = || format!("{text:?} is no time zone");
    if let Ok(offset) = jiff::fmt::strtime::parse("%:z", text)
        .and_then(|t| t.offset().ok_or_else(|| jiff::Error::from_args(format_args!("no offset"))))
    {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(text).map_err(|_| wrong())
}

fn unit(letter: char) -> Option<Unit> {
    Some(match letter {
        'y' => Unit::Year,
        'M' => Unit::Month,
        'w' => Unit::Week,
        'd' => Unit::Day,
        'h' | 'H' => Unit::Hour,
        'm' => Unit::Minute,
        's' => Unit::Second,
        _ => return None,
    })
}

fn calculate(math: &str, now: Zoned) -> Result<Zoned, String> {
    let wrong = || format!("{math:?} is no date math");
    let mut rest = math.strip_prefix("now").ok_or_else(wrong)?;
    let mut time = now;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        if sign == '/' {
            let letter = rest.chars().next().ok_or_else(wrong)?;
            rest = &rest[letter.len_utf8()..];
            time = floor(&time, unit(letter).ok_or_else(wrong)?).map_err(|e| e.to_string())?;
            continue;
        }
        if sign != '+' && sign != '-' {
            return Err(wrong());
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let amount: i64 = if digits == 0 { 1 } else { rest[..digits].parse().map_err(|_| wrong())? };
        rest = &rest[digits..];
        let letter = rest.chars().next().ok_or_else(wrong)?;
        rest = &rest[letter.len_utf8()..];
        let amount = if sign == '-' { -amount } else { amount };
        let span = match unit(letter).ok_or_else(wrong)? {
            Unit::Year => Span::new().try_years(amount),
            Unit::Month => Span::new().try_months(amount),
            Unit::Week => Span::new().try_weeks(amount),
            Unit::Day => Span::new().try_days(amount),
            Unit::Hour => Span::new().try_hours(amount),
            Unit::Minute => Span::new().try_minutes(amount),
            _ => Span::new().try_seconds(amount),
        };
        time = span.and_then(|span| time.checked_add(span)).map_err(|e| e.to_string())?;
    }
    Ok(time)
}

/// Rounds down, as servers do; a week begins on Monday.
fn floor(time: &Zoned, unit: Unit) -> Result<Zoned, jiff::Error> {
    let date = match unit {
        Unit::Year => time.date().first_of_year(),
        Unit::Month => time.date().first_of_month(),
        Unit::Week => time.date().checked_sub(Span::new().days(i64::from(time.weekday().to_monday_zero_offset())))?,
        Unit::Day => time.date(),
        smaller => {
            let round = jiff::ZonedRound::new().smallest(smaller).mode(jiff::RoundMode::Trunc);
            return time.round(round);
        }
    };
    date.to_zoned(time.time_zone().clone())
}

/// The letters of the servers' date patterns (Joda up to 6.x, java.time later) that name parts of a date.
fn pattern(format: &str, time: &Zoned) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            out.extend(chars.by_ref().take_while(|c| *c != '\''));
            continue;
        }
        if !c.is_ascii_alphabetic() {
            out.push(c);
            continue;
        }
        let mut count = 1;
        while chars.next_if_eq(&c).is_some() {
            count += 1;
        }
        let number = match c {
            'y' | 'Y' | 'u' | 'x' => i64::from(time.year()),
            'M' => i64::from(time.month()),
            'w' => i64::from(time.date().iso_week_date().week()),
            'D' => i64::from(time.day_of_year()),
            'd' => i64::from(time.day()),
            'H' => i64::from(time.hour()),
            'm' => i64::from(time.minute()),
            's' => i64::from(time.second()),
            _ => return Err(format!("{c:?} in {format:?} is not understood")),
        };
        // A week-based year differs from the calendar's in the first and last days of a year.
        let number = if c == 'x' || c == 'Y' && format.contains('w') {
            i64::from(time.date().iso_week_date().year())
        } else {
            number
        };
        let number = if count == 2 && matches!(c, 'y' | 'Y' | 'u' | 'x') { number % 100 } else { number };
        out.push_str(&format!("{number:0count$}"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str) -> String {
        date_math(name, "2018-01-31T20:15:30Z".parse::<Timestamp>().unwrap().into()).unwrap()
    }

    #[test]
    fn the_examples_of_the_servers_manual_come_out_as_it_says() {
        assert_eq!(at("<javacafe_{now/d{yyyy_MM_dd}}>"), "javacafe_2018_01_31");
        assert_eq!(at("<logstash-{now/d}>"), "logstash-2018.01.31");
        assert_eq!(at("<logstash-{now/M}>"), "logstash-2018.01.01");
        assert_eq!(at("<logstash-{now/M-1M{yyyy.MM}}>"), "logstash-2017.12");
        assert_eq!(at("<logstash-{now/d{yyyy.MM.dd|+12:00}}>"), "logstash-2018.02.01");
        assert_eq!(at("<a-{now/d-1d}-b-{now{HH'h'mm}}>"), "a-2018.01.30-b-20h15");
        assert_eq!(at("<w-{now/w}>"), "w-2018.01.29");
        assert_eq!(at("<s-{now+1M}>"), "s-2018.02.28");
        assert_eq!(at("<seoul-{now/d{yyyy.MM.dd|Asia/Seoul}}>"), "seoul-2018.02.01");
        assert_eq!(at("plain"), "plain");
    }

    #[test]
    fn what_is_not_date_math_is_refused() {
        for wrong in [
            "<a-{now/d>",
            "<a-{tomorrow}>",
            "<a-{now/q}>",
            "<a-{now+}>",
            "<a}>",
            "<a-{now{EEE}}>",
            "<a-{now/d{yyyy|Mars}}>",
            "<a-{now자}>",
            "<a-{now+자}>",
        ] {
            assert!(date_math(wrong, SystemTime::UNIX_EPOCH).is_err(), "{wrong}");
        }
    }
}
