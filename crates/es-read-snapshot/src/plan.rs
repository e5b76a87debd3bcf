//! What is to be read: a snapshot, its indices, their shards.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use es_cli::{Exit, Fault, Io};
use es_lucene::Mapping;
use es_repository::{IndexEntry, IndexMetadata, OPENSEARCH, Repository, SnapshotEntry, SnapshotInfo, Verdict};

use crate::jobs::Jobs;
use crate::side_by_side::{AT_A_TIME, side_by_side};
use crate::{Args, Format, Op, fault, with_deletion};

/// One index to be read.
pub(crate) struct Index<'a> {
    pub(crate) entry: &'a IndexEntry,
    pub(crate) shards: u32,
    /// The type that lines name where ids carry none.
    pub(crate) doc_type: Option<String>,
    /// What has to be known to read its segments.
    pub(crate) mapping: Mapping,
    /// What bulk lines do, and the index or data stream that they name.
    pub(crate) bulk: (Op, String),
    /// Place of the first index whose lines name the same one as its own: there ids are compared.
    pub(crate) group: usize,
    pub(crate) ids_repeat: IdsRepeat,
    /// Whether a shard of it that is not read can hold an id that is.
    pub(crate) in_parts: bool,
}

/// When two documents of an index, or of those whose lines name the same one, can have one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdsRepeat {
    /// Nobody asks.
    Never,
    /// If one of the two has a routing of its own: on two shards, or on one that was shrunk from several.
    ByRouting,
    /// Of two indices or types.
    Always,
}

/// One shard to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Place of its index in the plan.
    pub(crate) index: usize,
    pub(crate) number: u32,
}

/// Everything that is to be read, and what cannot be.
pub(crate) struct Plan<'a> {
    pub(crate) snapshot: &'a SnapshotEntry,
    pub(crate) info: SnapshotInfo,
    pub(crate) indices: Vec<Index<'a>>,
    pub(crate) shards: Vec<Shard>,
    /// Shards that were asked for and are not in the snapshot, with the server's reason.
    pub(crate) missing: Vec<(Shard, String)>,
}

/// The snapshot of this name; without a name, the only one.
pub(crate) fn snapshot<'a>(repository: &'a Repository, args: &Args) -> Result<&'a SnapshotEntry, Fault> {
    let all = &repository.data().snapshots;
    match (&args.snapshot, all.as_slice()) {
        (Some(name), _) => repository.data().snapshot(name).ok_or_else(|| {
            Fault::no(format!("snapshot {name:?} is not in the repository"))
                .hint("see --list snapshots; one that is still running is not there yet: try again when it is done")
        }),
        (None, [only]) => Ok(only),
        (None, []) => Err(Fault::no("the repository holds no snapshot")),
        (None, _) => Err(Fault::usage(format!("--snapshot is missing: the repository holds {}", all.len()))
            .hint("see --list snapshots")),
    }
}

/// The snapshot's own record, if its documents are in this repository.
pub(crate) fn info(repository: &Repository, snapshot: &SnapshotEntry) -> Result<SnapshotInfo, Fault> {
    let name = &snapshot.name;
    match snapshot.state {
        Some("IN_PROGRESS") => return Err(in_progress(name)),
        Some("INCOMPATIBLE") => {
            return Err(Fault::failed(format!("snapshot {name:?} is too old for the server that last wrote here")));
        }
        _ => {}
    }
    let info =
        repository.snapshot_info(snapshot).map_err(|error| with_deletion(repository, snapshot, fault(&error)))?;
    if info.state == "IN_PROGRESS" {
        return Err(in_progress(name));
    }
    Ok(info)
}

fn in_progress(name: &str) -> Fault {
    Fault::new(Exit::TryAgain, format!("snapshot {name:?} is still being written"))
}

