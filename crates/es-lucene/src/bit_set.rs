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

/// A set whose documents are numbered.
#[derive(Debug, Clone)]
pub(crate) struct RankedSet {
    set: BitSet,
    /// How many documents come before each word.
    before: Vec<u32>,
}

impl RankedSet {
    pub(crate) fn new(set: BitSet) -> Self {
        let mut before = Vec::with_capacity(set.words.len());
        let mut sum = 0;
        for word in &set.words {
            before.push(sum);
            sum += word.count_ones();
        }
        Self { set, before }
    }

    /// How many documents of the set come before this one; `None` if it is not in the set.
    pub(crate) fn rank(&self, document: u32) -> Option<u32> {
        if !self.set.contains(document) {
            return None;
        }
        let place = (document / 64) as usize;
        let below = self.set.words.get(place)? & ((1 << (document % 64)) - 1);
        Some(self.before.get(place)? + below.count_ones())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_counts_the_documents_before() {
        let mut set = BitSet::empty(200);
        for document in [3, 63, 64, 130, 199] {
            assert!(set.insert(document));
        }
        let ranked = RankedSet::new(set);
        let ranks: Vec<_> = [3, 63, 64, 65, 130, 199, 200].map(|document| ranked.rank(document)).into();
        assert_eq!(ranks, [Some(0), Some(1), Some(2), None, Some(3), Some(4), None]);
    }
}
