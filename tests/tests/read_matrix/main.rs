//! What es-read-snapshot prints, line by line, against what the same server shows by scroll.
//!
//! Each version is given indices of every kind that its Lucene writes differently, is changed between two snapshots, and is
//! asked for all documents before each; some indices are made up by a seed (`random.rs`). `make test` takes two versions,
//! `ES_CHAOS=1` all eleven.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

mod random;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use es_testkit::bed::{self, Server};
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use es_testkit::tool::{Output, bin_directory, tool};
use es_tests::{End, VERSIONS, ask, eventually, must_be};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The one version of the bed that has Zstandard by itself.
const ZSTANDARD: &str = "opensearch-2.9.0";

/// What OpenSearch 2.19 and 3.0 call an experiment; 3.1 does not.
const STAR_TREE: &str = "opensearch.experimental.feature.composite_index.star_tree";

/// How often each line comes.
type Lines = BTreeMap<String, usize>;

/// A server and what differs between versions.
struct Node {
    server: Server,
    major: u32,
    minor: u32,
    opensearch: bool,
}

impl Node {
    fn start(version: &str) -> Self {
        Self::named(version, &format!("reading-{version}"))
    }

    fn named(version: &str, name: &str) -> Self {
        let mut options = bed::Options::default();
        if version.starts_with("elasticsearch-9") {
            // Four times the size of a document must be below a tenth of the heap there.
            options.settings.push(("indexing_pressure.memory.limit".into(), "200mb".into()));
        }
        if ["opensearch-2.19.", "opensearch-3.0."].iter().any(|early| version.starts_with(early)) {
            options.settings.push((format!("{STAR_TREE}.enabled"), "true".into()));
        }
        let server = bed::with(version, name, &options);
        let mut numbers = server.version.split('.').map(|part| part.parse().expect("a version is numbers"));
        let (major, minor) = (numbers.next().expect("a major"), numbers.next().expect("a minor"));
        Self { major, minor, opensearch: version.starts_with("opensearch"), server }
    }

    /// Whether this is Elasticsearch of at least this version, or an OpenSearch, which came after 7.10.
    fn since(&self, major: u32, minor: u32) -> bool {
        if self.opensearch { (7, 10) >= (major, minor) } else { (self.major, self.minor) >= (major, minor) }
    }

    /// Documents have a type that requests must name.
    fn typed(&self) -> bool {
        !self.since(7, 0)
    }

    /// `best_compression` is Zstandard here.
    fn has_zstandard(&self) -> bool {
        !self.opensearch && self.since(8, 17)
    }

    /// Whether an index may have soft deletes or not: Elasticsearch 8 and OpenSearch 2 know soft deletes alone.
    fn chooses_soft_deletes(&self) -> bool {
        self.since(6, 5) && !(self.since(8, 0) || self.opensearch && self.major > 1)
    }

    /// What `index.codec` may say here beside `default` and `best_compression`.
    fn codecs(&self) -> &'static [&'static str] {
        match (self.opensearch, self.major, self.minor) {
            (true, 2, 9) => &["zstd", "zstd_no_dict"],
            _ if self.has_zstandard() => &["legacy_best_compression"],
            _ => &[],
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        ask(&self.server, method, path, Some(body))
    }

    /// An index with these settings and, of each type, this mapping.
    fn create(&self, index: &str, settings: &Value, mappings: &[(&str, Value)]) {
        let mut body = json!({"settings": settings});
        body["settings"]["number_of_replicas"] = json!(0);
        if self.typed() {
            for (kind, mapping) in mappings {
                body["mappings"][kind] = mapping.clone();
            }
        } else if let Some((_, mapping)) = mappings.first() {
            body["mappings"] = mapping.clone();
        }
        self.ask("PUT", &format!("/{index}"), &body);
    }

    /// Sends lines of the _bulk API, none of which may be refused.
    fn bulk(&self, lines: &str) {
        let (status, answer) = self.server.text("POST", "/_bulk", "application/x-ndjson", lines.as_bytes());
        // Among thousands of lines it is the first that was refused that tells why.
        let why = answer.find("\"error\":").map_or(&*answer, |at| &answer[at..]);
        assert!(status == 200 && answer.contains("\"errors\":false"), "_bulk: {status} {why:.2000}");
    }

    /// The first of two lines of the _bulk API.
    fn action(&self, what: &str, index: &str, kind: &str, id: &str, more: &[(&str, &str)]) -> String {
        let mut meta = json!({"_index": index, "_id": id});
        if self.typed() {
            meta["_type"] = json!(kind);
        }
        for (key, value) in more {
            meta[*key] = json!(value);
        }
        json!({ what: meta }).to_string()
    }

    fn put(&self, lines: &mut String, index: &str, id: &str, source: &str) {
        let _ = writeln!(lines, "{}\n{source}", self.action("index", index, "doc", id, &[]));
    }

    fn delete(&self, lines: &mut String, index: &str, id: &str) {
        let _ = writeln!(lines, "{}", self.action("delete", index, "doc", id, &[]));
    }

    /// A segment of its own for all that came since the last.
    fn flush(&self, index: &str) {
        ask(&self.server, "POST", &format!("/{index}/_refresh"), None);
        ask(&self.server, "POST", &format!("/{index}/_flush?force=true&wait_if_ongoing=true"), None);
    }

    fn snapshot(&self, name: &str) {
        let path = format!("/_snapshot/reading/{name}?wait_for_completion=true");
        let answer = self.ask("PUT", &path, &json!({"indices": "m-*", "include_global_state": false}));
        assert_eq!(answer["snapshot"]["state"], "SUCCESS", "{answer}");
    }

    /// Every document as the server shows it, as the tool's lines.
    fn scroll(&self) -> Lines {
        self.scroll_of("m-*", &json!(true))
    }

    /// The same of some indices, with these fields.
    fn scroll_of(&self, indices: &str, fields: &Value) -> Lines {
        let names = ask(&self.server, "GET", &format!("/{indices}/_settings"), None);
        let mut lines = Lines::new();
        for index in names.as_object().expect("indices").keys() {
            let path = format!("/{index}/_search?scroll=1m&size=1000");
            let mut page = self.page(&path, &json!({"sort": ["_doc"], "_source": fields}));
            while !page.1.is_empty() {
                for line in page.1 {
                    *lines.entry(line).or_insert(0) += 1;
                }
                page = self.page("/_search/scroll", &json!({"scroll": "1m", "scroll_id": page.0}));
            }
        }
        lines
    }

    /// The next scroll id, and the hits.
    fn page(&self, path: &str, body: &Value) -> (String, Vec<String>) {
        let (status, text) = self.server.text("POST", path, "application/json", body.to_string().as_bytes());
        assert_eq!(status, 200, "{path}: {text:.2000}");
        let answer: HashMap<&str, &RawValue> = serde_json::from_str(&text).expect("an answer");
        let hits: HashMap<&str, &RawValue> = serde_json::from_str(answer["hits"].get()).expect("hits");
        let hits: Vec<HashMap<&str, &RawValue>> = serde_json::from_str(hits["hits"].get()).expect("hits");
        let id = serde_json::from_str(answer["_scroll_id"].get()).expect("a scroll id");
        (id, hits.iter().map(|hit| line(hit)).collect())
    }
}

