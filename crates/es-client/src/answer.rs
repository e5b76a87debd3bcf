//! Answers of a cluster as JSON values.

use crate::CallError;
use es_records::{ShardFailure, Shards};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Decodes an answer. A key that comes twice in an object is refused: which of the two is meant, no one can say, and parsers
/// differ. No server of 5.x to 9.x writes one.
///
/// # Errors
/// What is no JSON, nested too deeply, or ambiguous.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes).map(|Unambiguous(value)| value)
}

/// The beginning of an answer, for a message: it may be of any length.
#[must_use]
pub fn excerpt(answer: &Value) -> String {
    crate::error::short(&answer.to_string())
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

/// A value without a key that comes twice.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder).map(Unambiguous)
    }
}

struct Builder;

impl<'de> Visitor<'de> for Builder {
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

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unambiguous(value))) = fields.next_entry::<String, _>()? {
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

    #[test]
    fn an_answer_is_what_serde_json_makes_of_it() {
        let text = r#"{"a":[1,-2,2.5,true,null,"x\n"],"b":{"a":{}},"c":18446744073709551615,"d":18446744073709551616}"#;
        assert_eq!(decode(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_key_that_comes_twice_is_refused_at_any_depth() {
        for text in [r#"{"count":3,"count":0}"#, r#"{"a":[{"b":{"c":1,"\u0063":1}}]}"#] {
            assert!(decode(text.as_bytes()).unwrap_err().to_string().contains("comes twice"), "{text}");
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
        assert!(decode(br#"{"count":12"#).unwrap_err().is_eof());
        assert!(!decode(b"<html>").unwrap_err().is_eof());
        assert!(decode("[".repeat(1000).as_bytes()).unwrap_err().to_string().contains("recursion limit"));
    }
}
