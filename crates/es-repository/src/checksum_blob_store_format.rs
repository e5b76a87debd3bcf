//! `ChecksumBlobStoreFormat`: the frame around every `.dat` blob, the same since 5.0.

use std::io::Read;

use crate::error::{Error, Result};

const HEADER_MAGIC: [u8; 4] = [0x3F, 0xD7, 0x6C, 0x17];
const FOOTER_MAGIC: [u8; 8] = [0xC0, 0x28, 0x93, 0xE8, 0, 0, 0, 0];
const DEFLATE: &[u8] = b"DFL\0";
const ZSTD: &[u8] = b"ZSTD\0";
/// Metadata of no cluster is larger; more is a bomb.
const LIMIT: u64 = 2 << 30;

/// Verifies the frame and returns the content, decompressed.
pub(crate) fn unframe(blob: &str, bytes: &[u8], codec: &str) -> Result<Vec<u8>> {
    let damaged = |what: &str| Error::corrupt(blob, what);
    let (body, checksum) = bytes.split_last_chunk::<8>().ok_or_else(|| damaged("too short for a metadata blob"))?;
    if u64::from(crc32fast::hash(body)) != u64::from_be_bytes(*checksum) {
        // Servers encrypt whole blobs where a crypto plugin is set: then not even the magic is there.
        if !body.starts_with(&HEADER_MAGIC) {
            return Err(damaged("not a metadata blob: damaged, or encrypted")
                .with_hint("a repository with client-side encryption cannot be read"));
        }
        return Err(damaged("its checksum is wrong: damaged"));
    }
    let body = body.strip_suffix(&FOOTER_MAGIC).ok_or_else(|| damaged("it has no footer"))?;
    let rest = body.strip_prefix(&HEADER_MAGIC).ok_or_else(|| damaged("it has no header"))?;
    let (&length, rest) = rest.split_first().ok_or_else(|| damaged("it has no header"))?;
    let (name, rest) = rest.split_at_checked(usize::from(length)).ok_or_else(|| damaged("it has no header"))?;
    if length >= 0x80 || name != codec.as_bytes() {
        let name = String::from_utf8_lossy(name);
        return Err(damaged(&format!("it holds {name:?}, not {codec:?}")));
    }
    let (version, content) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("it has no version"))?;
    match u32::from_be_bytes(*version) {
        1 => decompress(blob, content),
        version => Err(Error::unsupported(blob, format!("version {version} of this format is not known"))),
    }
}

/// Content as compressed as the repository's settings say.
pub(crate) fn decompress(blob: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    let read = if let Some(packed) = content.strip_prefix(DEFLATE) {
        flate2::read::DeflateDecoder::new(packed).take(LIMIT).read_to_end(&mut plain)
    } else if let Some(packed) = content.strip_prefix(ZSTD) {
        zstd::stream::read::Decoder::new(packed).and_then(|decoder| decoder.take(LIMIT).read_to_end(&mut plain))
    } else {
        plain.extend_from_slice(content);
        Ok(0)
    };
    read.map_err(|error| Error::corrupt(blob, format!("cannot be decompressed: {error}")))?;
    if plain.len() as u64 == LIMIT {
        return Err(Error::corrupt(blob, "more than 2 GB of metadata"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(codec: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = HEADER_MAGIC.to_vec();
        bytes.push(u8::try_from(codec.len()).unwrap());
        bytes.extend(codec.as_bytes());
        bytes.extend([0, 0, 0, 1]);
        bytes.extend(content);
        bytes.extend(FOOTER_MAGIC);
        bytes.extend(u64::from(crc32fast::hash(&bytes)).to_be_bytes());
        bytes
    }

    #[test]
    fn content_comes_back_plain_or_compressed() {
        assert_eq!(unframe("b", &frame("x", b"{}"), "x").unwrap(), b"{}");
        let mut zstd = ZSTD.to_vec();
        zstd.extend(zstd::encode_all(&b"{}"[..], 1).unwrap());
        assert_eq!(unframe("b", &frame("x", &zstd), "x").unwrap(), b"{}");
        assert_eq!(unframe("b", &frame("x", b"DFL\0\xab\xae\x05\0"), "x").unwrap(), b"{}");
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let good = frame("snapshot", b":)\n\x05\xfa\xfb");
        assert!(unframe("b", &good, "snapshot").is_ok());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unframe("b", &bad, "snapshot").is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(unframe("b", &good[..length], "snapshot").is_err());
        }
    }
}
