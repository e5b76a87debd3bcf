//! zstd as the three stored-fields formats use it that know it.

use crate::compressing_stored_fields::Decompressor;
use crate::error::Result;
use crate::preset_dict::{Frame, lengths};
use crate::stream::Stream;

fn read(
    stream: &mut Stream<'_>,
    decompressor: Option<&mut zstd::bulk::Decompressor<'_>>,
    target: &mut [u8],
) -> Result<()> {
    let packed = stream.vint()? as usize;
    if packed == 0 && target.is_empty() {
        return Ok(());
    }
    let source = stream.exactly(packed)?;
    let done = decompressor.and_then(|zstd| zstd.decompress_to_buffer(source, target).ok());
    if done != Some(target.len()) {
        return Err(stream.corrupt("a damaged zstd frame"));
    }
    stream.consume(packed)
}

fn plain() -> Option<zstd::bulk::Decompressor<'static>> {
    zstd::bulk::Decompressor::new().ok()
}

/// One frame a piece: Elasticsearch.
pub(crate) struct ZstdFrame {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Default for ZstdFrame {
    fn default() -> Self {
        Self { zstd: plain() }
    }
}

impl Decompressor for ZstdFrame {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()> {
        if length == 0 {
            // A chunk of nested objects alone: nothing is written, not even a length (8.19.21, 9.5.3).
            return Ok(());
        }
        read(stream, self.zstd.as_mut(), &mut target[..length])
    }
}

/// One frame a block, each on its own: OpenSearch without a dictionary.
pub(crate) struct ZstdNoDict {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Default for ZstdNoDict {
    fn default() -> Self {
        Self { zstd: plain() }
    }
}

impl Decompressor for ZstdNoDict {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()> {
        let block = stream.vint()? as usize;
        if block == 0 && length > 0 {
            return Err(stream.corrupt("blocks of no bytes"));
        }
        let mut rest = &mut target[..length];
        while !rest.is_empty() {
            let (head, tail) = rest.split_at_mut(block.min(rest.len()));
            rest = tail;
            read(stream, self.zstd.as_mut(), head)?;
        }
        Ok(())
    }
}

/// Frames with the first bytes of the chunk as dictionary: OpenSearch.
pub(crate) struct ZstdWithDict {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Default for ZstdWithDict {
    fn default() -> Self {
        Self { zstd: plain() }
    }
}

impl Decompressor for ZstdWithDict {
    fn decompress(&mut self, stream: &mut Stream<'_>, length: usize, target: &mut [u8]) -> Result<()> {
        let frame = Frame::read(stream, length)?;
        let (dictionary, mut rest) = target[..length].split_at_mut(frame.dictionary);
        read(stream, self.zstd.as_mut(), dictionary)?;
        if rest.is_empty() {
            return Ok(());
        }
        let mut zstd = zstd::bulk::Decompressor::with_dictionary(dictionary).ok();
        for length in lengths(&frame) {
            let (block, tail) = rest.split_at_mut(length);
            rest = tail;
            read(stream, zstd.as_mut(), block)?;
        }
        Ok(())
    }
}
