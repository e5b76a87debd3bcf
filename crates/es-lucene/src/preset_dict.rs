//! What chunks with a preset dictionary begin with.

use crate::error::Result;
use crate::stream::Stream;

/// A dictionary, then blocks.
pub(crate) struct Frame {
    /// Raw length of the dictionary.
    pub(crate) dictionary: usize,
    /// Raw length of all blocks but the last.
    pub(crate) block: usize,
    /// Raw length of everything.
    length: usize,
}

impl Frame {
    pub(crate) fn read(stream: &mut Stream<'_>, length: usize) -> Result<Self> {
        let dictionary = stream.vint()? as usize;
        let block = stream.vint()? as usize;
        if dictionary > length || (block == 0 && dictionary < length) {
            return Err(stream
                .corrupt(format!("a dictionary of {dictionary} and blocks of {block} bytes in a chunk of {length}")));
        }
        Ok(Self { dictionary, block, length })
    }

    /// Number of blocks after the dictionary.
    pub(crate) fn blocks(&self) -> usize {
        match self.length - self.dictionary {
            0 => 0,
            rest => rest.div_ceil(self.block),
        }
    }
}

/// Raw length of each block.
pub(crate) fn lengths(frame: &Frame) -> impl Iterator<Item = usize> + use<> {
    let (rest, block) = (frame.length - frame.dictionary, frame.block);
    (0..frame.blocks()).map(move |number| block.min(rest - number * block))
}
