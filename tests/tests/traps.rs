//! The servers' silent traps: each answers success while documents are missing, and no tool may end with 0 in it.
//!
//! On every version, for each trap: the condition is made on a real server, the pipeline is run as a user would, and the
//! answer must be no, with a reason. `make test` takes two versions, `make chaos` all ten.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use es_testkit::bed::{self, Server};
use es_testkit::generator::Random;
use es_testkit::score::{Score, whole};
use es_testkit::tool::Output;
use es_tests::{End, VERSIONS, ask, count, eventually, fill, moved, must_be, put_documents, sh, shell, told};
use serde_json::{Value, json};

/// One trap: what it is called, and how it is sprung on a server that holds index `one` and repository `r`.
type Trap = (&'static str, fn(&Server) -> End);

const TRAPS: [Trap; 18] = [
    ("1 a snapshot of a misspelt index", a_snapshot_of_a_misspelt_index),
    ("1 a snapshot of nothing that someone else took", a_snapshot_of_nothing),
    ("2 a restore of a misspelt index", a_restore_of_a_misspelt_index),
    ("3 a misspelt option", a_misspelt_option),
    ("4 a snapshot without its primaries", a_snapshot_without_primaries),
    ("5 a partial snapshot", a_partial_snapshot),
    ("9 a restore whose blob is gone", a_restore_whose_blob_is_gone),
    ("10, 11 a count and a refresh without a primary", a_count_without_a_primary),
    ("12 a restore whose blob has a flipped bit", a_restore_with_a_flipped_bit),
    ("13 a repository that lost its list", a_repository_without_its_list),
    ("13 a repository that lost its list before the wait ended", a_list_lost_before_the_wait_ended),
    ("14 a restore over a closed index", a_restore_over_a_closed_index),
    ("15 settings put back where the source has none", settings_put_back_where_the_source_has_none),
    ("15 settings that cannot be put back", settings_that_cannot_be_put_back),
    ("a restore into a name that is taken", a_restore_into_a_taken_name),
    ("5 a snapshot whose files cannot be written", a_snapshot_whose_files_cannot_be_written),
    ("6 a snapshot whose repository is away at its end", a_snapshot_whose_repository_is_away_at_its_end),
    ("7 a snapshot whose master is killed", a_snapshot_whose_master_is_killed),
];

#[test]
fn no_silent_trap_ends_in_success() {
    let mut score = Score::new("silent-traps");
    let versions = if whole() { &VERSIONS[..] } else { &["elasticsearch-5.5.2", "opensearch-3.8.0"] };
    for version in versions {
        let server = bed::named(version, &format!("traps-{version}"));
        put_documents(&server, "one", 20);
        register(&server, "r", &place(&server, "r"));
        for (name, trap) in TRAPS {
            score.cell(version, name, trap(&server));
        }
        server.kill();
    }
    score.finish();
}

#[test]
fn two_clusters_that_write_one_repository_end_in_no_or_with_every_document() {
    let mut score = Score::new("silent-traps");
    let versions = if whole() {
        &["elasticsearch-5.5.2", "elasticsearch-6.8.9", "elasticsearch-7.10.2"][..]
    } else {
        &["elasticsearch-5.5.2"]
    };
    for version in versions {
        let first = bed::named(version, &format!("writer-1-{version}"));
        let second = bed::named(version, &format!("writer-2-{version}"));
        let location = place(&first, "two-writers");
        for server in [&first, &second] {
            put_documents(server, "one", 40);
            let slow = json!({"type": "fs", "settings": {"location": location, "max_snapshot_bytes_per_sec": "20kb"}});
            ask(server, "PUT", "/_snapshot/w", Some(&slow));
        }
        let runs: Vec<_> = [(&first, "a"), (&second, "b")]
            .into_iter()
            .map(|(server, name)| {
                let script = format!(
                    "es-snapshot --repository w --snapshot {name} --indices one | es-wait --timeout 60s |
                     es-restore --rename-pattern one --rename-replacement back | es-wait --timeout 60s | es-compare-counts"
                );
                (server, shell(&script, server, server).spawn())
            })
            .collect();
        for (server, running) in runs {
            let output = running.wait();
            let end = match (output.code(), count(server, "back")) {
                (0, Some(40)) => Ok(()),
                (0, counted) => Err(format!("exit 0 with {counted:?} documents")),
                _ => told(&output),
            };
            score.cell(version, "8 two clusters write one repository", end);
        }
        first.kill();
        second.kill();
    }
    score.finish();
}

fn place(server: &Server, name: &str) -> PathBuf {
    server.repository_root.join(format!("traps-{}", server.server)).join(name)
}

fn register(server: &Server, name: &str, location: &Path) {
    ask(server, "PUT", &format!("/_snapshot/{name}"), Some(&json!({"type": "fs", "settings": {"location": location}})));
}

/// The tools said no with this code, and this in their words.
fn refused(output: &Output, code: i32, words: &str) -> End {
    told(output)?;
    if output.code() == code && output.err().contains(words) {
        Ok(())
    } else {
        Err(format!("exit {}, expected {code} and {words:?}\n{}", output.code(), output.err()))
    }
}

fn a_snapshot_of_a_misspelt_index(server: &Server) -> End {
    let output = moved(server, "one", "es-snapshot --repository r --snapshot typo --indices onne | es-wait", "t1");
    refused(&output, 1, "no such index: onne")?;
    must_be(server.call("GET", "/_snapshot/r/typo", None).0 == 404, "something was started")
}

fn a_snapshot_of_nothing(server: &Server) -> End {
    let asked = json!({"indices": "onne", "ignore_unavailable": true, "include_global_state": false});
    let answer = ask(server, "PUT", "/_snapshot/r/nothing?wait_for_completion=true", Some(&asked));
    must_be(answer["snapshot"]["state"] == "SUCCESS", "the server is more careful than it was")?;
    refused(&sh(server, "es-wait --repository r --snapshot nothing --cluster source"), 1, "it holds no index at all")?;
    let output = sh(server, "es-restore --repository r --snapshot nothing --indices one | es-wait --timeout 60s");
    told(&output)
}

fn a_restore_of_a_misspelt_index(server: &Server) -> End {
    taken(server, "good", "one");
    told(&sh(
        server,
        "es-restore --repository r --snapshot good --indices onne --rename-pattern onne --rename-replacement t2 | es-wait --timeout 60s",
    ))?;
    must_be(server.call("GET", "/t2", None).0 == 404, "an index was made")
}

fn a_misspelt_option(server: &Server) -> End {
    refused(&sh(server, "es-snapshot --repository r --snapshot option --indicez one"), 2, "--indicez")?;
    must_be(server.call("GET", "/_snapshot/r/option", None).0 == 404, "something was started")
}

/// An index of two shards, of which only one may be assigned.
fn half(server: &Server, index: &str) {
    let settings = json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0,
        "index.routing.allocation.total_shards_per_node": 1}});
    if server.call("GET", &format!("/{index}"), None).0 == 404 {
        ask(server, "PUT", &format!("/{index}?wait_for_active_shards=0"), Some(&settings));
        eventually("one of two shards", || {
            let health = server.call("GET", &format!("/_cluster/health/{index}"), None).1;
            health["active_primary_shards"] == 1 && health["initializing_shards"] == 0
        });
    }
}

