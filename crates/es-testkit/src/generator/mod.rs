//! Data that shows what a migration loses.
//!
//! Most documents are a plain daily log, as in the case the project was made for. Around it stand small indices with
//! what is easily lost: several types, nested objects, routing, parents and children, deleted and updated documents,
//! odd text and numbers, very large and empty documents, aliases, closed, hidden and empty indices.
//!
//! A document is a pure function of the seed, its index and its number, so [`Plan::documents`] says what must be in an
//! index without asking the server that was filled.

mod document;
mod random;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};
use ureq::Agent;

use document::{Draft, Fate, Kind};
pub use random::Random;

use crate::http;

/// Two, as the machines that run the tests have two cores, and a server to feed beside.
const THREADS: usize = 2;
/// Documents a thread takes at a time.
const CHUNK: u64 = 500;

/// What to generate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Documents of all daily indices together, before some are deleted.
    pub documents: u64,
    /// Number of daily indices.
    pub indices: u32,
    /// The same seed gives the same data.
    pub seed: u64,
    /// Size of a bulk request, which one large document may exceed.
    pub bulk_bytes: usize,
    /// Only the daily indices, with nothing deleted or updated.
    pub plain: bool,
    /// Every index name begins with this, so that tests can share a server.
    pub prefix: String,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            documents: 10_000,
            indices: 3,
            seed: 1,
            bulk_bytes: 4 << 20,
            plain: false,
            prefix: "javacafe".to_owned(),
        }
    }
}

/// What must be in an index after the load, known without asking the server.
#[derive(Clone, Debug, Serialize)]
pub struct Truth {
    /// Its name.
    pub index: String,
    /// Documents a count must find.
    pub documents: u64,
    /// Documents that were loaded and deleted again.
    pub deleted: u64,
    /// Documents that were updated or replaced.
    pub updated: u64,
    /// Nested objects, which Lucene and `_cat/indices` count as documents and a count does not.
    pub nested: u64,
    /// Documents with a routing or a parent.
    pub routed: u64,
    /// Its types; empty on a server without them.
    pub types: Vec<String>,
    /// Its aliases.
    pub aliases: Vec<String>,
    /// `open` or `close`, as the server says it.
    pub status: &'static str,
    /// Whether it is hidden, by its setting or by its dot.
    pub hidden: bool,
    /// `number_of_shards`.
    pub shards: u32,
    /// `number_of_replicas`.
    pub replicas: u32,
    /// `refresh_interval`, if set.
    pub refresh_interval: Option<&'static str>,
    /// Why the index was not made; nothing else is true of it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
}

/// What decides how an index is made and filled.
#[derive(Clone, Copy, Debug)]
struct Flavor {
    /// Of Elasticsearch; OpenSearch branched off at 7.
    major: u32,
    minor: u32,
}

#[derive(Clone, Debug)]
struct Index {
    name: String,
    kind: Kind,
    count: u64,
    shards: u32,
    replicas: u32,
    refresh_interval: Option<&'static str>,
    /// Alias and what `_aliases` is told about it.
    aliases: Vec<(String, Value)>,
    closed: bool,
    hidden: bool,
    touched: bool,
}

impl Flavor {
    fn typed(self) -> bool {
        self.major < 7
    }

    fn ask(agent: &Agent, url: &str) -> Result<Self> {
        let (_, root) = http::call(agent, "GET", url, None)?;
        let number = root["version"]["number"].as_str().context("GET / names no version")?;
        if root["version"]["distribution"] == "opensearch" {
            return Ok(Self { major: 7, minor: 10 });
        }
        Self::parse(number)
    }

    fn parse(number: &str) -> Result<Self> {
        let mut parts = number.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => bail!("{number:?} is no version"),
        }
    }
}

impl Plan {
    /// Fills the server at `url` and says what must be there.
    pub fn load(&self, url: &str) -> Result<Vec<Truth>> {
        let url = url.trim_end_matches('/');
        let agent = http::agent(Duration::from_mins(5));
        let flavor = Flavor::ask(&agent, &format!("{url}/"))?;
        self.layout(flavor).iter().map(|index| self.make(&agent, url, flavor, index)).collect()
    }

