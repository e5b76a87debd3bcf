//! Repositories of real servers against what the same servers returned by scroll.

#![allow(clippy::unwrap_used)] // a test that cannot begin has failed

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use es_testkit::golden::{place as golden, repositories};

fn servers() -> Vec<String> {
    let names = repositories().into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.collect()
}

fn tool(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_es-read-snapshot"))
        .env_clear()
        .env("COLUMNS", "100")
        .args(["--repository", &format!("file://{}", root.canonicalize().unwrap().display())])
        .args(arguments)
        .output()
        .unwrap()
}

fn lines(bytes: &[u8]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in std::str::from_utf8(bytes).unwrap().lines() {
        *counts.entry(line).or_insert(0) += 1;
    }
    counts
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const READABLE: &str = "*,-nosource,-derived";

#[test]
fn documents_are_those_of_the_server() {
    for server in servers() {
        for snapshot in ["one", "two"] {
            let expected = fs::read(golden().join(format!("{server}-{snapshot}.jsonl"))).unwrap();
            let arguments = ["--snapshot", snapshot, "--indices", READABLE, "--quiet"];
            let output = tool(&golden().join(&server), &arguments);
            assert_eq!(text(&output.stderr), "", "{server} {snapshot}");
            assert_eq!(output.status.code(), Some(0), "{server} {snapshot}");
            assert!(lines(&output.stdout) == lines(&expected), "{server} {snapshot}: other documents");
        }
    }
}

/// Indices `dictionary` (codec zstd) and `frames` (zstd_no_dict), and what their server showed: length and checksum of each source.
#[test]
fn both_kinds_of_zstandard_of_opensearch_are_read() {
    let root = golden().join("../zstandard");
    let output = tool(&root.join("opensearch-2.9.0"), &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let mut found: Vec<String> = text(&output.stdout)
        .lines()
        .map(|line| {
            let (head, source) = line.strip_suffix('}').unwrap().split_once(",\"_source\":").unwrap();
            let head: serde_json::Value = serde_json::from_str(&format!("{head}}}")).unwrap();
            let (index, id) = (head["_index"].as_str().unwrap(), head["_id"].as_str().unwrap());
            format!("{index} {id} {} {:x}", source.len(), crc32fast::hash(source.as_bytes()))
        })
        .collect();
    found.sort();
    let shown = fs::read_to_string(root.join("opensearch-2.9.0.txt")).unwrap();
    let mut shown: Vec<_> = shown.lines().collect();
    shown.sort_unstable();
    assert_eq!(found, shown);
}

#[test]
fn shards_that_were_shared_out_add_up() {
    for server in servers() {
        let root = golden().join(&server);
        let mut all = Vec::new();
        for part in ["0", "1", "2"] {
            let part = tool(&root, &["--snapshot", "two", "--shard-index", part, "--shard-count", "3"]);
            assert_eq!(part.status.code(), Some(0), "{}", text(&part.stderr));
            all.extend(part.stdout);
        }
        assert!(lines(&all) == lines(&tool(&root, &["--snapshot", "two"]).stdout), "{server}");
    }
}

#[test]
fn an_index_without_source_is_refused_before_anything_is_printed() {
    for server in servers() {
        let output = tool(&golden().join(&server), &["--snapshot", "one", "--indices", "docs,nosource"]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), ""), "{server}");
        assert!(text(&output.stderr).contains("index \"nosource\": _source of"), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("hint: leave it out: --indices '*,-nosource'"));
    }
}