/// A hit as the tool prints it: metadata in its order, `_source` as the server kept it, without line breaks.
fn line(hit: &HashMap<&str, &RawValue>) -> String {
    let mut line = String::from("{");
    for key in ["_index", "_type", "_id", "_routing", "_parent"] {
        if let Some(value) = hit.get(key) {
            let value: String = serde_json::from_str(value.get()).expect("a name is a string");
            let _ = write!(line, "{}:{},", json!(key), json!(value));
        }
    }
    line.push_str("\"_source\":");
    let mut in_string = false;
    let mut escaped = false;
    for character in hit["_source"].get().chars() {
        if !in_string && matches!(character, '\n' | '\r') {
            continue;
        }
        in_string ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        line.push(character);
    }
    line.push('}');
    line
}

/// Words that differ, so that chunks are of many sizes.
fn text(random: &mut Random, words: u64) -> String {
    let mut text = String::new();
    for _ in 0..words {
        let _ = write!(text, "{:x} ", random.bits() >> random.below(60));
    }
    text
}

/// Documents of an index, some of which get a twin with a routing later.
const LATE: usize = 200;

/// Ids of every encoding, and what breaks those who print numbers or lines.
const IDS: [&str; 12] =
    ["7", "07", "00", "123456", "12345", "user/2 é", "a#b", "__79", "AQID", "_-_-", "a\"b\\c", "ABCDEFGHIJKLMNOPQRST"];

const ODD_SOURCES: [&str; 5] = [
    "{}",
    r#"{"n": 1.0, "big": 12345678901234567890123, "tiny": 1e-400, "long": 9223372036854775807}"#,
    r#"{ "s" : "x\r\ny\u2028\u0000 // no /* no */" , "이름":"자바카페" }"#,
    r#"{"a":[ ],"b":{ },"c":[null,true,[1,[2]]]}"#,
    r#"{"url":"https://example.org/?a=b//c"}"#,
];

/// Updated, deleted, in many segments.
fn documents(node: &Node, random: &mut Random, index: &str, settings: &Value) {
    node.create(index, settings, &[("doc", json!({"properties": {"n": {"type": "integer"}}, "dynamic": false}))]);
    change(node, random, index, 700, &mut |node| node.flush(index));
}

/// Puts, updates and deletes; `between` comes after each part.
fn change(node: &Node, random: &mut Random, index: &str, documents: u64, between: &mut dyn FnMut(&Node)) {
    for part in 0..3 {
        let mut lines = String::new();
        for _ in 0..documents {
            let number = random.below(documents * 2);
            if random.below(4) == 0 {
                node.delete(&mut lines, index, &format!("id-{number}"));
                continue;
            }
            let words = random.below(60);
            let source = json!({"n": number, "part": part, "text": text(random, words)}).to_string();
            node.put(&mut lines, index, &format!("id-{number}"), &source);
        }
        // The longest that there are, as text and as digits, which are stored as such.
        let long = ["é".repeat(256), "0123456789".repeat(51) + "12"];
        let ids = IDS.into_iter().chain(long.iter().map(String::as_str));
        for (id, source) in ids.zip(ODD_SOURCES.iter().cycle().skip(part)) {
            node.put(&mut lines, index, id, source);
        }
        for number in 0..40 {
            let routing = format!("r {}", number % 7);
            let action = node.action("index", index, "doc", &format!("routed-{number}"), &[("routing", &routing)]);
            let _ = writeln!(lines, "{action}\n{{\"n\":{part}}}");
        }
        node.bulk(&lines);
        between(node);
    }
}

/// Objects as CBOR, each the value of `a`.
const CBOR: [&[u8]; 16] = [
    b"\xFA\x3D\xCC\xCC\xCD",                                     // 0.1 of single precision
    b"\xFA\x4B\x80\x00\x00",                                     // 16777216 of it
    b"\xFB\x42\x02\xA0\x5F\x20\x00\x00\x00",                     // 1e10
    b"\xFB\x3F\x1A\x36\xE2\xEB\x1C\x43\x2D",                     // 1e-4
    b"\xF9\x3E\x00",                                             // 1.5 of half precision
    b"\xFA\xC9\x89\x00\xB2",                                     // as near to two numbers of eight digits
    b"\xFB\x42\xD7\x1F\x82\xAA\x16\xF4\xE8",                     // the same of double precision
    b"\xFA\x00\x00\x00\x01",                                     // the smallest
    b"\xFB\x00\x00\x00\x00\x00\x00\x00\x01",                     // of either
    b"\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",                     // 2^64 - 1
    b"\xC2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",             // 2^64
    b"\xC4\x82\x00\x19\x6A\xB3",                                 // 27315 as a decimal
    b"\x43\x01\x02\x03",                                         // bytes
    b"\x7F\x61x\x62\n\"\xFF",                                    // a text in pieces
    b"\xBF\x61b\x9F\xF5\xF6\xFF\x61c\xA0\xFF",                   // a list and an object without lengths
    b"\x78\x1E\xEC\x9D\xB4\xEB\xA6\x84\xEC\x9D\xB4\xEB\xA6\x84\xEC\x9D\xB4\xEB\xA6\x84\xEC\x9D\xB4\xEB\xA6\x84\xEC\x9D\xB4\xEB\xA6\x84",
];

/// The same as SMILE.
const SMILE: [&[u8]; 8] = [
    b"\x28\x03\x6E\x33\x19\x4D",                             // 0.1 of single precision
    b"\x29\x00\x42\x01\x28\x0B\x72\x00\x00\x00\x00",         // some double
    b"\x26\x91\x00\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", // 2^128
    b"\x2A\x84\x82\x35\x2C\x03",                             // 273.15
    b"\x25\x01\x7F\x7F\x7F\x7F\x7F\x7F\x7F\x7F\xBF",         // a long
    b"\xF8\x21\x23\xC5\xF9",                                 // null, true, -3
    b"\xFA\x80b\x42x\ny\xFB",                                // an object
    b"\xE8\x83\x00\x40\x40\x03",                             // bytes
];

/// Whole documents whose first bytes are those of JSON in wide characters, too.
const ODD_CBOR: [&[u8]; 6] = [
    b"\xA1\x00\x01",                                           // a key that is 0
    b"\xA1\x61\x00\x01",                                       // a key that is NUL
    b"\xA1\x60\x00",                                           // a key without characters
    b"\xB9\x00\x01\x61a\x01",                                  // one pair, said in two bytes
    b"\xBA\x00\x00\x00\x01\x61a\x01",                          // in four
    b"\xBB\x00\x00\x00\x00\x00\x00\x00\x01\x61a\xA1\x61b\x01", // in eight
];

/// Whole numbers that are refused: of a negative one servers show another than was sent, of the other all a negative one.
const LARGE_CBOR: [&[u8]; 2] = [b"\xC3\x49\x00\xAB\x54\xA9\x8C\xEB\x1F\x0A\xD2", b"\xC2\x42\xF4\xDC"];

/// Documents that are not JSON: the server prints them as if they were.
fn binary(node: &Node) {
    node.create("m-binary", &json!({"number_of_shards": 1}), &[("doc", json!({"enabled": false}))]);
    let kind = if node.typed() { "doc" } else { "_doc" };
    let put = |id: &str, kind_of: &str, body: &[u8]| {
        // Without it the answer is as the request.
        let path = format!("/m-binary/{kind}/{id}?format=json");
        let (status, answer) = node.server.text("PUT", &path, kind_of, body);
        assert!(status == 201 || id.starts_with("odd-") && status == 400, "{id}: {status} {answer}");
        status == 201
    };
    for (number, value) in CBOR.iter().enumerate() {
        if value[0] == 0x1B && !node.since(5, 5) {
            // 5.0 shows it as -1.
            continue;
        }
        put(&format!("cbor-{number}"), "application/cbor", &[b"\xA1\x61a", *value].concat());
    }
    for (number, value) in SMILE.iter().enumerate() {
        put(&format!("smile-{number}"), "application/smile", &[b":)\n\x00\xFA\x80a", *value, b"\xFB"].concat());
    }
    // Some keys are no names of fields for some versions.
    let odd = ODD_CBOR.iter().enumerate();
    let taken = odd.filter(|(number, source)| put(&format!("odd-{number}"), "application/cbor", source)).count();
    assert!(taken >= 3, "{taken} odd documents");
    node.flush("m-binary");
}