    /// Every document that must be in `index` on a server of that version, one JSON line each, in no server's order:
    /// `_index`, `_type` (where there are types), `_id`, `_routing`, `_parent`, `_source`.
    ///
    /// A server writes the source of an updated document anew, so compare values there, not bytes.
    pub fn documents<'a>(&'a self, version: &str, index: &str) -> Result<impl Iterator<Item = String> + 'a> {
        let flavor = Flavor::parse(version)?;
        let index = self.layout(flavor).into_iter().find(|known| known.name == index);
        let index = index.context("the plan has no index of that name")?;
        Ok((0..index.count).filter_map(move |number| {
            let draft = self.last(&index, number, flavor)?;
            let mut line = format!("{{\"_index\":{}", Value::from(index.name.as_str()));
            if flavor.typed() {
                let _ = write!(line, ",\"_type\":\"{}\"", draft.doc_type);
            }
            let _ = write!(line, ",\"_id\":{}", Value::from(draft.id));
            if let Some(routing) = draft.routing.as_ref().or(draft.parent.as_ref()) {
                let _ = write!(line, ",\"_routing\":{}", Value::from(routing.as_str()));
            }
            if let Some(parent) = draft.parent {
                let _ = write!(line, ",\"_parent\":{}", Value::from(parent));
            }
            let _ = write!(line, ",\"_source\":{}}}", draft.source);
            Some(line)
        }))
    }

    /// The document as it must be in the end; none if it is deleted.
    fn last(&self, index: &Index, number: u64, flavor: Flavor) -> Option<Draft> {
        let draft = |revision| index.kind.document(self.seed, number, revision, flavor.major);
        match index.fate(number) {
            Fate::Deleted => None,
            Fate::Kept => Some(draft(0)),
            Fate::Replaced => Some(draft(1)),
            Fate::Updated => Some(draft(0).revised()),
        }
    }

    fn layout(&self, flavor: Flavor) -> Vec<Index> {
        let prefix = &self.prefix;
        let days = self.indices.max(1);
        let each = self.documents / u64::from(days);
        let year = (format!("{prefix}_2018"), json!({}));
        let errors = (format!("{prefix}_errors"), json!({"filter": {"term": {"level": "ERROR"}}}));
        let mut all: Vec<Index> = (0..days)
            .map(|day| Index {
                name: format!("{prefix}_2018_{:02}_{:02}", 1 + day / 28 % 12, 1 + day % 28),
                kind: Kind::Daily { day },
                // The first day is the one of the original case: five shards, and whatever does not divide evenly.
                count: each + if day == 0 { self.documents % u64::from(days) } else { 0 },
                shards: if day == 0 { 5 } else { 1 },
                replicas: 1,
                refresh_interval: (day == 0).then_some("30s"),
                aliases: match (self.plain, day) {
                    (true, _) => Vec::new(),
                    (false, 0) => vec![year.clone(), errors.clone()],
                    (false, _) => vec![year.clone()],
                },
                closed: false,
                hidden: false,
                touched: !self.plain,
            })
            .collect();
        if self.plain {
            return all;
        }
        let index = |name: &str, kind, count| Index {
            name: format!("{prefix}_{name}"),
            kind,
            count,
            shards: 1,
            replicas: 0,
            refresh_interval: None,
            aliases: Vec::new(),
            closed: false,
            hidden: false,
            touched: true,
        };
        let routed = (
            format!("{prefix}_routed"),
            json!({"index_routing": "busan", "search_routing": "busan,0", "filter": {"range": {"number": {"gte": 10}}}}),
        );
        all.push(Index { shards: 3, aliases: vec![routed], ..index("mixed", Kind::Mixed, 600) });
        if flavor.major < 6 {
            all.push(Index { shards: 2, ..index("types", Kind::Types, 300) });
        }
        all.push(Index { shards: 2, ..index("family", Kind::Family, 400) });
        all.push(Index { shards: 5, replicas: 2, refresh_interval: Some("7s"), ..index("tuned", Kind::Notes, 250) });
        all.push(index("wide", Kind::Wide, 100));
        all.push(index("empty", Kind::Notes, 0));
        all.push(Index { closed: true, ..index("closed", Kind::Notes, 50) });
        let hidden = index("hidden", Kind::Notes, 20);
        all.push(Index { name: format!(".{}", hidden.name), hidden: true, ..hidden });
        all
    }

    fn make(&self, agent: &Agent, url: &str, flavor: Flavor, index: &Index) -> Result<Truth> {
        let mut truth = self.truth(index, flavor);
        let path = format!("{url}/{}", index.name);
        let (status, answer) = http::call(agent, "PUT", &path, Some(&index.body(flavor)))?;
        if index.kind == Kind::Family && answer.to_string().contains("[join]") {
            truth.skipped = Some("the server has no join field");
            return Ok(truth);
        }
        expect(status, &answer, "creating", &index.name)?;
        self.fill(agent, url, flavor, index, false)?;
        if index.touched {
            // Only what is in a segment already leaves a deleted document behind.
            post(agent, &format!("{path}/_refresh"), &index.name)?;
            self.fill(agent, url, flavor, index, true)?;
        }
        post(agent, &format!("{path}/_refresh"), &index.name)?;
        if !index.aliases.is_empty() {
            let actions: Vec<Value> = index.aliases.iter().map(|(alias, told)| index.add_alias(alias, told)).collect();
            let actions = json!({"actions": actions});
            let (status, answer) = http::call(agent, "POST", &format!("{url}/_aliases"), Some(&actions))?;
            expect(status, &answer, "the aliases of", &index.name)?;
        }
        if index.closed {
            post(agent, &format!("{path}/_flush"), &index.name)?;
            post(agent, &format!("{path}/_close"), &index.name)?;
        }
        Ok(truth)
    }

    fn truth(&self, index: &Index, flavor: Flavor) -> Truth {
        let mut truth = Truth {
            index: index.name.clone(),
            documents: 0,
            deleted: 0,
            updated: 0,
            nested: 0,
            routed: 0,
            types: Vec::new(),
            aliases: index.aliases.iter().map(|(alias, _)| alias.clone()).collect(),
            status: if index.closed { "close" } else { "open" },
            hidden: index.hidden,
            shards: index.shards,
            replicas: index.replicas,
            refresh_interval: index.refresh_interval,
            skipped: None,
        };
        let mut types = BTreeSet::new();
        for number in 0..index.count {
            match index.fate(number) {
                Fate::Deleted => truth.deleted += 1,
                Fate::Updated | Fate::Replaced => truth.updated += 1,
                Fate::Kept => {}
            }
            // Nothing to look up in a log line, and there may be millions.
            if matches!(index.kind, Kind::Daily { .. }) {
                continue;
            }
            if let Some(draft) = self.last(index, number, flavor) {
                truth.nested += draft.nested;
                truth.routed += u64::from(draft.routing.is_some() || draft.parent.is_some());
                types.insert(draft.doc_type);
            }
        }
        truth.documents = index.count - truth.deleted;
        if flavor.typed() {
            truth.types =
                if types.is_empty() { vec!["doc".to_owned()] } else { types.into_iter().map(str::to_owned).collect() };
        }
        truth
    }

    /// Loads every document, or in the second round whatever becomes of it later.
    fn fill(&self, agent: &Agent, url: &str, flavor: Flavor, index: &Index, second: bool) -> Result<()> {
        let next = AtomicU64::new(0);
        let bulk = format!("{url}/_bulk");
        let worker = || -> Result<()> {
            let mut batch = String::with_capacity(self.bulk_bytes + (64 << 10));
            loop {
                let from = next.fetch_add(CHUNK, Ordering::Relaxed);
                if from >= index.count {
                    return send(agent, &bulk, &mut batch);
                }
                for number in from..index.count.min(from + CHUNK) {
                    if second {
                        self.second(&mut batch, index, number, flavor);
                    } else {
                        let draft = index.kind.document(self.seed, number, 0, flavor.major);
                        action(&mut batch, "index", index, &draft, flavor);
                        batch.push_str(&draft.source);
                        batch.push('\n');
                    }
                    if batch.len() >= self.bulk_bytes {
                        send(agent, &bulk, &mut batch)?;
                    }
                }
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result.with_context(|| format!("loading {}", index.name)),
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    fn second(&self, batch: &mut String, index: &Index, number: u64, flavor: Flavor) {
        let fate = index.fate(number);
        let revision = u64::from(fate == Fate::Replaced);
        if fate == Fate::Kept {
            return;
        }
        let draft = index.kind.document(self.seed, number, revision, flavor.major);
        match fate {
            Fate::Deleted => action(batch, "delete", index, &draft, flavor),
            Fate::Updated => {
                action(batch, "update", index, &draft, flavor);
                batch.push_str("{\"doc\":{\"revision\":2}}\n");
            }
            _ => {
                action(batch, "index", index, &draft, flavor);
                batch.push_str(&draft.source);
                batch.push('\n');
            }
        }
    }
}

impl Index {
    fn fate(&self, number: u64) -> Fate {
        if self.touched { self.kind.fate(number) } else { Fate::Kept }
    }

    fn add_alias(&self, alias: &str, told: &Value) -> Value {
        let mut add = told.clone();
        add["index"] = json!(self.name);
        add["alias"] = json!(alias);
        json!({"add": add})
    }

    fn body(&self, flavor: Flavor) -> Value {
        let mut settings = json!({"number_of_shards": self.shards, "number_of_replicas": self.replicas});
        if let Some(interval) = self.refresh_interval {
            settings["refresh_interval"] = json!(interval);
        }
        if self.kind == Kind::Wide {
            settings["mapping.total_fields.limit"] = json!(document::WIDE_FIELDS + 50);
        }
        // 7.7 brought the setting; before, a dot is all that hides an index.
        if self.hidden && (flavor.major, flavor.minor) >= (7, 7) {
            settings["hidden"] = json!(true);
        }
        let mut mapping = json!({"properties": self.kind.properties()});
        if self.kind == Kind::Family && flavor.major >= 6 {
            mapping["properties"]["relation"] = json!({"type": "join", "relations": {"parent": "child"}});
        }
        let mappings = match (self.kind, flavor.major) {
            (Kind::Types, _) => json!({"article": mapping, "comment": mapping, "author": mapping}),
            (Kind::Family, ..6) => {
                let mut child = mapping.clone();
                child["_parent"] = json!({"type": "parent"});
                json!({"parent": mapping, "child": child})
            }
            _ if flavor.typed() => json!({"doc": mapping}),
            _ => mapping,
        };
        json!({"settings": {"index": settings}, "mappings": mappings})
    }
}

/// The line of a bulk request that says what is done to which document.
fn action(batch: &mut String, verb: &str, index: &Index, draft: &Draft, flavor: Flavor) {
    let _ = write!(batch, "{{\"{verb}\":{{\"_index\":\"{}\",\"_id\":", index.name);
    if draft.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        let _ = write!(batch, "\"{}\"", draft.id);
    } else {
        let _ = write!(batch, "{}", Value::from(draft.id.as_str()));
    }
    if flavor.typed() {
        let _ = write!(batch, ",\"_type\":\"{}\"", draft.doc_type);
    }
    if let Some(routing) = &draft.routing {
        let _ = write!(batch, ",\"routing\":{}", Value::from(routing.as_str()));
    }
    if let Some(parent) = &draft.parent {
        let _ = write!(batch, ",\"parent\":{}", Value::from(parent.as_str()));
    }
    batch.push_str("}}\n");
}

fn send(agent: &Agent, url: &str, batch: &mut String) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let (status, answer) = http::send(agent, "POST", url, "application/x-ndjson", batch.as_bytes())?;
    batch.clear();
    expect(status, &answer, "a bulk request to", url)?;
    if answer["errors"] != false {
        let items = answer["items"].as_array().into_iter().flatten();
        let refused = items.flat_map(|item| item.as_object().into_iter().flat_map(|item| item.values()));
        let first = refused.into_iter().find(|item| !item["error"].is_null());
        bail!("the server refused a document: {}", first.unwrap_or(&answer));
    }
    Ok(())
}