/// The indices that were asked for, in the order of the repository.
pub(crate) fn choose<'a>(
    repository: &'a Repository,
    snapshot: &'a SnapshotEntry,
    info: &SnapshotInfo,
    patterns: &[String],
    io: &mut Io,
) -> Result<Vec<&'a IndexEntry>, Fault> {
    let all = repository.indices(snapshot, info).map_err(|error| fault(&error))?;
    let (without, with): (Vec<&str>, Vec<&str>) =
        patterns.iter().map(String::as_str).partition(|pattern| pattern.starts_with('-'));
    for pattern in &with {
        if !all.iter().any(|index| matches(pattern, &index.name)) {
            return Err(
                Fault::no(format!("no index {pattern:?} in snapshot {:?}", snapshot.name)).hint("see --list indices")
            );
        }
    }
    for pattern in &without {
        if !all.iter().any(|index| matches(&pattern[1..], &index.name)) {
            io.warn(&format!("--indices {pattern} leaves nothing out: no such index in snapshot {:?}", snapshot.name));
        }
    }
    let wanted = |name: &str| {
        (with.is_empty() || with.iter().any(|pattern| matches(pattern, name)))
            && !without.iter().any(|pattern| matches(&pattern[1..], name))
    };
    let none = all.is_empty();
    let chosen: Vec<_> = all.into_iter().filter(|index| wanted(&index.name)).collect();
    if chosen.is_empty() && !none {
        return Err(
            Fault::no(format!("--indices leaves no index of snapshot {:?}", snapshot.name)).hint("see --list indices")
        );
    }
    Ok(chosen)
}

