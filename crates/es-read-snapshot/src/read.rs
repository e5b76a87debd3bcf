//! Reading: segments in parallel, lines in any order, memory bounded by the number of jobs.

use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use es_cli::{Fault, Io};
use es_lucene::{Counts, Directory, Document, Segment, SegmentCommitInfo, SegmentInfos};
use es_repository::{Repository, ShardFiles};

use crate::digest::Digest;
use crate::fields::Fields;
use crate::plan::{Index, Plan, Shard};
use crate::{Args, Format, Op, fault, one_line};

/// Lines are handed on when there are so many bytes of them.
const BATCH: usize = 512 << 10;

/// What was read of one shard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    /// Documents printed: fewer than there are where only some were asked for.
    pub(crate) printed: u64,
    /// Bytes of their lines.
    pub(crate) bytes: u64,
    /// Of the printed documents.
    pub(crate) digest: Digest,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        let (own, new) = (&mut self.counts, &other.counts);
        own.lucene_documents += new.lucene_documents;
        own.deleted += new.deleted;
        own.soft_deleted += new.soft_deleted;
        own.children += new.children;
        own.documents += new.documents;
        own.stored_bytes += new.stored_bytes;
        self.printed += other.printed;
        self.bytes += other.bytes;
        self.digest.merge(other.digest);
    }
}

/// A piece of work; the largest comes first, so that no job is left alone with it at the end.
enum Task {
    Shard(usize),
    Segment(usize, Arc<ShardFiles>, SegmentCommitInfo),
}

struct Queued(u64, Task);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[derive(Default)]
struct Queue {
    tasks: BinaryHeap<Queued>,
    /// Tasks that are queued or being done.
    open: usize,
}

/// What all jobs share.
struct Work<'a> {
    repository: &'a Repository,
    plan: &'a Plan<'a>,
    format: Format,
    target_major: u32,
    fields: Option<Fields>,
    ids: Option<&'a HashSet<String>>,
    with_digest: bool,
    queue: Mutex<Queue>,
    changed: Condvar,
    stopped: AtomicBool,
    failure: Mutex<Option<Fault>>,
    totals: Mutex<Vec<Totals>>,
    found: Mutex<HashSet<String>>,
    /// Hashes of the ids that were printed, by index; empty where ids cannot come twice.
    printed: Mutex<Vec<Vec<u64>>>,
    io: Mutex<&'a mut Io>,
    stored: AtomicU64,
    shards_done: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of the whole plan.
pub(crate) struct Outcome {
    /// In the order of the plan's shards.
    pub(crate) totals: Vec<Totals>,
    /// Ids that were asked for and found.
    pub(crate) found: HashSet<String>,
    /// How many documents have the id of another document of their index, in the order of the plan's indices.
    pub(crate) duplicates: Vec<u64>,
}

/// Reads every shard of the plan and prints its documents.
pub(crate) fn read(
    repository: &Repository,
    plan: &Plan<'_>,
    args: &Args,
    ids: Option<&HashSet<String>>,
    io: &mut Io,
) -> Result<Outcome, Fault> {
    let tasks = (0..plan.shards.len()).map(|shard| Queued(u64::MAX, Task::Shard(shard)));
    let work = Work {
        repository,
        plan,
        format: args.format,
        target_major: args.target_major,
        fields: Fields::new(&args.fields),
        ids,
        with_digest: args.record.is_some(),
        queue: Mutex::new(Queue { tasks: tasks.collect(), open: plan.shards.len() }),
        changed: Condvar::new(),
        stopped: AtomicBool::new(false),
        failure: Mutex::new(None),
        totals: Mutex::new(vec![Totals::default(); plan.shards.len()]),
        found: Mutex::new(HashSet::new()),
        printed: Mutex::new(vec![Vec::new(); plan.indices.len()]),
        io: Mutex::new(io),
        stored: AtomicU64::new(0),
        shards_done: AtomicU64::new(0),
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = args.jobs.map_or(cores, usize::from).max(1);
    thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(|| work.run());
        }
        work.run();
    });
    if let Some(failure) = lock(&work.failure).take() {
        return Err(failure);
    }
    Ok(Outcome {
        totals: std::mem::take(&mut lock(&work.totals)),
        found: std::mem::take(&mut lock(&work.found)),
        duplicates: std::mem::take(&mut *lock(&work.printed)).into_iter().map(repeated).collect(),
    })
}

/// How many of these have come before.
fn repeated(mut hashes: Vec<u64>) -> u64 {
    hashes.sort_unstable();
    hashes.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64
}