fn a_snapshot_without_primaries(server: &Server) -> End {
    half(server, "half");
    let output = moved(server, "half", "es-snapshot --repository r --snapshot half --indices half | es-wait", "t4");
    refused(&output, 1, "primary shards are not all started: half")?;
    // Someone else started it all the same.
    drop(server.call("PUT", "/_snapshot/r/theirs?wait_for_completion=true", Some(&json!({"indices": "half"}))));
    told(&sh(server, "es-wait --repository r --snapshot theirs --cluster source --timeout 20s"))
}

fn a_partial_snapshot(server: &Server) -> End {
    half(server, "half");
    let asked = json!({"indices": "half", "partial": true, "include_global_state": false});
    let answer = ask(server, "PUT", "/_snapshot/r/partial?wait_for_completion=true", Some(&asked));
    must_be(answer["snapshot"]["state"] == "PARTIAL", "it is not PARTIAL")?;
    refused(&sh(server, "es-wait --repository r --snapshot partial --cluster source"), 1, "PARTIAL")?;
    let from = "es-snapshot --repository r --snapshot partial --indices half | es-wait";
    told(&moved(server, "half", from, "t5"))?;
    told(&sh(
        server,
        "es-restore --repository r --snapshot partial --indices half --rename-pattern half --rename-replacement t5",
    ))
}

/// A snapshot of an index, in `r`.
fn taken(server: &Server, name: &str, index: &str) {
    if server.call("GET", &format!("/_snapshot/r/{name}"), None).0 == 404 {
        let asked = json!({"indices": index, "include_global_state": false});
        let answer = ask(server, "PUT", &format!("/_snapshot/r/{name}?wait_for_completion=true"), Some(&asked));
        assert_eq!(answer["snapshot"]["state"], "SUCCESS", "{answer}");
    }
}

