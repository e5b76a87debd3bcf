//! The least that any reader of documents has to do: reads the stored fields of a snapshot from front to back and
//! decompresses them, and looks at nothing. es-read-snapshot is measured against it (`make bench`).
//!
//! Arguments: URL SNAPSHOT INDEX JOBS. Prints the number of bytes before and after.
#![allow(clippy::print_stdout)] // no tool

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, thread};

use es_lucene::{Mapping, Part, Segment, SegmentInfos};
use es_repository::{Options, Repository};

/// As es-read-snapshot parts large segments.
const PART: u64 = 8 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, snapshot, index, jobs] = arguments.as_slice() else {
        return Err("arguments: URL SNAPSHOT INDEX JOBS".into());
    };
    let repository = Repository::open(url, &Options::default())?;
    let snapshot = repository.data().snapshot(snapshot).ok_or("no such snapshot")?;
    let info = repository.snapshot_info(snapshot)?;
    let mut segments = Vec::new();
    for entry in repository.indices(snapshot, &info)?.into_iter().filter(|entry| entry.name == *index) {
        for shard in 0..repository.index_metadata(snapshot, entry)?.shards {
            let files = repository.shard(snapshot, entry, shard)?;
            for commit in SegmentInfos::read(&files)?.segments {
                segments.push(Segment::open(&files, &commit, &Mapping::default())?);
            }
        }
    }
    let mut parts: Vec<(&Segment, Part)> = Vec::new();
    for segment in &segments {
        parts.extend(segment.parts(PART)?.into_iter().map(|part| (segment, part)));
    }
    let before: u64 = parts.iter().map(|(_, part)| part.bytes()).sum();
    let queue = Mutex::new(parts);
    let after = AtomicU64::new(0);
    let work = || -> Result<(), es_lucene::Error> {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.pop());
            let Some((segment, part)) = next else {
                return Ok(());
            };
            after.fetch_add(segment.decompress(&part)?, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let threads: Vec<_> = (0..jobs.parse::<usize>()?).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread failed")??;
        }
        Ok(())
    })?;
    println!("{before} {}", after.into_inner());
    Ok(())
}
