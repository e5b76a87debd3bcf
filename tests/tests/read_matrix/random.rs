//! Indices of whose settings, mappings, documents and changes nobody thought: a seed makes them up.

use std::fmt::Write as _;

use es_testkit::generator::Random;
use es_testkit::score::whole;
use es_tests::ask;
use serde_json::{Value, json};

use crate::Node;

/// What is hard to print, to tell from a comment, or to find the end of.
const PIECES: [&str; 24] = [
    "a",
    "Z9",
    "_",
    "-",
    ".",
    " ",
    "#",
    ":",
    "//",
    "/*",
    "*/",
    "\\",
    "\\\\",
    "\"",
    "{",
    "}",
    "\n",
    "\r",
    "\t",
    "\0",
    "é",
    "이름",
    "\u{1F600}",
    "\u{2028}",
];
/// Numbers, each as it is.
const NUMBERS: [&str; 11] =
    ["0", "-0", "1.0", "0.10", "1e5", "1E+2", "-1.5e-7", "9223372036854775807", "12345678901234567890123", "7", "-3"];

/// An index, and the documents that may be in it.
pub(crate) struct Index {
    name: String,
    /// Type, id and routing of each: who has a routing has that one only.
    documents: Vec<(&'static str, String, Option<String>)>,
    nested: bool,
}

/// Makes indices, each with documents in some segments.
pub(crate) fn create(node: &Node, random: &mut Random) -> Vec<Index> {
    let count = if whole() { 8 } else { 3 };
    (0..count).map(|number| Index::create(node, random, format!("m-random-{number}"))).collect()
}

impl Index {
    fn create(node: &Node, random: &mut Random, name: String) -> Self {
        let nested = random.below(2) == 0;
        let codecs: Vec<&str> = ["default", "best_compression"].iter().chain(node.codecs()).copied().collect();
        let mut settings = json!({"number_of_shards": 1 + random.below(4), "codec": random.pick(&codecs)});
        if node.since(6, 0) && !nested && random.below(2) == 0 {
            settings["sort.field"] = json!("n");
            settings["sort.order"] = json!(random.pick(&["asc", "desc"]));
            settings["sort.missing"] = json!(random.pick(&["_first", "_last"]));
        }
        if node.chooses_soft_deletes() {
            settings["soft_deletes.enabled"] = json!(random.below(2) == 0);
        }
        let mut mapping = json!({"dynamic": false, "properties": {
            "raw": {"type": "object", "enabled": false},
            "n": {"type": "integer", "store": random.below(2) == 0},
            "word": {"type": "keyword", "store": random.below(2) == 0, "ignore_above": 20},
        }});
        if nested {
            let inner = json!({"type": "nested", "properties": {"n": {"type": "integer"}}});
            mapping["properties"]["child"] =
                json!({"type": "nested", "properties": {"n": {"type": "long", "store": true}, "child": inner}});
        }
        if random.below(4) == 0 {
            mapping["_source"] = json!({"excludes": ["raw.k1*", "*.none"]});
        }
        let kinds: &[&str] = if node.major == 5 { &["doc", "an_other"] } else { &["doc"] };
        let mappings: Vec<_> = kinds.iter().map(|kind| (*kind, mapping.clone())).collect();
        node.create(&name, &settings, &mappings);
        let documents = (0..100 + random.below(200)).map(|number| {
            let kind = kinds[random.index(kinds.len())];
            let id = match random.below(4) {
                0 => format!("{}", random.bits() >> random.below(64)),
                1 => format!("0{number}"),
                2 => format!("{number}{}", text(random, 6)),
                // Of these some are the base64 of something.
                _ => format!("{:x}", random.bits()).repeat(1 + random.index(3)),
            };
            let routing = (random.below(4) == 0).then(|| format!("r{}", text(random, 3)));
            (kind, id, routing)
        });
        let documents = documents.collect();
        let index = Self { name, documents, nested };
        for _ in 0..=random.below(4) {
            index.change(node, random);
        }
        index
    }

