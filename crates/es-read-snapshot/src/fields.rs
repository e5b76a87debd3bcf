//! `--fields`: some fields of each document, everything of them as it was sent.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::one_line::quote;

/// Dotted paths of fields.
#[derive(Debug, Clone)]
pub struct Fields {
    paths: Vec<Vec<String>>,
}

impl Fields {
    /// None where no path is given.
    #[must_use]
    pub fn new(paths: &[String]) -> Option<Self> {
        let split = |path: &String| path.split('.').map(str::to_owned).collect();
        (!paths.is_empty()).then(|| Self { paths: paths.iter().map(split).collect() })
    }

    /// Appends what is left of a document.
    pub fn append(&self, source: &[u8], line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let paths: Vec<&[String]> = self.paths.iter().map(Vec::as_slice).collect();
        let object: Object<'_> = serde_json::from_slice(source)?;
        keep(&object, &paths, line)
    }
}

/// Keys and values in their order, values unread.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

fn keep(object: &Object<'_>, paths: &[&[String]], line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    line.push(b'{');
    let mut first = true;
    for (key, value) in &object.0 {
        // A key may itself hold dots.
        let rests: Vec<&[String]> = paths.iter().filter_map(|path| rest(path, key)).collect();
        if rests.is_empty() {
            continue;
        }
        let whole = rests.iter().any(|rest| rest.is_empty());
        let text = value.get().trim();
        if !whole && !text.starts_with(['{', '[']) {
            continue;
        }
        if !first {
            line.push(b',');
        }
        first = false;
        quote(key, line);
        line.push(b':');
        if whole {
            line.extend_from_slice(text.as_bytes());
        } else {
            inner(text, &rests, line)?;
        }
    }
    line.push(b'}');
    Ok(())
}

fn inner(text: &str, paths: &[&[String]], line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    if text.starts_with('{') {
        return keep(&serde_json::from_str(text)?, paths, line);
    }
    let list: Vec<&RawValue> = serde_json::from_str(text)?;
    line.push(b'[');
    let objects = list.iter().map(|value| value.get().trim()).filter(|text| text.starts_with(['{', '[']));
    for (number, text) in objects.enumerate() {
        if number > 0 {
            line.push(b',');
        }
        inner(text, paths, line)?;
    }
    line.push(b']');
    Ok(())
}

/// What is left of a path below a key.
fn rest<'a>(path: &'a [String], key: &str) -> Option<&'a [String]> {
    let mut key = key;
    let mut path = path;
    loop {
        let (head, tail) = path.split_first()?;
        key = key.strip_prefix(head.as_str())?;
        path = tail;
        if key.is_empty() {
            return Some(path);
        }
        key = key.strip_prefix('.')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_fields_are_left() {
        let fields = Fields::new(&["a".into(), "b.c".into(), "d.e".into()]).unwrap();
        let mut line = Vec::new();
        let source = br#"{"z":1,"a":{"x":1e400},"b":[{"c":1,"y":2},3],"d.e":[1.0],"ab":1}"#;
        fields.append(source, &mut line).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), r#"{"a":{"x":1e400},"b":[{"c":1}],"d.e":[1.0]}"#);
    }
}
