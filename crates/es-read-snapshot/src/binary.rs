//! Documents that clients sent as CBOR or SMILE, printed as JSON the way servers print them.
//!
//! They are printed item by item as they are read: keys that come twice come twice, and a single-precision number is
//! printed with the digits of its own precision. What Jackson, which servers read and print with, makes of what JSON has no
//! word for is kept: bytes become base64, a number that is not finite becomes a string, a tag but of numbers is passed over.

use std::fmt::{Display, LowerExp};
use std::io::Write;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::one_line::{Refusal, quote};

/// No server takes a document that is nested deeper.
const DEEPEST: usize = 1000;
/// Bytes of the largest whole number that is printed.
const LARGEST: usize = 512;

const ENDS: Refusal = "a damaged CBOR document";
const TOO_LONG: Refusal = "a document with a number of more than 512 bytes";
/// How the library hands on numbers that it has no type for: as objects with these keys.
const BIG_INTEGER: &str = "\0SmileBigIntegerField";
const BIG_DECIMAL: &str = "\0SmileBigDecimalScale";

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
                quote(STANDARD.encode(bytes).as_str(), self.line);
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
                UNSIGNED | NEGATIVE => quote(integer(key).to_string().as_str(), self.line),
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
        quote(text.as_str(), self.line);
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
                let bytes = self.string(head)?;
                // RFC 8949 has -1 - number. Elasticsearch through 9.5 and OpenSearch through 2.19 write and show -number, 3.8 does
                // not; all of them take the first bit for a sign, which it is not.
                if tag == 3 || bytes.first().is_some_and(|first| first & 0x80 != 0) {
                    return Err("a CBOR document with a bignum, of which servers and clients make different numbers,");
                }
                self.line.extend_from_slice(whole_number(bytes, false)?.as_bytes());
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
                if exponent.value > 0 || exponent.major == NEGATIVE {
                    // Through 6.x they take an exponent of -2 for one of 2, as if that were right.
                    return Err(
                        "a CBOR document with a decimal fraction, of which versions of servers make different numbers,",
                    );
                }
                self.value(digits, depth)?;
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
            (25, bits) => self.line.extend_from_slice(float(half(bits)).as_bytes()),
            (26, bits) => {
                let value = f32::from_bits(u32::try_from(bits).map_err(|_| ENDS)?);
                self.line.extend_from_slice(float(value).as_bytes());
            }
            (27, bits) => self.line.extend_from_slice(float(f64::from_bits(bits)).as_bytes()),
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
        return Err(TOO_LONG);
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

/// A number as Java writes it since JDK 19 (`Double.toString`): with the fewest digits that read back as the same number, but two
/// at least; of several the nearest, of two as near the one that ends in an even digit. They are those of its own precision, not of
/// the double nearest to it.
fn float<F: Copy + PartialEq + LowerExp + FromStr>(value: F) -> String {
    // Rust takes one digit where it does, and of two as near the larger.
    let fewest = format!("{value:e}");
    let digits = fewest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let nearest = format!("{value:.*e}", digits.max(2) - 1);
    let same = nearest.parse::<F>().is_ok_and(|read| read == value);
    notation(if same { &nearest } else { &fewest })
}

