//! Ids that come more than once, however many there are: hashes in sorted runs, which go to a file without a name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::hash::{BuildHasher, Hash};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use foldhash::quality::FixedState;

/// Hashes that are held in memory, of 8 bytes each.
const RUN: usize = 1 << 21;
/// Bytes of a run that are read at a time, at most.
const READ: usize = 256 << 10;

pub(crate) fn hash(id: impl Hash) -> u64 {
    FixedState::default().hash_one(id)
}

/// All ids that were printed.
#[derive(Default)]
pub(crate) struct Ids {
    /// By index.
    held: BTreeMap<usize, Vec<u64>>,
    count: usize,
    /// One for all: there may be more runs than a process may have files.
    file: Option<File>,
    /// Bytes in it.
    length: u64,
    /// Where the sorted runs of an index are in it.
    runs: BTreeMap<usize, Vec<Range<u64>>>,
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
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        let mut writer = BufWriter::new(self.file.insert(file));
        for (index, mut hashes) in std::mem::take(&mut self.held) {
            hashes.sort_unstable();
            for hash in &hashes {
                writer.write_all(&hash.to_be_bytes())?;
            }
            let begin = self.length;
            self.length += 8 * hashes.len() as u64;
            self.runs.entry(index).or_default().push(begin..self.length);
        }
        writer.flush()?;
        self.count = 0;
        Ok(())
    }

    /// How many ids have come before, by index.
    pub(crate) fn repeated(self, indices: usize) -> io::Result<Vec<u64>> {
        let Self { mut held, file, mut runs, .. } = self;
        let mut counts = vec![0; indices];
        for (index, count) in counts.iter_mut().enumerate() {
            let runs = runs.remove(&index).unwrap_or_default();
            // Together no more than is held before.
            let size = (8 * RUN / runs.len().max(1)).min(READ);
            let section = |rest| Some(BufReader::with_capacity(size, Section { file: file.as_ref()?, rest }));
            let sections = runs.into_iter().filter_map(section).collect();
            *count = repeated_in(held.remove(&index).unwrap_or_default(), sections)?;
        }
        Ok(counts)
    }
}

/// How many of these hashes have come before.
fn repeated_in(mut held: Vec<u64>, mut runs: Vec<BufReader<Section<'_>>>) -> io::Result<u64> {
    held.sort_unstable();
    let mut held = held.into_iter();
    // The held ones come after all runs.
    let last = runs.len();
    let mut next = |run: usize| match runs.get_mut(run) {
        Some(run) => read(run),
        None => Ok(held.next()),
    };
    let mut heap = BinaryHeap::new();
    for run in 0..=last {
        heap.extend(next(run)?.map(|hash| Reverse((hash, run))));
    }
    let (mut count, mut before) = (0, None);
    while let Some(Reverse((hash, run))) = heap.pop() {
        count += u64::from(before == Some(hash));
        before = Some(hash);
        heap.extend(next(run)?.map(|hash| Reverse((hash, run))));
    }
    Ok(count)
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    rest: Range<u64>,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
        let want = left.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..want], self.rest.start)?;
        self.rest.start += count as u64;
        Ok(count)
    }
}

fn read(run: &mut impl Read) -> io::Result<Option<u64>> {
    let mut hash = [0; 8];
    match run.read_exact(&mut hash) {
        Ok(()) => Ok(Some(u64::from_be_bytes(hash))),
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
        // Those of another index lie between.
        ids.add(2, &hashes[..RUN - 2]).unwrap();
        ids.add(0, &[hash(6)]).unwrap();
        ids.add(1, &[hash(5)]).unwrap();
        assert_eq!(ids.runs[&0].len(), 3);
        assert_eq!(ids.repeated(3).unwrap(), [4, 1, 0]);
    }

    #[test]
    fn nothing_repeats_in_nothing() {
        assert_eq!(Ids::default().repeated(1).unwrap(), [0]);
    }
}
