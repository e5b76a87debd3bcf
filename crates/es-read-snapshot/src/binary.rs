//! Documents that clients sent as CBOR or SMILE, printed as JSON the way servers print them.
//!
//! They are printed item by item as they are read: keys that come twice come twice, and a single-precision number is
//! printed with the digits of its own precision. What Jackson, which servers read and print with, makes of what JSON has no
//! word for is kept: bytes become base64, a number that is not finite becomes a string, a tag but of numbers is passed over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::one_line::{Refusal, quote};

/// No server takes a document that is nested deeper.
const DEEPEST: usize = 1000;
/// Bytes of the largest whole number that is printed.
const LARGEST: usize = 512;

const ENDS: Refusal = "a damaged CBOR document";

/// Appends the CBOR document, which must be an object.
pub(crate) fn cbor(source: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut cbor = Cbor { rest: source, line };
    let mut head = cbor.head()?;
    while head.major == TAG {
        check_tag(head.value)?;
        head = cbor.head()?;
    }
    if head.major != MAP {
        return Err("a _source that is no object");
    }
    cbor.value(head, DEEPEST)
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
/// The additional information of an item whose length is not given.
const INDEFINITE: u8 = 31;

/// What an item begins with (RFC 8949, 3).
#[derive(Clone, Copy)]
struct Head {
    major: u8,
    info: u8,
    value: u64,
}

impl Head {
    fn is_break(self) -> bool {
        self.major == 7 && self.info == INDEFINITE
    }

    /// Whether a list or an object has another item after so many.
    fn has_more(self, items: u64) -> bool {
        self.info == INDEFINITE || items < self.value
    }
}

struct Cbor<'a, 'b> {
    rest: &'a [u8],
    line: &'b mut Vec<u8>,
}

impl<'a> Cbor<'a, '_> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], Refusal> {
        let length = usize::try_from(length).map_err(|_| ENDS)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ENDS)?;
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self) -> Result<Head, Refusal> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let value = match info {
            0..24 => info.into(),
            24..28 => self.take(1 << (info - 24))?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            INDEFINITE if !matches!(major, UNSIGNED | NEGATIVE | TAG) => 0,
            _ => return Err(ENDS),
        };
        Ok(Head { major, info, value })
    }

    fn value(&mut self, head: Head, depth: usize) -> Result<(), Refusal> {
        let depth = depth.checked_sub(1).ok_or("a document that is nested too deeply")?;
        match head.major {
            UNSIGNED | NEGATIVE => self.line.extend_from_slice(integer(head).to_string().as_bytes()),
            BYTES => {
                let bytes = self.string(head)?;
                quote(&STANDARD.encode(bytes), self.line);
            }
            TEXT => self.text(head)?,
            LIST => {
                self.line.push(b'[');
                let mut items = 0;
                while head.has_more(items) {
                    let item = self.head()?;
                    if head.info == INDEFINITE && item.is_break() {
                        break;
                    }
                    self.comma(items);
                    self.value(item, depth)?;
                    items += 1;
                }
                self.line.push(b']');
            }
            MAP => self.object(head, depth)?,
            TAG => self.tagged(head.value, depth)?,
            _ => self.simple(head)?,
        }
        Ok(())
    }

    fn comma(&mut self, items: u64) {
        if items > 0 {
            self.line.push(b',');
        }
    }

    fn object(&mut self, head: Head, depth: usize) -> Result<(), Refusal> {
        self.line.push(b'{');
        let mut items = 0;
        while head.has_more(items) {
            let key = self.head()?;
            if head.info == INDEFINITE && key.is_break() {
                break;
            }
            self.comma(items);
            match key.major {
                UNSIGNED | NEGATIVE => quote(&integer(key).to_string(), self.line),
                TEXT | BYTES => self.text(key)?,
                _ => return Err("a CBOR document with a key that is no text"),
            }
            self.line.push(b':');
            let value = self.head()?;
            self.value(value, depth)?;
            items += 1;
        }
        self.line.push(b'}');
        Ok(())
    }

    fn text(&mut self, head: Head) -> Result<(), Refusal> {
        let text =
            String::from_utf8(self.string(head)?).map_err(|_| "a CBOR document with a text that is not UTF-8")?;
        quote(&text, self.line);
        Ok(())
    }

    /// A string, which may come in pieces.
    fn string(&mut self, head: Head) -> Result<Vec<u8>, Refusal> {
        if head.info != INDEFINITE {
            return Ok(self.take(head.value)?.to_vec());
        }
        let mut whole = Vec::new();
        loop {
            let piece = self.head()?;
            if piece.is_break() {
                return Ok(whole);
            }
            if piece.major != head.major || piece.info == INDEFINITE {
                return Err(ENDS);
            }
            whole.extend_from_slice(self.take(piece.value)?);
        }
    }

    fn tagged(&mut self, tag: u64, depth: usize) -> Result<(), Refusal> {
        check_tag(tag)?;
        let head = self.head()?;
        match (tag, head.major) {
            (2 | 3, BYTES) => {
                let number = whole_number(self.string(head)?, tag == 3)?;
                self.line.extend_from_slice(number.as_bytes());
            }
            // A decimal fraction: exponent and digits.
            (4, LIST) if head.value == 2 => {
                let exponent = self.head()?;
                if !matches!(exponent.major, UNSIGNED | NEGATIVE) {
                    return Err(ENDS);
                }
                let digits = self.head()?;
                if !matches!((digits.major, digits.value), (UNSIGNED | NEGATIVE, _) | (TAG, 2 | 3)) {
                    return Err(ENDS);
                }
                self.value(digits, depth)?;
                self.line.extend_from_slice(format!("E{}", integer(exponent)).as_bytes());
            }
            (2..=5, _) => return Err("a CBOR document with a number of an unknown form"),
            _ => self.value(head, depth)?,
        }
        Ok(())
    }

    fn simple(&mut self, head: Head) -> Result<(), Refusal> {
        match (head.info, head.value) {
            (20, _) => self.line.extend_from_slice(b"false"),
            (21, _) => self.line.extend_from_slice(b"true"),
            (22 | 23, _) => self.line.extend_from_slice(b"null"),
            (25, bits) => single(half(bits), self.line),
            (26, bits) => single(f32::from_bits(u32::try_from(bits).map_err(|_| ENDS)?), self.line),
            (27, bits) => double(f64::from_bits(bits), self.line),
            (INDEFINITE, _) => return Err(ENDS),
            _ => return Err("a CBOR document with a simple value that has no meaning"),
        }
        Ok(())
    }
}

