//! `LZ4WithPresetDictCompressionMode`: blocks that share the first bytes of the chunk as history.

use crate::compressing_stored_fields::Decompressor;
use crate::error::Result;
use crate::lz4::{SLACK, decode};
use crate::preset_dict::{Frame, lengths};
use crate::stream::Stream;

/// Keeps the compressed lengths of the blocks at hand, and the block at hand after its history.
#[derive(Default)]
pub(crate) struct Lz4WithPresetDict {
    packed: Vec<usize>,
    window: Vec<u8>,
}

impl Decompressor for Lz4WithPresetDict {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()> {
        let frame = Frame::read(stream, length)?;
        self.packed.clear();
        for _ in 0..=frame.blocks() {
            self.packed.push(stream.vint()? as usize);
        }
        let packed = self.packed.first().copied().unwrap_or(0);
        if length == 0 {
            // One token that says "no literals".
            return stream.skip(packed as u64);
        }
        let history = frame.dictionary;
        let window = history + frame.block.min(length) + SLACK;
        if self.window.len() < window {
            self.window.resize(window, 0);
        }
        block(stream, packed, &mut self.window, 0, history)?;
        let (dictionary, mut rest) = target.split_at_mut(history);
        dictionary.copy_from_slice(&self.window[..history]);
        for (packed, length) in self.packed[1..].iter().zip(lengths(&frame)) {
            block(stream, *packed, &mut self.window, history, history + length)?;
            let (raw, tail) = rest.split_at_mut(length);
            rest = tail;
            raw.copy_from_slice(&self.window[history..history + length]);
        }
        Ok(())
    }
}

/// Decodes the next block, which takes so many bytes.
fn block(stream: &mut Stream<'_>, packed: usize, window: &mut [u8], start: usize, end: usize) -> Result<()> {
    if decode(stream.exactly(packed)?, window, start, end) != Some(packed) {
        return Err(stream.corrupt("a damaged LZ4 block"));
    }
    stream.consume(packed)
}
