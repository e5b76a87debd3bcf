//! A set of document numbers.

/// One bit a document.
#[derive(Debug, Clone)]
pub(crate) struct BitSet {
    words: Vec<u64>,
    size: u32,
}

impl BitSet {
    pub(crate) fn empty(size: u32) -> Self {
        Self { words: vec![0; size.div_ceil(64) as usize], size }
    }

    pub(crate) fn full(size: u32) -> Self {
        let mut set = Self { words: vec![u64::MAX; size.div_ceil(64) as usize], size };
        set.clear_tail();
        set
    }

    /// From words as live documents are stored; bits beyond the last document are dropped.
    pub(crate) fn from_words(words: Vec<u64>, size: u32) -> Self {
        let mut set = Self { words, size };
        set.words.resize(size.div_ceil(64) as usize, 0);
        set.clear_tail();
        set
    }

    fn clear_tail(&mut self) {
        let used = self.size % 64;
        if used > 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }

    pub(crate) fn contains(&self, document: u32) -> bool {
        self.words.get((document / 64) as usize).is_some_and(|word| word >> (document % 64) & 1 == 1)
    }

    /// Adds a document; false if it lies beyond the last one or is there already.
    pub(crate) fn insert(&mut self, document: u32) -> bool {
        if document >= self.size {
            return false;
        }
        match self.words.get_mut((document / 64) as usize) {
            Some(word) => {
                let bit = 1 << (document % 64);
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
            None => false,
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Takes the documents of `other` out of this set; returns how many were in both.
    pub(crate) fn remove_all(&mut self, other: &Self) -> u32 {
        let mut both = 0;
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            both += (*word & other).count_ones();
            *word &= !other;
        }
        both
    }
}
