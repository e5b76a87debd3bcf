//! `Uid`: how servers since 6.0 encode the id of a document in the stored field `_id`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const UTF8: u8 = 0xFF;
const NUMERIC: u8 = 0xFE;
const BASE64_ESCAPE: u8 = 0xFD;

/// Replaces the content of `id` with the id that `bytes` encode; false if they encode none.
pub(crate) fn decode(bytes: &[u8], id: &mut String) -> bool {
    id.clear();
    match bytes.split_first() {
        None => false,
        Some((&UTF8, text)) => match std::str::from_utf8(text) {
            Ok(text) => {
                id.push_str(text);
                true
            }
            Err(_) => false,
        },
        Some((&NUMERIC, digits)) => numeric(digits, id),
        Some((&BASE64_ESCAPE, rest)) => {
            URL_SAFE_NO_PAD.encode_string(rest, id);
            true
        }
        Some(_) => {
            URL_SAFE_NO_PAD.encode_string(bytes, id);
            true
        }
    }
}

/// Two digits a byte, the first in the high half; a last half of 15 stands for "no digit".
fn numeric(bytes: &[u8], id: &mut String) -> bool {
    let Some((last, rest)) = bytes.split_last() else {
        return false;
    };
    let digit = |half: u8| char::from_digit(u32::from(half), 10);
    for byte in rest {
        let (Some(high), Some(low)) = (digit(byte >> 4), digit(byte & 15)) else {
            return false;
        };
        id.push(high);
        id.push(low);
    }
    let Some(high) = digit(last >> 4) else {
        return false;
    };
    id.push(high);
    match (last & 15, digit(last & 15)) {
        (15, _) => true,
        (_, Some(low)) => {
            id.push(low);
            true
        }
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Option<String> {
        let mut id = String::new();
        decode(bytes, &mut id).then_some(id)
    }

    #[test]
    fn every_encoding_is_decoded() {
        assert_eq!(decoded(&[0xFE, 0x7F]).as_deref(), Some("7"));
        assert_eq!(decoded(&[0xFE, 0x07]).as_deref(), Some("07"));
        assert_eq!(decoded(b"\xFFuser/2 \xC3\xA9").as_deref(), Some("user/2 é"));
        assert_eq!(decoded(&[0x01, 0x02, 0x03]).as_deref(), Some("AQID"));
        assert_eq!(decoded(&[0xFD, 0xFF, 0xFE, 0xFD]).as_deref(), Some("__79"));
    }

    #[test]
    fn what_no_server_writes_is_refused() {
        for bytes in [&[][..], &[0xFE], &[0xFE, 0xF1], &[0xFE, 0x1A], &[0xFE, 0x1F, 0x11], &[0xFF, 0xC3]] {
            assert_eq!(decoded(bytes), None, "{bytes:?}");
        }
    }
}