impl Work<'_> {
    /// One job: takes tasks until there are none.
    fn run(&self) {
        while let Some(task) = self.next() {
            if let Err(failure) = self.perform(task) {
                lock(&self.failure).get_or_insert(failure);
                self.stopped.store(true, Ordering::Relaxed);
            }
            let mut queue = lock(&self.queue);
            queue.open -= 1;
            drop(queue);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Task> {
        let mut queue = lock(&self.queue);
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(Queued(_, task)) = queue.tasks.pop() {
                return Some(task);
            }
            if queue.open == 0 {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn perform(&self, task: Task) -> Result<(), Fault> {
        match task {
            Task::Shard(place) => {
                let shard = self.plan.shards[place];
                self.shard(place, shard).map_err(|fault| fault.context(self.plan.name(shard)))
            }
            Task::Segment(place, files, commit) => {
                let shard = self.plan.shards[place];
                self.segment(place, shard, files.as_ref(), &commit)
                    .map_err(|fault| fault.context(self.plan.name(shard)))
            }
        }
    }

    fn shard(&self, place: usize, shard: Shard) -> Result<(), Fault> {
        let index = &self.plan.indices[shard.index];
        let files =
            self.repository.shard(self.plan.snapshot, index.entry, shard.number).map_err(|error| fault(&error))?;
        let commit = SegmentInfos::read(&files).map_err(lucene)?;
        let files = Arc::new(files);
        let mut queue = lock(&self.queue);
        for segment in commit.segments {
            let size = ["fdt", "cfs"]
                .iter()
                .find_map(|extension| files.open(&format!("{}.{extension}", segment.name)).map(|file| file.size()));
            queue.open += 1;
            queue.tasks.push(Queued(size.unwrap_or(0), Task::Segment(place, Arc::clone(&files), segment)));
        }
        drop(queue);
        self.changed.notify_all();
        self.shards_done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn segment(
        &self,
        place: usize,
        shard: Shard,
        files: &dyn Directory,
        commit: &SegmentCommitInfo,
    ) -> Result<(), Fault> {
        let index = &self.plan.indices[shard.index];
        let segment = Segment::open(files, commit, &index.mapping).map_err(lucene)?;
        let mut printer = Printer {
            work: self,
            index,
            lines: Vec::new(),
            totals: Totals::default(),
            raw: Vec::new(),
            ids: index.ids_may_repeat.then(Vec::new),
        };
        let counts = match segment.read(|document| printer.document(&document)) {
            Err(Failure::Stopped) => return Ok(()),
            read => read?,
        };
        printer.flush()?;
        if let Some(ids) = printer.ids {
            lock(&self.printed)[shard.index].extend(ids);
        }
        let mut totals = printer.totals;
        totals.counts = counts;
        lock(&self.totals)[place].add(&totals);
        self.stored.fetch_add(counts.stored_bytes, Ordering::Relaxed);
        self.progress();
        Ok(())
    }

    fn progress(&self) {
        let mut io = lock(&self.io);
        if io.shows_progress() {
            let done = self.stored.load(Ordering::Relaxed);
            let words = format!("{} of {} shards", self.shards_done.load(Ordering::Relaxed), self.plan.shards.len());
            io.meter(&self.plan.snapshot.name).show(done, 0, &words);
        }
    }
}

/// A failure of a segment or of its documents.
enum Failure {
    /// Nobody reads any more, or another job has failed and says why.
    Stopped,
    Lucene(es_lucene::Error),
    Fault(Fault),
}

impl From<es_lucene::Error> for Failure {
    fn from(error: es_lucene::Error) -> Self {
        Self::Lucene(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stopped => Self::failed("stopped"),
            Failure::Lucene(error) => lucene(error),
            Failure::Fault(fault) => fault,
        }
    }
}

fn lucene(error: es_lucene::Error) -> Fault {
    fault(&es_repository::Error::from(error))
}

/// Makes lines of the documents of one segment.
struct Printer<'a, 'b> {
    work: &'a Work<'b>,
    index: &'a Index<'b>,
    lines: Vec<u8>,
    totals: Totals,
    raw: Vec<u8>,
    /// Hashes of ids, where they may come twice.
    ids: Option<Vec<u64>>,
}

impl Printer<'_, '_> {
    fn document(&mut self, document: &Document<'_>) -> Result<(), Failure> {
        if self.work.stopped.load(Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        if let Some(ids) = self.work.ids {
            if !ids.contains(document.id) {
                return Ok(());
            }
            lock(&self.work.found).insert(document.id.to_owned());
        }
        let Some(source) = document.source else {
            let id = document.id;
            return Err(Fault::failed(format!("document {id:?} has no _source")).into());
        };
        if source.len() > BATCH {
            // Growing by doubling would take twice as much.
            self.flush()?;
            self.lines.reserve_exact(source.len() + document.id.len() + 4096);
        }
        let begin = self.lines.len();
        match self.work.format {
            Format::Jsonl => {
                self.lines.push(b'{');
                self.meta(document);
                self.lines.extend_from_slice(b",\"_source\":");
            }
            Format::Bulk => {
                self.lines.extend_from_slice(match self.index.bulk.0 {
                    Op::Create => b"{\"create\":{".as_slice(),
                    Op::Index => b"{\"index\":{",
                });
                self.bulk_meta(document);
                self.lines.extend_from_slice(b"}}\n");
            }
            Format::Source => {}
        }
        let at = self.lines.len();
        self.source(document.id, source)?;
        if self.work.with_digest {
            self.totals.digest.add(document.id, document.routing, &self.lines[at..]);
        }
        if self.work.format == Format::Jsonl {
            self.lines.push(b'}');
        }
        self.lines.push(b'\n');
        if let Some(ids) = &mut self.ids {
            let mut hash = DefaultHasher::new();
            document.id.hash(&mut hash);
            if self.work.format == Format::Bulk && self.work.target_major < 6 {
                document.doc_type.hash(&mut hash); // one id in two types is two documents there
            }
            ids.push(hash.finish());
        }
        self.totals.printed += 1;
        self.totals.bytes += (self.lines.len() - begin) as u64;
        if self.lines.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn source(&mut self, id: &str, source: &[u8]) -> Result<(), Fault> {
        let refused = |refusal: &str| Fault::failed(format!("document {id:?}: {refusal} cannot become a line"));
        match &self.work.fields {
            None => one_line::append(source, &mut self.lines).map_err(refused),
            Some(fields) => {
                self.raw.clear();
                one_line::append(source, &mut self.raw).map_err(refused)?;
                fields.append(&self.raw, &mut self.lines).map_err(|error| refused(&error.to_string()))
            }
        }
    }

    /// `_index`, `_type`, `_id`, `_routing`, `_parent`, without braces.
    fn meta(&mut self, document: &Document<'_>) {
        let lines = &mut self.lines;
        lines.extend_from_slice(b"\"_index\":");
        one_line::quote(&self.index.metadata.name, lines);
        let doc_type = document.doc_type.or(self.index.doc_type.as_deref());
        if let Some(doc_type) = doc_type {
            lines.extend_from_slice(b",\"_type\":");
            one_line::quote(doc_type, lines);
        }
        lines.extend_from_slice(b",\"_id\":");
        one_line::quote(document.id, lines);
        if let Some(routing) = document.routing {
            lines.extend_from_slice(b",\"_routing\":");
            one_line::quote(routing, lines);
        }
        if let Some(parent) = document.parent {
            lines.extend_from_slice(b",\"_parent\":");
            one_line::quote(parent, lines);
        }
    }

    /// As `_bulk` spells it: servers through 6.x refuse lines without a type, and only they know parents, for indices of 5.x.
    fn bulk_meta(&mut self, document: &Document<'_>) {
        let typed = self.work.target_major < 7;
        let parent = document.parent.filter(|_| self.work.target_major < 6);
        let lines = &mut self.lines;
        lines.extend_from_slice(b"\"_index\":");
        one_line::quote(&self.index.bulk.1, lines);
        if typed {
            lines.extend_from_slice(b",\"_type\":");
            let doc_type = document.doc_type.or(self.index.doc_type.as_deref()).unwrap_or("_doc");
            one_line::quote(doc_type, lines);
        }
        lines.extend_from_slice(b",\"_id\":");
        one_line::quote(document.id, lines);
        if let Some(routing) = document.routing {
            lines.extend_from_slice(b",\"routing\":");
            one_line::quote(routing, lines);
        }
        if let Some(parent) = parent {
            lines.extend_from_slice(b",\"parent\":");
            one_line::quote(parent, lines);
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let mut io = lock(&self.work.io);
        io.write(&self.lines)?;
        if io.reader_is_gone() {
            self.work.stopped.store(true, Ordering::Relaxed);
        }
        drop(io);
        self.lines.clear();
        // After a huge document: give its memory back.
        self.lines.shrink_to(2 * BATCH);
        Ok(())
    }
}

/// Totals by index, in the order of the plan.
pub(crate) fn by_index(plan: &Plan<'_>, totals: &[Totals]) -> Vec<(String, Totals)> {
    let mut sums: BTreeMap<usize, Totals> = BTreeMap::new();
    for (shard, own) in plan.shards.iter().zip(totals) {
        sums.entry(shard.index).or_default().add(own);
    }
    sums.into_iter().map(|(index, totals)| (plan.indices[index].metadata.name.clone(), totals)).collect()
}
