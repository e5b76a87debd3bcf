//! `_source` as one line of JSON, byte for byte where that is possible.
//!
//! Servers keep what the client sent: JSON of many lines and, through 5.x, with comments; CBOR; SMILE. Numbers and
//! duplicate keys of JSON must survive, so it is never parsed and printed again: only line breaks between tokens and
//! comments are dropped.

use es_repository::Tree;
use memchr::{memchr, memchr_iter, memchr2, memchr3, memmem};

const BOM: &[u8] = &[0xEF, 0xBB, 0xBF];
const SMILE: &[u8] = b":)\n";
const CBOR_TAG: &[u8] = &[0xD9, 0xD9, 0xF7];

/// Why a document cannot become a line.
pub(crate) type Refusal = &'static str;

/// The part of a document that is its line already, if it is one.
pub(crate) fn as_it_is(source: &[u8]) -> Option<&[u8]> {
    let text = trimmed(source);
    let object = text.first() == Some(&b'{') && text.last() == Some(&b'}');
    (object && memchr2(b'\n', b'\r', text).is_none() && !may_have_comments(text)).then_some(text)
}

fn trimmed(source: &[u8]) -> &[u8] {
    source.strip_prefix(BOM).unwrap_or(source).trim_ascii()
}

/// Appends the document to `line`.
pub fn append(source: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    if let Some(text) = as_it_is(source) {
        line.extend_from_slice(text);
        return Ok(());
    }
    let text = trimmed(source);
    match text.first() {
        Some(b'{') => json(text, line),
        Some(b':') if source.starts_with(SMILE) => {
            let tree = serde_smile::from_slice::<Tree<false>>(source).map_err(|_| "a damaged SMILE document")?;
            print(&tree, line)
        }
        Some(0xBF | 0xA0..=0xBB | 0xD9) => {
            let body = source.strip_prefix(CBOR_TAG).unwrap_or(source);
            let tree: Tree<false> = ciborium::from_reader(body).map_err(|_| "a damaged CBOR document")?;
            print(&tree, line)
        }
        Some(b'-') if text.starts_with(b"---") => Err("a YAML document"),
        None => Err("an empty _source"),
        _ => Err("a _source that is neither JSON nor CBOR nor SMILE"),
    }
}

fn print(tree: &Tree<false>, line: &mut Vec<u8>) -> Result<(), Refusal> {
    if !tree.0.is_object() {
        return Err("a _source that is no object");
    }
    serde_json::to_writer(line, &tree.0).map_err(|_| "a document that cannot be printed")
}

fn json(text: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    if text.last() != Some(&b'}') && memchr(b'/', text).is_none() {
        return Err("a JSON document that does not end");
    }
    lex(text, line)
}

/// Whether a comment may begin somewhere: `//` and `/*` are most often parts of strings.
fn may_have_comments(text: &[u8]) -> bool {
    let (mut at, mut in_string) = (0, false);
    let mut escapes = None;
    for slash in memchr_iter(b'/', text) {
        if !matches!(text.get(slash + 1), Some(b'/' | b'*')) {
            continue;
        }
        // Where quotes are escaped, counting them tells nothing.
        if *escapes.get_or_insert_with(|| memchr(b'\\', text).is_some()) {
            return true;
        }
        in_string ^= memchr_iter(b'"', &text[at..slash]).count() % 2 == 1;
        at = slash;
        if !in_string {
            return true;
        }
    }
    false
}

/// Copies tokens, drops line breaks and comments between them.
fn lex(mut rest: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    loop {
        let Some(next) = rest.iter().position(|byte| matches!(byte, b'"' | b'/' | b'\n' | b'\r')) else {
            line.extend_from_slice(rest);
            return Ok(());
        };
        line.extend_from_slice(&rest[..next]);
        rest = match rest[next] {
            b'"' => string(&rest[next..], line)?,
            b'/' => comment(&rest[next..])?,
            _ => &rest[next + 1..],
        };
    }
}

/// Copies the string at the beginning; a raw line break in it, which JSON forbids, is escaped.
fn string<'a>(text: &'a [u8], line: &mut Vec<u8>) -> Result<&'a [u8], Refusal> {
    let mut at = 1;
    loop {
        let found = memchr3(b'"', b'\\', b'\n', &text[at..]).ok_or("a JSON string that does not end")?;
        at += found;
        match text[at] {
            b'"' => break,
            b'\\' => at += 2,
            _ => return Err("a JSON string with a line break in it"),
        }
        if at > text.len() {
            return Err("a JSON string that does not end");
        }
    }
    // One after a backslash too, which was passed over.
    if memchr2(b'\r', b'\n', &text[..at]).is_some() {
        return Err("a JSON string with a line break in it");
    }
    line.extend_from_slice(&text[..=at]);
    Ok(&text[at + 1..])
}

fn comment(text: &[u8]) -> Result<&[u8], Refusal> {
    let end = match text.get(1) {
        Some(b'*') => memmem::find(&text[2..], b"*/").map(|end| end + 4),
        Some(b'/') => Some(memchr2(b'\n', b'\r', text).unwrap_or(text.len())),
        _ => None,
    };
    end.map(|end| &text[end..]).ok_or("a JSON document with a stray '/'")
}

/// Appends a JSON string.
pub(crate) fn quote(text: &str, line: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
    } else {
        line.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(source: &[u8]) -> Result<String, Refusal> {
        let mut line = Vec::new();
        append(source, &mut line).map(|()| String::from_utf8(line).unwrap())
    }

    #[test]
    fn line_breaks_and_comments_go_and_everything_else_stays() {
        assert_eq!(
            line(b" {\r\n \"a\": 1.0,\n\t\"b\":\"x\\n// no\"}\n").unwrap(),
            "{ \"a\": 1.0,\t\"b\":\"x\\n// no\"}"
        );
        assert_eq!(
            line(b"{\"a\":1, /* com\nment */ \"b\":\"/* no */\", // end\n \"c\":2}").unwrap(),
            "{\"a\":1,  \"b\":\"/* no */\",  \"c\":2}"
        );
        assert_eq!(line(b"{\"a\":1,\"a\":1e400}").unwrap(), "{\"a\":1,\"a\":1e400}");
        assert_eq!(line(b"{\"u\":\"http://x\"}").unwrap(), "{\"u\":\"http://x\"}");
    }

    #[test]
    fn binary_documents_become_json() {
        assert_eq!(line(b"\xD9\xD9\xF7\xA2aa\x01ab\x82\xF5\xF6").unwrap(), r#"{"a":1,"b":[true,null]}"#);
        assert_eq!(line(b":)\n\x01\xFA\x80a\xC2\xFB").unwrap(), r#"{"a":1}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in
            [&b""[..], b"---\na: 1", b"[1]", b"{\"a\":\"x", b"{\"a\":\"\n\"}", b"{\"a\":\"/*\\\n\"}", b"{\n\"a\"/1}"]
        {
            assert!(line(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(source in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = append(&source, &mut Vec::new());
            let mut object = b"{\n".to_vec();
            object.extend(&source);
            let _ = append(&object, &mut Vec::new());
        }

        #[test]
        fn pretty_printing_changes_nothing(text in ".*", number in any::<f64>()) {
            let value = serde_json::json!({ "a": [text, { "b": number }] });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let back: serde_json::Value = serde_json::from_str(&line(pretty.as_bytes()).unwrap()).unwrap();
            // Read back the same way: serde_json's reading of numbers is not exact.
            let same: serde_json::Value = serde_json::from_str(&pretty).unwrap();
            prop_assert_eq!(back, same);
        }
    }
}