/// A repository of its own with a snapshot `s` of `one`, whose files are changed; what a move out of it says.
fn damaged(server: &Server, name: &str, harm: impl Fn(&Path)) -> Output {
    let location = place(server, name);
    register(server, name, &location);
    let asked = json!({"indices": "one", "include_global_state": false});
    let answer = ask(server, "PUT", &format!("/_snapshot/{name}/s?wait_for_completion=true"), Some(&asked));
    assert_eq!(answer["snapshot"]["state"], "SUCCESS", "{answer}");
    // The record is made while all is well: the damage comes after.
    let record = sh(server, &format!("es-snapshot --repository {name} --snapshot s --indices one | es-wait"));
    record.exit(0);
    harm(&location);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("record");
    fs::write(&file, record.out()).unwrap();
    // Registered anew, as a target is: servers remember what they have read.
    ask(server, "DELETE", &format!("/_snapshot/{name}"), None);
    register(server, name, &location);
    let output = moved(server, "one", &format!("cat {}", file.display()), &format!("t-{name}"));
    drop(server.call("DELETE", &format!("/t-{name}"), None));
    output
}

/// The files of segments, largest first.
fn data_files(location: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![location.join("indices")];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if entry.file_name().to_string_lossy().starts_with("__") {
                found.push((fs::metadata(&path).unwrap().len(), path));
            }
        }
    }
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

fn a_restore_whose_blob_is_gone(server: &Server) -> End {
    let output = damaged(server, "gone", |location| {
        for file in data_files(location) {
            fs::remove_file(file).unwrap();
        }
    });
    refused(&output, 1, "")
}

fn a_restore_with_a_flipped_bit(server: &Server) -> End {
    let output = damaged(server, "flipped", |location| {
        for file in data_files(location) {
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(file, bytes).unwrap();
        }
    });
    refused(&output, 1, "")
}

/// Takes away the list of what a repository holds.
fn lose_the_list(location: &Path) {
    for entry in fs::read_dir(location).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("index") && entry.path().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

fn a_repository_without_its_list(server: &Server) -> End {
    told(&damaged(server, "listless", lose_the_list))
}

fn a_list_lost_before_the_wait_ended(server: &Server) -> End {
    let location = place(server, "forgot");
    register(server, "forgot", &location);
    let started = sh(server, "es-snapshot --repository forgot --snapshot s --indices one");
    started.exit(0);
    eventually("the end of the snapshot", || {
        server.call("GET", "/_snapshot/forgot/s", None).1["snapshots"][0]["state"] == "SUCCESS"
    });
    lose_the_list(&location);
    ask(server, "DELETE", "/_snapshot/forgot", None);
    register(server, "forgot", &location);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("record");
    fs::write(&file, started.out()).unwrap();
    refused(&sh(server, &format!("es-wait --timeout 60s < {}", file.display())), 1, "is gone")
}

fn a_count_without_a_primary(server: &Server) -> End {
    half(server, "half");
    half(server, "other-half");
    let began = Instant::now();
    let output = sh(server, "es-compare-counts --index half --target-index other-half");
    told(&output)?;
    must_be(output.out().contains("not_countable"), &format!("no verdict: {}{}", output.out(), output.err()))?;
    // The server's own refresh would block for a minute.
    must_be(began.elapsed() < Duration::from_secs(45), "it sat out a refresh")
}

fn a_restore_over_a_closed_index(server: &Server) -> End {
    taken(server, "good", "one");
    put_documents(server, "closed", 1);
    ask(server, "POST", "/closed/_close", None);
    let uuid =
        |server: &Server| ask(server, "GET", "/closed/_settings", None)["closed"]["settings"]["index"]["uuid"].clone();
    let before: Value = uuid(server);
    let script = "es-restore --repository r --snapshot good --indices one --rename-pattern one --rename-replacement closed | es-wait --timeout 60s";
    told(&sh(server, script))?;
    must_be(uuid(server) == before, "the closed index was overwritten")?;
    ask(server, "DELETE", "/closed", None);
    Ok(())
}

fn settings_put_back_where_the_source_has_none(server: &Server) -> End {
    // No replicas, and no refresh interval of its own.
    ask(server, "PUT", "/bare", Some(&json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}})));
    put_documents(server, "bare", 3);
    let output = moved(server, "bare", "es-snapshot --repository r --snapshot bare --indices bare | es-wait", "t15");
    if output.code() != 0 {
        return Err(format!("exit {}: {}", output.code(), output.err()));
    }
    let settings = ask(server, "GET", "/t15/_settings", None)["t15"]["settings"]["index"].clone();
    let put_back = settings["number_of_replicas"] == "0" && settings["refresh_interval"].is_null();
    must_be(put_back && count(server, "t15") == Some(3), &settings.to_string())
}

