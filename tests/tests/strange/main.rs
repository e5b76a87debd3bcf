//! No sequence of answers, however strange, ends in exit 0 unless the documents are there.
//!
//! Two clusters that are none are the source and the target of whole moves. The documents are not on the target, and what the
//! clusters say of it is changed by seed: no run may end with 0, none may panic, and each ends in time.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

mod mangle;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};
use es_testkit::stub::Stub;
use es_testkit::tool::{Output, bin_directory, program_at};
use es_tests::{End, must_be};
use serde_json::json;

use mangle::{Liar, Lies};
use world::{Role, Trouble, World};

const VERSIONS: [(&str, &str); 5] = [
    ("elasticsearch", "5.5.2"),
    ("elasticsearch", "6.1.2"),
    ("elasticsearch", "7.10.2"),
    ("elasticsearch", "9.5.3"),
    ("opensearch", "3.8.0"),
];
/// Runs of the whole figure, and of its short part.
const RUNS: (usize, usize) = (800, 42);
/// Most of a run is waiting.
const AT_ONCE: usize = 12;
/// The longest that a run may take.
const LIMIT: Duration = Duration::from_mins(1);

/// How a move is run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Tools in a pipe, whose exit code is that of the last.
    Pipe,
    /// scripts/es-migrate.
    Script,
    /// The same without es-preflight.
    ScriptAlone,
}

/// What is asked to be moved.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wish {
    One,
    Two,
    Wildcard,
    Renamed,
    /// Two indices that take each other's name.
    Swapped,
}

/// One move, by its number.
struct Case {
    trouble: Trouble,
    shape: Shape,
    wish: Wish,
    lies: Lies,
    version: (&'static str, &'static str),
    random: Random,
}

impl Case {
    fn of(number: usize) -> Self {
        let mut random = Random::new(seed(), &[11, number as u64]);
        // Each trouble as often as any other; one run in twenty-one has none.
        let trouble = *Trouble::ALL.get(number % (Trouble::ALL.len() + 1)).unwrap_or(&Trouble::None);
        let shape = [Shape::Pipe, Shape::Pipe, Shape::ScriptAlone, Shape::Script][random.index(4)];
        // es-preflight stops where a name is taken.
        let shape = if trouble.counts_as_many() && shape == Shape::Script { Shape::Pipe } else { shape };
        let wish = [Wish::One, Wish::Two, Wish::Wildcard, Wish::Renamed, Wish::Swapped][random.index(5)];
        // What no index has, a wildcard does not mean.
        let wish = if trouble == Trouble::Misspelt && wish == Wish::Wildcard { Wish::Two } else { wish };
        let lies = if trouble.counts_as_many() {
            Lies::OnceOnTheTarget(random.index(14))
        } else {
            match random.index(6) {
                0 => Lies::Once(random.index(50)),
                1 => Lies::Often(10),
                2 => Lies::Often(50),
                3 => Lies::Always(0),
                4 => Lies::Always(30),
                _ => Lies::Always(100),
            }
        };
        Self { trouble, shape, wish, lies, version: VERSIONS[random.index(VERSIONS.len())], random }
    }

    /// Names on the source, and on the target.
    fn pairs(&self) -> Vec<(String, String)> {
        let pairs: &[(&str, &str)] = match self.wish {
            Wish::One => &[("log-1", "log-1")],
            Wish::Two | Wish::Wildcard => &[("log-1", "log-1"), ("log-2", "log-2")],
            Wish::Renamed => &[("log-1", "old-1"), ("log-2", "old-2")],
            Wish::Swapped => &[("log-1", "log-2"), ("log-2", "log-1")],
        };
        pairs.iter().map(|(index, target)| ((*index).to_owned(), (*target).to_owned())).collect()
    }

    /// The command, for `sh`, with a work directory.
    fn command(&self, work: &Path) -> String {
        let (mut indices, mut renames) = match self.wish {
            Wish::One => ("--indices log-1".to_owned(), String::new()),
            Wish::Two => ("--indices log-1,log-2".to_owned(), String::new()),
            Wish::Wildcard => ("--indices 'log-*'".to_owned(), String::new()),
            Wish::Renamed => (
                "--indices log-1,log-2".to_owned(),
                "--rename-pattern 'log-(.)' --rename-replacement 'old-$1'".to_owned(),
            ),
            Wish::Swapped => {
                let plan = work.join("swap.csv");
                std::fs::write(&plan, "index,target_index\nlog-1,log-2\nlog-2,log-1\n").expect("a plan");
                let plan = format!("--plan {}", plan.display());
                (plan.clone(), plan)
            }
        };
        let wait = "es-wait --timeout 2s --interval 20ms";
        match self.shape {
            Shape::Pipe => format!(
                "es-register-repository --repository r --type fs --location /r >/dev/null
                 es-register-repository --repository r --type fs --location /r --cluster target >/dev/null
                 es-snapshot --repository r --snapshot s {indices} | {wait} |
                 es-restore {renames} --replicas 0 --refresh-interval -1 | {wait} | es-finish-restore | {wait} |
                 es-compare-counts --settle 10ms"
            ),
            Shape::Script | Shape::ScriptAlone => {
                if self.wish == Wish::Swapped {
                    renames = String::new();
                }
                if self.shape == Shape::ScriptAlone {
                    indices.push_str(" --no-preflight");
                }
                format!(
                    "es-migrate --repository r --type fs --location /r --snapshot s {indices} {renames} --timeout 2s \
                     --queue 1s --format jsonl --work-dir {}",
                    work.join("work").display()
                )
            }
        }
    }
}

