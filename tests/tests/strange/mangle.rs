//! Answers that no server gives: what a cluster says, changed by seed.

use std::collections::{BTreeMap, BTreeSet};

use es_testkit::generator::Random;
use es_testkit::stub::{Answer, Request};
use serde_json::{Value, json};

use crate::world::{Role, Said, Trouble, World};

/// How a run is lied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lies {
    Never,
    /// In the answer of this number alone.
    Once(usize),
    /// The same, of the target's answers.
    OnceOnTheTarget(usize),
    /// In so many of a thousand answers.
    Often(u64),
    /// In every answer but the counts the documents are there; and in so many of a thousand something else is wrong.
    Always(u64),
}

/// Words that say how something stands.
const WORDS: [&str; 12] = [
    "SUCCESS",
    "DONE",
    "FAILED",
    "PARTIAL",
    "IN_PROGRESS",
    "MISSING",
    "green",
    "yellow",
    "red",
    "open",
    "close",
    "SNAPSHOT",
];

/// Refusals that mean something to a tool, and some that mean nothing.
const REFUSALS: [(u16, &str, &str); 10] = [
    (404, "index_not_found_exception", "no such index [a]"),
    (404, "snapshot_missing_exception", "[r:s] is missing"),
    (404, "repository_missing_exception", "[r] missing"),
    (
        400,
        "invalid_snapshot_name_exception",
        "[r:s] Invalid snapshot name [s], snapshot with the same name already exists",
    ),
    (503, "concurrent_snapshot_execution_exception", "[r:s] a snapshot is already running"),
    (500, "snapshot_restore_exception", "[r:s] cannot restore index [a] because it's open"),
    (503, "search_phase_execution_exception", "all shards failed"),
    (403, "security_exception", "action [x] is unauthorized for user [u]"),
    (429, "circuit_breaking_exception", "[parent] Data too large"),
    (500, "of_no_version_exception", "what nobody knows"),
];

/// Both clusters as a run sees them: the true world, one in which all is well, and what becomes of their answers.
pub(crate) struct Liar {
    world: World,
    well: World,
    trouble: Trouble,
    lies: Lies,
    /// Whether the source's list of its indices is believed: only it says what a wildcard means.
    pub(crate) spares_lists: bool,
    random: Random,
    /// How many answers there were, and how many of the target's.
    asked: usize,
    asked_target: usize,
    /// How many were not as they should have been.
    pub(crate) mangled: usize,
    /// Whether a count of the target was asked for.
    pub(crate) counted: bool,
    last: BTreeMap<(Role, String), Said>,
    seen: Vec<Said>,
}

impl Liar {
    pub(crate) fn new(world: World, well: World, trouble: Trouble, lies: Lies, random: Random) -> Self {
        let (last, seen) = (BTreeMap::new(), Vec::new());
        Self {
            world,
            well,
            trouble,
            lies,
            spares_lists: false,
            random,
            asked: 0,
            asked_target: 0,
            mangled: 0,
            counted: false,
            last,
            seen,
        }
    }

    /// From here on nothing but the truth.
    pub(crate) fn repent(&mut self) {
        self.lies = Lies::Never;
    }

    pub(crate) fn answer(&mut self, role: Role, request: &Request) -> Answer {
        let honest = self.world.answer(role, request);
        let well = self.well.answer(role, request);
        let key = (role, format!("{} {}", request.method, request.path));
        let counted = request.path.strip_prefix('/').and_then(|path| path.strip_suffix("/_count"));
        self.counted |= counted.is_some() && role == Role::Target;
        let (number, of_target) = (self.asked, (role == Role::Target).then_some(self.asked_target));
        self.asked += 1;
        self.asked_target += usize::from(role == Role::Target);
        let (base, rate) = match self.lies {
            Lies::Always(rate) if counted.is_none() => (&well, rate),
            Lies::Always(rate) | Lies::Often(rate) => (&honest, rate),
            Lies::Once(at) => (&honest, if at == number { 1000 } else { 0 }),
            Lies::OnceOnTheTarget(at) => (&honest, if Some(at) == of_target { 1000 } else { 0 }),
            Lies::Never => (&honest, 0),
        };
        let mut given = (base.0, base.1.to_string());
        let lists = ["/_all/_settings/", "/_alias", "/_cat/indices"];
        let spared =
            self.spares_lists && role == Role::Source && lists.iter().any(|list| request.path.starts_with(list));
        if !spared && self.random.below(1000) < rate {
            let strange = self.strange(base, &well, &key);
            if self.may_be_said(role, counted, &honest.1, &strange) {
                given = strange;
            }
        }
        self.mangled += usize::from(given != (honest.0, honest.1.to_string()));
        self.seen.push(honest.clone());
        self.last.insert(key, honest);
        Answer::text(given.0, &given.1).header("content-type", "application/json; charset=UTF-8")
    }

    /// Whether an answer is none of those that nobody could see through. A count does not say that all shards were counted and a
    /// number that is not so. And where something else with as many documents stands in the place of the index, times are true.
    fn may_be_said(&self, role: Role, counted: Option<&str>, honest: &Value, strange: &(u16, String)) -> bool {
        let Ok(answer) = serde_json::from_str::<Value>(&strange.1) else { return true };
        if let (Some(name), Some(count)) = (counted, answer["count"].as_u64())
            && (answer["_shards"]["total"] == answer["_shards"]["successful"])
            && answer["_shards"]["failed"] == 0
        {
            return self.world.truth(role, name) == Some(count);
        }
        !self.trouble.counts_as_many() || times(&answer).is_subset(&times(honest))
    }