/// Java's notation, out of Rust's scientific one.
fn notation(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let Some((digits, exponent)) = number.split_once('e') else {
        return match number {
            "inf" => format!("\"{sign}Infinity\""),
            _ => "\"NaN\"".into(),
        };
    };
    let digits = digits.trim_end_matches(".0").replace('.', "");
    match exponent.parse::<i16>() {
        // With point and fraction, always.
        Ok(exponent @ 0..7) => {
            let whole = usize::from(exponent.unsigned_abs()) + 1;
            let digits = format!("{digits:0<length$}", length = whole + 1);
            let (whole, fraction) = digits.split_at(whole);
            format!("{sign}{whole}.{fraction}")
        }
        Ok(exponent @ -3..0) => {
            let zeros = usize::from(exponent.unsigned_abs()) - 1;
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            format!("{sign}{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest })
        }
    }
}

/// Whole digits, divided by ten so many times, as Java's `BigDecimal` writes it.
fn decimal(number: &str, scale: i64) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    // That of the first digit.
    let exponent = length - 1 - scale;
    if scale == 0 {
        return number.to_owned();
    }
    if scale > 0 && exponent >= -6 {
        let width = usize::try_from(scale).unwrap_or(usize::MAX).saturating_add(1).max(digits.len());
        let digits = format!("{digits:0>width$}");
        let (whole, fraction) = digits.split_at(digits.len() - usize::try_from(scale).unwrap_or_default());
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    if exponent == 0 {
        format!("{sign}{first}{point}{rest}")
    } else {
        format!("{sign}{first}{point}{rest}E{exponent:+}")
    }
}

/// Appends the SMILE document, which must be an object.
pub(crate) fn smile(source: &[u8], line: &mut Vec<u8>) -> Result<(), Refusal> {
    let begin = line.len();
    let mut deserializer = serde_smile::Deserializer::from_slice(source);
    // The library keeps what kind of error it is to itself, but for its words.
    Smile(line).deserialize(&mut deserializer).map_err(|error| match error.to_string().as_str() {
        TOO_LONG => TOO_LONG,
        "recursion limit exceeded" => "a SMILE document that is nested more than 127 deep",
        "unsupported version" => "a SMILE document of a later version",
        _ => "a damaged SMILE document",
    })?;
    if line.get(begin) == Some(&b'{') { Ok(()) } else { Err("a _source that is no object") }
}

/// Prints what it is given.
struct Smile<'a>(&'a mut Vec<u8>);