fn post(agent: &Agent, url: &str, index: &str) -> Result<()> {
    let (status, answer) = http::call(agent, "POST", url, None)?;
    expect(status, &answer, url, index)
}

fn expect(status: u16, answer: &Value, doing: &str, what: &str) -> Result<()> {
    if !(200..300).contains(&status) {
        bail!("{doing} {what}: HTTP {status}: {answer}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(plan: &Plan, version: &str) -> Vec<String> {
        let layout = plan.layout(Flavor::parse(version).unwrap());
        layout.iter().flat_map(|index| plan.documents(version, &index.name).unwrap()).collect()
    }

    fn small() -> Plan {
        Plan { documents: 500, ..Plan::default() }
    }

    #[test]
    fn the_same_seed_gives_the_same_documents() {
        assert_eq!(all(&small(), "5.5.2"), all(&small(), "5.5.2"));
    }

    #[test]
    fn another_seed_gives_other_documents() {
        assert_ne!(all(&small(), "5.5.2"), all(&Plan { seed: 2, ..small() }, "5.5.2"));
    }

    #[test]
    fn a_daily_document_does_not_depend_on_how_many_there_are() {
        let more = Plan { documents: 1000, indices: 1, plain: true, ..Plan::default() };
        let less = Plan { documents: 10, ..more.clone() };
        let name = "javacafe_2018_01_01";
        let more: Vec<_> = more.documents("6.1.2", name).unwrap().take(10).collect();
        assert_eq!(less.documents("6.1.2", name).unwrap().collect::<Vec<_>>(), more);
    }

    #[test]
    fn every_document_is_json_and_no_two_share_an_id() {
        for version in ["5.5.2", "6.1.2", "9.5.3"] {
            let mut seen = BTreeSet::new();
            for line in all(&small(), version) {
                let value: Value = serde_json::from_str(&line).unwrap();
                let key = format!("{} {} {}", value["_index"], value["_type"], value["_id"]);
                assert!(seen.insert(key), "{line:.200}");
                assert!(value["_id"].as_str().unwrap().len() <= 512, "Elasticsearch takes no longer id");
            }
        }
    }

    #[test]
    fn the_truth_counts_what_is_listed() {
        let plan = small();
        let flavor = Flavor::parse("5.5.2").unwrap();
        for index in plan.layout(flavor) {
            let truth = plan.truth(&index, flavor);
            let listed = plan.documents("5.5.2", &index.name).unwrap().count();
            assert_eq!(truth.documents, listed as u64, "{}", index.name);
            assert_eq!(truth.documents + truth.deleted, index.count, "{}", index.name);
        }
    }

    #[test]
    fn the_mixed_index_has_large_and_empty_documents_in_the_end() {
        let lines: Vec<_> = small().documents("5.5.2", "javacafe_mixed").unwrap().collect();
        assert_eq!(lines.iter().filter(|line| line.len() > 1 << 20).count(), 3);
        assert!(lines.iter().filter(|line| line.ends_with("\"_source\":{}}")).count() > 10);
    }

    #[test]
    fn types_exist_on_5_alone() {
        let plan = small();
        assert!(plan.documents("6.1.2", "javacafe_types").is_err());
        let first = plan.documents("5.5.2", "javacafe_types").unwrap().next().unwrap();
        assert!(first.starts_with("{\"_index\":\"javacafe_types\",\"_type\":\"article\",\"_id\":\"0\""), "{first}");
    }

    #[test]
    fn plain_means_every_document_as_it_was_loaded() {
        let plan = Plan { plain: true, ..small() };
        assert_eq!(all(&plan, "7.17.29").len(), 500);
    }
}
