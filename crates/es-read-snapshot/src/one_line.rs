//! `_source` as one line of JSON, byte for byte where that is possible.
//!
//! Servers keep what the client sent: JSON of many lines, in UTF-16 or UTF-32, with comments; CBOR; SMILE. Numbers and
//! duplicate keys of JSON must survive, so it is never parsed and printed again: only line breaks between tokens and
//! comments are dropped.

use es_lucene::Text;
use memchr::{memchr2, memchr3, memmem};

use crate::{binary, look};

const BOM: &[u8] = &[0xEF, 0xBB, 0xBF];
const SMILE: &[u8] = b":)\n";
/// Why a document cannot become a line.
pub(crate) type Refusal = &'static str;
const OTHER: Refusal = "a _source that is neither JSON nor CBOR nor SMILE";

fn is_an_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{') && text.last() == Some(&b'}')
}

/// Whether trimmed JSON in UTF-8 is its line already.
fn is_a_line(text: &[u8]) -> bool {
    is_an_object(text) && look::is_one_line(text)
}

fn trimmed(source: &[u8]) -> &[u8] {
    source.strip_prefix(BOM).unwrap_or(source).trim_ascii()
}

/// JSON in UTF-8, of as many lines as there are.
pub(crate) fn json_text(source: &[u8]) -> Option<&[u8]> {
    let text = trimmed(source);
    (text.first() == Some(&b'{') && Encoding::of(source).is_none()).then_some(text)
}

/// The same where there is no comment in it.
pub(crate) fn plain_json(source: &[u8]) -> Option<&[u8]> {
    json_text(source).filter(|text| !look::has_comments(text))
}

/// Whether no NULs tell of another encoding. Shorter documents are so few that they need no short way.
fn is_utf8(source: &[u8]) -> bool {
    source.first_chunk::<4>().is_some_and(|begin| !begin.contains(&0))
}

/// Appends the document to `line`.
pub fn append(source: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    if is_an_object(source) && is_utf8(source) {
        let begin = line.len();
        if look::append(source, line) {
            return Ok(());
        }
        line.truncate(begin);
        return without_breaks_and_comments(source, |piece| line.extend_from_slice(piece));
    }
    append_other(source, line)
}

/// Appends a document that is no object of UTF-8 from end to end.
fn append_other(source: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    if let Some(encoding) = Encoding::of(source) {
        let text = encoding.decode(source)?;
        // What is left of a byte order mark and NULs is no document in any encoding.
        return if text.contains('\0') {
            Err("a JSON document with NULs in it")
        } else {
            append(text.as_bytes(), line)
        };
    }
    let text = trimmed(source);
    match text.first() {
        // Elasticsearch 8 and 9 take a comment before the document, too.
        Some(b'{' | b'/') => pieces(text, |piece| line.extend_from_slice(piece)),
        Some(b':') if source.starts_with(SMILE) => binary::smile(source, line),
        Some(0xBF | 0xA0..=0xBB | 0xD9) => binary::cbor(source, line),
        Some(b'-') if text.starts_with(b"---") => Err("a YAML document"),
        None => Err("an empty _source"),
        _ => Err(OTHER),
    }
}

/// Hands on the line of trimmed JSON in UTF-8 piece by piece: a copy of a large document would take its memory twice.
pub(crate) fn pieces(text: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), Refusal> {
    if is_a_line(text) {
        each(text);
        return Ok(());
    }
    without_breaks_and_comments(text, each)
}

fn without_breaks_and_comments(text: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), Refusal> {
    let (mut first, mut last) = (None, None);
    lex(text, |piece| {
        first = first.or(piece.trim_ascii_start().first().copied());
        last = piece.trim_ascii_end().last().copied().or(last);
        each(piece);
    })?;
    match (first, last) {
        (Some(b'{'), Some(b'}')) => Ok(()),
        (Some(b'{'), _) => Err("a JSON document that does not end"),
        _ => Err(OTHER),
    }
}

/// How JSON is encoded, if not in UTF-8.
#[derive(Clone, Copy)]
enum Encoding {
    /// Whether the byte that counts least comes first.
    Utf16(bool),
    Utf32(bool),
}

impl Encoding {
    /// By a byte order mark or, as the first characters of JSON are ASCII, by where the NULs are: so does Jackson, which
    /// servers read with.
    fn of(source: &[u8]) -> Option<Self> {
        // CBOR may have NULs there too, after what is not ASCII.
        let begins = |byte: u8| matches!(byte, 1..0x80);
        match *source.first_chunk::<4>()? {
            [0xFF, 0xFE, 0, 0] => Some(Self::Utf32(true)),
            [0, 0, 0xFE, 0xFF] => Some(Self::Utf32(false)),
            [0xFF, 0xFE, ..] => Some(Self::Utf16(true)),
            [0xFE, 0xFF, ..] => Some(Self::Utf16(false)),
            [0, 0, 0, low] if begins(low) => Some(Self::Utf32(false)),
            [low, 0, 0, 0] if begins(low) => Some(Self::Utf32(true)),
            [0, low, ..] if begins(low) => Some(Self::Utf16(false)),
            [low, 0, ..] if begins(low) => Some(Self::Utf16(true)),
            _ => None,
        }
    }

