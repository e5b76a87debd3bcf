//! The documents, each a pure function of seed, index, number and revision: no list of them is ever kept.

use std::fmt::Write;

use serde_json::{Value, json};

use super::random::Random;

/// What an index is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A day of a web site's log: many small documents.
    Daily { day: u32 },
    /// Everything that is lost easily: nested objects, routing, odd ids, odd text, numbers at their edges.
    Mixed,
    /// Two types in one index, with the same ids in both (5.x alone).
    Types,
    /// Parents and children: `_parent` in 5.x, the join field later.
    Family,
    /// A few hundred fields.
    Wide,
    /// Plain documents for indices that are special in another way.
    Notes,
}

/// A document before it is written down.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) doc_type: &'static str,
    pub(crate) routing: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) source: String,
    /// Objects in nested fields: Lucene counts each as a document.
    pub(crate) nested: u64,
}

/// What becomes of a document after it was first loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    /// A partial update adds `"revision":2`.
    Updated,
    /// Another document is indexed over it.
    Replaced,
    Deleted,
}

/// One nested object in a mixed document in this many has a large text.
const LARGE_EVERY: u64 = 150;
/// Fields of the wide index.
pub(crate) const WIDE_FIELDS: usize = 600;

const WORDS: &[&str] = &[
    "search", "cluster", "index", "shard", "replica", "coffee", "java", "cafe", "lucene", "segment", "merge",
    "refresh", "commit", "snapshot", "restore", "bucket", "region", "node", "master", "query", "filter", "score",
    "token", "analyzer", "mapping", "document", "field", "value", "daily", "report",
];
const LEVELS: &[&str] = &["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"];
const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "PUT", "DELETE"];

/// Text that is often cut, doubled or re-encoded on the way.
const TEXTS: &[&str] = &[
    "자바카페에서 엘라스틱서치를 공부합니다",
    "한글과 English와 日本語가 섞인 문장",
    "이모지 👩‍👩‍👧‍👦 🇰🇷 👍🏽 🫠",
    "שלום עולם مرحبا بالعالم \u{202e}right to left\u{202c}",
    "combining e\u{301} n\u{303} a\u{30a} 각 (\u{1100}\u{1161}\u{11a8})",
    "zero\u{200b}width\u{200d}joiner\u{feff}",
    "quotes \" ' ` back\\slash / tab\t newline\n return\r",
    "controls \u{1}\u{7}\u{1f}\u{7f}\u{85}\u{2028}\u{2029}",
    "beyond the basic plane 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠜎𠜱𠝹",
    "İstanbul ISPARTA ı ß ẞ ﬁ Ǆ",
    "",
    " leading and trailing ",
    "<script>alert(1)</script> &amp; {{mustache}} ${dollar}",
    "null",
    "true",
    "1e3",
];
const LONGS: &[i64] = &[i64::MAX, i64::MIN, 0, -1, 1, 9_007_199_254_740_993, -9_007_199_254_740_993, 2_147_483_648];
const DOUBLES: &[&str] = &[
    "1.7976931348623157E308",
    "-1.7976931348623157E308",
    "4.9E-324",
    "2.2250738585072014E-308",
    "-0.0",
    "0.1",
    "1e2",
    "100.0",
    "0.30000000000000004",
    "123456789.12345679",
];
const DATES: &[&str] = &[
    "\"1970-01-01T00:00:00.000Z\"",
    "\"2018-01-01T23:59:59.999Z\"",
    "\"2018-01-01T09:00:00.000+09:00\"",
    "0",
    "\"1969-12-31T23:59:59.999Z\"",
    "253402300799999",
    "1514764800000",
    "\"2016-02-29\"",
];
const ADDRESSES: &[&str] = &["127.0.0.1", "255.255.255.255", "::1", "2001:db8::ff00:42:8329", "0.0.0.0"];

impl Kind {
    fn code(self) -> u64 {
        match self {
            Self::Daily { day } => 1000 + u64::from(day),
            Self::Mixed => 1,
            Self::Types => 2,
            Self::Family => 3,
            Self::Wide => 4,
            Self::Notes => 5,
        }
    }

    pub(crate) fn fate(self, number: u64) -> Fate {
        let (deleted, updated, replaced) = match self {
            // Few, as in a real log, yet some in every segment.
            Self::Daily { .. } => (97, 89, 83),
            Self::Notes => return Fate::Kept,
            _ => (7, 10, 13),
        };
        if number % deleted == 3 {
            Fate::Deleted
        } else if number % updated == 1 {
            Fate::Updated
        } else if number % replaced == 5 {
            Fate::Replaced
        } else {
            Fate::Kept
        }
    }

    /// The document of this number; `major` decides between `_parent` and the join field.
    pub(crate) fn document(self, seed: u64, number: u64, revision: u64, major: u32) -> Draft {
        let mut random = Random::new(seed, &[self.code(), number, revision]);
        let mut draft = Draft { doc_type: "doc", ..Draft::default() };
        match self {
            Self::Daily { day } => daily(&mut draft, &mut random, day, number),
            Self::Mixed => mixed(&mut draft, &mut random, number),
            Self::Types => types(&mut draft, &mut random, number),
            Self::Family => family(&mut draft, &mut random, number, major),
            Self::Wide => wide(&mut draft, &mut random, number),
            Self::Notes => {
                draft.id = format!("note-{number}");
                draft.source = json!({"number": number, "text": text(&mut random)}).to_string();
            }
        }
        draft
    }

