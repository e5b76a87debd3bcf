//! `CompressingStoredFieldsIndexReader`: the `.fdx` of Lucene 5.0 to 8.4, blocks of chunks one after another.

use crate::compressing_stored_fields_index::Start;
use crate::error::Result;
use crate::stream::Stream;

/// Chunks in a block.
const BLOCK: u32 = 1024;
/// The first version of packed integers whose lists end at a byte.
const BYTE_ALIGNED: u32 = 1;

/// Chunks that begin at least `step` bytes after the one before. The first chunk begins at `first`.
pub(crate) fn split(stream: &mut Stream<'_>, first: u64, step: u64, max_doc: u32) -> Result<Vec<Start>> {
    let packed = stream.vint()?;
    if packed < BYTE_ALIGNED {
        return Err(stream.corrupt(format!("version {packed} of packed integers")));
    }
    let mut starts = Vec::new();
    let mut next = first + step;
    loop {
        let chunks = stream.vint()?;
        if chunks == 0 {
            break;
        }
        if chunks > BLOCK {
            return Err(stream.corrupt(format!("a block of {chunks} chunks")));
        }
        let documents = Block::read(stream, chunks)?;
        let pointers = Block::read(stream, chunks)?;
        for chunk in 0..chunks {
            let (document, pointer) = (documents.get(chunk), pointers.get(chunk));
            let (Some(document), Some(pointer)) = (document.and_then(|number| u32::try_from(number).ok()), pointer)
            else {
                return Err(stream.corrupt("a chunk that begins nowhere"));
            };
            if document >= max_doc {
                return Err(stream.corrupt(format!("a chunk begins at document {document}")));
            }
            if pointer >= next {
                starts.push(Start { document, pointer });
                next = pointer.saturating_add(step);
            }
        }
    }
    // Where the last chunk ends, which the data file says itself.
    stream.vlong()?;
    Ok(starts)
}

/// Numbers that grow evenly: a base, a slope, and how far each is off.
struct Block {
    base: u64,
    average: u64,
    bits: u32,
    offs: Vec<u8>,
}

impl Block {
    fn read(stream: &mut Stream<'_>, count: u32) -> Result<Self> {
        let base = stream.vlong()?;
        let average = stream.vlong()?;
        let bits = stream.vint()?;
        if bits > 64 {
            return Err(stream.corrupt(format!("integers of {bits} bits")));
        }
        let length = (count * bits).div_ceil(8) as usize;
        let offs = stream.exactly(length)?.to_vec();
        stream.consume(length)?;
        Ok(Self { base, average, bits, offs })
    }

    fn get(&self, number: u32) -> Option<u64> {
        let mut off: u64 = 0;
        for bit in number * self.bits..(number + 1) * self.bits {
            let byte = *self.offs.get(bit as usize / 8)?;
            off = off << 1 | u64::from(byte >> (7 - bit % 8) & 1);
        }
        let off = (off >> 1).cast_signed() ^ -(off & 1).cast_signed(); // zigzag
        self.base.checked_add(self.average.checked_mul(u64::from(number))?)?.checked_add_signed(off)
    }
}
