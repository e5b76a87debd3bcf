//! `IndexMetadata`: settings, mappings and aliases of an index, and whether its documents can be read.

use es_lucene::Mapping;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::tree::{Tree, from_slice};

/// Metadata of one index.
#[derive(Debug, Clone)]
pub struct IndexMetadata {
    /// Name of the index.
    pub name: String,
    /// Everything below that name.
    pub fields: Map<String, Value>,
    /// Number of shards.
    pub shards: u32,
    mapping_types: Map<String, Value>,
}

/// Why the documents of an index cannot be read as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They can.
    Readable,
    /// `_source` is reduced: what is there is what the server shows.
    Filtered(String),
    /// `_source` is stored without its vectors.
    WithoutVectors(String),
    /// There is nothing to read.
    Unreadable(String),
}

impl IndexMetadata {
    pub(crate) fn parse(blob: &str, bytes: &[u8], name: &str) -> Result<Self> {
        let Tree::<true>(root) = from_slice(blob, bytes)?;
        let Value::Object(mut root) = root else {
            return Err(Error::corrupt(blob, "no metadata of an index"));
        };
        let Some(Value::Object(fields)) = root.get_mut(name).map(Value::take) else {
            return Err(Error::corrupt(blob, format!("holds no metadata of the index {name:?}")));
        };
        let shards = setting(&fields, "number_of_shards")
            .and_then(|value| value.parse::<u32>().ok())
            .filter(|shards| (1..=65_536).contains(shards))
            .ok_or_else(|| Error::corrupt(blob, "the number of shards is missing"))?;
        let mut mapping_types = Map::new();
        let list = match fields.get("mappings") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(other) => vec![other.clone()],
        };
        for mapping in list {
            let Value::Object(mapping) = mapping else {
                return Err(Error::corrupt(blob, "a mapping that is none"));
            };
            mapping_types.extend(mapping);
        }
        Ok(Self { name: name.to_owned(), fields, shards, mapping_types })
    }

    /// A setting, without its `index.` in front.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        setting(&self.fields, key)
    }

    /// `index.version.created`, as the number the server writes.
    #[must_use]
    pub fn version_created(&self) -> Option<u64> {
        self.setting("version.created")?.parse().ok()
    }

    /// Whether the index was created by OpenSearch, which marks its numbers with a bit.
    #[must_use]
    pub fn is_opensearch(&self) -> bool {
        self.version_created().is_some_and(|version| version & 0x0800_0000 != 0)
    }

    /// The mappings, by type.
    #[must_use]
    pub fn mapping_types(&self) -> &Map<String, Value> {
        &self.mapping_types
    }

    /// The one type of documents whose ids carry none; `None` where servers show none (8.0 and later).
    #[must_use]
    pub fn doc_type(&self) -> Option<&str> {
        self.mapping_types.keys().find(|name| *name != "_default_").map(String::as_str)
    }

    /// The data stream behind which the index is, told by its name: `.ds-STREAM-GENERATION` through 7.10 and on
    /// OpenSearch, `.ds-STREAM-DATE-GENERATION` later.
    #[must_use]
    pub fn data_stream(&self) -> Option<&str> {
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        let (stream, generation) = self.name.strip_prefix(".ds-")?.rsplit_once('-')?;
        if !digits(generation, 6) {
            return None;
        }
        let date = stream.rsplit_once('-').filter(|(_, date)| {
            let mut parts = date.split('.');
            let sizes = [4, 2, 2].iter().all(|size| parts.next().is_some_and(|part| digits(part, *size)));
            sizes && parts.next().is_none()
        });
        Some(date.map_or(stream, |(stream, _)| stream))
    }

    /// What has to be known to read the segments.
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        let parents = self.mapping_types.iter().filter_map(|(name, mapping)| {
            let parent = mapping.get("_parent")?.get("type")?.as_str()?;
            Some((name.clone(), parent.to_owned()))
        });
        Mapping {
            primary_terms: self.version_created().is_some_and(|version| version >= 6_010_099),
            parents: parents.collect(),
        }
    }

    /// As the server prints it at `GET /INDEX`.
    #[must_use]
    pub fn as_server_prints(&self) -> Value {
        let mut settings = Map::new();
        if let Some(Value::Object(flat)) = self.fields.get("settings") {
            for (key, value) in flat {
                insert_nested(&mut settings, key, value.clone());
            }
        }
        let typeless = self.mapping_types.len() <= 1
            && self.mapping_types.keys().all(|name| name == "_doc")
            && self.version_created().is_some_and(|version| version >= 7_000_000);
        let mappings = if typeless {
            self.mapping_types.values().next().cloned().unwrap_or_else(|| json!({}))
        } else {
            Value::Object(self.mapping_types.clone())
        };
        let aliases = self.fields.get("aliases").cloned().unwrap_or_else(|| json!({}));
        json!({ &*self.name: { "aliases": aliases, "mappings": mappings, "settings": settings } })
    }

    /// Decides, before anything is read, whether documents can be had.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is = |key: &str, value: &str| self.setting(key).is_some_and(|set| set.eq_ignore_ascii_case(value));
        let unreadable = |text: &str| Verdict::Unreadable(text.to_owned());
        if is("store.type", "snapshot") || self.setting("store.snapshot.snapshot_name").is_some() {
            return unreadable("it is mounted from another snapshot, which holds the documents");
        }
        if is("store.type", "remote_snapshot") {
            return unreadable("it is a searchable snapshot: another snapshot holds the documents");
        }
        for mode in ["logsdb", "time_series", "columnar"] {
            let stored = is("mapping.source.mode", "stored");
            if is("mode", mode) && !stored {
                return Verdict::Unreadable(format!(
                    "index.mode is {mode}: _source is synthetic, no document was kept as it was sent"
                ));
            }
        }
        if is("mapping.source.mode", "synthetic") {
            return unreadable("_source is synthetic: no document was kept as it was sent");
        }
        if is("mapping.source.mode", "disabled") {
            return unreadable("_source is disabled");
        }
        if is("derived_source.enabled", "true") {
            return unreadable("_source is derived: no document was kept as it was sent");
        }
        let mut filtered = Verdict::Readable;
        for (name, mapping) in &self.mapping_types {
            match source_verdict(name, mapping) {
                Verdict::Readable => {}
                verdict @ Verdict::Filtered(_) => filtered = verdict,
                other => return other,
            }
        }
        if let Some(reason) = self.vectors_left_out() {
            return Verdict::WithoutVectors(reason);
        }
        filtered
    }

    /// Servers leave vectors out of `_source` and put them back when they show it.
    fn vectors_left_out(&self) -> Option<String> {
        /// The first version that excludes vectors by default is 9.2; its index versions begin here.
        const EXCLUDED_BY_DEFAULT: u64 = 9_035_000;
        let has = |kinds: &[&str]| self.mapping_types.values().any(|mapping| has_field(mapping, kinds));
        if self.is_opensearch() {
            let derived = self.setting("knn.derived_source.enabled") == Some("true");
            return (derived && has(&["knn_vector"])).then(|| "index.knn.derived_source.enabled is true".to_owned());
        }
        let excluded = match self.setting("mapping.exclude_source_vectors") {
            Some(value) => value == "true",
            None => self.version_created().is_some_and(|version| version >= EXCLUDED_BY_DEFAULT),
        };
        let vectors = ["dense_vector", "sparse_vector", "rank_vectors"];
        (excluded && has(&vectors)).then(|| "vectors are excluded from _source".to_owned())
    }
}

