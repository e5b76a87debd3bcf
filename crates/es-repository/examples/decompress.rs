//! The least that any reader of documents has to do: reads the stored fields of a snapshot from front to back and
//! decompresses them, and looks at nothing. es-read-snapshot is measured against it (`make bench`).
//!
//! Arguments: URL SNAPSHOT INDEX JOBS, and `print` if standard output takes what was decompressed, in any order, as that of
//! `lz4 -d` does. The number of bytes before and after goes to standard error.
#![allow(clippy::print_stderr)] // no tool

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, thread};

use es_lucene::{Mapping, Part, Segment, SegmentInfos};
use es_repository::{Options, Repository};

/// As es-read-snapshot parts large segments.
const PART: u64 = 4 << 20;
/// As many bytes as es-read-snapshot prints at a time.
const BATCH: usize = 512 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (url, snapshot, index, jobs, print) = match arguments.as_slice() {
        [url, snapshot, index, jobs] => (url, snapshot, index, jobs, false),
        [url, snapshot, index, jobs, word] if word == "print" => (url, snapshot, index, jobs, true),
        _ => return Err("arguments: URL SNAPSHOT INDEX JOBS [print]".into()),
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
    // The largest is taken first, so that no thread is left alone with it at the end.
    parts.sort_by_key(|(_, part)| part.bytes());
    let queue = Mutex::new(parts);
    let after = AtomicU64::new(0);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let work = || -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut batch = Vec::with_capacity(2 * BATCH);
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.pop());
            let Some((segment, part)) = next else {
                (&output).write_all(&batch)?;
                return Ok(());
            };
            segment.decompress(&part, |bytes| -> Result<(), Box<dyn Error + Send + Sync>> {
                after.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if print {
                    batch.extend_from_slice(bytes);
                    if batch.len() >= BATCH {
                        (&output).write_all(&batch)?;
                        batch.clear();
                    }
                }
                Ok(())
            })?;
        }
    };
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let threads: Vec<_> = (0..jobs.parse::<usize>()?).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread failed")?.map_err(|error| error as Box<dyn Error>)?;
        }
        Ok(())
    })?;
    eprintln!("{before} {}", after.into_inner());
    Ok(())
}
