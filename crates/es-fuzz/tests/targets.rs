//! Each target over its seeds and over seeded changes of them: no panic, no input that takes long, no memory without bound.
#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use es_fuzz::{TARGETS, mutate};
use es_testkit::generator::Random;
use es_testkit::score::{Score, seed, whole};

/// No parser needs more for one input, in the debug build of a busy machine.
const LONGEST: Duration = Duration::from_secs(10);
/// All targets together, in MB of resident memory.
const MEMORY: u64 = 256;

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() >> 10
}

/// What fuzzing has found once.
fn found(target: &str) -> Vec<Vec<u8>> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target);
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn no_input_is_a_panic_a_hang_or_a_flood() {
    let mut score = Score::new("fuzzing");
    for (number, target) in TARGETS.iter().enumerate() {
        let seeds = (target.seeds)();
        let mut run = (target.open)();
        let mut random = Random::new(seed(), &[4, number as u64]);
        let mut slowest = Duration::ZERO;
        let mut tried = |input: &[u8]| {
            let began = Instant::now();
            let ended = catch_unwind(AssertUnwindSafe(|| run(input)));
            slowest = slowest.max(began.elapsed());
            let shown = || input.iter().take(4096).copied().flat_map(std::ascii::escape_default).map(char::from);
            let end = match ended {
                Err(_) => Err(format!("a panic over {}", shown().collect::<String>())),
                Ok(()) if began.elapsed() > LONGEST => {
                    Err(format!("{:?} over {}", began.elapsed(), shown().collect::<String>()))
                }
                Ok(()) => Ok(()),
            };
            score.cell("", target.name, end);
        };
        for input in &found(target.name) {
            tried(input);
        }
        for input in seeds.iter().take(if whole() { usize::MAX } else { 200 }) {
            tried(input);
        }
        // By time, so that slow targets do not make the test long: as many as come in it.
        let limit = Duration::from_millis(if whole() { 6_000 } else { 500 });
        let began = Instant::now();
        let least = 200;
        for count in 0.. {
            if count >= least && began.elapsed() > limit {
                break;
            }
            let mut input = seeds[random.index(seeds.len())].clone();
            let other = &seeds[random.index(seeds.len())];
            mutate(&mut input, other, &mut random);
            tried(&input);
        }
        let peak = peak_memory();
        let end = if peak < MEMORY { Ok(()) } else { Err(format!("{peak} MB, slowest {slowest:?}")) };
        score.cell("", target.name, end);
    }
    score.note("targets", TARGETS.len());
    score.note("peak_rss_mb", peak_memory());
    score.finish();
}

#[test]
fn every_target_is_one_of_cargo_fuzz_too() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/Cargo.toml")).unwrap();
    let bins: Vec<&str> = manifest.split("[[bin]]").skip(1).filter_map(|bin| bin.split('"').nth(1)).collect();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(bins, names);
}
