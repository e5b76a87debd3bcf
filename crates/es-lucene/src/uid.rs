//! `Uid`: how servers since 6.0 encode the id of a document in the stored field `_id`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::text::Text;

const UTF8: u8 = 0xFF;
const NUMERIC: u8 = 0xFE;
const BASE64_ESCAPE: u8 = 0xFD;

/// The id that `bytes` encode, if they encode one. `buffer` takes it where it is not among them as it is.
pub(crate) fn decode<'a>(bytes: &'a [u8], buffer: &'a mut Vec<u8>) -> Option<Text<'a>> {
    let (first, rest) = bytes.split_first()?;
    match *first {
        UTF8 => Text::new(rest),
        NUMERIC => numeric(rest, buffer),
        BASE64_ESCAPE => base64(rest, buffer),
        _ => base64(bytes, buffer),
    }
}

fn base64<'a>(bytes: &[u8], buffer: &'a mut Vec<u8>) -> Option<Text<'a>> {
    // Three bytes become four.
    let room = bytes.len() + bytes.len() / 3 + 2;
    if buffer.len() < room {
        buffer.resize(room, 0);
    }
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, buffer).ok()?;
    Some(Text::ascii(&buffer[..length]))
}

/// Two digits a byte, the first in the high half; a last half of 15 stands for "no digit".
fn numeric<'a>(bytes: &[u8], buffer: &'a mut Vec<u8>) -> Option<Text<'a>> {
    buffer.clear();
    let (last, rest) = bytes.split_last()?;
    let digit = |half: u8| (half < 10).then_some(b'0' + half);
    for byte in rest {
        buffer.extend([digit(byte >> 4)?, digit(byte & 15)?]);
    }
    buffer.push(digit(last >> 4)?);
    if last & 15 != 15 {
        buffer.push(digit(last & 15)?);
    }
    Some(Text::ascii(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Option<String> {
        let mut used_before = vec![b'x'; 3];
        decode(bytes, &mut used_before).map(|id| id.to_string())
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