/// Fails on tags that change what other items mean.
fn check_tag(tag: u64) -> Result<(), Refusal> {
    match tag {
        25 | 256 => Err("a CBOR document with references to strings"),
        _ => Ok(()),
    }
}

fn integer(head: Head) -> i128 {
    let value = i128::from(head.value);
    if head.major == NEGATIVE { -1 - value } else { value }
}

/// The decimal digits of a number of any size; a negative one is stored as -1 - number.
fn whole_number(mut bytes: Vec<u8>, negative: bool) -> Result<String, Refusal> {
    if bytes.len() > LARGEST {
        return Err("a CBOR document with a number of more than 512 bytes");
    }
    if negative {
        // One more; the first byte takes what is carried over.
        bytes.insert(0, 0);
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
    let mut digits = Vec::new();
    while bytes.iter().any(|byte| *byte != 0) {
        let mut rest = 0;
        for byte in &mut bytes {
            let value = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 10).unwrap_or_default();
            rest = value % 10;
        }
        digits.push(char::from_digit(rest, 10).unwrap_or_default());
    }
    if digits.is_empty() {
        digits.push('0');
    }
    if negative {
        digits.push('-');
    }
    Ok(digits.iter().rev().collect())
}

/// A number of half precision (RFC 8949, appendix D).
fn half(bits: u64) -> f32 {
    let fraction = f32::from(u16::try_from(bits & 0x3FF).unwrap_or_default());
    let value = match bits >> 10 & 31 {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (fraction + 1024.0) * 2_f32.powi(i32::try_from(exponent).unwrap_or_default() - 25),
    };
    if bits >> 15 & 1 == 1 { -value } else { value }
}

fn single(value: f32, line: &mut Vec<u8>) {
    // By its own shortest digits, not those of the double nearest to it.
    finite(value.is_finite().then(|| serde_json::to_string(&value).ok()).flatten(), value.into(), line);
}

fn double(value: f64, line: &mut Vec<u8>) {
    finite(value.is_finite().then(|| serde_json::to_string(&value).ok()).flatten(), value, line);
}

fn finite(digits: Option<String>, value: f64, line: &mut Vec<u8>) {
    let word = match digits {
        Some(digits) => digits,
        None if value.is_nan() => "\"NaN\"".into(),
        None if value > 0.0 => "\"Infinity\"".into(),
        None => "\"-Infinity\"".into(),
    };
    line.extend_from_slice(word.as_bytes());
}

/// Appends the SMILE document, which must be an object.
pub(crate) fn smile(source: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    let begin = line.len();
    let mut deserializer = serde_smile::Deserializer::from_slice(source);
    Smile(line).deserialize(&mut deserializer).map_err(
        |_| "a SMILE document that is damaged, nested more than 127 deep or with a number of more than 128 bits",
    )?;
    if line.get(begin) == Some(&b'{') { Ok(()) } else { Err("a _source that is no object") }
}

