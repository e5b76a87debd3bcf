//! A tree of values out of SMILE or JSON, whichever a server wrote.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::checksum_blob_store_format::decompress;
use crate::error::{Error, Result};

const SMILE: &[u8] = b":)\n";

/// Reads a value out of SMILE or JSON.
pub(crate) fn from_slice<T: DeserializeOwned>(blob: &str, bytes: &[u8]) -> Result<T> {
    if bytes.starts_with(SMILE) {
        serde_smile::from_slice(bytes).map_err(|error| Error::corrupt(blob, error))
    } else {
        serde_json::from_slice(bytes).map_err(|error| Error::corrupt(blob, damaged(&error)))
    }
}

/// What JSON that cannot be read is.
pub(crate) fn damaged(error: &serde_json::Error) -> String {
    if error.is_eof() || error.is_syntax() { format!("damaged: {error}") } else { error.to_string() }
}

/// A JSON value that may have been SMILE: binary values become the compressed JSON they hold, or base64.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree(pub(crate) Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Self)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::from)
            .or_else(|_| u64::try_from(value).map(Value::from))
            .map_err(|_| E::custom(format!("{value} is out of range")))
    }

    fn visit_f32<E: serde::de::Error>(self, value: f32) -> Result<Value, E> {
        // By way of its own shortest decimal, not of the double nearest to it.
        value.to_string().parse().map_err(E::custom).and_then(|value: f64| self.visit_f64(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        // Mappings and filters may be embedded as compressed JSON.
        let embedded = value
            .starts_with(b"DFL\0")
            .then(|| decompress("", value).ok())
            .flatten()
            .and_then(|plain| from_slice::<Tree>("", &plain).ok());
        Ok(match embedded {
            Some(tree) => tree.0,
            None => Value::String(STANDARD.encode(value)),
        })
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Tree(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((key, Tree(value))) = map.next_entry::<String, Tree>()? {
            if values.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format!("{key:?} comes twice")));
            }
        }
        Ok(Value::Object(values))
    }
}

/// Bytes: binary in SMILE, base64 in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Binary(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Binary;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Binary, E> {
                Ok(Binary(value.to_vec()))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Binary, E> {
                STANDARD.decode(value).map(Binary).map_err(E::custom)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Binary, D::Error> {
                inner.deserialize_any(self)
            }
        }
        deserializer.deserialize_any(Bytes)
    }
}
