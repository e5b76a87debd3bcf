//! A set of document numbers, a block at a time: no set of a large segment is in memory as a whole.

/// Documents of a block.
pub(crate) const BLOCK: u32 = 1 << 16;
/// Of 64 documents each.
const WORDS: usize = 1 << 10;

/// How many blocks so many documents have.
pub(crate) fn blocks(max_doc: u32) -> u32 {
    max_doc.div_ceil(BLOCK)
}

/// How many of so many documents are in this block.
pub(crate) fn size_of(block: u32, max_doc: u32) -> u32 {
    max_doc.saturating_sub(block.saturating_mul(BLOCK)).min(BLOCK)
}

/// Those documents of a set that are in one block. Documents are known by their numbers in the segment or in the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block(Box<[u64; WORDS]>);

/// Where a document is.
fn place(document: u32) -> (usize, u64) {
    ((document % BLOCK / 64) as usize, 1 << (document % 64))
}

impl Block {
    pub(crate) fn empty() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// The first documents, so many.
    pub(crate) fn full(size: u32) -> Self {
        Self::from_words(std::iter::repeat_n(u64::MAX, WORDS), size)
    }

    /// Without those that are not among the first `size`.
    pub(crate) fn from_words(words: impl Iterator<Item = u64>, size: u32) -> Self {
        let mut block = Self::empty();
        for ((word, from), first) in block.0.iter_mut().zip(words).zip((0..size).step_by(64)) {
            *word = if size - first < 64 { from & ((1 << (size - first)) - 1) } else { from };
        }
        block
    }

    pub(crate) fn insert(&mut self, document: u32) {
        let (word, bit) = place(document);
        self.0[word] |= bit;
    }

    pub(crate) fn contains(&self, document: u32) -> bool {
        let (word, bit) = place(document);
        self.0[word] & bit != 0
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// How many of its documents come before this one; `None` if it is not among them.
    pub(crate) fn rank(&self, document: u32) -> Option<u32> {
        let (word, bit) = place(document);
        let before = || self.0[..word].iter().map(|word| word.count_ones()).sum::<u32>();
        self.contains(document).then(|| before() + (self.0[word] & (bit - 1)).count_ones())
    }

    /// Takes the documents of `other` out of this one; returns how many were in both.
    pub(crate) fn remove_all(&mut self, other: &Self) -> u32 {
        let mut both = 0;
        for (word, other) in self.0.iter_mut().zip(other.0.iter()) {
            both += (*word & other).count_ones();
            *word &= !other;
        }
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_counts_the_documents_before() {
        let mut block = Block::empty();
        for document in [3, 63, 64, 130, 65_535] {
            block.insert(BLOCK + document);
            block.insert(document);
        }
        assert_eq!(block.count(), 5);
        let ranks = [3, 63, 64, 65, 130, 65_535].map(|document| block.rank(document));
        assert_eq!(ranks, [Some(0), Some(1), Some(2), None, Some(3), Some(4)]);
    }

    #[test]
    fn a_block_ends_where_its_documents_do() {
        for size in [0, 1, 63, 64, 65, 65_535, BLOCK] {
            let block = Block::full(size);
            assert_eq!(block.count(), size);
            assert!(size == 0 || block.contains(size - 1));
            assert!(size == BLOCK || !block.contains(size));
        }
        assert_eq!([0, 1, BLOCK, BLOCK + 1].map(blocks), [0, 1, 1, 2]);
        assert_eq!([0, 1, 2, u32::MAX].map(|block| size_of(block, BLOCK + 5)), [BLOCK, 5, 0, 0]);
    }

    #[test]
    fn what_is_taken_out_is_counted_once() {
        let (mut block, mut other) = (Block::full(100), Block::empty());
        for document in [5, 99, 100] {
            other.insert(document);
        }
        assert_eq!([block.remove_all(&other), block.remove_all(&other), block.count()], [2, 0, 98]);
    }
}
