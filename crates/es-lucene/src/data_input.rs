//! `DataInput`: the primitives of which every Lucene file is made, over bytes in memory.

use crate::error::{Error, Result};

/// Byte order of fixed-width numbers: big-endian through Lucene 8, little-endian from Lucene 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Big,
    Little,
}

/// A cursor over the bytes of one file.
#[derive(Clone)]
pub(crate) struct DataInput<'a> {
    file: &'a str,
    bytes: &'a [u8],
    position: usize,
    endian: Endian,
}

impl<'a> DataInput<'a> {
    pub(crate) fn new(file: &'a str, bytes: &'a [u8]) -> Self {
        Self { file, bytes, position: 0, endian: Endian::Big }
    }

    pub(crate) fn set_endian(&mut self, endian: Endian) {
        self.endian = endian;
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    #[inline]
    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::corrupt(self.file, what)
    }

    /// Fails unless every byte was read.
    #[inline]
    pub(crate) fn expect_end(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(too_many(self.file, left)),
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.position.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.position..end)) {
            Some(slice) => {
                self.position += count;
                Ok(slice)
            }
            None => Err(too_short(self.file, self.position, count)),
        }
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<()> {
        self.bytes(count).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        let array = self.array()?;
        Ok(match self.endian {
            Endian::Big => u16::from_be_bytes(array),
            Endian::Little => u16::from_le_bytes(array),
        })
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        let array = self.array()?;
        Ok(match self.endian {
            Endian::Big => i32::from_be_bytes(array),
            Endian::Little => i32::from_le_bytes(array),
        })
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        let array = self.array()?;
        Ok(match self.endian {
            Endian::Big => i64::from_be_bytes(array),
            Endian::Little => i64::from_le_bytes(array),
        })
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(self.i64()?.cast_unsigned())
    }

    /// A number of things that cannot be negative.
    pub(crate) fn count_i32(&mut self) -> Result<u32> {
        let value = self.i32()?;
        u32::try_from(value).map_err(|_| self.corrupt(format!("a count of {value}")))
    }

    /// An offset or a length that cannot be negative.
    pub(crate) fn offset_i64(&mut self) -> Result<u64> {
        let value = self.i64()?;
        u64::try_from(value).map_err(|_| self.corrupt(format!("an offset of {value}")))
    }

    /// At most five bytes, at most 2^31-1.
    #[inline]
    pub(crate) fn vint(&mut self) -> Result<u32> {
        let value = self.vlong()?;
        match i32::try_from(value) {
            Ok(value) => Ok(value.cast_unsigned()),
            Err(_) => Err(out_of_range(self.file, value)),
        }
    }

    /// At most nine bytes: Lucene never writes a negative one.
    #[inline]
    pub(crate) fn vlong(&mut self) -> Result<u64> {
        // Most are of one byte or two.
        match *self.bytes.get(self.position..).unwrap_or_default() {
            [low @ ..0x80, ..] => {
                self.position += 1;
                Ok(u64::from(low))
            }
            [low, high @ ..0x80, ..] => {
                self.position += 2;
                Ok(u64::from(low & 0x7F) | u64::from(high) << 7)
            }
            _ => {
                let (value, after) = long_vlong(self.clone())?;
                *self = after;
                Ok(value)
            }
        }
    }

    /// A zigzag number of at most ten bytes.
    pub(crate) fn zigzag(&mut self) -> Result<i64> {
        let mut value = 0;
        for shift in 0..10 {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7F) << (7 * shift);
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
            }
        }
        Err(self.corrupt("a number of more than ten bytes"))
    }

    /// A zigzag number; only its end matters.
    pub(crate) fn skip_zigzag(&mut self) -> Result<()> {
        for _ in 0..10 {
            if self.u8()? & 0x80 == 0 {
                return Ok(());
            }
        }
        Err(self.corrupt("a number of more than ten bytes"))
    }

    /// A byte length, followed by as many bytes.
    #[inline]
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8]> {
        let length = self.vint()?;
        self.bytes(length as usize)
    }

    pub(crate) fn string(&mut self) -> Result<&'a str> {
        let bytes = self.prefixed()?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt("a name that is not UTF-8"))
    }

    pub(crate) fn strings(&mut self) -> Result<Vec<String>> {
        let count = self.vint()?;
        (0..count).map(|_| self.string().map(str::to_owned)).collect()
    }

    pub(crate) fn string_map(&mut self) -> Result<Vec<(String, String)>> {
        let count = self.vint()?;
        (0..count).map(|_| Ok((self.string()?.to_owned(), self.string()?.to_owned()))).collect()
    }
}

// What follows takes values, not a cursor by its address: one whose address nobody has is kept in registers.

#[inline(never)]
fn long_vlong(mut input: DataInput<'_>) -> Result<(u64, DataInput<'_>)> {
    let mut value = 0;
    for shift in 0..9 {
        let byte = input.u8()?;
        value |= u64::from(byte & 0x7F) << (7 * shift);
        if byte & 0x80 == 0 {
            return Ok((value, input));
        }
    }
    Err(input.corrupt("a number of more than nine bytes"))
}

#[cold]
fn too_many(file: &str, left: usize) -> Error {
    Error::corrupt(file, format!("{left} bytes too many"))
}

#[cold]
fn too_short(file: &str, position: usize, count: usize) -> Error {
    Error::corrupt(file, format!("ends before byte {position}+{count}"))
}

#[cold]
fn out_of_range(file: &str, value: u64) -> Error {
    Error::corrupt(file, format!("{value} is out of range"))
}
