//! A small generator of random numbers: the same seed gives the same data on every machine and with every release of
//! every library, which no dependency promises.

/// `SplitMix64`, whose step is a bijection: distinct states give distinct numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// A stream of its own for each seed and each of the numbers that name what is generated.
    #[must_use]
    pub fn new(seed: u64, path: &[u64]) -> Self {
        let mut state = mix(seed.wrapping_add(GOLDEN));
        for step in path {
            state = mix(state ^ mix(step.wrapping_add(GOLDEN)));
        }
        Self(state)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `bound`, near enough to uniform for test data.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// One of these.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.index(items.len())]
    }

    /// An index below `length`.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }
}

pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_path_give_the_same_numbers() {
        let mut one = Random::new(7, &[1, 2]);
        let mut other = Random::new(7, &[1, 2]);
        assert!((0..100).all(|_| one.bits() == other.bits()));
    }

    #[test]
    fn another_path_gives_other_numbers() {
        assert_ne!(Random::new(7, &[1, 2]).bits(), Random::new(7, &[2, 1]).bits());
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new(1, &[]);
        assert!((0..1000).all(|_| random.below(3) < 3));
    }
}
