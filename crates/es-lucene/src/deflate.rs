//! `DeflateDecompressor`: a length, then so many bytes of raw DEFLATE.

use flate2::{Decompress, FlushDecompress, Status};

use crate::compressing_stored_fields::Decompressor;
use crate::error::Result;
use crate::stream::Stream;

/// An inflater that is used again and again.
pub(crate) struct Deflate {
    inflater: Decompress,
}

impl Default for Deflate {
    fn default() -> Self {
        Self { inflater: Decompress::new(false) }
    }
}

impl Deflate {
    /// Reads a length and as many bytes, and fills `target` from them.
    pub(crate) fn read(&mut self, stream: &mut Stream<'_>, dictionary: &[u8], target: &mut [u8]) -> Result<()> {
        let packed = stream.vint()? as usize;
        if packed == 0 && target.is_empty() {
            return Ok(());
        }
        let source = stream.exactly(packed)?;
        if self.inflate(source, dictionary, target).is_none() {
            return Err(stream.corrupt("a damaged DEFLATE block"));
        }
        stream.consume(packed)
    }

    fn inflate(&mut self, source: &[u8], dictionary: &[u8], target: &mut [u8]) -> Option<()> {
        self.inflater.reset(false);
        if !dictionary.is_empty() {
            self.inflater.set_dictionary(dictionary).ok()?;
        }
        let status = self.inflater.decompress(source, target, FlushDecompress::Finish).ok()?;
        let whole = self.inflater.total_in() == source.len() as u64 && self.inflater.total_out() == target.len() as u64;
        (status == Status::StreamEnd && whole).then_some(())
    }
}

impl Decompressor for Deflate {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()> {
        self.read(stream, &[], &mut target[..length])
    }
}