fn source_verdict(name: &str, mapping: &Value) -> Verdict {
    let Some(source) = mapping.get("_source") else {
        return Verdict::Readable;
    };
    let is = |key: &str, value: &str| match source.get(key) {
        Some(Value::Bool(set)) => set.to_string() == value,
        Some(Value::String(set)) => set == value,
        _ => false,
    };
    if is("enabled", "false") || is("mode", "disabled") {
        return Verdict::Unreadable(format!("_source of {name} is disabled"));
    }
    if is("mode", "synthetic") {
        return Verdict::Unreadable(format!("_source of {name} is synthetic"));
    }
    let some = |key: &str| match source.get(key) {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        _ => false,
    };
    if some("includes") || some("excludes") {
        return Verdict::Filtered(format!("_source of {name} leaves fields out"));
    }
    Verdict::Readable
}

fn has_field(mapping: &Value, kinds: &[&str]) -> bool {
    let Some(map) = mapping.as_object() else {
        return false;
    };
    map.iter().any(|(key, value)| match (key.as_str(), value) {
        ("type", Value::String(kind)) => kinds.contains(&kind.as_str()),
        _ => has_field(value, kinds),
    })
}

fn setting<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let settings = fields.get("settings")?.as_object()?;
    let full = format!("index.{key}");
    settings.get(&full).or_else(|| settings.get(key))?.as_str()
}

/// `a.b.c` as objects within objects.
fn insert_nested(map: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        Some((head, rest)) => {
            let inner = map.entry(head).or_insert_with(|| json!({}));
            match inner {
                Value::Object(inner) => insert_nested(inner, rest, value),
                // A setting that is both a value and a group stays flat.
                _ => {
                    map.insert(key.to_owned(), value);
                }
            }
        }
        None => {
            map.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_behind_data_streams_are_told_by_their_names() {
        for (name, stream) in [
            (".ds-logs-app-000001", Some("logs-app")),
            (".ds-logs-app-2024.03.01-000012", Some("logs-app")),
            (".ds-a-2024.3.01-000012", Some("a-2024.3.01")),
            (".ds-logs-app", None),
            ("ds-logs-000001", None),
            (".kibana_1", None),
        ] {
            let text = json!({ name: {"settings": {"index.number_of_shards": "1"}} }).to_string();
            let metadata = IndexMetadata::parse("meta", text.as_bytes(), name).unwrap();
            assert_eq!(metadata.data_stream(), stream, "{name}");
        }
    }
}
