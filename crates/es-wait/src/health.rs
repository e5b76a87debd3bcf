//! What `_cluster/health` says of some indices, and why a shard of theirs is not started.

use crate::{Ended, Pace, Wanted};
use es_cli::{Exit, Fault, Io};
use es_client::{CallError, Cluster, Path, Pattern, ServerError, batches, excerpt};
use es_records::{Health, Record};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The health of one index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IndexHealth {
    pub(crate) status: String,
    pub(crate) primaries: u64,
    pub(crate) active_primaries: u64,
    pub(crate) active: u64,
    pub(crate) moving: u64,
    pub(crate) unassigned: u64,
}

impl IndexHealth {
    fn of(value: &Value) -> Self {
        let number = |key: &str| value[key].as_u64().unwrap_or(0);
        Self {
            status: value["status"].as_str().unwrap_or("red").to_string(),
            primaries: number("number_of_shards"),
            active_primaries: number("active_primary_shards"),
            active: number("active_shards"),
            moving: number("initializing_shards").saturating_add(number("relocating_shards")),
            unassigned: number("unassigned_shards"),
        }
    }

    /// Whether every primary is started.
    pub(crate) fn has_primaries(&self) -> bool {
        self.active_primaries == self.primaries && self.primaries > 0
    }
}

/// What one look showed.
pub(crate) struct Look {
    /// Of all that the look was at; a cluster without an index has one too.
    pub(crate) status: String,
    /// By name; an index that does not exist is not here.
    pub(crate) indices: BTreeMap<String, IndexHealth>,
}

impl Look {
    /// Reads an answer of `_cluster/health`; whatever is none is no health, and least of all a green one.
    fn of(answer: &Value) -> Result<Self, CallError> {
        match (answer["status"].as_str(), answer["indices"].as_object()) {
            (Some(status), Some(indices)) => Ok(Self {
                status: status.to_string(),
                indices: indices.iter().map(|(name, value)| (name.clone(), IndexHealth::of(value))).collect(),
            }),
            _ => Err(CallError::Unusable(format!("an answer without a health: {}", excerpt(answer)))),
        }
    }
}

/// The health of these indices (of all, if none are named).
pub(crate) fn look(cluster: &Cluster, indices: &[String]) -> Result<Look, CallError> {
    let lists = batches(indices.iter().map(String::as_str));
    // Many indices are asked for with one request for the whole cluster: requests must not grow with indices times looks.
    // Names that do not fit into one request line, and none at all, both mean that.
    let path = |names: &[&str]| {
        let segments = ["_cluster", "health"].into_iter().chain(names.iter().copied());
        // A missing index would let the server wait for it: one second is enough.
        Path::of(segments).query("level", "indices").query("timeout", "1s")
    };
    let names = lists.iter().map(String::as_str).collect::<Vec<_>>();
    let answer = cluster.look(&path(if let [_] = names.as_slice() { &names } else { &[] }))?;
    is_of(cluster, &answer).map_err(CallError::Fault)?;
    Look::of(&answer)
}

/// Refuses the health of another cluster, which stands behind the same URL by now. The answer has a name and no `cluster_uuid`.
fn is_of(cluster: &Cluster, answer: &Value) -> Result<(), Fault> {
    let known = cluster.identity()?;
    match answer["cluster_name"].as_str() {
        Some(name) if name != known.cluster_name => Err(Fault::usage(format!(
            "the health is that of cluster {name:?}, and {} was cluster {:?} ({}) when the wait began",
            known.url, known.cluster_name, known.cluster_uuid
        ))
        .hint("does the URL lead to more than one cluster? give that of the one that is meant")),
        _ => Ok(()),
    }
}

/// Why a shard is not started, in the server's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explanation {
    pub(crate) text: String,
    /// The server says that no node may take it.
    pub(crate) hopeless: bool,
    /// Only that there are not enough nodes: a copy is on each already.
    pub(crate) too_few_nodes: bool,
    /// The question was refused: nothing is known.
    pub(crate) refusal: Option<Fault>,
}

/// What does not move, and of which nobody says why.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    since: Option<Duration>,
    seen: Vec<IndexHealth>,
    warned: bool,
}

