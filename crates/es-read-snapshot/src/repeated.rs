//! Ids that come more than once, however many there are: hashes in sorted runs, which go to files without names.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::{BuildHasher, Hash};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, Write};

use foldhash::quality::FixedState;

/// Ids that are held in memory, of 16 bytes each.
const RUN: usize = 1 << 20;

/// Place of an index in the plan, and the hash of an id in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u128);

impl Key {
    pub(crate) fn new(index: usize, id: impl Hash) -> Self {
        let hash = FixedState::default().hash_one(id);
        Self((index as u128) << 64 | u128::from(hash))
    }

    fn index(self) -> usize {
        usize::try_from(self.0 >> 64).unwrap_or(usize::MAX)
    }
}

/// All ids that were printed.
#[derive(Default)]
pub(crate) struct Ids {
    held: Vec<Key>,
    runs: Vec<File>,
}

impl Ids {
    /// Fails where there is no room for a file.
    pub(crate) fn add(&mut self, keys: &[Key]) -> io::Result<()> {
        // Not by doubling, which copies; what is not written to is no memory yet.
        self.held.reserve_exact(RUN - self.held.len());
        for keys in keys.chunks(RUN) {
            if self.held.len() + keys.len() > RUN {
                self.put_aside()?;
            }
            self.held.extend_from_slice(keys);
        }
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for key in self.held.drain(..) {
            run.write_all(&key.0.to_be_bytes())?;
        }
        let mut run = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        run.rewind()?;
        self.runs.push(run);
        Ok(())
    }

    /// How many ids have come before, by index.
    pub(crate) fn repeated(mut self, indices: usize) -> io::Result<Vec<u64>> {
        let mut counts = vec![0; indices];
        self.held.sort_unstable();
        let mut held = self.held.into_iter();
        let mut runs: Vec<_> = self.runs.into_iter().map(BufReader::new).collect();
        // The held ones come after all runs.
        let last = runs.len();
        let mut next = |run: usize| match runs.get_mut(run) {
            Some(run) => read(run),
            None => Ok(held.next()),
        };
        let mut heap = BinaryHeap::new();
        for run in 0..=last {
            heap.extend(next(run)?.map(|key| Reverse((key, run))));
        }
        let mut before = None;
        while let Some(Reverse((key, run))) = heap.pop() {
            if before == Some(key)
                && let Some(count) = counts.get_mut(key.index())
            {
                *count += 1;
            }
            before = Some(key);
            heap.extend(next(run)?.map(|key| Reverse((key, run))));
        }
        Ok(counts)
    }
}

fn read(run: &mut BufReader<File>) -> io::Result<Option<Key>> {
    let mut key = [0; 16];
    match run.read_exact(&mut key) {
        Ok(()) => Ok(Some(Key(u128::from_be_bytes(key)))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_come_again_are_counted_across_runs_and_by_index() {
        let mut ids = Ids::default();
        let keys: Vec<_> = (0..RUN * 2).map(|id| Key::new(0, id)).collect();
        ids.add(&keys).unwrap();
        let again = [(1, 5), (0, 5), (0, RUN + 5), (0, 5)].map(|(index, id)| Key::new(index, id));
        ids.add(&again).unwrap();
        assert_eq!(ids.runs.len(), 2);
        assert_eq!(ids.repeated(2).unwrap(), [3, 0]);
    }

    #[test]
    fn nothing_repeats_in_nothing() {
        assert_eq!(Ids::default().repeated(1).unwrap(), [0]);
    }
}