fn settings_that_cannot_be_put_back(server: &Server) -> End {
    let own = json!({"number_of_shards": 1, "number_of_replicas": 1, "refresh_interval": "7s"});
    ask(server, "PUT", "/own", Some(&json!({"settings": own})));
    put_documents(server, "own", 3);
    let directory = tempfile::tempdir().unwrap();
    let restored = directory.path().join("restored");
    let rename = "--rename-pattern own --rename-replacement t15-own --replicas 0 --refresh-interval -1";
    let script = format!(
        "es-snapshot --repository r --snapshot own --indices own | es-wait | es-restore {rename} | es-wait > {}",
        restored.display()
    );
    let output = sh(server, &script);
    must_be(output.code() == 0, output.err())?;
    // An operator, or a policy, seals it before its settings are back.
    let seal = |on: Value| ask(server, "PUT", "/t15-own/_settings", Some(&json!({"index.blocks.read_only": on})));
    seal(json!(true));
    let finish = format!("es-finish-restore < {}", restored.display());
    told(&sh(server, &format!("{finish} | es-compare-counts")))?;
    told(&sh(server, &finish))?;
    seal(json!(null));
    let output = sh(server, &finish);
    must_be(output.code() == 0, output.err())?;
    let settings = ask(server, "GET", "/t15-own/_settings", None)["t15-own"]["settings"]["index"].clone();
    must_be(
        settings["number_of_replicas"] == "1" && settings["refresh_interval"] == "7s",
        &format!("not put back: {settings}"),
    )
}

fn a_restore_into_a_taken_name(server: &Server) -> End {
    taken(server, "good", "one");
    put_documents(server, "other", 1);
    let script = "es-restore --repository r --snapshot good --indices one --rename-pattern one --rename-replacement other | es-wait --timeout 60s | es-compare-counts";
    told(&sh(server, script))?;
    must_be(count(server, "other") == Some(1), "it was written over")
}

/// A snapshot that was accepted and takes some seconds; what is done to its server or its repository meanwhile, and undone later. It is
/// then whole, or es-wait says no, now and later, and nothing is restored.
fn interrupted(server: &Server, name: &str, strike: impl FnOnce(&Path), mend: impl FnOnce(&Path)) -> End {
    const DOCUMENTS: u32 = 40;
    if server.call("GET", "/big", None).0 == 404 {
        let settings = json!({"number_of_shards": 1, "number_of_replicas": 0});
        fill(server, "big", &settings, DOCUMENTS, 400, &mut Random::new(11, &[]));
    }
    let location = place(server, name);
    let slow = json!({"type": "fs", "settings": {"location": location, "max_snapshot_bytes_per_sec": "60kb"}});
    ask(server, "PUT", &format!("/_snapshot/{name}"), Some(&slow));
    let started = sh(server, &format!("es-snapshot --repository {name} --snapshot s --indices big"));
    started.exit(0);
    eventually("a file of the shard", || location.join("indices").exists() && !data_files(&location).is_empty());
    strike(&location);
    let wait = format!("printf '%s' '{}' | es-wait --timeout 40s", started.out().trim());
    let waited = sh(server, &wait);
    mend(&location);
    let output = moved(server, "big", &wait, &format!("t-{name}"));
    let there = count(server, &format!("t-{name}"));
    drop(server.call("DELETE", &format!("/t-{name}"), None));
    drop(server.call("DELETE", &format!("/_snapshot/{name}"), None));
    if output.code() == 0 {
        return must_be(there == Some(DOCUMENTS.into()), &format!("exit 0 with {there:?} documents"));
    }
    told(&output)?;
    told(&waited).map_err(|why| format!("the wait, while it was so: {why}"))
}

/// A file where a directory was: not even root writes below it.
fn put_aside(directory: &Path) {
    fs::rename(directory, directory.with_extension("aside")).unwrap();
    fs::write(directory, "").unwrap();
}

fn put_back(directory: &Path) {
    fs::remove_file(directory).unwrap();
    fs::rename(directory.with_extension("aside"), directory).unwrap();
}

fn a_snapshot_whose_files_cannot_be_written(server: &Server) -> End {
    let indices = |location: &Path| location.join("indices");
    interrupted(server, "unwritable", |at| put_aside(&indices(at)), |at| put_back(&indices(at)))
}

fn a_snapshot_whose_repository_is_away_at_its_end(server: &Server) -> End {
    interrupted(server, "away", put_aside, put_back)
}

fn a_snapshot_whose_master_is_killed(server: &Server) -> End {
    let strike = |_: &Path| {
        server.kill();
        drop(server.restart());
    };
    interrupted(server, "headless", strike, |_| ())
}