    fn decode(self, source: &[u8]) -> Result<String, Refusal> {
        let text = match self {
            Self::Utf16(little) => units(source, if little { u16::from_le_bytes } else { u16::from_be_bytes })
                .and_then(|units| char::decode_utf16(units).collect::<Result<String, _>>().ok())
                .ok_or("a JSON document that is damaged UTF-16"),
            Self::Utf32(little) => units(source, if little { u32::from_le_bytes } else { u32::from_be_bytes })
                .and_then(|mut units| {
                    units.try_fold(String::new(), |text, unit| {
                        Some(text + char::from_u32(unit)?.encode_utf8(&mut [0; 4]))
                    })
                })
                .ok_or("a JSON document that is damaged UTF-32"),
        }?;
        Ok(text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text))
    }
}

/// The bytes in groups of so many; none if one is not whole.
fn units<const SIZE: usize, T>(source: &[u8], of: fn([u8; SIZE]) -> T) -> Option<impl Iterator<Item = T>> {
    let (units, rest) = source.as_chunks::<SIZE>();
    rest.is_empty().then(|| units.iter().map(move |unit| of(*unit)))
}

/// Hands on tokens, drops line breaks and comments between them.
fn lex(mut rest: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), Refusal> {
    loop {
        let Some(next) = rest.iter().position(|byte| matches!(byte, b'"' | b'/' | b'\n' | b'\r')) else {
            each(rest);
            return Ok(());
        };
        each(&rest[..next]);
        rest = match rest[next] {
            b'"' => {
                let (string, after) = string(&rest[next..])?;
                each(string);
                after
            }
            b'/' => comment(&rest[next..])?,
            _ => &rest[next + 1..],
        };
    }
}

/// The string at the beginning, and what comes after it.
fn string(text: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
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
    Ok(text.split_at(at + 1))
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
pub(crate) fn quote<'a>(text: impl Into<Text<'a>>, line: &mut Vec<u8>) {
    line.push(b'"');
    escape(text.into(), line);
    line.push(b'"');
}

