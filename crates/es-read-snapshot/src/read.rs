//! Reading: segments and parts of segments in parallel, lines in any order, memory bounded by the number of jobs.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use es_cli::{Fault, Io};
use es_lucene::{Counts, Directory, Document, Part, PartRead, Segment, SegmentCommitInfo, SegmentInfos, Text};
use es_repository::{Repository, ShardFiles};

use crate::digest::Digest;
use crate::fields::Fields;
use crate::head::Head;
use crate::plan::{IdsRepeat, Index, Plan, Shard, leave_out};
use crate::repeated::{Ids, hash};
use crate::room::Room;
use crate::routings::Routings;
use crate::{Args, Format, fault, one_line, with_deletion};

/// Lines are handed on when there are so many bytes of them.
const BATCH: usize = 512 << 10;
/// Large documents that are in memory at a time have so many bytes together.
const LARGE: u64 = 48 << 20;
/// Ids whose hashes a job keeps before it hands them on, which takes a lock.
const IDS: usize = 4096;
/// Segments with more bytes of stored fields are read in parts of about so many.
const PART: u64 = 4 << 20;
/// The same in an object store, where each part is a request.
const PART_OF_OBJECT: u64 = 32 << 20;

/// What was read of one shard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    /// Documents printed: fewer than there are where only some were asked for.
    pub(crate) printed: u64,
    /// Bytes of their lines.
    pub(crate) bytes: u64,
    /// Documents with a routing of their own, or a parent: their ids can be on other shards too.
    pub(crate) routed: u64,
    /// Of the printed documents.
    pub(crate) digest: Digest,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.printed += other.printed;
        self.bytes += other.bytes;
        self.routed += other.routed;
        self.digest.merge(other.digest);
    }
}

/// A piece of work.
enum Task {
    /// A shard by its place in the plan, or those of its segments that were printed without keeping their ids.
    Shard(usize, Option<Vec<usize>>),
    Segment(FoundSegment),
    Part(Arc<OpenSegment>, Part),
}

/// A segment that is to be opened.
struct FoundSegment {
    /// Place of its shard in the plan.
    place: usize,
    /// Its own place in the shard.
    number: usize,
    files: Arc<ShardFiles>,
    commit: SegmentCommitInfo,
    /// Whether its documents are printed; else their ids are kept alone.
    prints: bool,
}

/// A segment whose parts are being read.
struct OpenSegment {
    /// Place of its shard in the plan.
    place: usize,
    segment: Segment,
    prints: bool,
    keeps_ids: bool,
    /// How many parts are not yet read, and what is known of the others.
    parts: Mutex<(usize, Vec<PartRead>)>,
}

#[derive(Default)]
struct Queue {
    /// The last is done first: a segment that was begun is finished before another is opened.
    tasks: Vec<Task>,
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
    part: u64,
    room: Room,
    queue: Mutex<Queue>,
    /// There is more to be done, or nothing any more.
    changed: Condvar,
    over: Condvar,
    stopped: AtomicBool,
    /// Whether lines were handed on.
    has_printed: AtomicBool,
    failure: Mutex<Option<Fault>>,
    totals: Mutex<Vec<Totals>>,
    found: Mutex<HashSet<String>>,
    /// The ids that were printed, where they may come twice.
    printed: Mutex<Ids>,
    routings: Routings,
    io: Mutex<&'a mut Io>,
    done: Done,
}

/// How far it is, for who watches.
#[derive(Default)]
struct Done {
    /// Bytes of stored fields that were read, and that are known of; of a segment that is not open yet, what its file has.
    stored: AtomicU64,
    known: AtomicU64,
    shards_opened: AtomicU64,
    shards: AtomicU64,
    /// Segments that are left, by shard.
    segments: Vec<AtomicUsize>,
}