/// Runs a command to its end.
fn run(command: &str, source: &Stub, target: &Stub) -> Result<Output, String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    let path = format!("{}:{}:/usr/bin:/bin", bin_directory().display(), scripts.display());
    let tool = program_at("/bin/sh")
        .args(["-c", command])
        .env("PATH", path)
        .env("ES_SOURCE_URL", source.url())
        .env("ES_TARGET_URL", target.url())
        .limit(LIMIT);
    // A run that is still there at the limit is one that ended wrong, and not the end of the figure.
    catch_unwind(AssertUnwindSafe(|| tool.run())).map_err(|_| format!("it did not end within {LIMIT:?}"))
}

/// What became of a move.
struct Ended {
    end: End,
    code: i32,
    said: String,
    mangled: usize,
    /// Whether it came as far as a count of the target.
    counted: bool,
}

fn moved(case: &Case) -> Ended {
    let pairs = case.pairs();
    let world = World::new(case.trouble, case.version, &pairs);
    let well = World::new(Trouble::None, case.version, &pairs);
    let mut liar = Liar::new(world, well, case.trouble, case.lies, case.random.clone());
    liar.spares_lists = case.wish == Wish::Wildcard;
    let liar = Arc::new(Mutex::new(liar));
    let stub = |role| {
        let liar = Arc::clone(&liar);
        Stub::of(move |request| liar.lock().expect("the liar").answer(role, request))
    };
    let (source, target) = (stub(Role::Source), stub(Role::Target));
    let work = tempfile::tempdir().expect("a work directory");
    let command = case.command(work.path());
    let (mut code, mut said) = (-1, String::new());
    let end = (|| {
        let output = run(&command, &source, &target)?;
        (code, said) = (output.code(), output.err().to_owned());
        judged(case, &output)?;
        // Records of what was not so are no ground for a success either.
        liar.lock().expect("the liar").repent();
        judged(case, &run(&command, &source, &target)?).map_err(|why| format!("told the truth then: {why}"))
    })();
    let liar = liar.lock().expect("the liar");
    Ended { end, code, said, mangled: liar.mangled, counted: liar.counted }
}

fn judged(case: &Case, output: &Output) -> End {
    let (code, said) = (output.code(), output.err());
    let all = || format!("exit {code}\n{}{said}", output.out());
    must_be(!said.contains("panicked at") && matches!(code, 0..=4 | 75 | 124), &all())?;
    must_be(code != 0 || case.trouble == Trouble::None, &all())?;
    must_be(code == 0 || !said.trim().is_empty(), &format!("exit {code} without a word"))
}

/// Runs these moves, some at once, and gives them in their order.
fn all(cases: Vec<Case>) -> Vec<(Case, Ended)> {
    let left = Mutex::new(cases.into_iter().enumerate());
    let ends = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((number, case)) = left.lock().expect("the cases").next() else { return };
                    let ended = moved(&case);
                    ends.lock().expect("the ends").insert(number, (case, ended));
                }
            });
        }
    });
    ends.into_inner().expect("the ends").into_values().collect()
}

#[test]
fn no_sequence_of_answers_however_strange_ends_in_success_unless_the_documents_are_there() {
    let runs = if whole() { RUNS.0 } else { RUNS.1 };
    let mut score = Score::new("strange-answers");
    let (mut codes, mut strange, mut counted) = (BTreeMap::<String, u64>::new(), 0, 0);
    for (number, (case, ended)) in all((0..runs).map(Case::of).collect()).into_iter().enumerate() {
        *codes.entry(ended.code.to_string()).or_default() += 1;
        strange += ended.mangled;
        counted += usize::from(ended.counted);
        let what = format!("{number}: {:?}, {:?}, {:?}, {:?}", case.trouble, case.shape, case.wish, case.lies);
        score.cell(case.version.1, &what, ended.end);
    }
    score.note("strange_answers", strange);
    score.note("came_to_the_counts", counted);
    score.note("exit_codes", json!(codes));
    // Where every run stops at its first answer nothing was tried.
    assert!(counted * 3 > runs, "{counted} of {runs} runs came to the counts");
    score.finish();
}

#[test]
fn told_the_truth_every_trouble_is_told_and_a_move_without_one_ends_well() {
    let case = |(shape, trouble)| Case {
        trouble,
        shape,
        wish: Wish::Two,
        lies: Lies::Never,
        version: VERSIONS[2],
        random: Random::new(seed(), &[]),
    };
    let troubles = || Trouble::ALL.into_iter().chain([Trouble::None]);
    let each =
        troubles().map(|trouble| (Shape::Pipe, trouble)).chain(troubles().map(|trouble| (Shape::Script, trouble)));
    for (case, ended) in all(each.map(case).collect()) {
        let what = format!("{:?}, {:?}: exit {}: {}", case.shape, case.trouble, ended.code, ended.said);
        assert_eq!((ended.end, ended.mangled), (Ok(()), 0), "{what}");
        assert_eq!(ended.code == 0, case.trouble == Trouble::None, "{what}");
    }
}