/// Documents of which some fields are asked for: objects in lists, lists in lists, nothing in either, dots and stars in names.
const PATHS: [&str; 20] = [
    r#"{"raw":{"a":1}}"#,
    r#"{"raw":[{"a":1}]}"#,
    r#"{"raw":{"_x":[{"k1":-9}]}}"#,
    r#"{"raw":{"x":[{"k1":1},{"z":1}]}}"#,
    r#"{"raw":[{"-":{"a*":{"k11":"x"}}}]}"#,
    r#"{"raw":{"a":{"b":{}}}}"#,
    r#"{"raw":{}}"#,
    r#"{"raw":[]}"#,
    r#"{"raw":[[]]}"#,
    r#"{"raw":[1,2]}"#,
    r#"{"raw":{"a":[1,{"b":1}]}}"#,
    r#"{"raw":{"a":null}}"#,
    r#"{"raw":null}"#,
    r#"{"raw":{"a.b":1,"a":{"b":2}}}"#,
    r#"{"raw.a":1,"raw.a.b":{"c":1}}"#,
    r#"{"raw":[{},{"a":{}}]}"#,
    r#"{"raw":[null,{"a":1},[{"a":2},[3]]]}"#,
    r#"{"raw":{"a":{"a":{"a":1}}}}"#,
    r#"{"raw":{"a*":1,"ab":2}}"#,
    r#"{"other":{"raw":1},"k1":{"a":2}}"#,
];

fn paths(node: &Node) {
    node.create("m-paths", &json!({"number_of_shards": 1}), &[("doc", json!({"enabled": false}))]);
    let mut lines = String::new();
    for (number, source) in PATHS.iter().enumerate() {
        node.put(&mut lines, "m-paths", &number.to_string(), source);
    }
    node.bulk(&lines);
    node.flush("m-paths");
}

/// Fields that are stored beside `_source`, with values of every kind and length that Lucene has for them.
fn stored(node: &Node, random: &mut Random) {
    let kinds = [
        "boolean",
        "byte",
        "short",
        "integer",
        "long",
        "half_float",
        "float",
        "double",
        "date",
        "ip",
        "keyword",
        "text",
        "binary",
        "geo_point",
    ];
    let field = |kind: &str| json!({"type": kind, "store": true});
    let mut properties: serde_json::Map<_, _> = kinds.iter().map(|kind| ((*kind).to_owned(), field(kind))).collect();
    if node.since(6, 0) {
        properties.insert("range".into(), field("integer_range"));
    }
    // The names of those that are too long are stored, from 6.4 on.
    properties.insert("short_words".into(), json!({"type": "keyword", "ignore_above": 3, "store": true}));
    // A user's own, of the name of one of the servers'.
    properties.insert("_recovery_source".into(), json!({"type": "keyword", "store": true}));
    let settings = json!({"number_of_shards": 2, "codec": "best_compression"});
    node.create("m-stored", &settings, &[("doc", json!({"properties": properties, "dynamic": false}))]);
    let mut lines = String::new();
    for number in 0..300_u64 {
        let bits = random.bits() >> random.below(64);
        let long = (bits.cast_signed() >> 1) * if number % 2 == 0 { 1 } else { -1 };
        let whole = i32::try_from(long % 100).expect("a small number");
        let part = |of: usize| usize::try_from(number).expect("a place") % of;
        let fraction = [f64::from_bits(bits), f64::from(whole) * 1e7, 0.25, -0.0][part(4)];
        let fraction = if fraction.is_finite() { fraction } else { 1e300 };
        let words = text(random, number % 9);
        // Whole seconds, hours and days are stored in fewer bytes.
        let unit = [1, 1000, 3_600_000, 86_400_000][part(4)];
        let time = long.rem_euclid(1 << 40) / unit * unit;
        let source = json!({
            "boolean": number % 3 == 0, "byte": whole, "short": whole * 300, "integer": long >> 32, "long": long,
            "half_float": f64::from(whole) / 8.0, "float": fraction.clamp(-1e30, 1e30), "double": [fraction, f64::from(whole)],
            "date": time, "ip": format!("10.{}.{}.1", number % 7, number % 256), "keyword": [&words, "k"], "text": words,
            "binary": ["QUJDRA==", ""], "geo_point": {"lat": f64::from(whole) / 2.0, "lon": fraction.clamp(-180.0, 180.0)},
            "range": {"gte": whole, "lt": whole + 5}, "short_words": [words, "abc"], "_recovery_source": ["AAEC", words], "not mapped": number,
        });
        node.put(&mut lines, "m-stored", &format!("stored-{}", number % 250), &source.to_string());
        if number % 100 == 99 {
            node.bulk(&lines);
            node.flush("m-stored");
            lines.clear();
        }
    }
}

/// Nested objects, once more of them than a chunk takes.
fn nested(node: &Node, random: &mut Random, index: &str, codec: &str) {
    let mapping = json!({"properties": {"child": {"type": "nested", "properties": {"n": {"type": "integer"}}}}});
    node.create(index, &json!({"number_of_shards": 1, "codec": codec}), &[("doc", mapping)]);
    for part in 0..2 {
        let mut lines = String::new();
        for number in 0..40 {
            let children: Vec<Value> = (0..random.below(20)).map(|n| json!({"n": n})).collect();
            node.put(&mut lines, index, &number.to_string(), &json!({"child": children}).to_string());
        }
        // In chunks of their own.
        let children: Vec<Value> = (0..6000).map(|n| json!({"n": n})).collect();
        node.put(&mut lines, index, &format!("many-{part}"), &json!({"child": children}).to_string());
        node.bulk(&lines);
        node.flush(index);
    }
}

fn make_family(node: &Node) {
    let settings = json!({"number_of_shards": 3});
    if node.major == 5 {
        let child = json!({"_parent": {"type": "parent"}});
        node.create("m-family", &settings, &[("parent", json!({})), ("child", child)]);
        return;
    }
    // The bed's 8.x and 9.x come without the module that has the field type; documents are the same without it.
    let join = if node.since(8, 0) && !node.opensearch {
        json!({"type": "object", "enabled": false})
    } else {
        json!({"type": "join", "relations": {"parent": "child"}})
    };
    node.create("m-family", &settings, &[("doc", json!({"properties": {"join": join}}))]);
}