    /// Puts, updates and deletes, and merges at times.
    pub(crate) fn change(&self, node: &Node, random: &mut Random) {
        let mut lines = String::new();
        for _ in 0..random.below(400) {
            let (kind, id, routing) = &self.documents[random.index(self.documents.len())];
            let more: Vec<_> = routing.iter().map(|routing| ("routing", routing.as_str())).collect();
            match random.below(8) {
                0 => {
                    let _ = writeln!(lines, "{}", node.action("delete", &self.name, kind, id, &more));
                }
                1 => {
                    let action = node.action("update", &self.name, kind, id, &more);
                    let source = self.source(random, false);
                    let _ = writeln!(lines, "{action}\n{{\"doc\":{source},\"doc_as_upsert\":true}}");
                }
                _ => {
                    let action = node.action("index", &self.name, kind, id, &more);
                    let _ = writeln!(lines, "{action}\n{}", self.source(random, false));
                }
            }
        }
        // With ids of the server's own; only alone they come in lines.
        for _ in 0..random.below(8) {
            let kind = if node.typed() { "doc" } else { "_doc" };
            let source = self.source(random, true);
            let path = format!("/{}/{kind}", self.name);
            let (status, answer) = node.server.text("POST", &path, "application/json", source.as_bytes());
            assert_eq!(status, 201, "{source}: {answer}");
        }
        if !lines.is_empty() {
            node.bulk(&lines);
        }
        let merge = |how: &str| {
            ask(&node.server, "POST", &format!("/{}/_forcemerge?{how}", self.name), None);
        };
        match random.below(6) {
            0 => {}
            1 => merge("max_num_segments=1"),
            2 => merge("only_expunge_deletes=true"),
            _ => node.flush(&self.name),
        }
    }

    /// A document as a client may write it, on one line or on many.
    fn source(&self, random: &mut Random, lines: bool) -> String {
        let mut fields = vec![("n", random.below(1000).to_string()), ("word", json!(text(random, 5)).to_string())];
        let mut raw = Json { random, lines, text: String::new() };
        raw.object(3);
        fields.push(("raw", raw.text));
        if self.nested {
            let most = if random.below(50) == 0 { 300 } else { 4 };
            let children = (0..random.below(most)).map(|n| json!({"n": n, "child": [{"n": 1}, {"n": n}]}));
            fields.push(("child", children.collect::<Value>().to_string()));
        }
        fields.retain(|_| random.below(5) > 0);
        if !fields.is_empty() {
            let first = random.index(fields.len());
            fields.rotate_left(first);
        }
        let mut whole = Json { random, lines, text: String::new() };
        whole.members(&mut fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
        whole.text
    }
}

/// Some pieces in a row.
fn text(random: &mut Random, most: u64) -> String {
    (0..random.below(most + 1)).map(|_| random.pick(&PIECES)).collect()
}

/// JSON as it is written by hand and by many libraries: with white space here and there, each character in one of its spellings.
struct Json<'a> {
    random: &'a mut Random,
    lines: bool,
    text: String,
}

impl Json<'_> {
    fn space(&mut self) {
        let spaces: &[&str] = if self.lines { &["", "", " ", "\n", "\r\n\t"] } else { &["", "", "", " ", "\t"] };
        self.text += self.random.pick(spaces);
    }

    fn members(&mut self, members: &mut dyn Iterator<Item = (String, String)>) {
        self.text.push('{');
        for (number, (key, value)) in members.enumerate() {
            if number > 0 {
                self.text.push(',');
            }
            self.space();
            self.string(&key);
            self.space();
            self.text.push(':');
            self.space();
            self.text += &value;
            self.space();
        }
        self.text.push('}');
    }

    fn object(&mut self, depth: u64) {
        let members: Vec<_> = (0..self.random.below(6))
            .map(|number| {
                let key = format!("k{number}{}", self.random.pick(&["", " ", "é", "\"", "//", "\\", "*"]));
                let mut value = Json { random: &mut *self.random, lines: self.lines, text: String::new() };
                value.value(depth);
                (key, value.text)
            })
            .collect();
        self.members(&mut members.into_iter());
    }

    fn value(&mut self, depth: u64) {
        match self.random.below(if depth == 0 { 5 } else { 7 }) {
            0 => self.text += self.random.pick(&["null", "true", "false"]),
            1 => self.text += self.random.pick(&NUMBERS),
            2..5 => {
                let text = text(self.random, 12);
                self.string(&text);
            }
            5 => self.object(depth - 1),
            _ => {
                self.text.push('[');
                for number in 0..self.random.below(5) {
                    if number > 0 {
                        self.text.push(',');
                    }
                    self.space();
                    self.value(depth - 1);
                }
                self.text.push(']');
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for character in text.chars() {
            match (character, self.random.below(8)) {
                ('/', 0..3) => self.text += "\\/",
                (_, 0) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.text, "\\u{unit:04x}");
                    }
                }
                _ => {
                    let quoted = json!(character).to_string();
                    self.text += &quoted[1..quoted.len() - 1];
                }
            }
        }
        self.text.push('"');
    }
}