    fn strange(&mut self, base: &Said, well: &Said, key: &(Role, String)) -> (u16, String) {
        let of = |said: &Said| (said.0, said.1.to_string());
        let random = &mut self.random;
        match random.below(20) {
            // As if all were well; what was said before; what was said to another request, or about another cluster.
            0 | 1 => of(well),
            2 => self.last.get(key).map_or_else(|| of(base), of),
            3 if !self.seen.is_empty() => of(&self.seen[random.index(self.seen.len())]),
            4 => {
                let (status, kind, reason) = REFUSALS[random.index(REFUSALS.len())];
                let status = if random.below(3) == 0 { 200 } else { status };
                let error = json!({"type": kind, "reason": reason, "root_cause": []});
                (status, json!({"error": error, "status": status}).to_string())
            }
            5 => {
                let bodies = [
                    "",
                    "null",
                    "{}",
                    "[]",
                    "\"SUCCESS\"",
                    "<html>Welcome</html>",
                    "{\"acknowledged\":true,\"accepted\":true}",
                ];
                (200, bodies[random.index(bodies.len())].to_owned())
            }
            6 => {
                let mut text = base.1.to_string();
                text.truncate(random.index(text.len()));
                (base.0, text)
            }
            7 => (if base.0 == 200 { 500 } else { 200 }, base.1.to_string()),
            _ => {
                let mut answer = if random.below(4) == 0 { well.1.clone() } else { base.1.clone() };
                if random.below(4) == 0 {
                    everywhere(&mut answer, random);
                } else {
                    (0..=random.below(3)).for_each(|_| change(&mut answer, random));
                }
                (if random.below(10) == 0 { 200 } else { base.0 }, answer.to_string())
            }
        }
    }
}

/// All times in an answer.
fn times(answer: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut left = vec![answer];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(fields) => {
                all.extend(
                    fields.iter().filter(|(key, _)| key.ends_with("time_in_millis")).map(|(_, v)| v.to_string()),
                );
                left.extend(fields.values());
            }
            Value::Array(list) => left.extend(list),
            _ => {}
        }
    }
    // What is no number says no time.
    all.retain(|time| time.parse::<f64>().is_ok());
    all
}

/// Takes a field out of an answer wherever it stands, or makes the same of all of them.
fn everywhere(answer: &mut Value, random: &mut Random) {
    fn walk(value: &mut Value, key: &str, instead: Option<&Value>) {
        match value {
            Value::Object(fields) => {
                match (fields.get_mut(key), instead) {
                    (Some(field), Some(instead)) => field.clone_from(instead),
                    (Some(_), None) => drop(fields.remove(key)),
                    (None, _) => {}
                }
                fields.values_mut().for_each(|value| walk(value, key, instead));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| walk(value, key, instead)),
            _ => {}
        }
    }
    let mut places = Vec::new();
    pointers(answer, &mut String::new(), &mut places);
    let place = &places[random.index(places.len())];
    let Some(value) = answer.pointer(place) else { return };
    let key = place.rsplit('/').next().unwrap_or_default().to_owned();
    let instead = match random.below(3) {
        0 => Some(Value::Null),
        1 => Some(instead(value, Value::Null, 7 + random.below(3), random)),
        _ => None,
    };
    walk(answer, &key, instead.as_ref());
}

/// Changes one place of an answer.
fn change(answer: &mut Value, random: &mut Random) {
    let mut places = Vec::new();
    pointers(answer, &mut String::new(), &mut places);
    let place = places[random.index(places.len())].clone();
    let other = answer.pointer(&places[random.index(places.len())]).cloned().unwrap_or_default();
    let (parent, last) = place.rsplit_once('/').unwrap_or_default();
    let last = last.replace("~1", "/").replace("~0", "~");
    let what = random.below(10);
    match answer.pointer_mut(parent) {
        Some(Value::Object(fields)) if what < 2 => drop(fields.remove(&last)),
        Some(Value::Array(list)) if what < 2 => drop(last.parse().map(|at: usize| list.remove(at))),
        Some(Value::Object(fields)) if what == 2 => {
            let value = fields.remove(&last).unwrap_or_default();
            let name = if random.below(2) == 0 { format!("{last}s") } else { last.to_uppercase() };
            fields.insert(name, value);
        }
        _ => {
            if let Some(value) = answer.pointer_mut(&place) {
                *value = instead(value, other, what, random);
            }
        }
    }
}

/// Something in the place of a value.
fn instead(value: &Value, other: Value, what: u64, random: &mut Random) -> Value {
    match (what, value) {
        (3, _) => Value::Null,
        (4, Value::Array(_)) => json!([]),
        (4, Value::Object(_)) => json!({}),
        (5, _) => other,
        (6, Value::Number(_) | Value::Bool(_)) => json!(value.to_string()),
        (6, Value::String(text)) => text.parse::<u64>().map_or(json!([text]), |number| json!(number)),
        (6, _) => json!([value]),
        (_, Value::Bool(is)) => json!(!is),
        (_, Value::Number(number)) => {
            let number = number.as_i64().unwrap_or_default();
            [
                json!(0),
                json!(number + 1),
                json!(number - 1),
                json!(2),
                json!(-1),
                json!(1e300),
                json!(u64::MAX),
                json!(0.5),
            ][random.index(8)]
            .clone()
        }
        (7, Value::Array(list)) => list.iter().chain(list).cloned().collect(),
        _ => json!(WORDS[random.index(WORDS.len())]),
    }
}

/// The places of an answer, the whole of it too.
fn pointers(value: &Value, at: &mut String, places: &mut Vec<String>) {
    places.push(at.clone());
    let length = at.len();
    let mut step = |key: &str, value: &Value| {
        at.push('/');
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
        pointers(value, at, places);
        at.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| step(key, value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(place, value)| step(&place.to_string(), value)),
        _ => {}
    }
}