/// Parents and children: by a type of its own in 5.x, by a field of both later.
fn family(node: &Node) {
    let mut lines = String::new();
    make_family(node);
    if node.major == 5 {
        for number in 0..30 {
            let parent = format!("p{}", number % 5);
            let _ = writeln!(lines, "{}\n{{\"p\":1}}", node.action("index", "m-family", "parent", &parent, &[]));
            let more = [("parent", parent.as_str())];
            let action = node.action("index", "m-family", "child", &format!("c{number}"), &more);
            let _ = writeln!(lines, "{action}\n{{\"n\":{number}}}");
        }
    } else {
        for number in 0..30 {
            let parent = format!("p{}", number % 5);
            node.put(&mut lines, "m-family", &parent, r#"{"join":"parent"}"#);
            let more = [("routing", parent.as_str())];
            let action = node.action("index", "m-family", "doc", &format!("c{number}"), &more);
            let _ = writeln!(lines, "{action}\n{{\"join\":{{\"name\":\"child\",\"parent\":\"{parent}\"}}}}");
        }
    }
    node.bulk(&lines);
    node.flush("m-family");
    if node.major == 5 {
        kin(node);
    }
}

/// Children of 5.x whose routing is not their parent, in segments of every kind in which Lucene keeps parents.
fn kin(node: &Node) {
    let types = [("parent", None), ("child", Some("parent")), ("grandchild", Some("child")), ("other", None)];
    let mapping = |parent: Option<&str>| parent.map_or(json!({}), |parent| json!({"_parent": {"type": parent}}));
    let types: Vec<_> = types.iter().map(|(kind, parent)| (*kind, mapping(*parent))).collect();
    node.create("m-kin", &json!({"number_of_shards": 1}), &types);
    let put = |lines: &mut String, kind: &str, id: &str, more: &[(&str, &str)]| {
        let _ = writeln!(lines, "{}\n{{\"n\":1}}", node.action("index", "m-kin", kind, id, more));
    };
    // Few parents; some children with a routing of their own, one with that alone; of three generations.
    let mut lines = String::new();
    for (id, parent, routing) in [("1", "a", "zz"), ("2", "bb", "zz"), ("3", "ccc", "ccc"), ("4", "a", "a#b")] {
        put(&mut lines, "parent", parent, &[]);
        put(&mut lines, "child", id, &[("parent", parent), ("routing", routing)]);
        put(&mut lines, "grandchild", id, &[("parent", id), ("routing", routing)]);
    }
    put(&mut lines, "child", "alone", &[("routing", "a")]);
    node.bulk(&lines);
    node.flush("m-kin");
    // Another parent for a child, and a child less.
    lines.clear();
    put(&mut lines, "child", "1", &[("parent", "ccc"), ("routing", "zz")]);
    let gone = [("parent", "bb"), ("routing", "zz")];
    let _ = writeln!(lines, "{}", node.action("delete", "m-kin", "child", "2", &gone));
    node.bulk(&lines);
    node.flush("m-kin");
    // One in a hundred has a parent.
    lines.clear();
    for number in 0..1500 {
        put(&mut lines, "other", &format!("o{number}"), &[]);
    }
    for number in 0..4 {
        put(&mut lines, "child", &format!("few-{number}"), &[("parent", "a"), ("routing", &format!("r{number}"))]);
    }
    node.bulk(&lines);
    node.flush("m-kin");
    // More parents than are listed one by one, with ids that share much, little, or are long.
    lines.clear();
    for number in 0..1800 {
        let long = if number % 600 == 7 { "l".repeat(400) } else { String::new() };
        let parent = format!("{}-{number}{long}", ["parent", "p", "a parent of many"][number % 3]);
        put(&mut lines, "parent", &parent, &[]);
        let routing = format!("r{}", number % 5);
        put(&mut lines, "child", &format!("of-{number}"), &[("parent", &parent), ("routing", &routing)]);
    }
    node.bulk(&lines);
    node.flush("m-kin");
}

/// One id on several shards, each by a routing of its own; in 5.x in two types too.
fn twins(node: &Node) {
    let mapping = json!({"dynamic": false});
    let mut mappings = vec![("doc", mapping.clone())];
    if node.major == 5 {
        mappings.push(("other", mapping));
    }
    node.create("m-twins", &json!({"number_of_shards": 2}), &mappings);
    let mut lines = String::new();
    for number in 0..12 {
        let routing = format!("r{number}");
        let action = node.action("index", "m-twins", "doc", "twin", &[("routing", &routing)]);
        let _ = writeln!(lines, "{action}\n{{\"n\":{number}}}");
    }
    for (kind, _) in &mappings {
        let _ = writeln!(lines, "{}\n{{}}", node.action("index", "m-twins", kind, "typed", &[]));
    }
    node.bulk(&lines);
    node.flush("m-twins");
    // Here the segments that are read first, as they are larger, do not have routings.
    node.create("m-late", &json!({"number_of_shards": 2}), &[("doc", json!({"dynamic": false}))]);
    for (ids, more) in [(LATE, &[][..]), (LATE / 10, &[("routing", "r0")])] {
        lines.clear();
        for number in 0..ids {
            let action = node.action("index", "m-late", "doc", &format!("late{number}"), more);
            let _ = writeln!(lines, "{action}\n{{\"n\":{number}}}");
        }
        node.bulk(&lines);
        node.flush("m-late");
    }
    // Both of two shards become one.
    let writable = |index: &str, is: bool| {
        node.ask("PUT", &format!("/{index}/_settings"), &json!({"index.blocks.write": !is}));
    };
    writable("m-late", false);
    let settings = json!({"index.number_of_shards": 1, "index.number_of_replicas": 0});
    node.ask("POST", "/m-late/_shrink/m-shrunk", &json!({"settings": settings}));
    writable("m-shrunk", true);
    writable("m-late", true);
}

/// Whether this version can keep sums of fields beside its documents, in a codec of its own.
fn has_star_trees(node: &Node) -> bool {
    node.opensearch && (node.major, node.minor) >= (2, 19)
}

fn make_star_tree(node: &Node) {
    let tree = json!({"type": "star_tree", "config": {
        "ordered_dimensions": [{"name": "n"}, {"name": "part"}],
        "metrics": [{"name": "n", "stats": ["sum", "max"]}],
    }});
    let number = json!({"type": "integer"});
    let mut properties = json!({"n": number, "part": number, "word": {"type": "keyword"}});
    if (node.major, node.minor) >= (3, 2) {
        // What lets a search skip documents lies between the values.
        properties["part"]["skip_list"] = json!(true);
    }
    let settings = json!({"number_of_shards": 2, "composite_index": true, "append_only.enabled": true});
    let enabled = json!({"persistent": {"indices.composite_index.star_tree.enabled": true}});
    node.ask("PUT", "/_cluster/settings", &enabled);
    node.create("m-star", &settings, &[("doc", json!({"properties": properties, "composite": {"tree": tree}}))]);
}

/// Documents that nobody can update, and some that Lucene refuses, which leave tombstones.
fn grow_star_tree(node: &Node, parts: std::ops::Range<usize>) {
    for part in parts {
        let mut lines = String::new();
        for number in 0..60 {
            let _ = writeln!(lines, "{{\"index\":{{\"_index\":\"m-star\"}}}}\n{{\"n\":{number},\"part\":{part}}}");
        }
        node.bulk(&lines);
        for _ in 0..4 {
            let immense = json!({"word": "w".repeat(40_000)}).to_string();
            let answer = node.server.text("POST", "/m-star/_doc", "application/json", immense.as_bytes());
            assert!(answer.0 == 400 && answer.1.contains("immense"), "{answer:?}");
        }
        node.flush("m-star");
    }
}

/// From two bytes to 20 MB.
fn sizes(node: &Node, random: &mut Random, index: &str, codec: &str) {
    let settings = json!({"number_of_shards": 1, "codec": codec});
    node.create(index, &settings, &[("doc", json!({"enabled": false}))]);
    for (id, size) in [("none", 0), ("40k", 40_000), ("1m", 1_500_000), ("20m", 20_000_000)] {
        let mut lines = String::new();
        let mut source = String::from("{}");
        if size > 0 {
            let mut words = String::new();
            while words.len() < size {
                let _ = write!(words, "{:x}", random.bits());
            }
            source = json!({"words": words}).to_string();
        }
        node.put(&mut lines, index, id, &source);
        node.put(&mut lines, index, &format!("after-{id}"), "{}");
        node.bulk(&lines);
    }
    node.flush(index);
}

/// Makes every index; those that are made up can be changed later.
fn fill(node: &Node, random: &mut Random) -> Vec<random::Index> {
    let one = json!({"number_of_shards": 1});
    documents(node, random, "m-docs", &json!({"number_of_shards": 3}));
    let best = json!({"number_of_shards": 1, "codec": "best_compression"});
    documents(node, random, "m-merged", &best);
    ask(&node.server, "POST", "/m-merged/_forcemerge?max_num_segments=1", None);
    documents(node, random, "m-best", &json!({"number_of_shards": 2, "codec": "best_compression"}));
    // Codecs that only some versions have.
    for codec in node.codecs() {
        let index = format!("m-{codec}").replace('_', "-");
        documents(node, random, &index, &json!({"number_of_shards": 1, "codec": codec}));
        sizes(node, random, &format!("{index}-sizes"), codec);
        nested(node, random, &format!("{index}-nested"), codec);
    }
    if node.since(6, 0) {
        documents(node, random, "m-sorted", &json!({"number_of_shards": 2, "sort.field": "n", "sort.order": "desc"}));
    }
    if node.chooses_soft_deletes() {
        let other = node.major < 7 && !node.opensearch;
        documents(node, random, "m-deletes", &json!({"number_of_shards": 1, "soft_deletes.enabled": other}));
    }
    nested(node, random, "m-nested", "default");
    nested(node, random, "m-nested-best", "best_compression");
    stored(node, random);
    binary(node);
    paths(node);
    family(node);
    twins(node);
    sizes(node, random, "m-sizes", "default");
    sizes(node, random, "m-sizes-best", "best_compression");
    // Five shards for one document, and an index of none.
    node.create("m-sparse", &json!({"number_of_shards": 5}), &[("doc", json!({}))]);
    let mut lines = String::new();
    node.put(&mut lines, "m-sparse", "only", "{\"z\": 1}");
    node.create("m-again", &one, &[("doc", json!({}))]);
    node.put(&mut lines, "m-again", "first", r#"{"before":1}"#);
    node.bulk(&lines);
    let filtered = json!({"_source": {"includes": ["a*", "b.c"], "excludes": ["ab"]}, "dynamic": false});
    node.create("m-filtered", &one, &[("doc", filtered)]);
    lines.clear();
    for number in 0..30 {
        let source = r#"{ "a": 1.50, "ab":2,"b": {"c":"x\ny", "d":1},"z":[1, 2]}"#;
        node.put(&mut lines, "m-filtered", &format!("f{}", number % 20), source);
    }
    node.bulk(&lines);
    node.create("m-empty", &one, &[]);
    described(node);
    if has_star_trees(node) {
        make_star_tree(node);
        grow_star_tree(node, 0..3);
    }
    let made_up = random::create(node, random);
    node.flush("m-*");
    made_up
}

/// An index without documents, of whose kinds of settings, mappings and aliases there is much to print.
fn described(node: &Node) {
    let analysis = json!({
        "filter": {"own": {"type": "stop", "stopwords": ["a", "b", "c"]}},
        "analyzer": {"own": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "own"]}},
    });
    let settings = json!({"number_of_shards": 1, "analysis": analysis, "refresh_interval": "-1", "mapping.total_fields.limit": 99});
    let properties = json!({
        "n": {"type": "integer", "null_value": 1},
        "t": {"type": "text", "analyzer": "own", "fields": {"k": {"type": "keyword", "ignore_above": 10}}},
        "o": {"properties": {"이름": {"type": "float"}}},
    });
    let template = json!([{"strings": {"match": "s_*", "mapping": {"type": "keyword"}}}]);
    let mapping = json!({"dynamic_templates": template, "_meta": {"x": [1.5, {"y": null}]}, "properties": properties});
    node.create("m-described", &settings, &[("doc", mapping)]);
    let filter = json!({"bool": {"filter": [{"term": {"n": 1}}, {"range": {"o.이름": {"gte": 0.5}}}]}});
    let actions = json!({"actions": [
        {"add": {"index": "m-described", "alias": "plain"}},
        {"add": {"index": "m-described", "alias": "filtered", "filter": filter, "search_routing": "a,b", "index_routing": "a"}},
    ]});
    node.ask("POST", "/_aliases", &actions);
}

