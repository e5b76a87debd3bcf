//! `CodecUtil`: the header and footer every Lucene file carries.

use std::sync::Arc;

use crate::data_input::{DataInput, Endian};
use crate::error::{Error, Result};
use crate::source::{Directory, Source, read_whole};

const HEADER_MAGIC: u32 = 0x3FD7_6C17;
const FOOTER_MAGIC: u32 = 0xC028_93E8;
/// Magic, algorithm, checksum.
pub(crate) const FOOTER_LENGTH: usize = 16;
/// The checksum itself, which the checksum does not cover.
pub(crate) const CHECKSUM_LENGTH: usize = 8;

/// The id of a segment or commit: random, the same in all its files.
pub type Id = [u8; 16];

/// What the header of a file says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) codec: String,
    pub(crate) version: u32,
    pub(crate) id: Id,
    pub(crate) suffix: String,
}

impl Header {
    /// Lucene 9 and the custom formats built on it write little-endian numbers.
    pub(crate) fn endian(&self) -> Endian {
        let lucene8 = ["50", "53", "54", "60", "62", "70", "80", "84", "85", "86", "87"];
        match self.codec.strip_prefix("Lucene") {
            Some(rest) if lucene8.iter().any(|version| rest.starts_with(version)) => {
                // Lucene85FieldsIndex was never renamed before Lucene 9, and 9 calls it Lucene90.
                Endian::Big
            }
            _ => Endian::Little,
        }
    }

    /// Fails if the version lies outside what this reader knows.
    pub(crate) fn expect_version(&self, file: &str, known: std::ops::RangeInclusive<u32>) -> Result<()> {
        if known.contains(&self.version) {
            Ok(())
        } else {
            Err(Error::unknown(
                file,
                format!(
                    "version {} of {} is not known (known: {} to {})",
                    self.version,
                    self.codec,
                    known.start(),
                    known.end()
                ),
            ))
        }
    }

    pub(crate) fn unknown(&self, file: &str) -> Error {
        Error::unknown(file, format!("the format {:?} is not known", self.codec))
    }
}

/// Reads the header; the input is then at the first byte after it, in the file's byte order.
pub(crate) fn read_header(input: &mut DataInput<'_>) -> Result<Header> {
    input.set_endian(Endian::Big);
    if input.i32()?.cast_unsigned() != HEADER_MAGIC {
        return Err(input.corrupt("does not begin as a Lucene file does"));
    }
    let codec = input.string()?.to_owned();
    let version = input.count_i32()?;
    let mut id = Id::default();
    id.copy_from_slice(input.bytes(16)?);
    let length = usize::from(input.u8()?);
    let suffix =
        std::str::from_utf8(input.bytes(length)?).map_err(|_| input.corrupt("a suffix that is not UTF-8"))?.to_owned();
    let header = Header { codec, version, id, suffix };
    input.set_endian(header.endian());
    Ok(header)
}

/// Fails unless the file belongs to this segment and carries this suffix.
pub(crate) fn check_owner(file: &str, header: &Header, id: &Id, suffix: &str) -> Result<()> {
    if header.id != *id {
        return Err(Error::corrupt(file, "belongs to another segment"));
    }
    if header.suffix != suffix {
        return Err(Error::corrupt(file, format!("its suffix is {:?}, not {suffix:?}", header.suffix)));
    }
    Ok(())
}

/// Checks the footer's constants and returns the checksum it holds.
pub(crate) fn read_footer(file: &str, footer: &[u8]) -> Result<u32> {
    let mut input = DataInput::new(file, footer);
    if input.i32()?.cast_unsigned() != FOOTER_MAGIC || input.i32()? != 0 {
        return Err(input.corrupt("does not end as a Lucene file does: truncated or damaged"));
    }
    let checksum = input.u64()?;
    u32::try_from(checksum).map_err(|_| input.corrupt("its checksum is no CRC32"))
}

/// Compares a computed checksum with the footer's and with the one known from elsewhere.
pub(crate) fn compare_checksums(file: &str, computed: u32, footer: u32, expected: Option<u32>) -> Result<()> {
    if computed != footer {
        return Err(Error::corrupt(file, format!("checksum {computed:08x}, the footer says {footer:08x}")));
    }
    if let Some(expected) = expected.filter(|expected| *expected != footer) {
        return Err(Error::corrupt(
            file,
            format!("checksum {footer:08x}, the snapshot says {expected:08x}: another file's bytes"),
        ));
    }
    Ok(())
}

/// A whole file whose checksum was verified; its footer is cut off.
pub(crate) struct Checked {
    file: String,
    bytes: Vec<u8>,
}

impl Checked {
    /// Reads and verifies a file.
    pub(crate) fn read(file: &str, source: &dyn Source) -> Result<Self> {
        let mut bytes = read_whole(file, source)?;
        let Some(body) = bytes.len().checked_sub(FOOTER_LENGTH) else {
            return Err(Error::corrupt(file, "too short for a Lucene file"));
        };
        let footer = read_footer(file, &bytes[body..])?;
        let computed = crc32fast::hash(&bytes[..bytes.len() - CHECKSUM_LENGTH]);
        compare_checksums(file, computed, footer, source.expected_checksum())?;
        bytes.truncate(body);
        Ok(Self { file: file.to_owned(), bytes })
    }

    /// Opens, reads and verifies a file of a directory.
    pub(crate) fn open(directory: &dyn Directory, file: &str) -> Result<Self> {
        Self::read(file, open(directory, file)?.as_ref())
    }

    pub(crate) fn input(&self) -> DataInput<'_> {
        DataInput::new(&self.file, &self.bytes)
    }
}

/// Opens a file that must exist.
pub(crate) fn open(directory: &dyn Directory, file: &str) -> Result<Arc<dyn Source>> {
    directory.open(file).ok_or_else(|| Error::missing(file))
}

/// A generation as file names spell it.
pub(crate) fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % 36).unwrap_or(0);
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_spelled_in_base_36() {
        assert_eq!(base36(0), "0");
        assert_eq!(base36(35), "z");
        assert_eq!(base36(36), "10");
        assert_eq!(base36(u64::MAX), "3w5e11264sgsf");
    }
}
