//! Whose ids have to be kept: in an index an id comes twice only if one of the two documents has a routing of its own, and segments
//! say whether any of theirs can have one. In most indices none has.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Segments by the place of their shard, as places among the shard's.
pub(crate) type Segments = BTreeMap<usize, Vec<usize>>;

/// By index, the segments that were opened before one that can have routings; nothing since then.
#[derive(Default)]
pub(crate) struct Routings(Mutex<BTreeMap<usize, Option<Segments>>>);

impl Routings {
    /// Says of a segment that is opened whether its ids are to be kept, and then, once, in which segments ids were passed over before.
    pub(crate) fn opened(
        &self,
        index: usize,
        shard: usize,
        segment: usize,
        may_have_routings: bool,
    ) -> Option<Segments> {
        let mut indices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match indices.entry(index).or_insert_with(|| Some(Segments::new())) {
            Some(before) if !may_have_routings => {
                before.entry(shard).or_default().push(segment);
                None
            }
            before => Some(before.take().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_from_the_first_routing_on_and_those_before_are_looked_for_once() {
        let routings = Routings::default();
        for (shard, segment) in [(0, 0), (3, 1), (0, 1)] {
            assert_eq!(routings.opened(7, shard, segment, false), None);
        }
        assert_eq!(routings.opened(7, 1, 0, true), Some([(0, vec![0, 1]), (3, vec![1])].into()));
        for may_have_routings in [false, true] {
            assert_eq!(routings.opened(7, 1, 1, may_have_routings), Some(Segments::new()));
        }
        // Of another index nothing is known.
        assert_eq!(routings.opened(8, 4, 0, false), None);
    }
}
