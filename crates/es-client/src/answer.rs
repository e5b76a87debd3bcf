//! Answers of a cluster as JSON values.

use crate::CallError;
use crate::secrets::{Secrets, quoted};
use es_records::{ShardFailure, Shards};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;

/// The most memory that an answer may take, in bytes: its text and what is made of it together.
const MOST_MEMORY: usize = 256 << 20;
/// About what parts of an answer take beside their letters, in bytes. They are on the large side.
const OF_VALUE: usize = 80;
const OF_STRING: usize = 32;
const OF_LIST: usize = 300;
const OF_OBJECT: usize = 400;
const OF_FIELD: usize = 200;

/// Why an answer cannot be built on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// It ends too early.
    Cut,
    /// It is too large to be held, in so many bytes.
    TooLarge(usize),
    /// It is no JSON, nested too deeply, or ambiguous.
    Wrong(String),
}

/// Decodes an answer, without these secrets where they are no names. A key that comes twice in an object is refused: which of the two is meant, no one can
/// say, and parsers differ. No server of 5.x to 9.x writes one. A small text can become very many values: they are counted
/// while they are made.
///
/// # Errors
/// What is no JSON, nested too deeply, ambiguous, or too large.
pub(crate) fn decode(bytes: &[u8], secrets: &Secrets) -> Result<Value, Undecodable> {
    let left = Cell::new(MOST_MEMORY.checked_sub(bytes.len()));
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Builder { left: &left, secrets }.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| match left.get() {
        None => Undecodable::TooLarge(MOST_MEMORY),
        Some(_) if error.is_eof() => Undecodable::Cut,
        Some(_) => Undecodable::Wrong(error.to_string()),
    })
}

/// The beginning of an answer, for a message: it may be of any length, and hold what let a request in.
#[must_use]
pub fn excerpt(answer: &Value) -> String {
    crate::error::short(&quoted(&answer.to_string()))
}

/// The snapshot of this name in the answer to a look for it; none where the list is empty. An answer that is no such list, is
/// about another snapshot, or calls one ended without saying how its shards fared proves nothing, not even that it is gone.
///
/// # Errors
/// [`CallError::Unusable`] with what is wrong with the answer.
pub fn snapshot_named(answer: &Value, name: &str) -> Result<Option<Value>, CallError> {
    let unusable = |why: &str| Err(CallError::Unusable(format!("{why}: {}", excerpt(answer))));
    let one = match answer["snapshots"].as_array().map(Vec::as_slice) {
        None => return unusable("an answer without a list of snapshots"),
        Some([]) => return Ok(None),
        Some([one, ..]) => one,
    };
    let Some(state) = one["state"].as_str() else { return unusable("an answer without a snapshot's state") };
    if one["snapshot"] != name {
        return unusable("an answer about another snapshot");
    }
    let told = Shards::deserialize(&one["shards"]).is_ok()
        && Option::<Vec<ShardFailure>>::deserialize(&one["failures"]).is_ok();
    if matches!(state, "SUCCESS" | "PARTIAL") && !told {
        return unusable("an answer that does not say how the shards fared");
    }
    Ok(Some(one.clone()))
}

/// Makes a value without a key that comes twice.
#[derive(Clone, Copy)]
struct Builder<'a> {
    /// Memory that may still be taken, in bytes; none once it was too much.
    left: &'a Cell<Option<usize>>,
    secrets: &'a Secrets,
}

impl Builder<'_> {
    fn take<E: Error>(self, bytes: usize) -> Result<(), E> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(bytes)));
        self.left.get().map(|_| ()).ok_or_else(|| E::custom("too large"))
    }

    /// A string may lie in the parser's own space too.
    fn text<E: Error>(self, text: &str) -> Result<String, E> {
        self.take(OF_STRING + 2 * text.len())?;
        Ok(self.secrets.of_data(text).into_owned())
    }
}

