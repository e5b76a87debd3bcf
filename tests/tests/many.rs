//! Many indices in one plan: requests grow with steps, not with indices times looks, and memory does not grow.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use es_testkit::bed::{self, Server};
use es_tests::{ask, run};
use serde_json::{Value, json};

const INDICES: usize = 300;
/// Kilobytes.
const MEMORY: u64 = 64 << 10;

/// Runs a tool and writes its name and its peak memory (kilobytes) to the file that is the first argument.
const MEASURE: &str = "\
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], 'a') as file:
    file.write(f'{sys.argv[2]} {peak}\\n')
sys.exit(code)
";

fn plan(source: &Server, file: &Path) {
    let mut plan = String::from("index,target_index\n");
    for number in 0..INDICES {
        let index = format!("many-of-them-{number:04}");
        let settings = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}});
        ask(source, "PUT", &format!("/{index}"), Some(&settings));
        ask(source, "PUT", &format!("/{index}/doc/1"), Some(&json!({"number": number})));
        writeln!(plan, "{index},moved-{index}").expect("a string takes text");
    }
    std::fs::write(file, plan).expect("the plan");
}

/// Requests of a stage and its time: the last step of its only record.
fn step(file: &Path) -> (u64, Duration) {
    let text = std::fs::read_to_string(file).expect("the record of a stage");
    let record: Value =
        serde_json::from_str(&text).expect("one record: one snapshot, and one restore, take all indices");
    let step = record["steps"].as_array().and_then(|steps| steps.last()).expect("a step");
    let number = |name: &str| step[name].as_u64().expect("a number");
    (number("requests"), Duration::from_millis(number("took_in_millis")))
}

/// Looks of a wait of this length at most: 40 ms apart at first, then a sixteenth of the time waited so far.
fn looks(time: Duration) -> u64 {
    let (mut looks, mut waited) = (1, Duration::ZERO);
    while waited < time {
        waited += (waited / 16).max(Duration::from_millis(40));
        looks += 1;
    }
    looks
}

#[test]
fn many_indices_cost_a_bounded_number_of_requests_and_little_memory() {
    let source = bed::named("elasticsearch-6.1.2", "many-source");
    let target = bed::named("elasticsearch-6.8.9", "many-target");
    let work = tempfile::tempdir().expect("a work directory");
    let directory = work.path();
    plan(&source, &directory.join("plan.csv"));
    std::fs::write(directory.join("measure.py"), MEASURE).expect("the measure");
    let script = format!(
        "set -eu
        cd {}
        m() {{ python3 measure.py peaks \"$@\"; }}
        for side in source target; do
            m es-register-repository --cluster $side --repository many --type fs --location {}/many >registered
        done
        m es-snapshot --repository many --snapshot many --plan plan.csv >1.json
        m es-wait <1.json >2.json
        m es-restore --plan plan.csv --replicas 0 --refresh-interval -1 <2.json >3.json
        m es-wait <3.json >4.json
        m es-finish-restore <4.json >5.json
        m es-wait <5.json >6.json
        m es-compare-counts --format csv <6.json",
        directory.display(),
        source.repository_root.display()
    );
    let output = run(&script, &source, &target);
    output.exit(0);
    assert_eq!(output.out().lines().filter(|line| line.ends_with(",1,1,equal,")).count(), INDICES);

    let peaks = std::fs::read_to_string(directory.join("peaks")).expect("the peaks");
    assert_eq!(peaks.lines().count(), 9, "{peaks}");
    for line in peaks.lines() {
        let (tool, peak) = line.split_once(' ').expect("a tool and its peak");
        let peak: u64 = peak.parse().expect("kilobytes");
        assert!((1..MEMORY).contains(&peak), "{tool}: {peak} kB\n{peaks}");
    }

    // Names go in lists of at most 3000 bytes, so a question about all of them may be several requests.
    let lists = INDICES as u64 * 28 / 3000 + 1;
    for (file, most) in [("1.json", 6), ("3.json", 12 + lists), ("5.json", 2 + 4 * lists)] {
        let (sent, _) = step(&directory.join(file));
        assert!(sent <= most, "{file}: {sent} requests, and {most} are enough");
    }
    // A look is one request, and two more where it asks why a shard is not started.
    for (file, each) in [("2.json", 1), ("4.json", 3), ("6.json", 3)] {
        let (sent, time) = step(&directory.join(file));
        let most = 1 + each * looks(time);
        assert!(sent <= most && most < INDICES as u64, "{file}: {sent} requests in {time:?}, and {most} are enough");
    }
    source.kill();
    target.kill();
}