    /// The fields of this kind, for the mapping of each type.
    pub(crate) fn properties(self) -> Value {
        let keyword = json!({"type": "keyword"});
        let analyzed = json!({"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 256}}});
        match self {
            Self::Daily { .. } => json!({
                "@timestamp": {"type": "date"}, "level": keyword, "host": keyword, "method": keyword, "path": keyword,
                "status": {"type": "short"}, "bytes": {"type": "long"}, "seconds": {"type": "double"},
                "client": {"type": "ip"}, "message": {"type": "text"}, "tags": keyword,
                "user": {"properties": {"id": {"type": "long"}, "name": keyword}},
                "revision": {"type": "integer"},
            }),
            Self::Mixed => json!({
                "title": analyzed, "large": {"type": "text", "index": false}, "long": {"type": "long"},
                "integer": {"type": "integer"}, "short": {"type": "short"}, "byte": {"type": "byte"},
                "double": {"type": "double"}, "float": {"type": "float"}, "flag": {"type": "boolean"},
                "when": {"type": "date", "format": "strict_date_optional_time||epoch_millis"},
                "address": {"type": "ip"}, "place": {"type": "geo_point"}, "bytes": {"type": "binary"},
                "unstored": {"type": "object", "enabled": false},
                "comments": {"type": "nested", "properties": {
                    "author": keyword, "text": {"type": "text"}, "stars": {"type": "byte"}}},
                "number": {"type": "long"}, "revision": {"type": "integer"},
            }),
            Self::Types => {
                json!({"title": analyzed, "number": {"type": "long"}, "revision": {"type": "integer"}})
            }
            Self::Family => {
                json!({"name": keyword, "number": {"type": "long"}, "revision": {"type": "integer"}})
            }
            Self::Wide => {
                let kinds = ["keyword", "long", "double", "date", "boolean", "text"];
                let mut fields: serde_json::Map<_, _> = (0..WIDE_FIELDS)
                    .map(|field| (format!("field_{field:03}"), json!({"type": kinds[field % kinds.len()]})))
                    .collect();
                fields.insert("revision".to_owned(), json!({"type": "integer"}));
                Value::Object(fields)
            }
            Self::Notes => json!({"number": {"type": "long"}, "text": {"type": "text"}}),
        }
    }
}

impl Draft {
    /// The source after a partial update that adds `"revision":2`.
    pub(crate) fn revised(mut self) -> Self {
        self.source.pop();
        self.source.push_str(if self.source.len() > 1 { ",\"revision\":2}" } else { "\"revision\":2}" });
        self
    }
}

fn daily(draft: &mut Draft, random: &mut Random, day: u32, number: u64) {
    // Lucene stores ids that are numbers, that are base64 and all others in three different ways.
    draft.id = match number % 4 {
        0 => number.to_string(),
        1 => format!("log-{day}-{number}"),
        _ => url_safe_id(number, day),
    };
    let (hour, minute, second, milli) = (random.below(24), random.below(60), random.below(60), random.below(1000));
    let user = random.below(50_000);
    let words: [&str; 6] = std::array::from_fn(|_| random.pick(WORDS));
    let (month, date) = (1 + day / 28 % 12, 1 + day % 28);
    let _ = write!(
        draft.source,
        "{{\"@timestamp\":\"2018-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\",\
         \"level\":\"{}\",\"host\":\"web-{:02}\",\"method\":\"{}\",\"path\":\"/{}/{}/{}\",\"status\":{},\"bytes\":{},\
         \"seconds\":{}.{:03},\"client\":\"10.{}.{}.{}\",\"user\":{{\"id\":{user},\"name\":\"user-{user}\"}},\
         \"tags\":[\"{}\",\"{}\"],\"message\":",
        random.pick(LEVELS),
        random.below(24),
        random.pick(METHODS),
        words[0],
        words[1],
        random.below(1_000_000),
        [200, 200, 200, 201, 301, 404, 500][random.index(7)],
        random.below(5_000_000),
        random.below(10),
        random.below(1000),
        random.below(256),
        random.below(256),
        random.below(256),
        words[2],
        words[3],
    );
    if number % 50 == 7 {
        string(&mut draft.source, TEXTS[random.index(TEXTS.len())]);
    } else {
        let _ = write!(draft.source, "\"{} {} took {} of {}\"", words[4], words[5], words[0], words[2]);
    }
    draft.source.push('}');
}

fn mixed(draft: &mut Draft, random: &mut Random, number: u64) {
    draft.id = match number % 11 {
        0 => number.to_string(),
        1 => format!("문서-{number}"),
        2 => format!("with space/slash+plus?#%25&{number}"),
        3 => format!("{number}{}", "i".repeat(500 - number.to_string().len())),
        4 => format!("-{number}"),
        5 => format!("0{number}"),
        6 => format!("👍{number}"),
        7 => format!("\"{number}\\"),
        _ => url_safe_id(number, 0),
    };
    if number % 5 == 2 {
        // By the number, not at random: a revision with another routing would be another document of the same id.
        let routing = usize::try_from(number / 5 % 4).unwrap_or_default();
        draft.routing = Some(["서울", "busan", "a,b c", "0"][routing].to_owned());
    }
    if number % 17 == 4 {
        draft.source.push_str("{}");
        return;
    }
    let comments: Vec<Value> = (0..number % 4)
        .map(|_| json!({"author": text(random), "text": text(random), "stars": random.below(6)}))
        .collect();
    draft.nested = comments.len() as u64;
    let long = LONGS[random.index(LONGS.len())];
    let source = json!({
        "number": number,
        "title": text(random),
        "long": long,
        "integer": ([i32::MAX, i32::MIN, 0][random.index(3)]),
        "short": ([i16::MAX, i16::MIN, 0][random.index(3)]),
        "byte": ([i8::MAX, i8::MIN, 0][random.index(3)]),
        "flag": random.below(2) == 0,
        "address": random.pick(ADDRESSES),
        "place": {"lat": 37.5665, "lon": 126.978},
        "bytes": "U29tZSBieXRlcw==",
        "unstored": {"any": [1, "two", {"three": null}], "deep": {"a": {"b": {"c": {"d": {}}}}}},
        "comments": comments,
        "nothing": null,
        "no_items": [],
        "empty_object": {},
        "list_of_null": [null, null],
        "dotted.name": "kept as it was written",
        "not_in_the_mapping": {"text": text(random), "number": random.below(100)},
    });
    draft.source = source.to_string();
    draft.source.pop();
    // Written by hand, since these are about how a number is spelled.
    let _ = write!(
        draft.source,
        ",\"double\":{},\"float\":{},\"when\":{}",
        DOUBLES[random.index(DOUBLES.len())],
        ["3.4028235E38", "1.4E-45", "1.0", "16777217"][random.index(4)],
        DATES[random.index(DATES.len())]
    );
    if number % LARGE_EVERY == 60 {
        draft.source.push_str(",\"large\":\"");
        while draft.source.len() < 1 << 20 {
            draft.source.push_str(random.pick(WORDS));
            draft.source.push_str(" 큰 문서 ");
        }
        draft.source.push('"');
    }
    draft.source.push('}');
}

fn types(draft: &mut Draft, random: &mut Random, number: u64) {
    draft.doc_type = ["article", "comment", "author"][usize::try_from(number % 3).unwrap_or_default()];
    // The same ids in every type: a reader that forgets the type loses two thirds.
    draft.id = (number / 3).to_string();
    draft.source = json!({"title": text(random), "number": number}).to_string();
}

/// Numbers come in fives: a parent and its four children. Parents are never deleted, so no child is orphaned.
fn family(draft: &mut Draft, random: &mut Random, number: u64, major: u32) {
    let parent = format!("parent-{}", number / 5);
    let is_parent = number.is_multiple_of(5);
    let name = text(random);
    let mut source = json!({"name": name, "number": number});
    draft.id = if is_parent { parent.clone() } else { format!("child-{number}") };
    if major < 6 {
        draft.doc_type = if is_parent { "parent" } else { "child" };
        draft.parent = (!is_parent).then_some(parent);
    } else if is_parent {
        source["relation"] = json!("parent");
    } else {
        source["relation"] = json!({"name": "child", "parent": parent});
        draft.routing = Some(parent);
    }
    draft.source = source.to_string();
}

fn wide(draft: &mut Draft, random: &mut Random, number: u64) {
    draft.id = format!("wide-{number}");
    let fields: serde_json::Map<_, _> = (0..20)
        .map(|_| {
            let field = random.index(WIDE_FIELDS);
            let value = match field % 6 {
                0 | 5 => json!(text(random)),
                1 => json!(random.below(1 << 40)),
                2 => json!(0.5),
                3 => json!(1_514_764_800_000 + random.below(86_400_000)),
                _ => json!(random.below(2) == 0),
            };
            (format!("field_{field:03}"), value)
        })
        .collect();
    draft.source = Value::Object(fields).to_string();
}

fn text(random: &mut Random) -> String {
    if random.below(2) == 0 {
        TEXTS[random.index(TEXTS.len())].to_owned()
    } else {
        format!("{} {} {}", random.pick(WORDS), random.pick(WORDS), random.pick(WORDS))
    }
}

fn string(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

/// Twenty characters as a server makes them itself when it is given no id.
fn url_safe_id(number: u64, day: u32) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let unique = super::random::mix(number.wrapping_mul(4096).wrapping_add(u64::from(day)));
    let bits = (u128::from(unique) << 56) | u128::from(super::random::mix(unique) >> 8);
    (0..20)
        .map(|place| {
            let letter = usize::try_from((bits >> (114 - 6 * place)) & 63).unwrap_or_default();
            char::from(LETTERS[letter])
        })
        .collect()
}