/// Appends what stands between the quotes of a JSON string.
pub(crate) fn escape(text: Text<'_>, line: &mut Vec<u8>) {
    if text.is_its_json() {
        line.extend_from_slice(text.as_bytes());
    } else {
        let quoted = serde_json::Value::from(text.as_str()).to_string();
        line.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
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
    fn cbor_is_not_taken_for_wide_characters_by_its_first_key() {
        for (source, json) in [
            (&b"\xA1\x00\x01"[..], r#"{"0":1}"#),
            (b"\xA1\x00\x61a", r#"{"0":"a"}"#),
            (b"\xA1\x20\x00\x00", r#"{"-1":0}"#),
            (b"\xBF\x00\x00\xFF", r#"{"0":0}"#),
            (b"\xA1\x60\x00\x00", r#"{"":0}"#),
            (b"\xA1\x61\x00\x00", r#"{"\u0000":0}"#),
            (b"\xB8\x01\x00\x00", r#"{"0":0}"#),
            (b"\xB9\x00\x01\x61a\x00", r#"{"a":0}"#),
            (b"\xBA\x00\x00\x00\x01\x61a\x00", r#"{"a":0}"#),
            (b"\xBB\x00\x00\x00\x00\x00\x00\x00\x01\x61a\x00", r#"{"a":0}"#),
        ] {
            assert_eq!(line(source).unwrap(), json, "{source:02x?}");
        }
    }

    /// How units of UTF-16 and of UTF-32 are written.
    type Wide = (fn(u16) -> [u8; 2], fn(u32) -> [u8; 4]);

    #[test]
    fn json_in_wide_characters_becomes_utf_8() {
        let text = "{\n \"a\": \"ü𝄞\",\n \"/\": 1}\n";
        let wide: [Wide; 2] = [(u16::to_le_bytes, u32::to_le_bytes), (u16::to_be_bytes, u32::to_be_bytes)];
        for (two, four) in wide {
            for marked in [String::from(text), format!("\u{FEFF}{text}")] {
                let utf16: Vec<u8> = marked.encode_utf16().flat_map(two).collect();
                let utf32: Vec<u8> = marked.chars().flat_map(|char| four(char.into())).collect();
                for source in [&utf16, &utf32] {
                    assert_eq!(line(source).unwrap(), "{ \"a\": \"ü𝄞\", \"/\": 1}");
                    assert!(line(&source[..source.len() - 1]).unwrap_err().contains("damaged UTF-"));
                }
            }
        }
        let surrogate: Vec<u8> = [0x7B, 0xD800, 0x7D].into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(line(&surrogate).unwrap_err(), "a JSON document that is damaged UTF-16");
    }

    #[test]
    fn a_slash_does_not_end_a_document() {
        for cut in ["{\n\"a\":\"/\"", "{\"u\":\"http://x\"", "{\"a\":1, // {}", "{\"a\":{}, /* } */"] {
            assert_eq!(line(cut.as_bytes()).unwrap_err(), "a JSON document that does not end", "{cut}");
        }
        assert_eq!(line(b"{\"a\":1} // end").unwrap(), "{\"a\":1} ");
    }

    #[test]
    fn a_comment_may_come_before_a_document_and_after_it() {
        assert_eq!(line(b"/* x */{\"a\":2}").unwrap(), "{\"a\":2}");
        assert_eq!(line(b"// x\n{\"a\":3}// y").unwrap(), "{\"a\":3}");
        for bad in [&b"/* x */[{}]"[..], b"// x\n1}", b"/* {}", b"// {}", b"/{}"] {
            assert!(line(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in
            [&b""[..], b"---\na: 1", b"[1]", b"{\"a\":\"x", b"{\"a\":\"\n\"}", b"{\"a\":\"/*\\\n\"}", b"{\n\"a\"/1}"]
        {
            assert!(line(bad).is_err(), "{bad:?}");
        }
    }

    /// Objects, and a few that are none, with and without what lines cannot have and what looks like it.
    const DOCUMENT: &str = "\\{(\"[a-c/*]{0,4}\":[0-9],?|[ \n\r]|//[a-c]{0,3}\n|/\\*[a-c*]{0,3}\\*/){0,4}[}x]";

    proptest! {
        #[test]
        fn no_input_panics(source in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = append(&source, &mut Vec::new());
            let mut object = b"{\n".to_vec();
            object.extend(&source);
            let _ = append(&object, &mut Vec::new());
        }

        #[test]
        fn a_text_is_quoted_as_json_says_wherever_it_has_what_must_be_escaped(
            plain in "[ -!#-\\[\\]-~\u{e9}\u{1F600}]{0,40}", at in any::<prop::sample::Index>(), odd in "[\\x00-\\x1f\"\\\\]?"
        ) {
            let mut text = plain;
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
            text.insert_str(places[at.index(places.len())], &odd);
            let mut line = Vec::new();
            quote(text.as_str(), &mut line);
            prop_assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn comments_are_told_from_strings_that_look_like_them(
            tokens in prop::collection::vec(("[/*\"\\\\ab]{0,6}", prop::option::of("[/*\"\\\\ab]{0,6}")), 0..8)
        ) {
            let (mut text, mut without) = ("{\"a\":[0".to_owned(), "{\"a\":[0".to_owned());
            let mut any = false;
            for (token, comment) in tokens {
                if let Some(comment) = comment.filter(|comment| !format!("{comment}*").contains("*/")) {
                    text += &format!("/*{comment}*/");
                    any = true;
                }
                let token = format!(",{}", serde_json::Value::from(token));
                text += &token;
                without += &token;
            }
            text += "]}";
            without += "]}";
            prop_assert_eq!(is_a_line(text.as_bytes()), !any);
            prop_assert_eq!(line(text.as_bytes()).unwrap(), without.clone());
            // Those of lines end where the line does.
            let text = text.replace("]}", "]// \"}\n}");
            prop_assert!(look::has_comments(text.as_bytes()));
            prop_assert_eq!(line(text.as_bytes()).unwrap(), without);
        }

        #[test]
        fn documents_that_are_copied_are_the_lines_that_they_are_piece_by_piece(
            documents in prop::collection::vec((DOCUMENT, 0_usize..4, any::<prop::sample::Index>(), 0_usize..150), 1..4)
        ) {
            for (document, odd, at, length) in documents {
                let (mut copied, mut alone) = (Vec::new(), Vec::new());
                let mut document = format!("{{\"{}\":0,{}", "a".repeat(length), document.trim_start_matches('{'));
                let places: Vec<usize> = document.char_indices().map(|(place, _)| place).collect();
                document.insert_str(places[at.index(places.len())], ["", "\n", "//", "/*"][odd]);
                let refused = pieces(document.as_bytes(), |piece| alone.extend_from_slice(piece)).err();
                let appended = append(document.as_bytes(), &mut copied);
                prop_assert_eq!(appended.err(), refused);
                prop_assert_eq!(copied, alone);
            }
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