impl Stall {
    /// Takes a look at these indices. `silent` is why it is not known what keeps one of them, if one is not as wanted: then the
    /// wait ends, unless something changes in time.
    ///
    /// # Errors
    /// `silent`, once nothing has moved for as long as the patience lasts.
    pub(crate) fn look(
        &mut self,
        pace: &Pace,
        io: &mut Io,
        indices: Vec<IndexHealth>,
        silent: Option<Fault>,
    ) -> Result<(), Fault> {
        let Some(fault) = silent.filter(|_| indices.iter().all(|health| health.moving == 0)) else {
            self.since = None;
            return Ok(());
        };
        if indices != self.seen {
            (self.seen, self.since) = (indices, None);
        }
        let since = *self.since.get_or_insert(io.elapsed());
        let patience = es_cli::human_duration(pace.patience());
        if !self.warned && fault.exit == Exit::NotAllowed {
            io.warn(&format!("{fault}; the wait ends when nothing moves for {patience}"));
            self.warned = true;
        }
        if io.elapsed().saturating_sub(since) < pace.patience() {
            return Ok(());
        }
        Err(Fault { message: format!("nothing moved for {patience}: {}", fault.message), ..fault })
    }
}

/// Why it is not known what keeps an index that does not move.
pub(crate) fn silence(index: &str, why: Option<&Explanation>) -> Option<Fault> {
    match why {
        Some(why) => why.refusal.clone(),
        None => Some(
            Fault::failed(format!("index {index:?} is not as wanted, and the cluster does not say what keeps it"))
                .hint("look at _cluster/health and _cluster/allocation/explain; the work may go on"),
        ),
    }
}

/// Asks why a shard of an index is not started: a primary first, else a replica. None where all are.
pub(crate) fn explain(cluster: &Cluster, index: &str) -> Result<Option<Explanation>, CallError> {
    let path = Path::of(["_cluster", "health", index]).query("level", "shards").query("timeout", "1s");
    let answer = cluster.look(&path)?;
    let shards = answer["indices"][index]["shards"].as_object().cloned().unwrap_or_default();
    let numbered =
        |f: &dyn Fn(&Value) -> bool| shards.iter().find(|(_, v)| f(v)).and_then(|(n, _)| n.parse::<u64>().ok());
    let primary = numbered(&|v| v["primary_active"] == false);
    let Some(shard) = primary.or_else(|| numbered(&|v| v["unassigned_shards"].as_u64() > Some(0))) else {
        return Ok(None);
    };
    let body = json!({"index": index, "shard": shard, "primary": primary.is_some()});
    let answer = match cluster.read(&Path::of(["_cluster", "allocation", "explain"]), Some(&body)) {
        Ok(answer) => answer,
        // It got assigned in between.
        Err(CallError::Server(error)) if error.status == 400 => return Ok(None),
        Err(CallError::Server(error)) => return Ok(Some(unread(index, &error))),
        Err(error) => return Err(error),
    };
    Ok(decode(&answer))
}

fn unread(index: &str, error: &ServerError) -> Explanation {
    let mut fault = error.fault(&format!("what keeps a shard of {index:?} may not be read"));
    if fault.exit == Exit::NotAllowed {
        fault = fault.hint(
            "_cluster/allocation/explain needs the cluster privilege monitor (OpenSearch: cluster:monitor/allocation/explain); \
             the work may go on, and the same command waits again",
        );
    }
    Explanation { text: String::new(), hopeless: false, too_few_nodes: false, refusal: Some(fault) }
}

fn decode(answer: &Value) -> Option<Explanation> {
    if answer["current_state"] != "unassigned" {
        return None;
    }
    let word = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let decision = word(&answer["can_allocate"]);
    let info = &answer["unassigned_info"];
    let mut text =
        format!("[{}][{}] {}", word(&answer["index"]), answer["shard"], word(&answer["allocate_explanation"]));
    text.push_str(&format!(" ({})", word(&info["reason"])));
    if let Some(details) = info["details"].as_str() {
        let details: String = details.chars().take(300).collect();
        text.push_str(&format!(": {details}"));
    }
    let mut nodes = 0;
    let mut copies = 0;
    for node in answer["node_allocation_decisions"].as_array().into_iter().flatten() {
        nodes += 1;
        for decider in node["deciders"].as_array().into_iter().flatten() {
            if decider["decision"] == "NO" {
                if decider["decider"] == "same_shard" {
                    copies += 1;
                }
                text.push_str(&format!("; {}: {}", word(&node["node_name"]), word(&decider["explanation"])));
            }
        }
    }
    let hopeless = matches!(decision.as_str(), "no" | "no_valid_shard_copy" | "no_attempt");
    Some(Explanation { text, hopeless, too_few_nodes: hopeless && nodes > 0 && copies == nodes, refusal: None })
}

/// Whether an index is as wanted. `stuck` is the explanation, where something of it is not started.
pub(crate) fn reached(health: &IndexHealth, wanted: Wanted, stuck: Option<&Explanation>) -> bool {
    match wanted {
        // Green alone is a word: the primaries are counted beside it.
        Wanted::Green => health.status == "green" && health.has_primaries(),
        Wanted::Yellow | Wanted::Primaries => health.has_primaries(),
        Wanted::Auto => {
            let settled = health.has_primaries() && health.moving == 0;
            health.status == "green" && health.has_primaries() || settled && stuck.is_some_and(|s| s.too_few_nodes)
        }
    }
}