/// Gives `each` what `take` makes of the metadata of some indices after the other, in their order, until it has enough. What is
/// damaged hides no other index; any other failure ends it, after those before it.
pub(crate) fn for_metadata<'a, R: Send>(
    repository: &Repository,
    snapshot: &SnapshotEntry,
    indices: &[&'a IndexEntry],
    jobs: Jobs,
    take: impl Fn(&'a IndexEntry, &IndexMetadata) -> R + Sync,
    mut each: impl FnMut(Vec<Result<R, Fault>>) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    for some in indices.chunks(AT_A_TIME) {
        let read = parts_of(repository, snapshot, jobs, some, |index| {
            let taken = repository.with_index_metadata(snapshot, index, |metadata| take(index, &metadata));
            taken.map_err(|error| {
                let mut fault = fault(&error).context(format!("index {:?}", index.name));
                if fault.exit == Exit::Failed {
                    fault.hint.get_or_insert_with(|| leave_out("it", &index.name));
                }
                fault
            })
        });
        let mut known = Vec::new();
        let mut failure = None;
        for taken in read {
            match taken {
                Ok(taken) => known.push(taken),
                // A store that is away is not waited for twice.
                Err(fault) if fault.exit == Exit::TryAgain => return Err(fault),
                Err(fault) => {
                    failure = Some(fault);
                    break;
                }
            }
        }
        if each(known)?.is_break() {
            return Ok(());
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    Ok(())
}

/// Does the same to these parts of a snapshot. Damage is of one of them, whatever comes of others; any other failure is of all, and so
/// is the deletion of the snapshot meanwhile.
pub(crate) fn parts_of<T: Sync, R: Send>(
    repository: &Repository,
    snapshot: &SnapshotEntry,
    jobs: Jobs,
    parts: &[T],
    each: impl Fn(&T) -> Result<R, Fault> + Sync,
) -> Vec<Result<Result<R, Fault>, Fault>> {
    let results = side_by_side(jobs.most, parts, |part| match each(part) {
        Err(fault) if fault.exit != Exit::Failed => Err(fault),
        apart => Ok(apart),
    });
    if !results.iter().any(|result| matches!(result, Ok(Err(_)))) || !repository.was_deleted(snapshot) {
        return results;
    }
    let of_all = |result| match result {
        Ok(Err(damage)) => Err(with_deletion(repository, snapshot, damage)),
        other => other,
    };
    results.into_iter().map(of_all).collect()
}

/// Advice to read the others; `what` is what the message calls the index.
pub(crate) fn leave_out(what: &str, index: &str) -> String {
    format!("leave {what} out: --indices '*,-{index}'")
}

/// Whether a pattern with `*` matches a name, or is `_all`.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern == "_all" {
        return true;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Makes the plan; refuses what cannot be read as it was.
pub(crate) fn plan<'a>(
    repository: &'a Repository,
    snapshot: &'a SnapshotEntry,
    args: &Args,
    io: &mut Io,
) -> Result<Plan<'a>, Fault> {
    let info = info(repository, snapshot)?;
    if info.is_shallow() {
        return Err(Fault::failed(format!(
            "snapshot {:?} is shallow: its documents are in a remote store, not in this repository",
            snapshot.name
        )));
    }
    // Servers name types through 7.x.
    let typed = written_before(&info, snapshot, 8);
    let chosen = choose(repository, snapshot, &info, &args.indices, io)?;
    let mut indices = Vec::new();
    let take = |entry, metadata: &IndexMetadata| {
        let doc_type = if typed { Some(metadata.doc_type().unwrap_or("_doc").to_owned()) } else { None };
        let ids_repeat = match metadata.types() {
            _ if args.allow_duplicate_ids => IdsRepeat::Never,
            2.. => IdsRepeat::Always,
            _ => IdsRepeat::ByRouting,
        };
        let (shards, mapping, bulk) = (metadata.shards, metadata.mapping(), bulk(metadata, &info, args));
        let index = Index { entry, shards, doc_type, mapping, bulk, group: 0, ids_repeat, in_parts: false };
        (index, metadata.verdict(), metadata.types())
    };
    for_metadata(repository, snapshot, &chosen, args.jobs(), take, |some| {
        for planned in some {
            let (mut index, verdict, types) = planned?;
            check(&index.entry.name, verdict, args, io)?;
            left_out(&index, types, args, io);
            index.group = indices.len();
            indices.push(index);
        }
        if io.shows_progress() {
            let words = format!("metadata of {} of {} indices", indices.len(), chosen.len());
            io.meter(&snapshot.name).show_share(0, repository.bytes_fetched(), &words);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut plan = Plan { snapshot, info, indices, shards: Vec::new(), missing: Vec::new() };
    plan.choose_shards(args)?;
    if args.format == Format::Bulk && !args.allow_duplicate_ids {
        plan.group_by_lines(io)?;
    }
    Ok(plan)
}

/// Tells what lines of the _bulk API have no place for.
fn left_out(index: &Index<'_>, types: usize, args: &Args, io: &mut Io) {
    if args.format != Format::Bulk {
        return;
    }
    let name = &index.entry.name;
    if args.target_major() >= 6 && !index.mapping.parents.is_empty() {
        io.warn(&format!("index {name:?}: parents are left out: 6.x and later know them as a join field only"));
    }
    if args.target_major() >= 7 && types > 1 {
        io.warn(&format!("index {name:?}: its {types} types are left out: 7.x and later have none"));
    }
    if args.target_major() == 6 && types > 1 {
        let hint = "--target-major 7 leaves types out";
        io.warn(&format!(
            "index {name:?}: it has {types} types, and 6.x refuses a second one in an index it made: {hint}"
        ));
    }
}

/// A data stream takes documents under its own name, not under that of an index behind it.
fn bulk(metadata: &IndexMetadata, info: &SnapshotInfo, args: &Args) -> (Op, String) {
    let stream = metadata.data_stream(&info.data_streams);
    let op = args.op.unwrap_or(if stream.is_some() { Op::Create } else { Op::Index });
    let own = match (op, stream) {
        (Op::Create, Some(stream)) => stream,
        _ => &metadata.name,
    };
    (op, args.target_index.as_deref().unwrap_or(own).to_owned())
}

/// Whether Elasticsearch before this major version wrote the snapshot. OpenSearch 1.x is a 7.x, later ones are an 8.x.
pub(crate) fn written_before(info: &SnapshotInfo, snapshot: &SnapshotEntry, major: i64) -> bool {
    let own = match info.version_id {
        Some(id) if id & OPENSEARCH != 0 => ((id ^ OPENSEARCH) / 1_000_000).min(2) + 6,
        Some(id) => id / 1_000_000,
        None => match snapshot.version.as_deref() {
            Some(version) => version.split('.').next().and_then(|own| own.parse().ok()).unwrap_or(i64::MAX),
            None => 0,
        },
    };
    own < major
}

/// Refuses an index whose documents are not there as they were.
fn check(name: &str, verdict: Verdict, args: &Args, io: &mut Io) -> Result<(), Fault> {
    match verdict {
        Verdict::Readable => Ok(()),
        Verdict::Filtered(reason) => {
            io.warn(&format!("index {name:?}: {reason}: documents come as the server shows them"));
            Ok(())
        }
        Verdict::WithoutVectors(reason) if args.without_vectors => {
            io.warn(&format!("index {name:?}: {reason}: documents come without them"));
            Ok(())
        }
        Verdict::WithoutVectors(reason) => Err(Fault::failed(format!("index {name:?}: {reason}"))
            .hint("--without-vectors reads the documents without them")),
        Verdict::Unreadable(reason) => {
            Err(Fault::failed(format!("index {name:?}: {reason}")).hint(leave_out("it", name)))
        }
    }
}

/// Fails if a shard was asked for that an index has not.
pub(crate) fn check_shards(args: &Args, name: &str, shards: u32) -> Result<(), Fault> {
    match args.shards.iter().find(|number| **number >= shards) {
        Some(number) => Err(Fault::no(format!("index {name:?} has no shard {number}: it has {shards}"))),
        None => Ok(()),
    }
}

impl Plan<'_> {
    fn choose_shards(&mut self, args: &Args) -> Result<(), Fault> {
        for index in &self.indices {
            check_shards(args, &index.entry.name, index.shards)?;
        }
        let mut place = 0;
        for (index, chosen) in self.indices.iter().enumerate() {
            for number in 0..chosen.shards {
                let wanted = args.shards.is_empty() || args.shards.contains(&number);
                let mine = match (args.shard_index, args.shard_count) {
                    (Some(own), Some(count)) => place % count == own,
                    _ => true,
                };
                place += 1;
                if !wanted || !mine {
                    continue;
                }
                let shard = Shard { index, number };
                match self.info.failure(&chosen.entry.name, number) {
                    Some(failure) => {
                        let reason = failure.reason.as_deref().unwrap_or("no reason given");
                        let reason = reason.lines().next().unwrap_or_default().to_owned();
                        self.missing.push((shard, reason));
                    }
                    None => self.shards.push(shard),
                }
            }
        }
        Ok(())
    }

    /// Finds the indices whose lines name one and the same, and what other readings may print of it.
    fn group_by_lines(&mut self, io: &mut Io) -> Result<(), Fault> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, index) in self.indices.iter().enumerate() {
            groups.entry(index.bulk.1.clone()).or_default().push(place);
        }
        for (target, group) in groups {
            let own = self.shards.iter().chain(self.missing.iter().map(|(shard, _)| shard));
            let chosen = own.filter(|shard| group.contains(&shard.index)).count();
            let all: usize = group.iter().map(|place| self.indices[*place].shards as usize).sum();
            let in_parts = chosen > 0 && chosen < all;
            let (first, several) = (group[0], group.len() > 1);
            if in_parts && several {
                let text = format!("lines for {target:?} are of {} indices, and not of all their shards", group.len());
                if self.indices[first].bulk.0 == Op::Index {
                    // The later of two lines would replace the other, and no part can see both.
                    return Err(Fault::usage(format!("{text}: ids cannot be compared")).hint(
                        "read them whole, or each into an index of its own; --allow-duplicate-ids does not look",
                    ));
                }
                io.warn(&format!("{text}: ids are compared within them alone"));
            }
            for place in group {
                let index = &mut self.indices[place];
                index.group = first;
                if several {
                    index.ids_repeat = IdsRepeat::Always;
                }
                index.in_parts = in_parts;
            }
        }
        Ok(())
    }

    /// `index[shard]`, as servers write it.
    pub(crate) fn name(&self, shard: Shard) -> String {
        format!("{}[{}]", self.indices[shard.index].entry.name, shard.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_servers_do() {
        for (pattern, name) in [("a*", "abc"), ("*", ""), ("a*c", "abc"), ("*b*", "abc"), ("abc", "abc"), ("_all", "x")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("a*a", "a"), ("*b", "bc"), ("b*", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