impl Done {
    fn segment(&self, place: usize) {
        if self.segments[place].fetch_sub(1, Ordering::Relaxed) == 1 {
            self.shards.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As if the shards that are not open yet were like the others.
    fn percent(&self, shards: usize) -> u64 {
        let [stored, known, opened] =
            [&self.stored, &self.known, &self.shards_opened].map(|number| u128::from(number.load(Ordering::Relaxed)));
        let all = known * shards as u128;
        // Empty shards have no bytes.
        let percent = (100 * stored * opened).checked_div(all).unwrap_or_default();
        u64::try_from(percent.min(100)).unwrap_or(100)
    }
}

/// Bytes of the file that has the stored fields of a segment, and of one in a single file what else is in that.
fn weight(files: &dyn Directory, segment: &SegmentCommitInfo) -> u64 {
    let sizes = ["fdt", "cfs"].map(|extension| files.open(&format!("{}.{extension}", segment.name)));
    sizes.into_iter().flatten().map(|file| file.size()).next().unwrap_or_default()
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
    /// How many documents have the id of another for the same index, at the place of the first of its indices in the plan.
    pub(crate) duplicates: Vec<u64>,
    /// Why it ended early.
    pub(crate) failure: Option<Fault>,
    has_printed: bool,
}

impl Outcome {
    /// A failure, with advice on the lines that came before it.
    pub(crate) fn after_lines(&self, failure: Fault) -> Fault {
        if !self.has_printed {
            return failure;
        }
        let own = failure.hint.as_ref().map_or(String::new(), |own| format!("{own}; "));
        failure.hint(format!("{own}lines were already printed: throw them away, they may be wrong"))
    }
}

/// Reads every shard of the plan and prints its documents.
pub(crate) fn read(
    repository: &Repository,
    plan: &Plan<'_>,
    args: &Args,
    ids: Option<&HashSet<String>>,
    io: &mut Io,
) -> Outcome {
    let local = args.is_local();
    let tasks = (0..plan.shards.len()).rev().map(|place| Task::Shard(place, None));
    let work = Work {
        repository,
        plan,
        format: args.format,
        target_major: args.target_major(),
        fields: Fields::new(&args.fields),
        ids,
        with_digest: args.record.is_some(),
        part: if local { PART } else { PART_OF_OBJECT },
        room: Room::new(LARGE),
        queue: Mutex::new(Queue { tasks: tasks.collect(), open: plan.shards.len() }),
        changed: Condvar::new(),
        over: Condvar::new(),
        stopped: AtomicBool::new(false),
        has_printed: AtomicBool::new(false),
        failure: Mutex::new(None),
        totals: Mutex::new(vec![Totals::default(); plan.shards.len()]),
        found: Mutex::new(HashSet::new()),
        printed: Mutex::default(),
        routings: Routings::default(),
        io: Mutex::new(io),
        done: Done { segments: plan.shards.iter().map(|_| AtomicUsize::new(0)).collect(), ..Done::default() },
    };
    args.jobs().run(|| work.run(), |longest| work.is_over(longest));
    let failure = lock(&work.failure).take();
    let mut failure = failure.map(|failure| with_deletion(repository, plan.snapshot, failure));
    let totals = std::mem::take(&mut *lock(&work.totals));
    let printed = std::mem::take(&mut *lock(&work.printed));
    let mut duplicates = Vec::new();
    let repeat = plan.shards.iter().zip(&totals).any(|(shard, own)| match plan.indices[shard.index].ids_repeat {
        IdsRepeat::Never => false,
        IdsRepeat::ByRouting => own.routed > 0,
        IdsRepeat::Always => true,
    });
    if failure.is_none() && repeat {
        match printed.repeated(plan.indices.len()) {
            Ok(counts) => duplicates = counts,
            Err(error) => failure = Some(not_kept(&error)),
        }
    }
    let found = std::mem::take(&mut *lock(&work.found));
    let mut outcome = Outcome { totals, found, duplicates, failure: None, has_printed: work.has_printed.into_inner() };
    outcome.failure = failure.map(|failure| outcome.after_lines(failure));
    outcome
}

fn not_kept(error: &std::io::Error) -> Fault {
    Fault::failed(format!("{}: ids that may come twice: {error}", std::env::temp_dir().display()))
        .hint("TMPDIR names another folder; --allow-duplicate-ids does not look for them")
}

impl Work<'_> {
    /// One job: takes tasks until there are none.
    fn run(&self) {
        // For one part after another: fresh memory costs as much time as a copy.
        let mut lines = Vec::with_capacity(BATCH + BATCH / 8);
        while let Some(task) = self.next() {
            if let Err(failure) = self.perform(task, &mut lines) {
                lock(&self.failure).get_or_insert(failure);
                self.stopped.store(true, Ordering::Relaxed);
            }
            let mut queue = lock(&self.queue);
            queue.open -= 1;
            if queue.open == 0 || self.stopped.load(Ordering::Relaxed) {
                self.changed.notify_all();
                self.over.notify_all();
            }
        }
    }

    /// Waits until there is nothing left that another job could do, but not longer.
    fn is_over(&self, longest: Duration) -> bool {
        let has_work = |queue: &mut Queue| queue.open > 0 && !self.stopped.load(Ordering::Relaxed);
        let waited = self.over.wait_timeout_while(lock(&self.queue), longest, has_work);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn next(&self) -> Option<Task> {
        let mut queue = lock(&self.queue);
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(task) = queue.tasks.pop() {
                return Some(task);
            }
            if queue.open == 0 {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Queues what a task came to, the first to be done last.
    fn push(&self, tasks: impl Iterator<Item = Task>) {
        let mut queue = lock(&self.queue);
        let before = queue.tasks.len();
        queue.tasks.extend(tasks);
        queue.open += queue.tasks.len() - before;
        drop(queue);
        self.changed.notify_all();
    }

    fn perform(&self, task: Task, lines: &mut Vec<u8>) -> Result<(), Fault> {
        let place = match &task {
            Task::Shard(place, _) => *place,
            Task::Segment(found) => found.place,
            Task::Part(open, _) => open.place,
        };
        let shard = self.plan.shards[place];
        let done = match task {
            Task::Shard(_, passed_over) => self.shard(place, shard, passed_over.as_deref()),
            Task::Segment(found) => self.segment(shard, &found, lines),
            Task::Part(open, part) => self.part(shard, &open, &part, lines),
        };
        done.map_err(|fault| fault.context(self.plan.name(shard)))
    }

    fn shard(&self, place: usize, shard: Shard, passed_over: Option<&[usize]>) -> Result<(), Fault> {
        let index = &self.plan.indices[shard.index];
        let files =
            self.repository.shard(self.plan.snapshot, index.entry, shard.number).map_err(|error| fault(&error))?;
        let mut segments = SegmentInfos::read(&files).map_err(lucene)?.segments;
        // The largest first, so that no job is left alone with it at the end.
        segments.sort_by_cached_key(|segment| weight(&files, segment));
        let prints = passed_over.is_none();
        if prints {
            self.done.shards_opened.fetch_add(1, Ordering::Relaxed);
            if segments.is_empty() {
                self.done.shards.fetch_add(1, Ordering::Relaxed);
            }
            self.done.segments[place].store(segments.len(), Ordering::Relaxed);
        }
        let mut segments: Vec<_> = segments.into_iter().enumerate().collect();
        segments.retain(|(number, _)| passed_over.is_none_or(|only| only.contains(number)));
        let known = segments.iter().map(|(_, segment)| weight(&files, segment)).sum();
        self.done.known.fetch_add(known, Ordering::Relaxed);
        let files = Arc::new(files);
        self.push(segments.into_iter().map(|(number, commit)| {
            Task::Segment(FoundSegment { place, number, files: Arc::clone(&files), commit, prints })
        }));
        Ok(())
    }

    fn segment(&self, shard: Shard, found: &FoundSegment, lines: &mut Vec<u8>) -> Result<(), Fault> {
        let FoundSegment { place, number, prints, .. } = *found;
        let (files, index) = (found.files.as_ref(), &self.plan.indices[shard.index]);
        let segment = Segment::open(files, &found.commit, &index.mapping).map_err(lucene)?;
        let parts = segment.parts(self.part).map_err(lucene)?;
        self.done.known.fetch_add(parts.iter().map(Part::bytes).sum(), Ordering::Relaxed);
        self.done.known.fetch_sub(weight(files, &found.commit), Ordering::Relaxed);
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else {
            self.done.segment(place);
            return Ok(());
        };
        let keeps_ids = match index.ids_repeat {
            IdsRepeat::Never => false,
            IdsRepeat::ByRouting if prints => {
                let before = self.routings.opened(shard.index, place, number, segment.may_have_routings());
                let keeps_ids = before.is_some();
                self.push(before.into_iter().flatten().map(|(place, segments)| Task::Shard(place, Some(segments))));
                keeps_ids
            }
            IdsRepeat::ByRouting | IdsRepeat::Always => true,
        };
        let left = Mutex::new((parts.len() + 1, Vec::new()));
        let open = Arc::new(OpenSegment { place, segment, prints, keeps_ids, parts: left });
        self.push(parts.rev().map(|part| Task::Part(Arc::clone(&open), part)));
        self.part(shard, &open, &first, lines)
    }

    fn part(&self, shard: Shard, open: &OpenSegment, part: &Part, lines: &mut Vec<u8>) -> Result<(), Fault> {
        let index = &self.plan.indices[shard.index];
        let mut printer = Printer {
            work: self,
            index,
            prints: open.prints,
            lines: std::mem::take(lines),
            totals: Totals::default(),
            raw: Vec::new(),
            head: Head::new(self.format, self.target_major, index),
            ids: open.keeps_ids.then(|| Vec::with_capacity(IDS)),
        };
        let mut taken = None;
        let room = |bytes| {
            taken = None; // the chunk before is gone
            taken = self.room.take(bytes);
        };
        let read = match open.segment.read_part(part, room, |document| printer.document(&document)) {
            Err(Failure::Stopped) => return Ok(()),
            // No server took it, or the file is damaged: of a large one the checksum is known at its end only.
            Err(Failure::Document(mut fault)) => {
                open.segment.check().map_err(lucene)?;
                fault.hint.get_or_insert_with(|| index_anew(&index.entry.name));
                return Err(fault);
            }
            read => read?,
        };
        printer.flush();
        printer.hand_on_ids()?;
        *lines = printer.lines;
        let mut totals = printer.totals;
        let mut parts = lock(&open.parts);
        let (left, whole) = &mut *parts;
        *left -= 1;
        whole.push(read);
        if *left == 0 {
            totals.counts = open.segment.finish(std::mem::take(whole)).map_err(lucene)?;
            if open.prints {
                self.done.segment(open.place);
            }
        }
        drop(parts);
        if open.prints {
            lock(&self.totals)[open.place].add(&totals);
        }
        self.done.stored.fetch_add(part.bytes(), Ordering::Relaxed);
        self.progress();
        Ok(())
    }

    fn progress(&self) {
        let mut io = lock(&self.io);
        if io.shows_progress() {
            let shards = self.plan.shards.len();
            let words = format!("{} of {shards} shards", self.done.shards.load(Ordering::Relaxed));
            let bytes = self.done.stored.load(Ordering::Relaxed);
            io.meter(&self.plan.snapshot.name).show_share(self.done.percent(shards), bytes, &words);
        }
    }
}

/// A failure of a segment or of its documents.
enum Failure {
    /// Nobody reads any more, or another job has failed and says why.
    Stopped,
    Lucene(es_lucene::Error),
    /// A document that cannot become a line.
    Document(Fault),
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
            Failure::Document(fault) | Failure::Fault(fault) => fault,
        }
    }
}

fn lucene(error: es_lucene::Error) -> Fault {
    fault(&es_repository::Error::from(error))
}

fn refused(id: Text<'_>, refusal: &str) -> Fault {
    Fault::failed(format!("document {id:?}: {refusal} cannot become a line"))
}

fn index_anew(index: &str) -> String {
    format!("index it anew as JSON and take another snapshot, or {}", leave_out("its index", index))
}

/// Makes lines of the documents of one segment.
struct Printer<'a, 'b> {
    work: &'a Work<'b>,
    index: &'a Index<'b>,
    prints: bool,
    lines: Vec<u8>,
    totals: Totals,
    raw: Vec<u8>,
    head: Option<Head<'a>>,
    /// Hashes of ids, where they may come twice.
    ids: Option<Vec<u64>>,
}

impl Printer<'_, '_> {
    fn document(&mut self, document: &Document<'_>) -> Result<(), Failure> {
        if self.work.stopped.load(Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        if let Some(ids) = self.work.ids {
            if !ids.contains(document.id.as_str()) {
                return Ok(());
            }
            lock(&self.work.found).insert(document.id.to_string());
        }
        if !self.prints {
            return Ok(self.keep_id(document)?);
        }
        let Some(source) = document.source else {
            let id = document.id;
            return Err(Failure::Document(Fault::failed(format!("document {id:?} has no _source"))));
        };
        match self.large(document, source) {
            Some(text) => self.print_large(document, text)?,
            None => self.append(document, source)?,
        }
        self.keep_id(document)?;
        self.totals.printed += 1;
        if document.parent.is_some() || document.routing.is_some_and(|routing| routing != document.id) {
            self.totals.routed += 1;
        }
        if self.lines.len() >= BATCH {
            self.flush_if_free();
        }
        Ok(())
    }

    /// Makes room for a document that is larger than a batch. The text of JSON is printed without a copy, which would take its
    /// memory twice.
    #[inline]
    fn large<'c>(&mut self, document: &Document<'_>, source: &'c [u8]) -> Option<&'c [u8]> {
        if source.len() <= BATCH {
            return None;
        }
        self.flush();
        if self.work.fields.is_some() {
            return None;
        }
        let text = one_line::json_text(source);
        if text.is_none() {
            // Growing by doubling would take twice as much again.
            self.lines.reserve_exact(source.len() + document.id.as_bytes().len() + 4096);
        }
        text
    }

    #[cold]
    fn print_large(&mut self, document: &Document<'_>, text: &[u8]) -> Result<(), Failure> {
        self.begin(document);
        // Looked through before anything is printed: it may be no document.
        let mut length = 0;
        let mut look = |each: &mut dyn FnMut(&[u8])| {
            one_line::pieces(text, |piece| {
                length += piece.len();
                each(piece);
            })
        };
        if self.work.with_digest { self.totals.digest.add(document, look) } else { look(&mut |_| ()) }
            .map_err(|refusal| Failure::Document(refused(document.id, refusal)))?;
        let end = self.end();
        self.totals.bytes += (length + end.len()) as u64;
        self.print(lock(&self.work.io), |io| {
            let mut written = Ok(());
            let looked = one_line::pieces(text, |piece| {
                if written.is_ok() {
                    written = io.write(piece);
                }
            });
            written?;
            looked.map_err(|refusal| refused(document.id, refusal))?;
            io.write(end)
        });
        Ok(())
    }

    /// Appends a line.
    fn append(&mut self, document: &Document<'_>, source: &[u8]) -> Result<(), Failure> {
        self.begin(document);
        let at = self.lines.len();
        self.source(document.id, source).map_err(Failure::Document)?;
        if self.work.with_digest {
            let line = &self.lines[at..];
            let Ok(()) = self.totals.digest.add(document, |each| {
                each(line);
                Ok::<_, std::convert::Infallible>(())
            });
        }
        self.lines.extend_from_slice(self.end());
        Ok(())
    }

    fn begin(&mut self, document: &Document<'_>) {
        if let Some(head) = &mut self.head {
            head.append(document, &mut self.lines);
        }
    }

    /// What ends a line.
    fn end(&self) -> &'static [u8] {
        if self.work.format == Format::Jsonl { b"}\n" } else { b"\n" }
    }

    fn keep_id(&mut self, document: &Document<'_>) -> Result<(), Fault> {
        if let Some(ids) = &mut self.ids {
            // There one id in two types is two documents.
            let by_type = self.work.format == Format::Bulk && self.work.target_major < 6;
            let doc_type = document.doc_type.filter(|_| by_type);
            ids.push(hash((document.id, doc_type)));
            if ids.len() == IDS {
                self.hand_on_ids()?;
            }
        }
        Ok(())
    }

    fn hand_on_ids(&mut self) -> Result<(), Fault> {
        if let Some(ids) = &mut self.ids {
            lock(&self.work.printed).add(self.index.group, ids).map_err(|error| not_kept(&error))?;
            ids.clear();
        }
        Ok(())
    }

    fn source(&mut self, id: Text<'_>, source: &[u8]) -> Result<(), Fault> {
        let Some(fields) = &self.work.fields else {
            return one_line::append(source, &mut self.lines).map_err(|refusal| refused(id, refusal));
        };
        let left = |error: serde_json::Error| {
            Fault::failed(format!("document {id:?}: its fields cannot be told apart: {error}"))
                .hint("without --fields it is printed as it is stored")
        };
        self.raw.clear();
        if let Some(text) = one_line::plain_json(source) {
            // Line breaks are taken out of what is left: most often it is little.
            fields.append(text, &mut self.raw).map_err(left)?;
            one_line::append(&self.raw, &mut self.lines).map_err(|refusal| refused(id, refusal))
        } else {
            one_line::append(source, &mut self.raw).map_err(|refusal| refused(id, refusal))?;
            fields.append(&self.raw, &mut self.lines).map_err(left)
        }
    }

    /// Hands lines on, unless another job is doing so just now and there is still room for more.
    fn flush_if_free(&mut self) {
        match self.work.io.try_lock() {
            Ok(io) => self.print(io, |_| Ok(())),
            Err(_) if self.lines.len() < 2 * BATCH => {}
            Err(_) => self.flush(),
        }
    }

    fn flush(&mut self) {
        if !self.lines.is_empty() {
            self.print(lock(&self.work.io), |_| Ok(()));
        }
    }

    /// Hands on the lines, and what comes right after them. That it failed is the end of all jobs, and no shard's fault.
    fn print(&mut self, mut io: MutexGuard<'_, &mut Io>, more: impl FnOnce(&mut Io) -> Result<(), Fault>) {
        self.totals.bytes += self.lines.len() as u64;
        let printed = io.write(&self.lines).and_then(|()| {
            self.work.has_printed.store(true, Ordering::Relaxed);
            more(&mut io)
        });
        if io.reader_is_gone() || printed.is_err() {
            self.work.stopped.store(true, Ordering::Relaxed);
        }
        drop(io);
        if let Err(failure) = printed {
            lock(&self.work.failure).get_or_insert(failure);
        }
        self.lines.clear();
        // After a huge document: give its memory back.
        self.lines.shrink_to(3 * BATCH);
    }
}

/// Totals by index, in the order of the plan.
pub(crate) fn by_index<'a>(plan: &'a Plan<'a>, totals: &[Totals]) -> Vec<(&'a Index<'a>, Totals)> {
    let mut sums: BTreeMap<usize, Totals> = BTreeMap::new();
    for (shard, own) in plan.shards.iter().zip(totals) {
        sums.entry(shard.index).or_default().add(own);
    }
    sums.into_iter().map(|(index, totals)| (&plan.indices[index], totals)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_never_more_than_there_is_and_empty_shards_count() {
        let done = Done { segments: (0..2).map(|_| AtomicUsize::new(1)).collect(), ..Done::default() };
        assert_eq!(done.percent(2), 0);
        for (number, value) in [(&done.known, 80), (&done.stored, 40), (&done.shards_opened, 1)] {
            number.store(value, Ordering::Relaxed);
        }
        assert_eq!((done.percent(1), done.percent(2)), (50, 25));
        done.segment(1);
        assert_eq!(done.shards.load(Ordering::Relaxed), 1);
        done.stored.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(done.percent(2), 100);
    }
}