/// What happens between the two snapshots.
fn go_on(node: &Node, random: &mut Random, made_up: &[random::Index]) {
    change(node, random, "m-docs", 300, &mut |node| {
        ask(&node.server, "POST", "/m-docs/_refresh", None);
    });
    change(node, random, "m-merged", 100, &mut |node| node.flush("m-merged"));
    ask(&node.server, "POST", "/m-best/_forcemerge?max_num_segments=1", None);
    if node.major == 5 {
        ask(&node.server, "POST", "/m-kin/_forcemerge?max_num_segments=1", None);
    }
    if has_star_trees(node) {
        ask(&node.server, "POST", "/m-star/_forcemerge?max_num_segments=1", None);
        grow_star_tree(node, 3..5);
    }
    // The same name, another index.
    ask(&node.server, "DELETE", "/m-again", None);
    node.create("m-again", &json!({"number_of_shards": 2}), &[("doc", json!({"dynamic": false}))]);
    let mut lines = String::new();
    for number in 0..10 {
        node.put(&mut lines, "m-again", &format!("second {number}"), r#"{"after":2}"#);
    }
    node.put(&mut lines, "m-later", "new", r#"{"new":"index"}"#);
    node.delete(&mut lines, "m-sparse", "only");
    node.bulk(&lines);
    for index in made_up {
        index.change(node, random);
    }
    node.flush("m-*");
}

fn place(node: &Node) -> PathBuf {
    let place = node.server.repository_root.join(&node.server.name);
    fs::create_dir_all(&place).expect("a directory for the repository");
    place
}

fn register(node: &Node) -> PathBuf {
    let location = place(node);
    let mut settings = json!({"location": location, "chunk_size": "100kb", "compress": node.major % 2 == 1});
    // Shards in directories named after a hash, which OpenSearch has since 2.17.
    match node.major {
        2 if node.opensearch && node.minor > 16 => settings["shard_path_type"] = json!("hashed_infix"),
        3 if node.opensearch => settings["shard_path_type"] = json!("hashed_prefix"),
        _ => {}
    }
    node.ask("PUT", "/_snapshot/reading", &json!({"type": "fs", "settings": settings}));
    location
}

fn read(location: &Path, arguments: &[&str]) -> Output {
    tool("es-read-snapshot")
        .args(["--repository", &format!("file://{}", location.display())])
        .args(arguments)
        .limit(Duration::from_mins(3))
        .run()
}

fn same(wanted: &Lines, output: &Output) -> End {
    must_be(output.code() == 0 && output.err().is_empty(), &format!("exit {}: {}", output.code(), output.err()))?;
    let mut found = Lines::new();
    for line in output.out().lines() {
        *found.entry(line.to_owned()).or_insert(0) += 1;
    }
    let short = |line: &String| line.chars().take(200).collect::<String>();
    let lost: Vec<_> =
        wanted.iter().filter(|(line, count)| found.get(*line) != Some(*count)).map(|(line, _)| short(line)).collect();
    let more: Vec<_> = found.keys().filter(|line| !wanted.contains_key(*line)).map(short).collect();
    must_be(
        lost.is_empty() && more.is_empty(),
        &format!(
            "of {} lines {} are not there, such as {:?}; {} are new, such as {:?}",
            wanted.len(),
            lost.len(),
            lost.first(),
            more.len(),
            more.first()
        ),
    )
}

/// Documents of one id are told where they would overwrite each other.
fn twins_are_told(location: &Path, wanted: &Lines) -> End {
    for (index, ids) in [("m-twins", 2), ("m-late", LATE), ("m-shrunk", LATE)] {
        let all = wanted.keys().filter(|line| line.contains(&format!("\"_index\":\"{index}\""))).count();
        must_be(all > ids, "the server has no twins")?;
        let twins = all - ids;
        let text = format!("index \"{index}\": {twins} documents have the id of another, of another type or routing");
        let asked = ["--snapshot", "one", "--indices", &format!("{index},m-docs,m-merged")];
        let bulk = read(location, &[&asked[..], &["--format", "bulk"]].concat());
        // Before it stands what else bulk lines leave out.
        let told = bulk.err().lines().any(|line| line == format!("es-read-snapshot: {text}"));
        must_be(bulk.code() == 1 && told, bulk.err())?;
        let lines = read(location, &asked);
        must_be(lines.code() == 0 && lines.err() == format!("es-read-snapshot: warning: {text}\n"), lines.err())?;
        if ids == LATE {
            // All twins are among so many documents.
            let file = location.with_extension("ids");
            let late: Vec<_> = (0..LATE / 10).map(|number| format!("late{number}")).collect();
            fs::write(&file, late.join("\n")).expect("a file of ids");
            let some = read(location, &[&asked[..], &["--query-ids", &file.display().to_string()]].concat());
            let count = some.out().lines().count();
            must_be(some.code() == 0 && some.err() == lines.err() && count == LATE / 10 + twins, some.err())?;
        }
    }
    Ok(())
}

/// What a mapping leaves out of `_source` is told.
fn filtered_sources_are_told(location: &Path) -> End {
    let output = read(location, &["--snapshot", "one", "--indices", "m-filtered"]);
    let said = output.err().starts_with("es-read-snapshot: warning: index \"m-filtered\": _source of ")
        && output.err().ends_with(" leaves fields out: documents come as the server shows them\n");
    must_be(output.code() == 0 && said && output.out().lines().count() == 20, output.err())
}

/// Tombstones are found where doc values lie in the files of a star tree's codec.
fn star_trees_have_tombstones(node: &Node, location: &Path) -> End {
    if !has_star_trees(node) {
        return Ok(());
    }
    let record = location.with_extension("record");
    let asked = ["--snapshot", "two", "--indices", "m-star", "--record", &record.display().to_string()];
    let output = read(location, &asked);
    must_be(output.code() == 0 && output.err().is_empty(), output.err())?;
    let record: Value = serde_json::from_slice(&fs::read(&record).expect("a record")).expect("a record is JSON");
    let [documents, dead] = ["/documents", "/indices/0/skipped/soft_deleted"].map(|key| record.pointer(key));
    must_be(documents == Some(&json!(300)) && dead != Some(&json!(0)), &record.to_string())
}

/// Some fields of documents that are not JSON are those that the server shows.
fn fields_of_binary_documents(node: &Node, location: &Path) -> End {
    for fields in ["a", "a.b", "*.b,0"] {
        if fields == "a" && !node.since(7, 9) {
            // In what these servers filter, in this alone, numbers that are no long become strings; of those without types, the
            // single precision of SMILE becomes double.
            continue;
        }
        let wanted = node.scroll_of("m-binary", &fields.split(',').collect::<Value>());
        let asked = ["--snapshot", "two", "--indices", "m-binary", "--quiet", "--fields", fields];
        same(&wanted, &read(location, &asked)).map_err(|why| format!("{fields}: {why}"))?;
    }
    Ok(())
}

/// Some fields of documents are those that the server shows, whatever order it shows them in.
fn fields_are_those_that_the_server_shows(node: &Node, location: &Path) -> End {
    let by_id = |lines: &mut dyn Iterator<Item = &str>| -> BTreeMap<String, Value> {
        let lines = lines.map(|line| serde_json::from_str(line).expect("a line"));
        lines.map(|line: Value| (line["_id"].to_string(), line["_source"].clone())).collect()
    };
    let mut patterns = vec![
        "raw",
        "raw.*",
        "raw.a",
        "raw.a.b",
        "raw.a.*",
        "raw.*.b",
        "raw.a*",
        "r*w",
        "*",
        "raw.a,raw.a.b",
        "none",
        "a",
    ];
    // In Elasticsearch 8.19 and 9.5 a star does not stand for dots.
    if node.opensearch || !node.since(8, 0) {
        patterns.extend(["*1", "*.a", "*.k1", "*.b", "*.*.*", "*a*", "none,*1", "raw.*,*.b"]);
    }
    for fields in patterns {
        let wanted = node.scroll_of("m-paths", &fields.split(',').collect::<Value>());
        let asked = ["--snapshot", "two", "--indices", "m-paths", "--quiet", "--fields", fields];
        let output = read(location, &asked);
        must_be(output.code() == 0 && output.err().is_empty(), output.err())?;
        let wanted = by_id(&mut wanted.keys().map(String::as_str));
        let found = by_id(&mut output.out().lines());
        must_be(found.len() == PATHS.len(), &format!("{fields}: {} documents", found.len()))?;
        for (id, own) in &found {
            must_be(
                wanted.get(id) == Some(own),
                &format!("{fields}: {id}: {own}, the server shows {:?}", wanted.get(id)),
            )?;
        }
    }
    Ok(())
}

/// Settings, mappings and aliases are those that the server prints.
fn metadata_is_what_the_server_prints(node: &Node, location: &Path) -> End {
    let shown = ask(&node.server, "GET", "/m-*", None);
    let output = read(location, &["--snapshot", "two", "--metadata"]);
    must_be(output.code() == 0 && output.err().is_empty(), output.err())?;
    let mut found = serde_json::Map::new();
    for line in output.json_lines() {
        found.extend(line.as_object().expect("an object").clone());
    }
    must_be(found.len() == shown.as_object().map_or(0, serde_json::Map::len), "other indices")?;
    for (index, own) in &found {
        must_be(*own == shown[index], &format!("{index}: {own}, the server shows {}", shown[index]))?;
    }
    Ok(())
}

/// Lines of the _bulk API give the same server the same documents again.
fn bulk_brings_them_back(node: &Node, location: &Path, wanted: &Lines) -> End {
    let major = if node.opensearch { 7 } else { node.major };
    let major = major.to_string();
    let indices = ["m-docs", "m-family"];
    let asked = ["--snapshot", "two", "--indices", "m-docs,m-family", "--format", "bulk", "--target-major", &major];
    let output = read(location, &asked);
    must_be(output.code() == 0, output.err())?;
    ask(&node.server, "DELETE", "/m-*", None);
    make_family(node);
    node.create("m-docs", &json!({"number_of_shards": 2}), &[("doc", json!({"dynamic": false}))]);
    node.bulk(output.out());
    node.flush("m-*");
    let of = |line: &String| indices.iter().any(|index| line.contains(&format!("{{\"_index\":\"{index}\"")));
    let wanted: Lines =
        wanted.iter().filter(|(line, _)| of(line)).map(|(line, count)| (line.clone(), *count)).collect();
    must_be(node.scroll() == wanted, "other documents came back")
}

/// Indices of 5.x whose segments were merged by 6.x: of another Lucene, with the same types and parents.
fn merged_by_the_next_version(location: &Path) -> End {
    // Apart from the one that has its own turn.
    let node = Node::named("elasticsearch-6.1.2", "reading-merged");
    let old = json!({"type": "fs", "settings": {"location": location, "readonly": true}});
    node.ask("PUT", "/_snapshot/old", &old);
    let indices = json!({"indices": "m-kin,m-family,m-twins", "include_global_state": false});
    node.ask("POST", "/_snapshot/old/two/_restore?wait_for_completion=true", &indices);
    let merged = register(&node);
    for index in ["m-kin", "m-family"] {
        // A segment alone would not be merged.
        let mut lines = String::new();
        let more = [("parent", "new"), ("routing", "elsewhere")];
        let _ = writeln!(lines, "{}\n{{}}", node.action("index", index, "parent", "new", &[]));
        let _ = writeln!(lines, "{}\n{{}}", node.action("index", index, "child", "new", &more));
        node.bulk(&lines);
        node.flush(index);
        ask(&node.server, "POST", &format!("/{index}/_forcemerge?max_num_segments=1"), None);
    }
    node.flush("m-*");
    let wanted = node.scroll();
    node.snapshot("merged");
    let end = same(&wanted, &read(&merged, &["--snapshot", "merged", "--quiet"]));
    node.server.kill();
    let parents = wanted.keys().filter(|line| line.contains("\"_parent\":")).count();
    must_be(parents > 1800, &format!("{parents} lines with a parent"))?;
    end
}

/// What this version keeps no documents of: the index, its settings, its mapping, and what is said of it.
fn without_source(node: &Node) -> Vec<(&'static str, Value, Value, &'static str)> {
    let disabled = json!({"_source": {"enabled": false}});
    let mut cases = vec![("x-disabled", json!({}), disabled, "is disabled")];
    if !node.opensearch && node.since(8, 17) {
        let logs = json!({"properties": {"@timestamp": {"type": "date"}}});
        cases.push(("x-synthetic", json!({"mapping.source.mode": "synthetic"}), json!({}), "_source is synthetic"));
        cases.push(("x-logsdb", json!({"mode": "logsdb", "codec": "default"}), logs, "index.mode is logsdb"));
    } else if !node.opensearch && node.since(8, 7) {
        // Before, it is the mapping that says so.
        cases.push(("x-synthetic", json!({}), json!({"_source": {"mode": "synthetic"}}), " is synthetic"));
    }
    if !node.opensearch && node.since(8, 7) {
        let settings = json!({"mode": "time_series", "routing_path": ["host"], "codec": "default",
            "time_series": {"start_time": "2018-01-01T00:00:00Z", "end_time": "2018-02-01T00:00:00Z"}});
        let host = json!({"type": "keyword", "time_series_dimension": true});
        let series = json!({"properties": {"@timestamp": {"type": "date"}, "host": host}});
        cases.push(("x-series", settings, series, "index.mode is time_series"));
    }
    if !node.opensearch && node.since(9, 2) {
        let vectors = json!({"properties": {"v": {"type": "dense_vector", "dims": 3}}});
        cases.push(("x-vectors", json!({}), vectors, "vectors are excluded from _source"));
    }
    if !node.opensearch && node.since(9, 5) {
        let by_default = json!({"mapping.use_columnar_id_mode_by_default": true});
        cases.push(("x-ids", json!({}), json!({"_id": {"mode": "columnar"}}), "ids are kept in columns"));
        cases.push(("x-ids-too", by_default, json!({}), "ids are kept in columns"));
        cases.push(("x-columnar", json!({"mode": "columnar"}), json!({}), "documents are kept in columns"));
    }
    if node.opensearch && (node.major, node.minor) >= (3, 2) {
        let number = json!({"properties": {"n": {"type": "integer"}}});
        cases.push(("x-derived", json!({"derived_source.enabled": true}), number, "_source is derived"));
    }
    cases
}

/// Indices without documents to read are refused, whatever the server shows for them.
fn indices_without_source_are_refused(node: &Node, location: &Path) -> End {
    let cases = without_source(node);
    for (index, settings, mapping, _) in &cases {
        node.create(index, settings, &[("doc", mapping.clone())]);
        let mut lines = String::new();
        let source = r#"{"@timestamp":"2018-01-01T00:00:00Z","host":"h","n":1,"v":[1,2,3]}"#;
        if *index == "x-series" {
            // The server makes the id itself.
            let _ = writeln!(lines, "{}\n{source}", json!({"create": {"_index": index}}));
        } else {
            // A host is an object there in 8.17.
            let logs = source.replace(r#""host":"h","#, "");
            let (own, source) = if *index == "x-logsdb" { ("create", &*logs) } else { ("index", source) };
            let _ = writeln!(lines, "{}\n{source}", node.action(own, index, "doc", "1", &[]));
        }
        node.bulk(&lines);
        node.flush(index);
    }
    let path = "/_snapshot/reading/refused?wait_for_completion=true";
    node.ask("PUT", path, &json!({"indices": "x-*", "include_global_state": false}));
    for (index, _, _, why) in &cases {
        let output = read(location, &["--snapshot", "refused", "--indices", index]);
        let told =
            output.err().starts_with(&format!("es-read-snapshot: index \"{index}\": ")) && output.err().contains(why);
        must_be(output.code() == 3 && output.out().is_empty() && told, &format!("{index}: {}", output.err()))?;
    }
    ask(&node.server, "DELETE", "/x-*", None);
    Ok(())
}

/// Numbers that one reads so and another otherwise end it, with the document that has them.
fn large_numbers_are_refused(node: &Node, location: &Path) -> End {
    let kind = if node.typed() { "doc" } else { "_doc" };
    for (number, value) in LARGE_CBOR.iter().enumerate() {
        let index = format!("y-large-{number}");
        node.create(&index, &json!({"number_of_shards": 1}), &[("doc", json!({"enabled": false}))]);
        let body = [b"\xA1\x61a", *value].concat();
        let path = format!("/{index}/{kind}/large?format=json");
        let (status, answer) = node.server.text("PUT", &path, "application/cbor", &body);
        must_be(status == 201, &format!("{index}: {status} {answer}"))?;
        node.flush(&index);
    }
    let path = "/_snapshot/reading/large?wait_for_completion=true";
    node.ask("PUT", path, &json!({"indices": "y-*", "include_global_state": false}));
    for number in 0..LARGE_CBOR.len() {
        let index = format!("y-large-{number}");
        let output = read(location, &["--snapshot", "large", "--indices", &index]);
        let advice = format!("leave its index out: --indices '*,-{index}'\n");
        let told = output.err().contains(
            "document \"large\": a CBOR document with a bignum, of which servers and clients make different numbers",
        ) && output.err().ends_with(&advice);
        must_be(output.code() == 3 && output.out().is_empty() && told, &format!("{index}: {}", output.err()))?;
    }
    ask(&node.server, "DELETE", "/y-*", None);
    Ok(())
}

/// All files below a directory.
fn files(root: &Path) -> Vec<PathBuf> {
    es_testkit::golden::files(root).into_iter().map(|name| root.join(name)).collect()
}

/// Where a large file of stored fields is damaged, lines come before its checksum, and that is said.
fn lines_of_a_damaged_file_are_told(location: &Path) -> End {
    let asked = ["--snapshot", "two", "--indices", "m-sizes"];
    let listed = read(location, &[&asked[..], &["--list", "indices"]].concat()).json_lines();
    let id = listed[0]["id"].as_str().expect("an id");
    // The file of most parts is the one with the documents, the largest of which comes last.
    let part = |path: &PathBuf| path.extension()?.to_str()?.strip_prefix("part")?.parse::<u32>().ok();
    let mut parts = files(location);
    parts.retain(|path| part(path).is_some() && path.components().any(|name| name.as_os_str() == id));
    let last = parts.iter().max_by_key(|path| part(path)).expect("a file in parts");
    let spoilt = last.with_extension(format!("part{}", part(last).expect("its number") - 1));
    let good = fs::read(&spoilt).expect("a part");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&spoilt, bad).expect("a part");
    let output = read(location, &asked);
    fs::write(&spoilt, good).expect("a part");
    let told = output.err().ends_with("hint: lines were already printed: throw them away, they may be wrong\n");
    must_be(output.code() == 3 && !output.out().is_empty() && told, output.err())
}

/// The formats of stored fields that only some versions write are what was read.
fn special_formats_are_there(node: &Node, location: &Path) -> End {
    let formats: &[&str] = match (node.opensearch, node.major, node.minor) {
        (true, 2, 9) => &["CustomStoredFieldsZstd\0", "CustomStoredFieldsZstdNoDict\0"],
        // In what is beside the documents of a star tree.
        _ if has_star_trees(node) => &["Composite"],
        _ if node.has_zstandard() => &["ZstdStoredFields814\0"],
        _ => &[],
    };
    let mut missing: Vec<&str> = formats.to_vec();
    for path in if formats.is_empty() { Vec::new() } else { files(location) } {
        let bytes = fs::read(path).expect("a blob");
        missing.retain(|format| memchr::memmem::find(&bytes, format.as_bytes()).is_none());
    }
    must_be(missing.is_empty(), &format!("nothing was written as {missing:?}"))
}

/// A reader that goes away early, while many jobs print, is no failure.
fn a_closed_reader_is_quiet(location: &Path) -> End {
    for jobs in ["1", "4", "4", "4", "4", "16"] {
        let mut child = Command::new(bin_directory().join("es-read-snapshot"))
            .env_clear()
            .args(["--repository", &format!("file://{}", location.display()), "--snapshot", "one", "--quiet"])
            .args(["--allow-duplicate-ids", "--jobs", jobs])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tool is there");
        let mut first = [0];
        child.stdout.take().expect("a pipe").read_exact(&mut first).expect("a document");
        let output = child.wait_with_output().expect("an end");
        let said = String::from_utf8_lossy(&output.stderr);
        must_be(output.status.code() == Some(0) && said.is_empty(), &format!("{}: {said}", output.status))?;
    }
    Ok(())
}

/// While another snapshot is being written, a finished one is read whole or not now, and the other is not there.
fn a_snapshot_being_written_is_not_read(node: &Node, wanted: &Lines) -> End {
    let location = node.server.repository_root.join(format!("writing-{}", node.server.server));
    fs::create_dir_all(&location).expect("a directory for the repository");
    let settings = json!({"location": location, "max_snapshot_bytes_per_sec": "1mb"});
    node.ask("PUT", "/_snapshot/writing", &json!({"type": "fs", "settings": settings}));
    let start = |name: &str, index: &str, wait: bool| {
        let path = format!("/_snapshot/writing/{name}?wait_for_completion={wait}");
        node.ask("PUT", &path, &json!({"indices": index, "include_global_state": false}));
    };
    start("first", "m-nested", true);
    start("running", "m-sizes", false);
    eventually("files of the snapshot that is being written", || {
        let status = ask(&node.server, "GET", "/_snapshot/writing/running/_status", None);
        status["snapshots"][0]["state"] == "STARTED"
    });
    let own = read(&location, &["--snapshot", "running"]);
    let other = read(&location, &["--snapshot", "first", "--quiet"]);
    let status = ask(&node.server, "GET", "/_snapshot/writing/running/_status", None);
    ask(&node.server, "DELETE", "/_snapshot/writing/running", None);
    must_be(status["snapshots"][0]["state"] == "STARTED", "it was written too fast to be read meanwhile")?;
    must_be(matches!(own.code(), 1 | 75) && own.out().is_empty(), &format!("exit {}: {}", own.code(), own.err()))?;
    let wanted: Lines = wanted
        .iter()
        .filter(|(line, _)| line.contains("{\"_index\":\"m-nested\""))
        .map(|(line, count)| (line.clone(), *count))
        .collect();
    if other.code() == 75 {
        must_be(other.out().is_empty(), "documents of a doubtful list")
    } else {
        same(&wanted, &other)
    }
}

/// Two versions, all of them with `ES_CHAOS=1`, or those that `ES_READ_VERSIONS` names, comma-separated.
fn versions() -> Vec<String> {
    // A name that the bed does not know fails there: none is left out in silence.
    if let Ok(names) = std::env::var("ES_READ_VERSIONS") {
        return names.split(',').map(str::to_owned).collect();
    }
    let all = VERSIONS.into_iter().chain([ZSTANDARD]);
    let few = ["elasticsearch-5.5.2", "elasticsearch-9.5.3"];
    all.filter(|version| whole() || few.contains(version)).map(str::to_owned).collect()
}

#[test]
fn documents_are_those_that_the_server_shows() {
    let mut score = Score::new("reading");
    let versions = versions();
    let mut documents = 0;
    for (number, version) in versions.iter().enumerate() {
        let node = Node::start(version);
        let mut random = Random::new(seed(), &[number as u64]);
        let location = register(&node);
        let made_up = fill(&node, &mut random);
        let one = node.scroll();
        node.snapshot("one");
        go_on(&node, &mut random, &made_up);
        let two = node.scroll();
        node.snapshot("two");
        eventually("the snapshots in the repository's list", || {
            read(&location, &["--list", "snapshots"]).json_lines().len() == 2
        });
        if node.opensearch && (node.major, node.minor) > (2, 16) {
            assert!(location.join("snapshot_shard_paths").is_dir(), "{version}: no hashed paths");
        }
        for (name, lines) in [("one", &one), ("two", &two)] {
            documents += lines.len();
            let output = read(&location, &["--snapshot", name, "--quiet"]);
            score.cell(version, name, same(lines, &output));
        }
        score.cell(version, "formats", special_formats_are_there(&node, &location));
        score.cell(version, "filtered", filtered_sources_are_told(&location));
        score.cell(version, "star tree", star_trees_have_tombstones(&node, &location));
        // 5.0 keeps a list that holds no objects, whatever is asked for.
        if node.since(5, 5) {
            score.cell(version, "fields", fields_are_those_that_the_server_shows(&node, &location));
            score.cell(version, "binary fields", fields_of_binary_documents(&node, &location));
        }
        score.cell(version, "metadata", metadata_is_what_the_server_prints(&node, &location));
        score.cell(version, "damaged", lines_of_a_damaged_file_are_told(&location));
        score.cell(version, "closed reader", a_closed_reader_is_quiet(&location));
        score.cell(version, "twins", twins_are_told(&location, &one));
        score.cell(version, "without source", indices_without_source_are_refused(&node, &location));
        score.cell(version, "large numbers", large_numbers_are_refused(&node, &location));
        score.cell(version, "being written", a_snapshot_being_written_is_not_read(&node, &two));
        if node.major == 5 {
            score.cell(version, "merged by 6.x", merged_by_the_next_version(&location));
        }
        score.cell(version, "bulk", bulk_brings_them_back(&node, &location, &two));
        node.server.kill();
    }
    score.note("documents", documents);
    score.finish();
}
