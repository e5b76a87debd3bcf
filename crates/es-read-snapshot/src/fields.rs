//! `--fields`: some fields of each document, everything of them as it was sent. What stays is what the `_source` filter of
//! servers leaves: a pattern names a field with everything below it, `*` stands for any text with dots in it too, and an
//! object of which nothing stays goes, in a list as well.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::one_line::quote;

/// Dotted paths of fields, with `*`.
#[derive(Debug, Clone)]
pub struct Fields {
    patterns: Vec<Vec<u8>>,
    /// Where every path begins.
    begin: Places,
}

/// Where in each pattern a path has come to: the number of a pattern, and the bytes of it that are behind. Past its end, the
/// path is below what the pattern names.
type Places = Vec<(usize, usize)>;

impl Fields {
    /// None where no path is given.
    #[must_use]
    pub fn new(patterns: &[String]) -> Option<Self> {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.clone().into_bytes()).collect();
        let mut fields = Self { patterns, begin: Places::new() };
        let mut begin = Places::new();
        for pattern in 0..fields.patterns.len() {
            fields.put(&mut begin, (pattern, 0));
        }
        fields.begin = begin;
        (!fields.patterns.is_empty()).then_some(fields)
    }

    /// Appends what is left of a document.
    pub fn append(&self, source: &[u8], line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        self.object(source, &self.begin, line).map(drop)
    }

    /// Adds a place, and the one behind a `*`, which can stand for nothing.
    fn put(&self, places: &mut Places, (pattern, mut at): (usize, usize)) {
        loop {
            if !places.contains(&(pattern, at)) {
                places.push((pattern, at));
            }
            if self.patterns[pattern].get(at) != Some(&b'*') {
                return;
            }
            at += 1;
        }
    }

    fn step(&self, places: &Places, path: &[u8]) -> Places {
        let mut places = places.clone();
        let mut next = Places::new();
        for byte in path {
            for (pattern, at) in places.drain(..) {
                let text = &self.patterns[pattern];
                match text.get(at) {
                    Some(b'*') => self.put(&mut next, (pattern, at)),
                    Some(own) if own == byte => self.put(&mut next, (pattern, at + 1)),
                    // Below what it names.
                    None if at > text.len() || *byte == b'.' => self.put(&mut next, (pattern, text.len() + 1)),
                    _ => {}
                }
            }
            std::mem::swap(&mut places, &mut next);
            if places.is_empty() {
                break;
            }
        }
        places
    }

    fn names(&self, places: &Places) -> bool {
        places.iter().any(|(pattern, at)| *at >= self.patterns[*pattern].len())
    }

    /// Appends what is left of an object; whether that is anything.
    fn object(&self, text: &[u8], places: &Places, line: &mut Vec<u8>) -> Result<bool, serde_json::Error> {
        let mut input = serde_json::Deserializer::from_slice(text);
        let any = Object { fields: self, places, line }.deserialize(&mut input)?;
        input.end()?;
        Ok(any)
    }

    /// Appends what is left of a value under a key; whether that is anything.
    fn value(&self, text: &str, places: &Places, line: &mut Vec<u8>) -> Result<bool, serde_json::Error> {
        if self.names(places) {
            line.extend_from_slice(text.as_bytes());
            return Ok(true);
        }
        if text.starts_with('{') {
            return self.object(text.as_bytes(), &self.step(places, b"."), line);
        }
        if !text.starts_with('[') {
            return Ok(false);
        }
        let list: Vec<&RawValue> = serde_json::from_str(text)?;
        let mut any = false;
        line.push(b'[');
        for value in list {
            let before = line.len();
            if any {
                line.push(b',');
            }
            if self.value(value.get().trim(), places, line)? {
                any = true;
            } else {
                line.truncate(before);
            }
        }
        line.push(b']');
        Ok(any)
    }
}

/// Appends an object while it is read: values that do not stay are passed over.
struct Object<'a> {
    fields: &'a Fields,
    places: &'a Places,
    line: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    /// Whether anything is left.
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let Self { fields, places, line } = self;
        let mut any = false;
        line.push(b'{');
        while let Some(key) = map.next_key_seed(Key)? {
            let own = fields.step(places, key.as_bytes());
            if own.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = map.next_value()?;
            let before = line.len();
            if any {
                line.push(b',');
            }
            quote(&*key, line);
            line.push(b':');
            if fields.value(value.get().trim(), &own, line).map_err(A::Error::custom)? {
                any = true;
            } else {
                line.truncate(before);
            }
        }
        line.push(b'}');
        Ok(any)
    }
}

/// A key, copied only where it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(patterns: &[&str], source: &str) -> String {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let mut line = Vec::new();
        Fields::new(&patterns).unwrap().append(source.as_bytes(), &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn only_the_named_fields_are_left() {
        let source = r#"{"z":1,"a":{"x":1e400},"b":[{"c":1,"y":2},3],"d.e":[1.0],"ab":1}"#;
        assert_eq!(left(&["a", "b.c", "d.e"], source), r#"{"a":{"x":1e400},"b":[{"c":1}],"d.e":[1.0]}"#);
    }

    #[test]
    fn stars_stand_for_any_text() {
        let source = r#"{"a":{"b":{"c":1},"d":2},"d.e":3,"de":4}"#;
        for (pattern, rest) in [
            ("*", source),
            ("a.*", r#"{"a":{"b":{"c":1},"d":2}}"#),
            ("*.c", r#"{"a":{"b":{"c":1}}}"#),
            ("*d*", r#"{"a":{"d":2},"d.e":3,"de":4}"#),
            ("d*", r#"{"d.e":3,"de":4}"#),
            ("d.*", r#"{"d.e":3}"#),
            ("*.*.*", r#"{"a":{"b":{"c":1}}}"#),
        ] {
            assert_eq!(left(&[pattern], source), rest, "{pattern}");
        }
    }

    #[test]
    fn objects_of_which_nothing_is_left_go() {
        for (source, rest) in [
            (r#"{"a":{"c":1}}"#, "{}"),
            (r#"{"a":[{"c":1},[{"c":1}]]}"#, "{}"),
            (r#"{"a":[{"c":1},{"b":2}]}"#, r#"{"a":[{"b":2}]}"#),
            (r#"{"a":{"b":{}}}"#, r#"{"a":{"b":{}}}"#),
            (r#"{"a":1,"b":2}"#, "{}"),
        ] {
            assert_eq!(left(&["a.b"], source), rest, "{source}");
        }
    }
}