#[test]
fn what_is_not_there_is_the_answer_no() {
    let root = golden().join("elasticsearch-7.10.2");
    for (arguments, message) in [
        (&["--snapshot", "three"][..], "snapshot \"three\" is not in the repository"),
        (&["--snapshot", "two", "--generation", "999"], "index-999: no such list of snapshots in the repository"),
        (&["--snapshot", "two", "--indices", "docs,nope*"], "no index \"nope*\" in snapshot \"two\""),
        (&["--snapshot", "two", "--indices", "docs", "--shards", "7"], "index \"docs\" has no shard 7: it has 2"),
        (
            &["--snapshot", "two", "--indices", "docs", "--shards", "0,7", "--list", "shards"],
            "index \"docs\" has no shard 7: it has 2",
        ),
    ] {
        let output = tool(&root, arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{arguments:?}");
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_path_is_told_as_the_url_it_should_be() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("a#b/deeper?")).unwrap();
    fs::create_dir_all(root.join("backups")).unwrap();
    let here = root.to_str().unwrap();
    for (typed, why, url) in [
        ("/mnt/my backup", "\"/mnt/my backup\" is no URL", "a directory is file:///mnt/my%20backup"),
        // What may be a secret is shown only where it is the name of a directory.
        ("/mnt/a?sig=x", "\"/mnt/a\" is no URL", "a directory is file:///mnt/a"),
        ("a#b/deeper?", "\"a#b/deeper?\" is no URL", &format!("a directory is file://{here}/a%23b/deeper%3F")),
        ("file:backups", "\"file:backups\" is no URL", &format!("a directory is file://{here}/backups")),
        ("file://backups", "file://backups/: not the path of a file", &format!("a directory is file://{here}/backups")),
        ("file://mnt/x", "file://mnt/x: not the path of a file", "a path begins with a third '/': file:///mnt/x"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_es-read-snapshot"))
            .env_clear()
            .current_dir(&root)
            .args(["--repository", typed, "--list", "snapshots"])
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{typed}");
        assert_eq!(text(&output.stderr), format!("es-read-snapshot: {why}\nes-read-snapshot: hint: {url}\n"));
    }
}

#[test]
fn many_snapshots_need_a_name() {
    let output = tool(&golden().join("elasticsearch-7.10.2"), &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    assert!(text(&output.stderr).contains("--snapshot is missing: the repository holds 3"));
}

#[test]
fn some_ids_can_be_asked_for() {
    let scratch = tempfile::tempdir().unwrap();
    let ids = scratch.path().join("ids");
    fs::write(&ids, "crlf\nnobody\n07\n").unwrap();
    let root = golden().join("elasticsearch-6.8.9");
    let arguments = ["--snapshot", "two", "--indices", "docs", "--query-ids", ids.to_str().unwrap()];
    let output = tool(&root, &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "es-read-snapshot: no document with the id \"nobody\"\n");
    assert_eq!(text(&output.stdout).lines().count(), 2);
    let part = tool(&root, &[&arguments[..], &["--shards", "0"]].concat());
    assert!(text(&part.stderr).contains("no document with the id \"nobody\" in the shards that were read\n"));
    assert!(text(&output.stdout).contains(r#""_id":"crlf","_source":{ "a" : "x\r\ny","#));
}

#[test]
fn bulk_and_source_carry_the_same_documents() {
    let root = golden().join("opensearch-3.8.0");
    let count = |format| text(&tool(&root, &["--snapshot", "two", "--format", format]).stdout).lines().count();
    assert_eq!(count("bulk"), 2 * count("jsonl"));
    assert_eq!(count("source"), count("jsonl"));
    let bulk = tool(&root, &["--snapshot", "two", "--indices", "empty", "--format", "bulk"]);
    assert_eq!(text(&bulk.stdout), "{\"index\":{\"_index\":\"empty\",\"_id\":\"only\"}}\n{\"z\": 1}\n");
    let arguments =
        ["--snapshot", "two", "--indices", "empty", "--format", "bulk", "--op", "create", "--target-index", "new"];
    let created = tool(&root, &arguments);
    assert_eq!(text(&created.stdout), "{\"create\":{\"_index\":\"new\",\"_id\":\"only\"}}\n{\"z\": 1}\n");
}

#[test]
fn bulk_names_types_and_parents_to_servers_that_need_them() {
    let root = golden().join("elasticsearch-5.5.2");
    let actions = |major, index: &str| {
        let arguments = ["--snapshot", "one", "--indices", index, "--format", "bulk", "--target-major", major];
        let output = tool(&root, &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
            .lines()
            .filter(|line| line.starts_with("{\"index\":"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let parents = |lines: &[String]| lines.iter().filter(|line| line.contains("\"parent\":")).count();
    assert!(parents(&actions("5", "family")) > 0);
    assert_eq!(parents(&actions("6", "family")), 0);
    for major in ["5", "6"] {
        assert!(actions(major, "family").iter().all(|line| line.contains("\"_type\":")), "{major}");
    }
    for major in ["7", "9"] {
        assert!(actions(major, "family").iter().all(|line| !line.contains("\"_type\":")), "{major}");
    }
}

#[test]
fn fields_leave_the_rest_out() {
    let root = golden().join("elasticsearch-8.19.21");
    let output = tool(&root, &["--snapshot", "two", "--indices", "empty", "--fields", "z", "--format", "source"]);
    assert_eq!(text(&output.stdout), "{\"z\":1}\n");
}

#[test]
fn the_record_says_what_was_read() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("read.json");
    let root = golden().join("elasticsearch-7.17.29");
    let mut digests = Vec::new();
    for jobs in ["1", "4"] {
        let arguments = ["--snapshot", "two", "--jobs", jobs, "--record", path.to_str().unwrap()];
        let output = tool(&root, &arguments);
        let record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(record["type"], "read");
        assert_eq!(record["documents"], text(&output.stdout).lines().count());
        assert_eq!(record["bytes"], output.stdout.len());
        assert_eq!(record["complete"], true);
        digests.push(record["indices"].clone());
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_reading_that_fails_leaves_no_record_of_a_whole_one() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("read.json");
    let record = || serde_json::from_slice::<serde_json::Value>(&fs::read(&path).unwrap()).unwrap();
    let root = golden().join("elasticsearch-7.17.29");
    let read = |arguments: &[&str]| tool(&root, &[arguments, &["--record", path.to_str().unwrap()]].concat());
    assert_eq!(read(&["--snapshot", "two"]).status.code(), Some(0));
    assert_eq!((&record()["complete"], &record()["snapshot"]), (&true.into(), &"two".into()));
    for (arguments, code) in [(["--snapshot", "three"], 1), (["--snapshot", "part"], 1), (["--snapshot", "one"], 3)] {
        assert_eq!(read(&["--snapshot", "two"]).status.code(), Some(0));
        assert_eq!(read(&arguments).status.code(), Some(code));
        assert_eq!((&record()["complete"], &record()["snapshot"]), (&false.into(), &arguments[1].into()));
    }
}

#[test]
fn a_record_that_cannot_be_written_is_told_before_anything_is_printed() {
    let root = golden().join("elasticsearch-7.17.29");
    let output = tool(&root, &["--snapshot", "two", "--record", "/nowhere/read.json"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), ""));
    assert!(text(&output.stderr).contains("/nowhere/read.json"), "{}", text(&output.stderr));
}

#[test]
fn what_would_not_be_heard_is_wrong_usage() {
    let root = golden().join("elasticsearch-7.17.29");
    let scratch = tempfile::tempdir().unwrap();
    let empty = scratch.path().join("ids");
    fs::write(&empty, "\n").unwrap();
    for arguments in [
        &["--op", "index"][..],
        &["--target-index", "a"],
        &["--format", "bulk", "--target-index", ""],
        &["--fields", ""],
        &["--fields", "a,,b"],
        &["--indices", ""],
        &["--indices", "docs,"],
        &["--jobs", "0"],
        &["--list", "indices", "--record", "/dev/null"],
        &["--metadata", "--record", "/dev/null"],
        &["--metadata", "--shards", "0"],
        &["--list", "indices", "--shards", "0"],
        &["--list", "snapshots", "--shards", "0"],
        &["--list", "snapshots", "--indices", "docs"],
        &["--list", "shards", "--shard-index", "0", "--shard-count", "2"],
        &["--list", "shards", "--format", "bulk"],
        &["--list", "shards", "--without-sizes"],
        &["--without-sizes"],
        &["--target-major", "7"],
        &["--list", "indices", "--target-major", "7"],
        &["--metadata", "--target-major", "7"],
        &["--list", "indices", "--without-vectors"],
        &["--metadata", "--without-vectors"],
        &["--list", "snapshots", "--allow-duplicate-ids"],
        &["--metadata", "--allow-duplicate-ids"],
        &["--endpoint", "http://127.0.0.1:1"],
        &["--region", "eu-central-1"],
        &["--path-style"],
        &["--profile", "a"],
        &["--role-arn", "arn:aws:iam::123456789012:role/a"],
        &["--anonymous"],
        &["--query-ids", empty.to_str().unwrap()],
    ] {
        let output = tool(&root, &[&["--snapshot", "two"], arguments].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn lists_are_of_what_was_asked_for() {
    let root = golden().join("elasticsearch-7.17.29");
    let listed = |arguments: &[&str]| {
        let output = tool(&root, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let snapshots = listed(&["--list", "snapshots", "--snapshot", "two"]);
    assert_eq!((snapshots.len(), &snapshots[0]["snapshot"]), (1, &"two".into()));
    assert_eq!(tool(&root, &["--list", "snapshots", "--snapshot", "nosuch"]).status.code(), Some(1));
    let docs = ["--snapshot", "two", "--indices", "docs", "--list"];
    let shards = listed(&[&docs[..], &["shards"]].concat());
    assert_eq!(shards.len(), 2);
    let second = listed(&[&docs[..], &["shards", "--shards", "1"]].concat());
    assert_eq!(second, shards[1..]);
    let index = &listed(&[&docs[..], &["indices"]].concat())[0];
    for key in ["bytes", "stored_bytes", "lucene_documents"] {
        let sum: u64 = shards.iter().map(|shard| shard[key].as_u64().unwrap()).sum();
        assert!(sum > 0);
        assert_eq!(index[key], sum, "{key}");
    }
}

#[test]
fn lists_have_sizes_and_numbers_of_documents_that_are_read() {
    for server in servers() {
        let root = golden().join(&server);
        let listed = |arguments: &[&str]| {
            let output = tool(&root, arguments);
            assert_eq!(output.status.code(), Some(0), "{server}: {}", text(&output.stderr));
            let lines = text(&output.stdout).lines();
            lines.map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
        };
        let snapshot = &listed(&["--list", "snapshots", "--snapshot", "two"])[0];
        let indices = listed(&["--list", "indices", "--snapshot", "two"]);
        for key in ["bytes", "lucene_documents"] {
            let sum: u64 = indices.iter().map(|index| index[key].as_u64().unwrap()).sum();
            assert!(sum > 0 && snapshot[key] == sum, "{server} {key}: {snapshot}");
        }
        for index in indices.iter().filter(|index| index["readable"] == true) {
            let name = index["index"].as_str().unwrap();
            let printed = text(&tool(&root, &["--snapshot", "two", "--indices", name]).stdout).lines().count();
            let nested = name == "nested";
            assert_eq!(index["documents"].is_null(), nested, "{server} {index}");
            assert!(nested || index["documents"] == printed, "{server} {printed}: {index}");
            assert!(index["lucene_documents"].as_u64().unwrap() >= printed as u64, "{server} {index}");
        }
        let hidden = indices.iter().any(|index| index["documents"].is_null());
        assert_eq!(snapshot["documents"].is_null(), hidden, "{server} {snapshot}");
        let without = &listed(&["--list", "snapshots", "--snapshot", "two", "--without-sizes"])[0];
        assert_eq!((&without["state"], without.get("bytes")), (&"SUCCESS".into(), None));
        // Of those of its shards that are there.
        let part = &listed(&["--list", "snapshots", "--snapshot", "part"])[0];
        assert!(part["bytes"].as_u64().unwrap() > 0 && part["documents"].is_number(), "{server} {part}");
    }
}

#[test]
fn lists_are_records() {
    for server in servers() {
        let root = golden().join(&server);
        for what in ["snapshots", "indices", "shards"] {
            let output = tool(&root, &["--snapshot", "two", "--list", what]);
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{server} {what}");
            for line in text(&output.stdout).lines() {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(record["type"].is_string());
            }
        }
        let metadata = tool(&root, &["--snapshot", "two", "--indices", "empty", "--metadata"]);
        let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
        assert_eq!(metadata["empty"]["settings"]["index"]["number_of_shards"], "3");
    }
}

#[test]
fn a_shard_that_is_not_in_its_snapshot_is_named() {
    for server in servers() {
        let root = golden().join(&server);
        let output = tool(&root, &["--snapshot", "part"]);
        assert_eq!(output.status.code(), Some(1), "{server}: {}", text(&output.stderr));
        let message = "es-read-snapshot: lost[0] is not in snapshot \"part\": ";
        assert!(text(&output.stderr).starts_with(message), "{server}: {}", text(&output.stderr));
        let expected = fs::read(golden().join(format!("{server}-part.jsonl"))).unwrap();
        assert!(lines(&output.stdout) == lines(&expected), "{server}: other documents");
        // What was asked for is there.
        assert_eq!(tool(&root, &["--snapshot", "part", "--indices", "empty"]).status.code(), Some(0));
    }
}

#[test]
fn ids_are_compared_by_the_index_that_bulk_lines_name() {
    let root = golden().join("elasticsearch-7.10.2");
    let arguments = ["--snapshot", "one", "--indices", "nested,sorted", "--format", "bulk"];
    assert_eq!(tool(&root, &arguments).status.code(), Some(0));
    let into_one = [&arguments[..], &["--target-index", "days"]].concat();
    let output = tool(&root, &into_one);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("index \"days\": ") && said.contains("the id of another, of another index, type"), "{said}");
    // No part can see what the other prints.
    for part in ["0", "1"] {
        let output = tool(&root, &[&into_one[..], &["--shard-index", part, "--shard-count", "2"]].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
        assert!(text(&output.stderr).contains("lines for \"days\" are of 2 indices"), "{}", text(&output.stderr));
    }
    assert_eq!(tool(&root, &[&into_one[..], &["--allow-duplicate-ids"]].concat()).status.code(), Some(0));
}

#[test]
fn one_id_in_two_types_is_told() {
    let root = golden().join("elasticsearch-5.5.2");
    let output = tool(&root, &["--snapshot", "one", "--indices", "types", "--format", "bulk"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("documents have the id of another, of another type or routing"), "{said}");
    let six = tool(&root, &["--snapshot", "one", "--indices", "types", "--format", "bulk", "--target-major", "6"]);
    assert!(text(&six.stderr).contains("6.x refuses a second one"), "{}", text(&six.stderr));
    // There, they are two documents.
    let typed = tool(&root, &["--snapshot", "one", "--indices", "types", "--format", "bulk", "--target-major", "5"]);
    assert_eq!((typed.status.code(), text(&typed.stderr)), (Some(0), ""));
}

#[test]
fn documents_with_a_routing_are_not_safe_in_parts() {
    let root = golden().join("elasticsearch-7.10.2");
    let read = |more: &[&str]| {
        let arguments = ["--snapshot", "one", "--indices", "docs", "--format", "bulk"];
        tool(&root, &[&arguments[..], more].concat())
    };
    assert_eq!(read(&[]).status.code(), Some(0));
    let shards = [&["--shards", "0"][..], &["--shards", "1"], &["--shard-index", "0", "--shard-count", "2"]];
    for part in shards {
        let output = read(part);
        let routed = text(&output.stdout).contains("\"routing\"");
        assert_eq!(output.status.code(), Some(i32::from(routed)), "{part:?}: {}", text(&output.stderr));
        let said = text(&output.stderr).contains("shards that were not read may hold their ids too");
        assert_eq!(said, routed, "{part:?}");
        assert_eq!(read(&[part, &["--allow-duplicate-ids"]].concat()).status.code(), Some(0), "{part:?}");
    }
    assert!(shards.iter().any(|part| read(part).status.code() == Some(1)));
    let lines = tool(&root, &["--snapshot", "one", "--indices", "docs", "--shards", "0"]);
    assert_eq!((lines.status.code(), text(&lines.stderr)), (Some(0), ""));
}

#[test]
fn what_bulk_lines_have_no_place_for_is_told() {
    let root = golden().join("elasticsearch-5.5.2");
    for (major, parents, types) in [("5", false, false), ("6", true, false), ("7", true, true)] {
        let arguments = ["--snapshot", "one", "--indices", "family", "--format", "bulk", "--target-major", major];
        let said = tool(&root, &arguments).stderr;
        assert_eq!(text(&said).contains("warning: index \"family\": parents are left out"), parents, "{major}");
        assert_eq!(text(&said).contains("warning: index \"family\": its 2 types are left out"), types, "{major}");
    }
}

#[test]
fn a_type_that_5_x_refuses_has_another_name_there() {
    let root = golden().join("elasticsearch-7.10.2");
    for (major, named) in [("5", "\"_type\":\"doc\""), ("6", "\"_type\":\"_doc\"")] {
        let arguments = ["--snapshot", "two", "--indices", "empty", "--format", "bulk", "--target-major", major];
        let output = tool(&root, &arguments);
        assert!(text(&output.stdout).contains(named), "{}", text(&output.stdout));
    }
}

#[test]
fn patterns_that_choose_nothing_are_told() {
    let root = golden().join("elasticsearch-7.10.2");
    let output = tool(&root, &["--snapshot", "two", "--indices", "*,-*"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("--indices leaves no index of snapshot \"two\""), "{}", text(&output.stderr));
    let output = tool(&root, &["--snapshot", "two", "--indices", "empty,-typo*"]);
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 1));
    assert!(text(&output.stderr).contains("warning: --indices -typo* leaves nothing out"), "{}", text(&output.stderr));
}

#[test]
fn progress_grows_to_all_of_the_shards() {
    let output =
        tool(&golden().join("elasticsearch-9.5.3"), &["--snapshot", "two", "--jobs", "1", "--progress", "plain"]);
    let said = text(&output.stderr);
    let percents: Vec<u64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("es-read-snapshot: two: ")?.split_once("% ")?.0.parse().ok())
        .collect();
    assert!(percents.len() > 2 && percents.len() == said.lines().count(), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("es-read-snapshot: two: 100% "), "{said}");
}