/// Which indices a look calls settled, for fuzzing.
pub(crate) fn settled(health: &Value, explanation: &Value) -> Vec<String> {
    let Ok(look) = Look::of(health) else { return Vec::new() };
    let stuck = decode(explanation);
    let reached = |health: &IndexHealth| {
        [Wanted::Green, Wanted::Yellow, Wanted::Auto].into_iter().any(|wanted| reached(health, wanted, stuck.as_ref()))
    };
    look.indices.into_iter().filter(|(_, health)| reached(health)).map(|(index, _)| index).collect()
}

/// Looks that must agree, this long apart, before a shard that no node may take is believed to stay so.
pub(crate) const AGREEING: u32 = 4;
pub(crate) const APART: Duration = Duration::from_secs(1);

pub(crate) fn wait(
    cluster: &Cluster,
    mut record: Health,
    wanted: Wanted,
    pace: &mut Pace,
    io: &mut Io,
) -> Result<Ended, Fault> {
    let what = "health".to_string();
    record.cluster = Some(cluster.identity()?.clone());
    let mut hopeless = 0;
    let mut stall = Stall::default();
    pace.restart(io);
    loop {
        let indices = record.indices.clone();
        let seen = pace.until(io, |_| look(cluster, &indices)).map_err(|f| f.context(&what))?;
        let missing: Vec<&String> =
            indices.iter().filter(|name| !name.contains('*') && !seen.indices.contains_key(*name)).collect();
        let patterns: Vec<Pattern> = indices.iter().flat_map(|list| Pattern::list(list)).collect();
        let whole = patterns.is_empty() || patterns.iter().any(|pattern| pattern.to_string() == "*");
        let mine: Vec<(&String, &IndexHealth)> =
            seen.indices.iter().filter(|(name, _)| whole || patterns.iter().any(|p| p.matches(name))).collect();
        // A wildcard that fits nothing is no green either; only the whole cluster may be empty.
        let unfit = indices.first().filter(|_| mine.is_empty() && !whole);
        if let Some(name) = missing.first().copied().or(unfit) {
            record.status = Some("red".into());
            let fault = Fault::no(format!("no such index: {name}"))
                .hint("servers call the health of a missing index red and let you wait for it");
            return Ok((Record::Health(record), Some(fault)));
        }
        let mut waiting = Vec::new();
        let mut silent = None;
        for (name, health) in &mine {
            if reached(health, wanted, None) {
                continue;
            }
            let stuck = if health.moving == 0 && health.unassigned > 0 {
                pace.until(io, |_| explain(cluster, name)).map_err(|f| f.context(&what))?
            } else {
                None
            };
            if !reached(health, wanted, stuck.as_ref()) {
                silent = silent.or_else(|| silence(name, stuck.as_ref()));
                waiting.push(((*name).clone(), stuck));
            }
        }
        let all = whole.then_some(seen.status.as_str());
        let status = worst(mine.iter().map(|(_, health)| health.status.as_str()).chain(all));
        record.status = Some(status.to_string());
        // A cluster can be red beyond its indices: while it finds them again it shows none.
        if waiting.is_empty() && matches!(status, "green" | "yellow") {
            return Ok((Record::Health(record), None));
        }
        let stuck: Vec<&str> =
            waiting.iter().filter_map(|(_, s)| s.as_ref().filter(|s| s.hopeless).map(|s| s.text.as_str())).collect();
        hopeless = if stuck.is_empty() { 0 } else { hopeless + 1 };
        if hopeless >= AGREEING {
            let fault = Fault::no(format!("a shard cannot be allocated: {}", stuck.join("; ")));
            return Ok((Record::Health(record), Some(fault)));
        }
        let looked = mine.iter().map(|(_, health)| (*health).clone()).collect();
        stall.look(pace, io, looked, silent).map_err(|f| f.context(&what))?;
        if io.shows_progress() {
            let (done, all) = (mine.len() - waiting.len(), mine.len());
            io.meter("health").show(0, 0, &format!("{status}, {done}/{all} indices as wanted"));
        }
        if hopeless > 0 {
            io.sleep(APART);
        }
        pace.rest(io).map_err(|f| f.context(&what))?;
    }
}

/// The worst of some healths; of none it is red, since nothing was seen.
pub(crate) fn worst<'a>(all: impl Iterator<Item = &'a str>) -> &'a str {
    let rank = |status: &str| match status {
        "green" => 0,
        "yellow" => 1,
        _ => 2,
    };
    all.max_by_key(|status| rank(status)).unwrap_or("red")
}
