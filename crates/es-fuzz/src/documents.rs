//! What clients sent as documents.

use std::fs;

use es_read_snapshot::parsers::{Fields, one_line};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Run;
use crate::golden::repositories;

/// Documents of real servers, and what they keep as it was sent: many lines, comments, CBOR, SMILE.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        &b" {\r\n \"a\": 1.0,\n\t\"b\":\"x\\n// no\"}\n"[..],
        b"\xEF\xBB\xBF{\"a\":1, /* com\nment */ \"b\":\"/* no */\", // end\n \"c\":[{\"d.e\":1},2]}",
        b"{\"a\":1,\"a\":1e400,\"u\":\"http://x\"}",
        b"\xD9\xD9\xF7\xA2aa\x01ab\x82\xF5\xF6",
        b"\xBF\x61a\xFB\x40\x09\x21\xFB\x54\x44\x2D\x18\x61b\x43\x01\x02\x03\xFF",
        b":)\n\x01\xFA\x80a\xC2\xFB",
        b"---\na: 1",
    ]
    .map(<[u8]>::to_vec)
    .into();
    for root in repositories() {
        let lines = root.with_file_name(format!("{}-one.jsonl", root.file_name().unwrap().to_string_lossy()));
        for line in fs::read_to_string(lines).unwrap().lines().step_by(7) {
            let line: Value = serde_json::from_str(line).unwrap();
            seeds.push(line["_source"].to_string().into_bytes());
        }
    }
    seeds.retain(|seed| seed.len() < 16 << 10);
    seeds
}

pub(crate) fn line() -> Run {
    Box::new(|data| {
        let mut line = Vec::new();
        let done = one_line(data, &mut line);
        if done.is_ok() {
            assert!(!line.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "a document of two lines");
        }
        // Whatever is JSON stays the same JSON.
        if let Ok(Value::Object(object)) = serde_json::from_slice(data) {
            assert_eq!(done, Ok(()), "a JSON object is refused");
            assert_eq!(serde_json::from_slice::<Value>(&line).ok(), Some(Value::Object(object)));
        }
    })
}

pub(crate) fn fields() -> Run {
    let paths = ["a", "b.c", "d.e", "t*le", "*.name"].map(String::from);
    let fields = Fields::new(&paths).unwrap();
    Box::new(move |data| {
        let mut line = Vec::new();
        if fields.append(data, &mut line).is_ok() {
            // Unread: numbers that no double holds stay as they are.
            let kept: &RawValue = serde_json::from_slice(&line).expect("JSON");
            assert!(kept.get().starts_with('{'), "no object");
        }
    })
}
