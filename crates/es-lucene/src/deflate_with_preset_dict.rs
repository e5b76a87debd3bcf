//! `DeflateWithPresetDictCompressionMode`: blocks inflated with the first bytes of the chunk as dictionary.

use crate::compressing_stored_fields::Decompressor;
use crate::deflate::Deflate;
use crate::error::Result;
use crate::preset_dict::{Frame, lengths};
use crate::stream::Stream;

/// An inflater that is used again and again.
#[derive(Default)]
pub(crate) struct DeflateWithPresetDict {
    deflate: Deflate,
}

impl Decompressor for DeflateWithPresetDict {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()> {
        let frame = Frame::read(stream, length)?;
        let (dictionary, mut rest) = target[..length].split_at_mut(frame.dictionary);
        self.deflate.read(stream, &[], dictionary)?;
        for length in lengths(&frame) {
            let (block, tail) = rest.split_at_mut(length);
            rest = tail;
            self.deflate.read(stream, dictionary, block)?;
        }
        Ok(())
    }
}
