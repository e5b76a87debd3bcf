//! Ids that come more than once, however many there are: hashes in sorted runs, which go to files without names.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::hash::{BuildHasher, Hash};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, Write};

use foldhash::quality::FixedState;

/// Hashes that are held in memory, of 8 bytes each.
const RUN: usize = 1 << 21;

pub(crate) fn hash(id: impl Hash) -> u64 {
    FixedState::default().hash_one(id)
}

/// Place of an index in the plan, and the hash of an id in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u128);

impl Key {
    fn new(index: usize, hash: u64) -> Self {
        Self((index as u128) << 64 | u128::from(hash))
    }

    fn index(self) -> usize {
        usize::try_from(self.0 >> 64).unwrap_or(usize::MAX)
    }
}

/// All ids that were printed.
#[derive(Default)]
pub(crate) struct Ids {
    /// By index: keys take twice the room, and longer to sort.
    held: BTreeMap<usize, Vec<u64>>,
    count: usize,
    runs: Vec<File>,
}

impl Ids {
    /// Fails where there is no room for a file.
    pub(crate) fn add(&mut self, index: usize, hashes: &[u64]) -> io::Result<()> {
        for hashes in hashes.chunks(RUN) {
            if self.count + hashes.len() > RUN {
                self.put_aside()?;
            }
            self.held.entry(index).or_default().extend_from_slice(hashes);
            self.count += hashes.len();
        }
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for key in sorted(std::mem::take(&mut self.held)) {
            run.write_all(&key.0.to_be_bytes())?;
        }
        let mut run = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        run.rewind()?;
        self.runs.push(run);
        self.count = 0;
        Ok(())
    }

    /// How many ids have come before, by index.
    pub(crate) fn repeated(self, indices: usize) -> io::Result<Vec<u64>> {
        let mut counts = vec![0; indices];
        let mut held = sorted(self.held);
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

fn sorted(held: BTreeMap<usize, Vec<u64>>) -> impl Iterator<Item = Key> {
    held.into_iter().flat_map(|(index, mut hashes)| {
        hashes.sort_unstable();
        hashes.into_iter().map(move |hash| Key::new(index, hash))
    })
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
        let hashes: Vec<_> = (0..RUN * 2).map(hash).collect();
        ids.add(0, &hashes).unwrap();
        for (index, id) in [(1, 5), (0, 5), (0, RUN + 5), (0, 5)] {
            ids.add(index, &[hash(id)]).unwrap();
        }
        assert_eq!(ids.runs.len(), 2);
        assert_eq!(ids.repeated(2).unwrap(), [3, 0]);
    }

    #[test]
    fn nothing_repeats_in_nothing() {
        assert_eq!(Ids::default().repeated(1).unwrap(), [0]);
    }
}