/// Prints what it is given.
struct Smile<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Smile<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Smile<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        self.0.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        self.0.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    fn visit_f32<E>(self, value: f32) -> Result<(), E> {
        single(value, self.0);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        double(value, self.0);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        quote(value, self.0);
        Ok(())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<(), E> {
        quote(&STANDARD.encode(value), self.0);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let line = self.0;
        line.push(b'[');
        let begin = line.len();
        loop {
            let end = line.len();
            if end > begin {
                line.push(b',');
            }
            if list.next_element_seed(Smile(line))?.is_none() {
                line.truncate(end);
                break;
            }
        }
        line.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let line = self.0;
        line.push(b'{');
        let begin = line.len();
        while let Some(key) = map.next_key::<String>()? {
            // How the library hands on numbers of more than 128 bits, and decimal ones.
            if key.starts_with("$serde_smile") {
                return Err(A::Error::custom("a number that is too large"));
            }
            if line.len() > begin {
                line.push(b',');
            }
            quote(&key, line);
            line.push(b':');
            map.next_value_seed(Smile(line))?;
        }
        line.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: &[u8]) -> Result<String, Refusal> {
        let mut line = Vec::new();
        cbor(source, &mut line).map(|()| String::from_utf8(line).unwrap())
    }

    /// An object whose `a` is this.
    fn value(item: &[u8]) -> Result<String, Refusal> {
        let line = line(&[b"\xA1aa", item].concat())?;
        Ok(line.strip_prefix("{\"a\":").unwrap().strip_suffix('}').unwrap().to_owned())
    }

    #[test]
    fn a_number_has_the_digits_of_its_own_precision() {
        for (item, shown) in [
            (&b"\xFA\x3D\xCC\xCC\xCD"[..], "0.1"),
            (b"\xFB\x3F\xB9\x99\x99\x99\x99\x99\x9A", "0.1"),
            (b"\xF9\x3E\x00", "1.5"),
            (b"\xF9\xC4\x00", "-4.0"),
            (b"\xF9\x00\x01", "5.9604645e-8"),
            (b"\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "-18446744073709551616"),
            (b"\xC2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00", "18446744073709551616"),
            (b"\xC3\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00", "-18446744073709551617"),
            (b"\xC3\x41\xFF", "-256"),
            (b"\xC2\x40", "0"),
            (b"\xC4\x82\x21\x19\x6A\xB3", "27315E-2"),
        ] {
            assert_eq!(value(item).unwrap(), shown);
        }
    }

    #[test]
    fn what_json_has_no_word_for_becomes_what_a_server_shows() {
        for (item, shown) in [
            (&b"\xF9\x7E\x00"[..], "\"NaN\""),
            (b"\xFA\x7F\x80\x00\x00", "\"Infinity\""),
            (b"\xF9\xFC\x00", "\"-Infinity\""),
            (b"\xF7", "null"),
            (b"\x43\x01\x02\x03", "\"AQID\""),
            (b"\xC0\x6A2018-11-23", "\"2018-11-23\""),
            (b"\x7F\x61x\x61\"\xFF", "\"x\\\"\""),
            (b"\xBF\x01\x9F\xF5\xF4\xFF\x20\x80\xFF", "{\"1\":[true,false],\"-1\":[]}"),
        ] {
            assert_eq!(value(item).unwrap(), shown);
        }
        assert_eq!(line(b"\xD9\xD9\xF7\xA2aa\x01aa\x02").unwrap(), r#"{"a":1,"a":2}"#);
        let deep = [vec![0x81; 300], vec![0xF6]].concat();
        assert_eq!(value(&deep).unwrap(), format!("{}null{}", "[".repeat(300), "]".repeat(300)));
    }

    #[test]
    fn only_what_is_damaged_is_called_so() {
        for damaged in [
            &b"\x62x"[..],
            b"\xFF",
            b"\x1C",
            b"\x9F",
            b"\xA1aa",
            b"\x7F\x41x\xFF",
            b"\x5B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        ] {
            assert_eq!(value(damaged).unwrap_err(), "a damaged CBOR document", "{damaged:?}");
        }
        assert_eq!(value(&[0x81; 2000]).unwrap_err(), "a document that is nested too deeply");
        for other in [&b"\xE0"[..], b"\xD8\x19\x00", b"\xC4\x01", b"\x61\xFF", b"\xA1\xF5\x01"] {
            assert!(!value(other).unwrap_err().contains("damaged"), "{other:?}");
        }
        assert_eq!(line(b"\x81\x01").unwrap_err(), "a _source that is no object");
    }

    #[test]
    fn smile_is_printed_as_it_comes() {
        let shown = |source: &[u8]| {
            let mut line = Vec::new();
            smile(source, &mut line).map(|()| String::from_utf8(line).unwrap())
        };
        assert_eq!(shown(b":)\n\x00\xFA\x80a\xC2\x80a\xC4\xFB").unwrap(), r#"{"a":1,"a":2}"#);
        // 0.1 of single precision, in groups of seven bits; an empty list and one of two.
        assert_eq!(shown(b":)\n\x00\xFA\x80a\x28\x03\x6E\x33\x19\x4D\xFB").unwrap(), r#"{"a":0.1}"#);
        assert_eq!(
            shown(b":)\n\x00\xFA\x80a\xF8\xF9\x80b\xF8\x21\x23\xF9\xFB").unwrap(),
            r#"{"a":[],"b":[null,true]}"#
        );
        assert_eq!(shown(b":)\n\x00\xF8\xF9").unwrap_err(), "a _source that is no object");
    }
}