impl<'de> DeserializeSeed<'de> for Builder<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.take(OF_VALUE)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.text(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            if list.is_empty() {
                self.take(OF_LIST)?;
            }
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(Value::String(key)) = fields.next_key_seed(self)? {
            self.take(OF_FIELD + if object.is_empty() { OF_OBJECT } else { 0 })?;
            let value = fields.next_value_seed(self)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} comes twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Value, Undecodable> {
        super::decode(bytes, &Secrets::default())
    }

    #[test]
    fn an_answer_is_what_serde_json_makes_of_it() {
        let text = r#"{"a":[1,-2,2.5,true,null,"x\n"],"b":{"a":{}},"c":18446744073709551615,"d":18446744073709551616}"#;
        assert_eq!(decode(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_key_that_comes_twice_is_refused_at_any_depth() {
        for text in [r#"{"count":3,"count":0}"#, r#"{"a":[{"b":{"c":1,"\u0063":1}}]}"#] {
            let Err(Undecodable::Wrong(why)) = decode(text.as_bytes()) else { panic!("{text}") };
            assert!(why.contains("comes twice"), "{text}");
        }
        assert!(decode(br#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
    }

    #[test]
    fn only_a_whole_answer_about_the_snapshot_that_was_asked_for_says_anything_of_it() {
        let one = |snapshot: Value| snapshot_named(&serde_json::json!({"snapshots": [snapshot]}), "day1");
        let shards = serde_json::json!({"total": 1, "failed": 0, "successful": 1});
        let whole = serde_json::json!({"snapshot": "day1", "state": "SUCCESS", "shards": shards});
        assert_eq!(one(whole.clone()), Ok(Some(whole.clone())));
        assert_eq!(snapshot_named(&serde_json::json!({"snapshots": []}), "day1"), Ok(None));
        for (key, strange) in [
            ("snapshot", serde_json::json!("zzz")),
            ("state", Value::Null),
            ("shards", Value::Null),
            ("shards", serde_json::json!({"total": "1", "failed": "0", "successful": "1"})),
            ("shards", serde_json::json!({"total": -1, "failed": 0, "successful": -1})),
            ("failures", serde_json::json!("none")),
        ] {
            let mut wrong = whole.clone();
            wrong[key] = strange;
            assert!(one(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(one("x".into()).is_err() && snapshot_named(&Value::Null, "day1").is_err());
    }

    #[test]
    fn an_answer_that_was_cut_is_told_from_one_that_is_wrong() {
        assert_eq!(decode(br#"{"count":12"#), Err(Undecodable::Cut));
        assert!(matches!(decode(b"<html>"), Err(Undecodable::Wrong(_))));
        assert!(matches!(decode(b"{} {}"), Err(Undecodable::Wrong(_))));
        let Err(Undecodable::Wrong(why)) = decode("[".repeat(1000).as_bytes()) else { panic!("it is nested") };
        assert!(why.contains("recursion limit"), "{why}");
    }

    #[test]
    fn very_many_values_are_told_before_they_are_held() {
        let lists = |item: &str| format!("[{}0]", item.repeat((40 << 20) / item.len()));
        for item in ["0,", "[],", "{\"a\":0},", "\"\","] {
            assert_eq!(decode(lists(item).as_bytes()), Err(Undecodable::TooLarge(MOST_MEMORY)), "{item}");
        }
        // As large, and of few values.
        assert!(decode(lists(&format!("\"{}\",", "x".repeat(1 << 10))).as_bytes()).is_ok());
    }

    #[test]
    fn settings_of_ten_thousand_indices_are_not_too_much() {
        let settings: Map<String, Value> = (0..10_000)
            .map(|n| {
                let analyzers: Map<String, Value> = (0..8)
                    .map(|a| (format!("analyzer-{a}"), serde_json::json!({"type": "custom", "tokenizer": "standard"})))
                    .collect();
                let index = serde_json::json!({"number_of_shards": "5", "number_of_replicas": "1", "uuid": "dXNlcjpwYXNzLXdvcmQ",
                    "creation_date": "1514764800000", "provided_name": format!("logs-{n}"), "version": {"created": "5050299"},
                    "analysis": {"analyzer": analyzers}});
                (format!("logs-{n}"), serde_json::json!({"settings": {"index": index}}))
            })
            .collect();
        let text = serde_json::to_vec(&settings).unwrap();
        assert_eq!(decode(&text), Ok(Value::Object(settings)));
    }
}