impl Smile<'_> {
    /// What Java writes as Rust does.
    fn print<E: serde::de::Error>(self, value: impl Display) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }
}

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

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.print(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.print(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.print(value)
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        self.print(value)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<(), E> {
        self.print(value)
    }

    fn visit_f32<E>(self, value: f32) -> Result<(), E> {
        self.0.extend_from_slice(float(value).as_bytes());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.extend_from_slice(float(value).as_bytes());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        quote(value, self.0);
        Ok(())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<(), E> {
        quote(STANDARD.encode(value).as_str(), self.0);
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
            if key == BIG_INTEGER || key == BIG_DECIMAL {
                line.pop();
                let number = smile_number(&key, &mut map)?;
                line.extend_from_slice(number.as_bytes());
                return Ok(());
            }
            if line.len() > begin {
                line.push(b',');
            }
            quote(key.as_str(), line);
            line.push(b':');
            map.next_value_seed(Smile(line))?;
        }
        line.push(b'}');
        Ok(())
    }
}

/// The number behind the first of its keys.
fn smile_number<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<String, A::Error> {
    let mut scale = 0;
    if key == BIG_DECIMAL {
        scale = map.next_value::<i32>()?;
        map.next_key::<String>()?;
    }
    let mut bytes = map.next_value::<Bytes>()?.0;
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    if negative {
        // Of two's complement, -1 - number, as CBOR has it.
        for byte in &mut bytes {
            *byte = !*byte;
        }
    }
    whole_number(bytes, negative).map(|digits| decimal(&digits, scale.into())).map_err(A::Error::custom)
}

/// Bytes, which serde has no type for.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taken;
        impl Visitor<'_> for Taken {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(value.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            (b"\xF9\x00\x01", "5.9604645E-8"),
            (b"\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "-18446744073709551616"),
            (b"\xC2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00", "18446744073709551616"),
            (b"\xC2\x42\x00\xFF", "255"),
            (b"\xC2\x40", "0"),
            (b"\xC4\x82\x00\x19\x6A\xB3", "27315"),
        ] {
            assert_eq!(value(item).unwrap(), shown);
        }
    }

    #[test]
    fn of_the_shortest_numbers_the_one_is_taken_that_java_takes() {
        for (number, shown) in [
            (1.016_964_144_404_036_3e14, "1.0169641444040362E14"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (2e23, "2.0E23"),
            (2e-3, "0.002"),
            (9.5e-7, "9.5E-7"),
        ] {
            assert_eq!(float::<f64>(number), shown);
        }
        let singles = [(1_u32, "1.4E-45"), (2, "2.8E-45"), (3, "4.2E-45"), (4, "5.6E-45"), (0xC989_00B2, "-1122326.2")];
        for (bits, shown) in singles {
            assert_eq!(float(f32::from_bits(bits)), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_number(single in any::<f32>(), double in any::<f64>()) {
            let read = float(single).trim_matches('"').parse::<f32>().map(f32::to_bits);
            prop_assert!(single.is_nan() || read == Ok(single.to_bits()));
            let read = float(double).trim_matches('"').parse::<f64>().map(f64::to_bits);
            prop_assert!(double.is_nan() || read == Ok(double.to_bits()));
        }
    }

    #[test]
    fn numbers_are_laid_out_as_java_does() {
        for (number, shown) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1234.5, "-1234.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.5, "1.23456785E7"),
            (0.001, "0.001"),
            (0.0123, "0.0123"),
            (0.00012, "1.2E-4"),
            (f64::MAX, "1.7976931348623157E308"),
        ] {
            assert_eq!(float(number), shown);
        }
        for (digits, scale, shown) in [
            ("27315", 2, "273.15"),
            ("-27315", 5, "-0.27315"),
            ("27315", 11, "2.7315E-7"),
            ("27315", 10, "0.0000027315"),
            ("1", 6, "0.000001"),
            ("1", 7, "1E-7"),
            ("27315", -2, "2.7315E+6"),
            ("5", -1, "5E+1"),
            ("0", 2, "0.00"),
            ("12", 0, "12"),
        ] {
            assert_eq!(decimal(digits, scale), shown, "{digits} {scale}");
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
        for other in [
            &b"\xE0"[..],
            b"\xD8\x19\x00",
            b"\xC4\x01",
            b"\xC4\x82\x21\x01",
            b"\xC4\x82\x01\x01",
            b"\xC3\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\xC3\x40",
            b"\xC2\x41\xFF",
            b"\xC2\x5F\x41\x80\x41\x00\xFF",
            b"\x61\xFF",
            b"\xA1\xF5\x01",
        ] {
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
        // Numbers that the library has no type for, and what it does not read at all.
        let large = [&b":)\n\x00\xFA\x80a\x26\x91\x01"[..], &[0; 19], b"\xFB"].concat();
        assert_eq!(shown(&large).unwrap(), r#"{"a":680564733841876926926749214863536422912}"#);
        assert_eq!(shown(b":)\n\x00\xFA\x80a\x2A\x84\x82\x3F\x60\x00\xFB").unwrap(), r#"{"a":326.40}"#);
        let long = [&b":)\n\x00\xFA\x80a\x26\x08\x81"[..], &[0; 595], b"\xFB"].concat();
        assert_eq!(shown(&long).unwrap_err(), TOO_LONG);
        let deep = |depth| [&b":)\n\x00\xFA\x80a"[..], &vec![0xF8; depth], &vec![0xF9; depth], b"\xFB"].concat();
        assert_eq!(shown(&deep(126)).unwrap(), format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126)));
        assert_eq!(shown(&deep(127)).unwrap_err(), "a SMILE document that is nested more than 127 deep");
        assert_eq!(shown(b":)\n\x10\xFA\xFB").unwrap_err(), "a SMILE document of a later version");
        for damaged in [&b":)\n\x00\xFA\x80a"[..], b":)\n", b":)\n\x00\xFA\x80a\x28\x03", b":)\n\x00\xFA\x80a\x1F\xFB"]
        {
            assert_eq!(shown(damaged).unwrap_err(), "a damaged SMILE document", "{damaged:?}");
        }
    }
}
