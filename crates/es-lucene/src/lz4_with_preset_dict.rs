//! `LZ4WithPresetDictCompressionMode`: blocks that share the first bytes of the chunk as history.

use crate::compressing_stored_fields::Decompressor;
use crate::error::Result;
use crate::preset_dict::{Frame, lengths};
use crate::stream::Stream;

/// Keeps the compressed lengths of the blocks at hand.
#[derive(Default)]
pub(crate) struct Lz4WithPresetDict {
    packed: Vec<usize>,
}

impl Decompressor for Lz4WithPresetDict {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut Vec<u8>) -> Result<()> {
        let frame = Frame::read(stream, length)?;
        self.packed.clear();
        for _ in 0..=frame.blocks() {
            self.packed.push(stream.vint()? as usize);
        }
        let old = target.len();
        target.resize(old + length, 0);
        let (dictionary, mut rest) = target[old..].split_at_mut(frame.dictionary);
        let packed = self.packed.first().copied().unwrap_or(0);
        if length == 0 {
            // One token that says "no literals".
            return stream.skip(packed as u64);
        }
        let done = lz4_flex::block::decompress_into(stream.exactly(packed)?, dictionary);
        check(stream, done.ok(), dictionary.len())?;
        stream.consume(packed)?;
        for (packed, length) in self.packed[1..].iter().zip(lengths(&frame)) {
            let (block, tail) = rest.split_at_mut(length);
            rest = tail;
            let source = stream.exactly(*packed)?;
            let done = lz4_flex::block::decompress_into_with_dict(source, block, dictionary);
            check(stream, done.ok(), length)?;
            stream.consume(*packed)?;
        }
        Ok(())
    }
}

fn check(stream: &Stream<'_>, done: Option<usize>, length: usize) -> Result<()> {
    if done == Some(length) { Ok(()) } else { Err(stream.corrupt("a damaged LZ4 block")) }
}
