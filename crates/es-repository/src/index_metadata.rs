//! `IndexMetadata`: settings, mappings and aliases of an index, and whether its documents can be read.

use es_lucene::Mapping;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::snapshot_info::OPENSEARCH;
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
    /// Those that the documents were written with, where it is not these: in a snapshot of sources only.
    written_with: Option<Map<String, Value>>,
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
        let Tree(root) = from_slice(blob, bytes)?;
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
        // A repository of type `source` (6.5 and later) puts a mapping of no field over each.
        let written_with = (setting(&fields, "source_only") == Some("true")).then(|| {
            let hidden = mapping_types.iter().filter_map(|(name, mapping)| {
                let hidden = mapping.get("_meta")?.get(name).filter(|hidden| hidden.is_object())?;
                Some((name.clone(), hidden.clone()))
            });
            hidden.collect()
        });
        Ok(Self { name: name.to_owned(), fields, shards, mapping_types, written_with })
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
        self.version_created().is_some_and(|version| version & OPENSEARCH.cast_unsigned() != 0)
    }

    /// Whether `index-N` means this by an identifier: the index's own uuid, that of its history, and how often settings, mappings
    /// and aliases were changed.
    pub(crate) fn is_known_by(&self, identifier: &str) -> bool {
        let [settings, mapping, aliases] = ["settings", "mapping", "aliases"]
            .map(|what| self.fields.get(&format!("{what}_version")).and_then(Value::as_u64).unwrap_or_default());
        let uuid = self.setting("uuid").unwrap_or_default();
        let rest = identifier.strip_prefix(uuid).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.ends_with(&format!("-{settings}-{mapping}-{aliases}")))
    }

    /// The mappings, by type.
    #[must_use]
    pub fn mapping_types(&self) -> &Map<String, Value> {
        &self.mapping_types
    }

    /// The mappings that the documents were written with, by type.
    fn written_with(&self) -> &Map<String, Value> {
        self.written_with.as_ref().unwrap_or(&self.mapping_types)
    }

    /// The one type of documents whose ids carry none; `None` where servers show none (8.0 and later).
    #[must_use]
    pub fn doc_type(&self) -> Option<&str> {
        self.mapping_types.keys().find(|name| *name != "_default_").map(String::as_str)
    }

    /// How many types of documents there are.
    #[must_use]
    pub fn types(&self) -> usize {
        self.mapping_types.keys().filter(|name| *name != "_default_").count()
    }

    /// The data stream behind which the index is. `streams` are those that the snapshot names. Where it does not name the
    /// stream, as with an index that was taken alone, the name of the index tells it: `.ds-STREAM-GENERATION` of
    /// Elasticsearch through 7.10 and of OpenSearch, `.ds-STREAM-DATE-GENERATION` of later ones.
    #[must_use]
    pub fn data_stream(&self, streams: &[String]) -> Option<&str> {
        /// The first version that writes the date.
        const DATED: u64 = 7_110_000;
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, generation) = self.name.strip_prefix(".ds-")?.rsplit_once('-')?;
        if !digits(generation, 6) {
            return None;
        }
        let dated = whole.rsplit_once('-').filter(|(_, date)| {
            let mut parts = date.split('.');
            let sizes = [4, 2, 2].iter().all(|size| parts.next().is_some_and(|part| digits(part, *size)));
            sizes && parts.next().is_none()
        });
        let Some((stream, _)) = dated else {
            return Some(whole);
        };
        let named = |stream: &str| streams.iter().any(|named| named == stream);
        let by_version = !self.is_opensearch() && self.version_created().is_some_and(|version| version >= DATED);
        // A stream of each name may be there: then the version decides as well.
        let date_is_of_the_index = if named(stream) == named(whole) { by_version } else { named(stream) };
        Some(if date_is_of_the_index { stream } else { whole })
    }

    /// Whether the mapping that the documents were written with is gone: who may change mappings of what was restored from a
    /// snapshot of sources only may put another `_meta` in its place. No mapping of such an index stays none (7.17, 9.5).
    fn has_lost_its_mapping(&self) -> bool {
        let is_gone = |written: &Map<String, Value>| {
            self.mapping_types.keys().any(|name| name != "_default_" && !written.contains_key(name))
        };
        self.written_with.as_ref().is_some_and(is_gone)
    }

    /// What has to be known to read the segments.
    #[must_use]
    pub fn mapping(&self) -> Mapping {
        let parents = self.written_with().iter().filter_map(|(name, mapping)| {
            let parent = mapping.get("_parent")?.get("type")?.as_str()?;
            Some((name.clone(), parent.to_owned()))
        });
        Mapping {
            primary_terms: self.version_created().is_some_and(|version| version >= 6_010_099),
            parents: parents.collect(),
        }
    }

    /// Whether some of its Lucene documents may be parts of others, by a field that is kept so.
    #[must_use]
    pub fn may_have_nested(&self) -> bool {
        // The last two keep what they make of a text in nested objects.
        let kinds = ["nested", "semantic_text", "semantic"];
        self.has_lost_its_mapping() || self.written_with().values().any(|mapping| has_field(mapping, &kinds))
    }

    /// As the server prints it at `GET /INDEX`: with types through 6.x, without them later. `stream` is the data stream
    /// behind which it is.
    #[must_use]
    pub fn as_server_prints(&self, with_types: bool, stream: Option<&str>) -> Value {
        let mut settings = Map::new();
        if let Some(Value::Object(flat)) = self.fields.get("settings") {
            for (key, value) in flat {
                insert_nested(&mut settings, key, value.clone());
            }
        }
        let mappings = if with_types {
            Value::Object(self.mapping_types.clone())
        } else {
            self.doc_type().and_then(|name| self.mapping_types.get(name)).cloned().unwrap_or_else(|| json!({}))
        };
        let aliases = self.fields.get("aliases").cloned().unwrap_or_else(|| json!({}));
        let mut index = json!({ "aliases": aliases, "mappings": mappings, "settings": lists(Value::Object(settings)) });
        if let Some(stream) = stream {
            index["data_stream"] = json!(stream);
        }
        json!({ &*self.name: index })
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
        let stored = is("mapping.source.mode", "stored");
        if is("mode", "time_series") && stored {
            return unreadable("index.mode is time_series: ids are made of dimensions and times, none is stored");
        }
        for mode in ["columnar", "logsdb_columnar"] {
            if is("mode", mode) {
                return Verdict::Unreadable(format!(
                    "index.mode is {mode}: documents are kept in columns, not as they were sent"
                ));
            }
        }
        for mode in ["logsdb", "time_series"] {
            if is("mode", mode) && !stored {
                return Verdict::Unreadable(format!(
                    "index.mode is {mode}: _source is synthetic, no document was kept as it was sent"
                ));
            }
        }
        if is("mapping.source.mode", "synthetic") {
            return unreadable("_source is synthetic: no document was kept as it was sent");
        }
        if is("mapping.source.mode", "columnar_stored") {
            return unreadable("_source is kept in columns");
        }
        if is("mapping.source.mode", "disabled") {
            return unreadable("_source is disabled");
        }
        if self.keeps_ids_in_columns() {
            return unreadable("ids are kept in columns, not beside documents");
        }
        if is("derived_source.enabled", "true") {
            return unreadable("_source is derived: no document was kept as it was sent");
        }
        if self.written_with.is_some() && !self.mapping().parents.is_empty() {
            return unreadable("a snapshot of sources only has no parents of documents");
        }
        if self.has_lost_its_mapping() {
            let lost = "another mapping is in place of that which its documents were written with";
            // The last with parents beside documents are of 5.x.
            return if self.version_created().is_some_and(|version| version >= 6_000_099) {
                Verdict::WithoutVectors(format!("{lost}: whether vectors are excluded from _source is not known"))
            } else {
                Verdict::Unreadable(format!("{lost}: whether they had parents is not known"))
            };
        }
        let mut filtered = Verdict::Readable;
        for (name, mapping) in self.written_with() {
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

    /// As Elasticsearch 9.5 can; the mapping decides, or else the setting.
    fn keeps_ids_in_columns(&self) -> bool {
        let by_default = self.setting("mapping.use_columnar_id_mode_by_default") == Some("true");
        let mut modes = self.written_with().values().filter_map(|mapping| mapping.get("_id")?.get("mode")?.as_str());
        modes.next().map_or(by_default, |mode| mode == "columnar")
    }

    /// Servers leave vectors out of `_source` and put them back when they show it.
    fn vectors_left_out(&self) -> Option<String> {
        /// The first version that excludes vectors by default is 9.2; its index versions begin here.
        const EXCLUDED_BY_DEFAULT: u64 = 9_035_000;
        let has = |kinds: &[&str]| self.written_with().values().any(|mapping| has_field(mapping, kinds));
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

/// Whether a field, or a part of one, is of one of these types.
fn has_field(mapping: &Value, kinds: &[&str]) -> bool {
    let fields = ["properties", "fields"].into_iter().filter_map(|key| mapping.get(key)?.as_object());
    fields.flat_map(Map::values).any(|field| {
        let kind = field.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kinds.contains(&kind)) || has_field(field, kinds)
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

/// Old versions keep a list as `key.0`, `key.1`; servers print a list.
fn lists(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let mut map: Map<String, Value> = map.into_iter().map(|(key, value)| (key, lists(value))).collect();
    let numbers: Vec<String> = (0..map.len()).map(|number| number.to_string()).collect();
    if !map.is_empty() && numbers.iter().all(|number| map.contains_key(number)) {
        return numbers.iter().filter_map(|number| map.remove(number)).collect();
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &str, created: &str) -> IndexMetadata {
        let settings = json!({"index.number_of_shards": "1", "index.version.created": created});
        let text = json!({ name: {"settings": settings} }).to_string();
        IndexMetadata::parse("meta", text.as_bytes(), name).unwrap()
    }

    const OPENSEARCH_3: &str = "137247827";

    #[test]
    fn indices_behind_data_streams_are_told_by_their_names_and_versions() {
        for (name, created, stream) in [
            (".ds-logs-app-000001", "7100299", Some("logs-app")),
            (".ds-logs-2024.03.01-000001", "7100299", Some("logs-2024.03.01")),
            (".ds-logs-2024.03.01-000001", OPENSEARCH_3, Some("logs-2024.03.01")),
            (".ds-logs-app-2024.03.01-000012", "7110099", Some("logs-app")),
            (".ds-logs-2024.03.01-2024.03.02-000012", "9039003", Some("logs-2024.03.01")),
            (".ds-a-2024.3.01-000012", "8500003", Some("a-2024.3.01")),
            (".ds-logs-app", "8500003", None),
            ("ds-logs-000001", "8500003", None),
            (".kibana_1", "8500003", None),
        ] {
            assert_eq!(metadata(name, created).data_stream(&[]), stream, "{name} {created}");
        }
    }

    #[test]
    fn the_streams_that_a_snapshot_names_come_before_versions() {
        let stream = |created, named: &str| {
            metadata(".ds-logs-2024.03.01-000001", created).data_stream(&[named.to_owned()]).map(str::to_owned)
        };
        for created in ["7100299", "8500003", OPENSEARCH_3] {
            for named in ["logs", "logs-2024.03.01"] {
                assert_eq!(stream(created, named).as_deref(), Some(named), "{created}");
            }
        }
        assert_eq!(stream("8500003", "other").as_deref(), Some("logs"));
        assert_eq!(stream("7100299", "other").as_deref(), Some("logs-2024.03.01"));
    }

    #[test]
    fn metadata_of_another_index_or_of_another_time_is_not_what_an_identifier_means() {
        let settings = json!({"index.number_of_shards": "1", "index.uuid": "u"});
        let own = json!({"settings": settings, "settings_version": 1, "mapping_version": 20, "aliases_version": 3});
        let index = IndexMetadata::parse("meta", json!({"i": own}).to_string().as_bytes(), "i").unwrap();
        assert!(index.is_known_by("u-history-1-20-3"));
        for other in
            ["v-history-1-20-3", "uu-history-1-20-3", "u-history-1-20-4", "u-history-1-0-3", "u-history-2-20-3", "u"]
        {
            assert!(!index.is_known_by(other), "{other}");
        }
    }

    /// What becomes of an index, and whether it may have nested objects.
    fn judged(version_created: u64, source_only: &str, mappings: &Value) -> (Verdict, bool) {
        let settings = json!({"index.number_of_shards": "1", "index.version.created": version_created.to_string(),
            "index.source_only": source_only});
        let text = json!({"i": {"settings": settings, "mappings": mappings}}).to_string();
        let index = IndexMetadata::parse("meta", text.as_bytes(), "i").unwrap();
        (index.verdict(), index.may_have_nested())
    }

    #[test]
    fn a_snapshot_of_sources_only_is_judged_by_the_mapping_that_it_hides() {
        let judged = |source_only: &str, name: &str, hidden: Value| {
            judged(9_111_000, source_only, &json!([{ name: {"enabled": false, "_meta": { name: hidden }}}]))
        };
        let field = |kind: &str| json!({"properties": {"o": {"properties": {"f": {"type": kind}}}}});
        let vectors = Verdict::WithoutVectors("vectors are excluded from _source".into());
        assert_eq!(judged("true", "_doc", field("dense_vector")), (vectors, false));
        assert_eq!(judged("true", "_doc", field("nested")), (Verdict::Readable, true));
        assert_eq!(judged("true", "_doc", json!({})), (Verdict::Readable, false));
        // Anyone may write so into a mapping.
        assert_eq!(judged("false", "_doc", field("dense_vector")), (Verdict::Readable, false));
        let parents = judged("true", "child", json!({"_parent": {"type": "parent"}})).0;
        assert!(matches!(parents, Verdict::Unreadable(why) if why.contains("parents")));
    }

    #[test]
    fn a_mapping_that_was_replaced_may_have_had_anything() {
        for meta in [json!({}), json!({"owner": {"properties": {}}}), json!({"_doc": "text"}), Value::Null] {
            let mappings = json!([{"_doc": {"enabled": false, "_meta": meta}}]);
            let (verdict, nested) = judged(9_111_000, "true", &mappings);
            assert!(matches!(verdict, Verdict::WithoutVectors(why) if why.contains("not known")), "{meta}");
            assert!(nested);
            let of_5 = judged(5_060_099, "true", &mappings).0;
            assert!(matches!(of_5, Verdict::Unreadable(why) if why.contains("parents")), "{meta}");
        }
        // An index of no mapping is given none.
        for none in [json!([]), json!({})] {
            assert_eq!(judged(9_111_000, "true", &none), (Verdict::Readable, false));
        }
    }

    #[test]
    fn only_fields_have_types_of_fields() {
        let is = |mapping: Value| has_field(&mapping, &["nested"]);
        assert!(is(json!({"properties": {"a": {"properties": {"b": {"type": "nested"}}}}})));
        assert!(is(json!({"properties": {"_meta": {"type": "keyword", "fields": {"b": {"type": "nested"}}}}})));
        assert!(is(json!({"properties": {"type": {"type": "nested"}}})));
        assert!(!is(json!({"_meta": {"type": "nested", "properties": "none"}})));
        assert!(!is(json!({"properties": {"a": {"type": "keyword", "meta": {"type": "nested"}}}})));
        assert!(!is(json!({"dynamic_templates": [{"t": {"mapping": {"type": "nested"}}}]})));
    }

    #[test]
    fn metadata_is_printed_as_the_server_does() {
        let filter = "index.analysis.analyzer.x.filter";
        let settings = json!({"index.number_of_shards": "1", (format!("{filter}.1")): "stop", (format!("{filter}.0")): "lowercase"});
        let text = json!({"i": {"settings": settings, "mappings": [{"doc": {"properties": {}}}]}}).to_string();
        let index = IndexMetadata::parse("meta", text.as_bytes(), "i").unwrap();
        let printed = index.as_server_prints(true, None);
        assert_eq!(printed["i"]["mappings"], json!({"doc": {"properties": {}}}));
        assert_eq!(
            printed["i"]["settings"]["index"]["analysis"]["analyzer"]["x"],
            json!({"filter": ["lowercase", "stop"]})
        );
        assert!(printed["i"].get("data_stream").is_none());
        let printed = index.as_server_prints(false, Some("s"));
        assert_eq!(printed["i"]["mappings"], json!({"properties": {}}));
        assert_eq!(printed["i"]["data_stream"], "s");
    }
}
