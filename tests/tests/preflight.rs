//! es-preflight on real servers that are in the condition it looks for.
#![allow(clippy::expect_used, clippy::unwrap_used)] // helpers of tests panic as tests do

use es_testkit::bed::{self, EdgeOptions, Options, Server};
use es_testkit::proxy::{Proxy, Spoil};
use es_testkit::tool::Output;
use es_tests::{Original, VERSIONS, ask, eventually, kind, original, put_documents, run, shell};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The findings of this check, as `level message`.
fn of(output: &Output, check: &str) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let findings = output.json_lines();
    findings
        .iter()
        .filter(|finding| finding["check"] == check)
        .map(|finding| format!("{} {}", word(&finding["level"]), word(&finding["message"])))
        .collect()
}

#[track_caller]
fn found(output: &Output, check: &str, level: &str, words: &str) {
    let findings = of(output, check);
    let there = findings.iter().any(|finding| finding.starts_with(level) && finding.contains(words));
    assert!(there, "no {level} of {check} with {words:?}: {findings:?}\n{}{}", output.out(), output.err());
}

fn preflight(flags: &str, source: &Server, target: &Server) -> Output {
    run(&format!("es-preflight {flags}"), source, target)
}

#[test]
fn a_move_that_can_work_has_no_blocker_and_nothing_is_written() {
    let Original { source, target, .. } = &original();
    put_documents(source, "fit", 3);
    let before = [ask(source, "GET", "/_snapshot", None), ask(target, "GET", "/_snapshot", None)];
    let output = preflight("--indices fit --type fs --repository none-yet", source, target);
    output.exit(0).stderr("");
    for check in ["version", "created_version", "closed", "primaries", "names", "aliases", "plugins", "disk", "shards"]
    {
        found(&output, check, "ok", "");
    }
    assert_eq!([ask(source, "GET", "/_snapshot", None), ask(target, "GET", "/_snapshot", None)], before);
}

#[test]
fn date_math_means_the_same_index_to_every_stage_of_a_move() {
    let Original { source, target, .. } = &original();
    put_documents(source, "math-first", 2);
    put_documents(source, "math-second", 2);
    // A date of quoted letters alone is the same on every day.
    let first = "<math-{now/d{'first'}}>";
    let output = preflight(&format!("--indices \"{first}\""), source, target);
    output.exit(0);
    preflight("--indices '<math-{now/d}>'", source, target)
        .exit(1)
        .stderr_contains("no such index on the source: math-2");
    let work = tempfile::tempdir().expect("a work directory");
    for (list, moved, other) in
        [(first.to_string(), "math-first", "math-second"), (format!("math-*,-{first}"), "math-second", "math-first")]
    {
        let (root, work) = (source.repository_root.display(), work.path().display());
        let command = format!(
            "es-migrate --repository {moved} --type fs --location {root}/{moved} --indices \"{list}\" --work-dir {work}/{moved}"
        );
        run(&command, source, target).exit(0);
        assert_eq!(es_tests::count(target, moved), Some(2));
        assert_eq!(es_tests::count(target, other), None);
        ask(target, "DELETE", &format!("/{moved}"), None);
        for server in [source, target] {
            ask(server, "DELETE", &format!("/_snapshot/{moved}"), None);
        }
    }
    ask(source, "DELETE", "/math-first,math-second", None);
}

#[test]
fn what_stops_a_restore_later_stops_it_now() {
    let Original { source, target, .. } = &original();
    for index in ["pre-open", "pre-closed", "pre-taken", "pre-aliased", "pre-managed"] {
        put_documents(source, index, 1);
    }
    ask(source, "POST", "/pre-closed/_close", None);
    put_documents(target, "pre-taken", 1);
    put_documents(target, "pre-other", 1);
    let alias = |index: &str, alias: &str| json!({"actions": [{"add": {"index": index, "alias": alias}}]});
    ask(source, "POST", "/_aliases", Some(&alias("pre-aliased", "pre-other")));
    ask(target, "POST", "/_aliases", Some(&alias("pre-other", "pre-open")));
    let red = json!({"settings": {"index.routing.allocation.require.room": "none", "number_of_replicas": 0}});
    ask(source, "PUT", "/pre-red?wait_for_active_shards=0", Some(&red));
    let list = "--indices pre-open,pre-closed,pre-taken,pre-aliased,pre-red,pre-typo --type s3";
    let output = preflight(list, source, target);
    output.exit(1).stderr_contains("nothing was started");
    found(&output, "indices", "blocker", "pre-typo");
    found(&output, "closed", "blocker", "pre-closed");
    found(&output, "names", "blocker", "\"pre-taken\" exists");
    found(&output, "names", "blocker", "\"pre-open\" is an alias");
    found(&output, "aliases", "blocker", "\"pre-other\" of pre-aliased");
    found(&output, "primaries", "blocker", "pre-red is red");
    found(&output, "allocation", "blocker", "index.routing.allocation.require.room");
    found(&output, "plugins", "blocker", "has no repository-s3");
    // es-migrate stops there, before it has registered anything.
    let work = tempfile::tempdir().expect("a work directory");
    let command = format!(
        "es-migrate --repository pre --type fs --location {}/pre --indices pre-taken --work-dir {}",
        source.repository_root.display(),
        work.path().display()
    );
    run(&command, source, target)
        .exit(1)
        .stderr_contains("es-preflight: names: on the target an open index \"pre-taken\" exists");
    assert_eq!(source.call("GET", "/_snapshot/pre", None).0, 404);
    // Renamed, or left behind, they are no longer in the way.
    let renamed =
        "--indices pre-open,pre-taken,pre-aliased --no-aliases --rename-pattern '(.+)' --rename-replacement 'new-$1'";
    preflight(renamed, source, target).exit(0);
    preflight("--indices pre-open,pre-taken --rename-pattern '.+' --rename-replacement One", source, target)
        .exit(1)
        .stderr_contains("names");
    ask(source, "DELETE", "/pre-red", None);
    ask(target, "DELETE", "/pre-other", None);
}

#[test]
fn repositories_that_would_do_harm_are_told() {
    let Original { source, target, .. } = &original();
    put_documents(source, "repo-index", 1);
    let location = source.repository_root.join("pre-repo");
    let body = |readonly: bool| json!({"type": "fs", "settings": {"location": location, "readonly": readonly}});
    ask(source, "PUT", "/_snapshot/pre-repo", Some(&body(false)));
    ask(target, "PUT", "/_snapshot/pre-repo", Some(&body(false)));
    let output = preflight("--indices repo-index --repository pre-repo", source, target);
    output.exit(1);
    found(&output, "repository", "blocker", "may be written to by the target, where the source writes");
    found(&output, "repository", "ok", "the source reads \"pre-repo\": 0 snapshots");
    // Under another name it is the same place, and where it is not known yet what the source will be given is.
    ask(target, "DELETE", "/_snapshot/pre-repo", None);
    ask(target, "PUT", "/_snapshot/pre-other", Some(&body(false)));
    ask(source, "PUT", "/_snapshot/pre-second", Some(&body(false)));
    let output = preflight("--indices repo-index --repository pre-repo", source, target);
    output.exit(1);
    found(&output, "repository", "blocker", "under the name \"pre-other\"");
    found(&output, "repository", "warning", "under the name \"pre-second\" too");
    let asked = format!("--indices repo-index --repository pre-new --type fs --location {}/", location.display());
    let output = preflight(&asked, source, target);
    output.exit(1);
    found(&output, "repository", "blocker", "under the name \"pre-other\"");
    ask(target, "DELETE", "/_snapshot/pre-other", None);
    ask(source, "DELETE", "/_snapshot/pre-second", None);
    ask(
        target,
        "PUT",
        "/_snapshot/pre-repo",
        Some(&json!({"type": "fs", "settings": {"location": source.repository_root.join("pre-own")}})),
    );
    let output = preflight("--indices repo-index --repository pre-repo", source, target);
    output.exit(0);
    found(&output, "repository", "warning", "may be written to by the target");
    ask(source, "PUT", "/_snapshot/pre-repo", Some(&body(true)));
    ask(target, "PUT", "/_snapshot/pre-repo", Some(&body(true)));
    std::fs::create_dir_all(&location).expect("the repository");
    std::fs::write(location.join("index-0"), "{").expect("damage");
    let output = preflight("--indices repo-index --repository pre-repo", source, target);
    output.exit(1);
    found(&output, "repository", "blocker", "registered read-only on the source");
    found(&output, "repository", "blocker", "cannot read \"pre-repo\"");
    for server in [source, target] {
        ask(server, "DELETE", "/_snapshot/pre-repo", None);
    }
}

#[test]
fn a_snapshot_at_work_and_a_move_onto_itself_are_told() {
    let Original { source, .. } = &original();
    put_documents(source, "busy", 40);
    let slow = json!({"type": "fs", "settings": {"location": source.repository_root.join("pre-slow"), "max_snapshot_bytes_per_sec": "1kb"}});
    ask(source, "PUT", "/_snapshot/pre-slow", Some(&slow));
    ask(source, "PUT", "/_snapshot/pre-slow/running", Some(&json!({"indices": "busy"})));
    let output = preflight("--indices busy", source, source);
    ask(source, "DELETE", "/_snapshot/pre-slow/running", None);
    output.exit(1);
    found(&output, "snapshot_running", "warning", "pre-slow/running runs on the source");
    found(&output, "clusters", "blocker", "the same cluster");
    eventually("the end of the snapshot", || source.call("DELETE", "/_snapshot/pre-slow", None).0 < 300);
}

#[test]
fn an_index_that_the_target_cannot_read_is_told_although_the_snapshot_could_be_read() {
    let Original { target: old, .. } = &original();
    let new = bed::server("opensearch-3.8.0");
    put_documents(old, "too-old", 1);
    let output = preflight("--indices too-old", old, &new);
    output.exit(1);
    found(&output, "created_version", "blocker", "too-old was created by Elasticsearch 6.1");
    // The other way round.
    put_documents(&new, "too-new", 1);
    let output = preflight("--indices too-new", &new, old);
    output.exit(1);
    found(&output, "version", "blocker", "reads no repository of OpenSearch");
    found(&output, "created_version", "blocker", "reads no index of OpenSearch");
}

/// A pair of servers of one version, the target for one test at a time: its settings are changed.
struct Pair {
    source: Server,
    target: Server,
    _turn: MutexGuard<'static, ()>,
}

const NO_INDICES: &str = "cluster.blocks.create_index";

static TURN: Mutex<()> = Mutex::new(());

fn pair(version: &str) -> Pair {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let source = bed::server(version);
    // Whoever is refused in the middle of a test leaves its settings behind: they are taken off here.
    let target = bed::named(version, &format!("preflight-{version}"));
    let pair = Pair { source, target, _turn: turn };
    pair.set(&json!({}));
    pair
}

impl Pair {
    /// Settings of the target, and none beside them.
    fn set(&self, settings: &Value) {
        // A cluster that is read-only takes no other setting beside that which frees it.
        for block in ["cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"] {
            ask(&self.target, "PUT", "/_cluster/settings", Some(&json!({"transient": {block: null}})));
        }
        let mut all = json!({
            "cluster.max_shards_per_node": null, "cluster.routing.allocation.*": null, "cluster.info.update.interval": null,
        });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        // OpenSearch sets this one by itself, after disks that are taken for full.
        if self.target.server.starts_with("opensearch") && settings.get(NO_INDICES).is_none() {
            let free = json!({"transient": {NO_INDICES: null}, "persistent": {NO_INDICES: null}});
            ask(&self.target, "PUT", "/_cluster/settings", Some(&free));
        }
        ask(&self.target, "PUT", "/_cluster/settings", Some(&json!({"transient": all})));
    }

    fn preflight(&self, flags: &str) -> Output {
        preflight(flags, &self.source, &self.target)
    }

    /// Takes a snapshot of an index on the source, and gives what the target answers to its restore without replicas.
    fn restore(&self, index: &str) -> (u16, Value) {
        let name = format!("pre-{index}-{}", self.source.name);
        let location = self.source.repository_root.join(&name);
        let body = |readonly: bool| json!({"type": "fs", "settings": {"location": location, "readonly": readonly}});
        ask(&self.source, "PUT", &format!("/_snapshot/{name}"), Some(&body(false)));
        let taken = json!({"indices": index, "include_global_state": false});
        let path = format!("/_snapshot/{name}/one");
        if self.source.call("GET", &path, None).0 == 404 {
            ask(&self.source, "PUT", &format!("{path}?wait_for_completion=true"), Some(&taken));
        }
        ask(&self.target, "PUT", &format!("/_snapshot/{name}"), Some(&body(true)));
        let wanted =
            json!({"indices": index, "include_global_state": false, "index_settings": {"index.number_of_replicas": 0}});
        self.target.call("POST", &format!("{path}/_restore"), Some(&wanted))
    }

    /// Restores an index and waits until the target says this of it, and has nothing left to assign.
    #[track_caller]
    fn restores_and_is(&self, index: &str, health: &str) {
        let (status, answer) = self.restore(index);
        assert_eq!(status, 200, "{answer}");
        let settled = || {
            let now = ask(&self.target, "GET", &format!("/_cluster/health/{index}"), None);
            now["status"] == health && now["initializing_shards"] == 0
        };
        eventually(&format!("{index} to be {health}"), settled);
        if health == "red" {
            let which = json!({"index": index, "shard": 0, "primary": true});
            let explained = ask(&self.target, "POST", "/_cluster/allocation/explain", Some(&which));
            assert_eq!(explained["can_allocate"], "no", "{explained}");
        }
    }
}

#[test]
fn settings_of_an_index_that_the_restore_would_stumble_over_are_told() {
    let pair = pair("elasticsearch-8.19.21");
    for (index, settings) in [
        ("own-waits", json!({"index.write.wait_for_active_shards": "2"})),
        ("own-none", json!({"index.routing.allocation.enable": "none"})),
        ("own-new", json!({"index.routing.allocation.enable": "new_primaries"})),
        ("own-here", json!({"index.routing.allocation.include._publish_ip": "127.0.0.1"})),
        ("own-host", json!({"index.routing.allocation.require._host_ip": "127.0.0.1"})),
        ("own-id", json!({"index.routing.allocation.require._id": "no-node"})),
        ("own-not", json!({"index.routing.allocation.exclude._id": "no-node"})),
    ] {
        put_documents(&pair.source, index, 1);
        ask(&pair.source, "PUT", &format!("/{index}/_settings"), Some(&settings));
    }
    let output = pair.preflight("--indices 'own-*' --partial");
    output.exit(1);
    found(&output, "allocation", "blocker", "own-waits has index.write.wait_for_active_shards: 2");
    found(&output, "allocation", "blocker", "own-none has index.routing.allocation.enable: none");
    found(&output, "allocation", "warning", "own-new has index.routing.allocation.enable: new_primaries");
    found(&output, "allocation", "blocker", "own-id has index.routing.allocation.require._id: no-node");
    assert_eq!(of(&output, "allocation").len(), 4, "{:?}", of(&output, "allocation"));
    // The server agrees with each.
    let (status, answer) = pair.restore("own-waits");
    assert!(status == 400 && answer.to_string().contains("number of shard copies"), "{status} {answer}");
    for (index, health) in [
        ("own-none", "red"),
        ("own-id", "red"),
        ("own-new", "green"),
        ("own-here", "green"),
        ("own-host", "green"),
        ("own-not", "green"),
    ] {
        pair.restores_and_is(index, health);
    }
    ask(&pair.target, "DELETE", "/own-*", None);
    // What is left behind is no longer in the way.
    let work = tempfile::tempdir().expect("a work directory");
    let moved = format!(
        "es-migrate --repository pre-own --type fs --location {}/pre-own --indices own-waits,own-none --work-dir {} --ignore-index-setting 'index.write.*' --ignore-index-setting index.routing.allocation.enable",
        pair.source.repository_root.display(),
        work.path().display()
    );
    run(&moved, &pair.source, &pair.target).exit(0);
    ask(&pair.target, "DELETE", "/own-*", None);
    ask(&pair.source, "DELETE", "/own-*", None);
}

#[test]
fn one_index_whose_metadata_is_blocked_stops_no_other() {
    for version in ["elasticsearch-6.8.9", "elasticsearch-8.19.21", "opensearch-2.19.6"] {
        let pair = pair(version);
        let rename = "--rename-pattern '(.+)' --rename-replacement 'new-$1'";
        let both = |flags: &str| preflight(&format!("{flags} {rename}"), &pair.target, &pair.target);
        put_documents(&pair.target, "seal-fit", 3);
        put_documents(&pair.target, "seal-same", 3);
        ask(&pair.target, "PUT", "/seal-shut", Some(&json!({"aliases": {"seal-alias": {}}})));
        ask(&pair.target, "PUT", "/seal-shut/_settings", Some(&json!({"index.blocks.metadata": true})));
        assert_eq!(pair.target.call("GET", "/_all/_settings", None).0, 403, "{version}");
        both("--indices seal-fit").exit(0);
        run("es-compare-counts --index seal-fit --target-index seal-same", &pair.target, &pair.target).exit(0);
        // One that is chosen is told by its name, by an alias too; its own settings can be left behind.
        let output = both("--indices seal-fit,seal-alias");
        output.exit(1);
        found(&output, "blocks", "blocker", "seal-shut has index.blocks.metadata");
        both("--indices seal-shut --ignore-index-setting 'index.blocks.*'").exit(0);
        ask(&pair.target, "PUT", "/seal-shut/_settings", Some(&json!({"index.blocks.metadata": null})));
        ask(&pair.target, "DELETE", "/seal-fit,seal-same,seal-shut", None);
    }
}

#[test]
fn a_new_name_that_is_an_alias_of_what_is_moved_is_told() {
    let Original { source, target, .. } = &original();
    put_documents(source, "both-v1", 1);
    put_documents(source, "both-v2", 1);
    let alias = json!({"actions": [{"add": {"index": "both-v1", "alias": "both"}}]});
    ask(source, "POST", "/_aliases", Some(&alias));
    for index in ["both-v1", "both-v2"] {
        let flags = format!("--indices both-v1,both-v2 --rename-pattern {index} --rename-replacement both");
        let output = preflight(&flags, source, target);
        output.exit(1);
        found(&output, "aliases", "blocker", &format!("alias \"both\" of both-v1 is the new name of {index}"));
        preflight(&format!("{flags} --no-aliases"), source, target).exit(0);
    }
    ask(source, "DELETE", "/both-v1,both-v2", None);
}

#[test]
fn a_snapshot_of_that_name_is_looked_at_before_anything_is_registered() {
    let Original { source, target, .. } = &original();
    put_documents(source, "named-a", 1);
    put_documents(source, "named-b", 1);
    let body = json!({"type": "fs", "settings": {"location": source.repository_root.join("pre-named")}});
    ask(source, "PUT", "/_snapshot/pre-named", Some(&body));
    let taken = json!({"indices": "named-a"});
    ask(source, "PUT", "/_snapshot/pre-named/one?wait_for_completion=true", Some(&taken));
    for (name, indices, level, words) in [
        ("one", "named-a,named-b", "blocker", "exists and does not hold named-b"),
        ("one", "named-a", "warning", "exists and holds the indices"),
        ("two", "named-a", "ok", "is free"),
        ("Two", "named-a", "blocker", "has upper-case letters"),
        ("two#", "named-a", "blocker", "has '#'"),
    ] {
        let flags = format!("--indices {indices} --repository pre-named --snapshot '{name}'");
        let output = preflight(&flags, source, target);
        output.exit(i32::from(level == "blocker"));
        found(&output, "snapshot_name", level, words);
    }
    // A success that failed somewhere, which no server that is well says.
    let mut failed = ask(source, "GET", "/_snapshot/pre-named/one", None);
    failed["snapshots"][0]["shards"]["failed"] = json!(1);
    let proxy = Proxy::before(&source.url);
    let behind = Server { url: proxy.url.clone(), ..source.clone() };
    let look = || preflight("--indices named-a --repository pre-named --snapshot one", &behind, target);
    look().exit(0);
    let before = proxy.requests();
    let number = before.iter().rposition(|request| request.path == "/_snapshot/pre-named/one").expect("the question");
    proxy.spoil(before.len() + number, Spoil::Answer(200, vec![], failed.to_string().into_bytes()));
    let output = look();
    assert_eq!(proxy.spoilt(), 1);
    output.exit(1);
    found(&output, "snapshot_name", "blocker", "exists and is SUCCESS, with 1 failed shards");
    run("es-snapshot --repository pre-named --indices 'nothing-*' --snapshot one", source, target)
        .exit(1)
        .stderr_contains("choose another --snapshot name");
    // An index that was born since cannot be in it: clocks tell that from a second on.
    let born_since = || {
        ask(source, "DELETE", "/named-a", None);
        put_documents(source, "named-a", 1);
        let output = preflight("--indices named-a --repository pre-named --snapshot one", source, target);
        let told = of(&output, "snapshot_name");
        told.iter().any(|finding| finding.starts_with("blocker") && finding.contains("is older than named-a"))
    };
    eventually("an index that is younger", born_since);
    run("es-snapshot --repository pre-named --indices named-a --snapshot one", source, target)
        .exit(1)
        .stderr_contains("is older than index named-a");
    // es-migrate says which name it will take, and stops before it has registered anything.
    let work = tempfile::tempdir().expect("a work directory");
    let moved = format!(
        "es-migrate --repository pre-not --type fs --location {}/pre-not --indices named-a --snapshot Two --work-dir {}",
        source.repository_root.display(),
        work.path().display()
    );
    run(&moved, source, target).exit(1).stderr_contains("snapshot_name");
    assert_eq!(source.call("GET", "/_snapshot/pre-not", None).0, 404);
    ask(source, "DELETE", "/_snapshot/pre-named", None);
    ask(source, "DELETE", "/named-a,named-b", None);
}

#[test]
fn an_index_that_was_restored_before_is_taken_as_es_restore_takes_it() {
    for version in ["elasticsearch-6.8.9", "elasticsearch-8.19.21", "opensearch-2.19.6"] {
        let pair = pair(version);
        put_documents(&pair.source, "again", 2);
        pair.restores_and_is("again", "green");
        let repository = format!("pre-again-{}", pair.source.name);
        let looked = |more: &str, level: &str, words: &str| {
            let output = pair.preflight(&format!("--indices again {more}"));
            output.exit(i32::from(level == "blocker"));
            found(&output, "names", level, words);
            assert_eq!(of(&output, "names").len(), 1, "{version}: {}", output.out());
        };
        let restored = |snapshot: &str| {
            let taken =
                format!("es-snapshot --repository {repository} --indices again --snapshot {snapshot} | es-wait");
            run(&format!("{taken} | es-restore"), &pair.source, &pair.target)
        };
        let before = format!("restored on the target before, from snapshot {repository}/one");
        looked("", "warning", &before);
        looked(&format!("--repository {repository} --snapshot one"), "warning", &before);
        restored("one").exit(0);
        let other = "on the target an open index \"again\" exists that was not restored from this snapshot";
        looked(&format!("--repository {repository} --snapshot two"), "blocker", other);
        restored("two").exit(3).stderr_contains(other);
        looked("--repository elsewhere", "blocker", other);
        // Of one of that name that is to be taken anew it cannot be.
        ask(&pair.source, "DELETE", &format!("/_snapshot/{repository}/one"), None);
        let older = "was restored before the snapshot of that name had ended";
        looked(&format!("--repository {repository} --snapshot one"), "blocker", older);
        ask(&pair.target, "POST", "/again/_close", None);
        looked(&format!("--repository {repository} --snapshot one"), "blocker", "a closed index \"again\" exists");
        ask(&pair.target, "DELETE", "/again", None);
        ask(&pair.source, "DELETE", "/again", None);
        for server in [&pair.target, &pair.source] {
            ask(server, "DELETE", &format!("/_snapshot/{repository}"), None);
        }
    }
}

#[test]
fn a_pipeline_that_the_target_lacks_is_told() {
    for (version, kinds) in [
        ("elasticsearch-6.8.9", &["default"][..]),
        ("elasticsearch-8.19.21", &["default", "final"]),
        ("opensearch-2.19.6", &["default", "final"]),
    ] {
        let pair = pair(version);
        for pipeline in kinds {
            let index = format!("pipe-{pipeline}");
            put_documents(&pair.source, &index, 1);
            let key = format!("index.{pipeline}_pipeline");
            ask(&pair.source, "PUT", &format!("/{index}/_settings"), Some(&json!({key.as_str(): "pipe-own"})));
            let look = || pair.preflight(&format!("--indices {index}"));
            let output = look();
            output.exit(0);
            found(&output, "pipelines", "warning", &format!("{index} has {key}: pipe-own, and the target has no such"));
            let left = pair.preflight(&format!("--indices {index} --ignore-index-setting {key}"));
            found(&left, "pipelines", "ok", "");
            // The server agrees: it takes the index, and refuses to write to it.
            pair.restores_and_is(&index, "green");
            let path = format!("/{index}/{}/new", kind(&pair.target));
            let (status, answer) = pair.target.call("PUT", &path, Some(&json!({"n": 1})));
            assert!(status == 400 && answer.to_string().contains("[pipe-own] does not exist"), "{status} {answer}");
            ask(&pair.target, "DELETE", &format!("/{index}"), None);
            ask(&pair.target, "PUT", "/_ingest/pipeline/pipe-own", Some(&json!({"processors": []})));
            found(&look(), "pipelines", "ok", "");
            pair.restores_and_is(&index, "green");
            ask(&pair.target, "PUT", &path, Some(&json!({"n": 1})));
            ask(&pair.target, "DELETE", &format!("/{index}"), None);
            ask(&pair.target, "DELETE", "/_ingest/pipeline/pipe-own", None);
            ask(&pair.source, "DELETE", &format!("/{index}"), None);
        }
    }
}

#[test]
fn a_search_pipeline_that_the_target_lacks_stops_the_count_and_is_told() {
    for version in ["opensearch-2.19.6", "opensearch-3.8.0"] {
        let pair = pair(version);
        let key = "index.search.default_pipeline";
        let index = json!({"settings": {key: "search-own", "number_of_replicas": 0}});
        ask(&pair.source, "PUT", "/_search/pipeline/search-own", Some(&json!({"request_processors": []})));
        ask(&pair.source, "PUT", "/pipe-search", Some(&index));
        let output = pair.preflight("--indices pipe-search");
        output.exit(1);
        found(&output, "pipelines", "blocker", &format!("pipe-search has {key}: search-own"));
        // The server agrees: without a look the move stops at the count.
        let work = tempfile::tempdir().expect("a work directory");
        let moved = |name: &str, more: &str| {
            let (root, work) = (pair.source.repository_root.display(), work.path().display());
            let command =
                format!("es-migrate --repository {name} --type fs --location {root}/{name} --indices pipe-search");
            run(&format!("{command} --work-dir {work}/{name} {more}"), &pair.source, &pair.target)
        };
        let output = moved(&format!("pipe-{version}"), "--no-preflight");
        assert!(output.code() != 0 && output.err().contains("search-own is not defined"), "{}", output.err());
        ask(&pair.target, "DELETE", "/pipe-search", None);
        moved(&format!("pipe-left-{version}"), &format!("--ignore-index-setting {key}")).exit(0);
        ask(&pair.target, "DELETE", "/pipe-search", None);
        ask(&pair.target, "PUT", "/_search/pipeline/search-own", Some(&json!({"request_processors": []})));
        moved(&format!("pipe-there-{version}"), "").exit(0);
        for server in [&pair.source, &pair.target] {
            ask(server, "DELETE", "/pipe-search", None);
            ask(server, "DELETE", "/_search/pipeline/search-own", None);
        }
    }
}

#[test]
fn a_read_only_target_and_a_read_only_source_that_is_to_be_registered_on_are_told() {
    for version in ["elasticsearch-6.8.9", "elasticsearch-8.19.21", "opensearch-2.19.6"] {
        let pair = pair(version);
        put_documents(&pair.source, "target-blocked", 1);
        pair.set(&json!({"cluster.blocks.read_only": true}));
        let output = pair.preflight("--indices target-blocked");
        output.exit(1);
        found(&output, "blocks", "blocker", "cluster.blocks.read_only is set on the target");
        pair.set(&json!({}));
        ask(&pair.source, "DELETE", "/target-blocked", None);
        put_documents(&pair.target, "source-blocked", 1);
        let location = pair.target.repository_root.join(format!("pre-blocked-{version}"));
        let rename = "--rename-pattern '(.+)' --rename-replacement 'new-$1'";
        for block in ["cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"] {
            let flags = format!(
                "--indices source-blocked {rename} --repository pre-blocked --type fs --location {}",
                location.display()
            );
            // The target is the one of the pair whose settings may be changed: here it is the source.
            let look = || preflight(&flags, &pair.target, &pair.source);
            look().exit(0);
            pair.set(&json!({block: true}));
            let output = look();
            output.exit(1);
            found(&output, "blocks", "blocker", &format!("{block} is set on the source"));
            let body = json!({"type": "fs", "settings": {"location": location}});
            assert_eq!(pair.target.call("PUT", "/_snapshot/pre-blocked", Some(&body)).0, 403, "{version} {block}");
            // What is registered already may be written to.
            pair.set(&json!({}));
            ask(&pair.target, "PUT", "/_snapshot/pre-blocked", Some(&body));
            pair.set(&json!({block: true}));
            look().exit(0);
            let taken = "es-snapshot --repository pre-blocked --indices source-blocked | es-wait";
            run(taken, &pair.target, &pair.source).exit(0);
            pair.set(&json!({}));
            ask(&pair.target, "DELETE", "/_snapshot/pre-blocked/source-blocked", None);
            ask(&pair.target, "DELETE", "/_snapshot/pre-blocked", None);
        }
        ask(&pair.target, "DELETE", "/source-blocked", None);
    }
}

/// Watermarks of bytes, largest first.
fn watermarks(low: &str, high: &str, flood: &str) -> Value {
    json!({
        "cluster.routing.allocation.disk.threshold_enabled": true,
        "cluster.routing.allocation.disk.watermark.low": low,
        "cluster.routing.allocation.disk.watermark.high": high,
        "cluster.routing.allocation.disk.watermark.flood_stage": flood,
    })
}

#[test]
fn a_disk_past_the_watermark_is_told_where_the_server_would_assign_nothing() {
    let pair = pair("elasticsearch-8.19.21");
    put_documents(&pair.source, "disk-full", 3);
    // However full the disk is: with the thresholds off nothing stops a shard.
    let output = pair.preflight("--indices disk-full");
    output.exit(0);
    found(&output, "disk", "ok", "the primaries need");
    for (marks, level) in [
        (watermarks("20b", "10b", "5b"), "ok"),
        (watermarks("0%", "99.999%", "99.9999%"), "blocker"),
        (watermarks("900tb", "10b", "5b"), "blocker"),
        (watermarks("900tb", "800tb", "700tb"), "blocker"),
    ] {
        pair.set(&marks);
        let output = pair.preflight("--indices disk-full");
        found(&output, "disk", level, "the primaries need");
    }
    // The server agrees: the restore is accepted, and its shard assigned nowhere. It looks at its disks now and then only, so that
    // a first one may slip through.
    let mut marks = watermarks("900tb", "800tb", "700tb");
    marks["cluster.info.update.interval"] = "10s".into();
    pair.set(&marks);
    let which = json!({"index": "disk-full", "shard": 0, "primary": true});
    eventually("a shard that the disk keeps out", || {
        let _ = pair.target.call("DELETE", "/disk-full", None);
        assert_eq!(pair.restore("disk-full").0, 200);
        let (_, said) = pair.target.call("POST", "/_cluster/allocation/explain", Some(&which));
        said.to_string().contains("low watermark cluster setting")
    });
    pair.set(&json!({}));
    ask(&pair.target, "DELETE", "/disk-full", None);
}

#[test]
fn one_node_takes_shards_past_the_watermark_and_then_blocks_them() {
    let pair = pair("opensearch-2.19.6");
    put_documents(&pair.source, "disk-flood", 3);
    pair.set(&watermarks("900tb", "800tb", "700tb"));
    let output = pair.preflight("--indices disk-flood");
    output.exit(0);
    found(&output, "disk", "warning", "past the flood stage");
    let (status, answer) = pair.restore("disk-flood");
    assert_eq!(status, 200, "{answer}");
    eventually("the shard that was assigned all the same", || {
        ask(&pair.target, "GET", "/_cluster/health/disk-flood", None)["status"] == "green"
    });
    pair.set(&json!({}));
    ask(&pair.target, "DELETE", "/disk-flood", None);
}

#[test]
fn shards_are_counted_as_the_servers_count_them() {
    for version in ["elasticsearch-8.19.21", "opensearch-2.19.6"] {
        let pair = pair(version);
        let one = json!({"settings": {"index.number_of_shards": 1, "index.number_of_replicas": 1}});
        ask(&pair.source, "PUT", "/shards-come", Some(&one));
        // The replica has no node and is counted all the same; what is closed is not.
        ask(&pair.target, "PUT", "/shards-held", Some(&one));
        ask(&pair.target, "PUT", "/shards-shut", Some(&one));
        ask(&pair.target, "POST", "/shards-shut/_close", None);
        for (limit, level) in [(4, "ok"), (3, "warning"), (2, "blocker")] {
            pair.set(&json!({"cluster.max_shards_per_node": limit}));
            let output = pair.preflight("--indices shards-come");
            output.exit(i32::from(level == "blocker"));
            found(&output, "shards", level, &format!("the target has 2 of at most {limit}"));
        }
        let (status, answer) = pair.restore("shards-come");
        assert!(status == 400 && answer.to_string().contains("maximum"), "{status} {answer}");
        pair.set(&json!({"cluster.max_shards_per_node": 3}));
        assert_eq!(pair.restore("shards-come").0, 200);
        let more = json!({"index.number_of_replicas": 1});
        eventually("the restore", || {
            ask(&pair.target, "GET", "/_cluster/health/shards-come", None)["status"] == "green"
        });
        assert_eq!(pair.target.call("PUT", "/shards-come/_settings", Some(&more)).0, 400);
        pair.set(&json!({}));
        ask(&pair.target, "DELETE", "/shards-come,shards-held,shards-shut", None);
        ask(&pair.source, "DELETE", "/shards-come", None);
    }
}

#[test]
fn an_alias_that_two_indices_would_be_written_through_is_told() {
    for version in ["elasticsearch-8.19.21", "opensearch-2.19.6"] {
        let pair = pair(version);
        let writes = json!({"aliases": {"written": {"is_write_index": true}, "read": {}}});
        ask(&pair.source, "PUT", "/alias-come", Some(&writes));
        ask(&pair.target, "PUT", "/alias-held", Some(&writes));
        let output = pair.preflight("--indices alias-come");
        output.exit(1);
        found(&output, "aliases", "blocker", "both have is_write_index for alias \"written\"");
        found(&output, "aliases", "warning", "alias \"read\" of alias-come stands on \"alias-held\"");
        let (status, answer) = pair.restore("alias-come");
        assert!(status == 500 && answer.to_string().contains("more than one write index"), "{status} {answer}");
        pair.preflight("--indices alias-come --no-aliases").exit(0);
        // Where another index hides its metadata, the list of all is refused: these are still known, and only what is hidden is not.
        let blocked = |server: &Server, index: &str, on: Value| {
            ask(server, "PUT", &format!("/{index}/_settings"), Some(&json!({"index.blocks.metadata": on})));
        };
        for server in [&pair.source, &pair.target] {
            ask(server, "PUT", "/alias-sealed", None);
            blocked(server, "alias-sealed", json!(true));
        }
        let output = pair.preflight("--indices alias-come");
        output.exit(1);
        found(&output, "aliases", "blocker", "both have is_write_index for alias \"written\"");
        blocked(&pair.target, "alias-held", json!(true));
        let output = pair.preflight("--indices alias-come");
        found(
            &output,
            "aliases",
            "warning",
            "not checked: index.blocks.metadata hides whether alias-come and \"alias-held\"",
        );
        blocked(&pair.target, "alias-held", json!(null));
        for (server, index) in [(&pair.source, "alias-come"), (&pair.target, "alias-held")] {
            blocked(server, "alias-sealed", json!(null));
            ask(server, "DELETE", &format!("/{index},alias-sealed"), None);
        }
    }
}

#[test]
fn data_streams_in_the_way_are_told() {
    let pair = pair("opensearch-2.19.6");
    let template = json!({"index_patterns": ["stream-*"], "data_stream": {}});
    for server in [&pair.source, &pair.target] {
        ask(server, "PUT", "/_index_template/pre-streams", Some(&template));
    }
    ask(&pair.source, "PUT", "/_data_stream/stream-a", None);
    ask(&pair.source, "PUT", "/pre-plain", Some(&json!({"aliases": {"stream-b": {}}})));
    for stream in ["stream-a", "stream-b"] {
        ask(&pair.target, "PUT", &format!("/_data_stream/{stream}"), None);
    }
    let rename = |to: &str| format!("--indices pre-plain --rename-pattern '(.+)' --rename-replacement '{to}'");
    let output = pair.preflight("--indices .ds-stream-a-000001,pre-plain");
    output.exit(1);
    found(&output, "data_streams", "warning", "is a backing index of the data stream \"stream-a\"");
    found(&output, "names", "blocker", "\".ds-stream-a-000001\" exists");
    found(&output, "data_streams", "blocker", "alias \"stream-b\" of pre-plain is the name of a data stream");
    let output = pair.preflight("--indices 'stream-*,pre-plain' --no-aliases");
    found(&output, "data_streams", "warning", "\"stream-a\" is a data stream: a wildcard passes it over");
    let output = pair.preflight("--indices 'stream-*,-stream-a,pre-plain' --no-aliases");
    assert!(!output.out().contains("passes it over"), "{}", output.out());
    let output = pair.preflight(&rename("stream-a"));
    found(&output, "data_streams", "blocker", "\"stream-a\" is a data stream on the target");
    let output = pair.preflight(&rename(".ds-stream-a-000007"));
    found(&output, "data_streams", "blocker", "the data stream \"stream-a\" on the target keeps for itself");
    let output = pair.preflight(&format!("{} --no-aliases", rename("stream-c")));
    output.exit(0);
    found(&output, "data_streams", "warning", "makes data streams of such names: stream-c");
    let (status, answer) = pair.restore("pre-plain");
    assert!(status == 500 && answer.to_string().contains("conflicts with data stream"), "{status} {answer}");
    for server in [&pair.source, &pair.target] {
        ask(server, "DELETE", "/_data_stream/stream-*", None);
        ask(server, "DELETE", "/_index_template/pre-streams", None);
    }
    ask(&pair.source, "DELETE", "/pre-plain", None);
}

#[test]
fn field_types_and_analysis_that_the_target_lacks_are_told() {
    let source = bed::server("elasticsearch-7.10.2");
    let index = json!({
        "settings": {"analysis": {
            "tokenizer": {"pieces": {"type": "ngram", "min_gram": 2, "max_gram": 3}},
            "analyzer": {"own": {"type": "custom", "tokenizer": "pieces"}},
        }},
        "mappings": {"properties": {
            "relation": {"type": "join", "relations": {"question": "answer"}},
            "price": {"type": "scaled_float", "scaling_factor": 100},
            "also": {"type": "alias", "path": "price"},
            "text": {"type": "text", "analyzer": "english", "fields": {
                "own": {"type": "text", "analyzer": "own"}, "words": {"type": "token_count", "analyzer": "own"},
            }},
            "inner": {"type": "nested", "properties": {"at": {"type": "date_nanos"}, "query": {"type": "percolator"}}},
        }},
    });
    ask(&source, "PUT", "/lacks", Some(&index));
    ask(
        &source,
        "PUT",
        "/fits",
        Some(&json!({"mappings": {"properties": {"at": {"type": "date"}, "place": {"type": "geo_point"}}}})),
    );
    let types =
        [("relation", "join"), ("price", "scaled_float"), ("text.words", "token_count"), ("inner.query", "percolator")];
    let output = preflight("--indices lacks,fits", &source, &bed::server("elasticsearch-8.19.21"));
    output.exit(1);
    for (field, kind) in types {
        found(&output, "mappings", "blocker", &format!("lacks: field \"{field}\" has the type \"{kind}\""));
    }
    assert_eq!(of(&output, "mappings").len(), types.len());
    found(&output, "analysis", "blocker", "field \"text\" has the analyzer \"english\"");
    found(&output, "analysis", "blocker", "Unknown tokenizer type [ngram] for [pieces]");
    // This one has the join.
    let opensearch = bed::server("opensearch-2.19.6");
    let output = preflight("--indices lacks", &source, &opensearch);
    output.exit(1);
    assert_eq!(of(&output, "mappings").len(), types.len() - 1, "{:?}", of(&output, "mappings"));
    // Who may not ask the server goes by what its nodes say they have.
    let proxy = Proxy::before(&opensearch.url);
    let refused = br#"{"error":{"type":"security_exception","reason":"no permissions"},"status":403}"#;
    let behind = Server { url: proxy.url.clone(), ..opensearch.clone() };
    let asked = || preflight("--indices lacks", &source, &behind);
    asked().exit(1);
    let before = proxy.requests();
    let number = before.iter().position(|request| request.path.contains("_simulate")).expect("the question");
    proxy.spoil(before.len() + number, Spoil::Answer(403, vec![], refused.to_vec()));
    let output = asked();
    assert_eq!(proxy.spoilt(), 1);
    output.exit(1);
    found(&output, "mappings", "blocker", "field \"price\" has the type \"scaled_float\" of mapper-extras");
    assert!(!of(&output, "mappings").iter().any(|finding| finding.contains("join")), "{}", output.out());
    preflight("--indices fits", &source, &bed::server("elasticsearch-8.19.21")).exit(0);
    // What was asked left no trace.
    assert_eq!(opensearch.call("GET", "/_index_template/es-preflight*", None).1["index_templates"], json!([]));
    let own = preflight("--indices lacks --rename-pattern '(.+)' --rename-replacement 'new-$1'", &source, &source);
    own.exit(0);
    found(&own, "mappings", "ok", "");
    ask(&source, "DELETE", "/lacks,fits", None);
}

#[test]
fn a_codec_and_a_store_that_the_target_does_not_know_are_told() {
    let Pair { source, target, .. } = &pair("opensearch-2.19.6");
    // The one of the smb store plugin can be asked for nowhere here; this comes by a restore, which takes any setting.
    ask(source, "PUT", "/codec-plain", Some(&json!({"settings": {"index.codec": "zlib"}})));
    preflight("--indices codec-plain", source, target).exit(0);
    let other = bed::server("elasticsearch-8.19.21");
    let output = preflight("--indices codec-plain", source, &other);
    output.exit(1);
    found(&output, "codec", "blocker", "[index.codec] must be one of");
    preflight("--indices codec-plain --ignore-index-setting index.codec", source, target).exit(0);
    ask(source, "DELETE", "/codec-plain", None);
}

#[test]
fn rules_that_no_node_satisfies_and_a_target_that_assigns_nothing_are_told() {
    let pair = pair("elasticsearch-8.19.21");
    let index = |settings: Value| json!({"settings": settings});
    let path = |name: &str| format!("/{name}?wait_for_active_shards=0");
    let shards = json!({"index.number_of_shards": 3, "index.number_of_replicas": 0, "index.routing.allocation.total_shards_per_node": 2});
    ask(&pair.source, "PUT", &path("rule-many"), Some(&index(shards)));
    let not_there = json!({"index.routing.allocation.exclude._name": "preflight-*"});
    ask(&pair.source, "PUT", &path("rule-exclude"), Some(&index(not_there)));
    let either = json!({"index.routing.allocation.include._name": "elasticsearch-*,preflight-*", "index.routing.allocation.include._tier_preference": "data_cold"});
    ask(&pair.source, "PUT", &path("rule-include"), Some(&index(either)));
    let output = pair.preflight("--indices rule-many,rule-exclude,rule-include --partial");
    output.exit(1);
    let found_rules = of(&output, "allocation");
    found(&output, "allocation", "blocker", "rule-many has 3 primary shards");
    found(&output, "allocation", "blocker", "rule-exclude has index.routing.allocation.exclude._name");
    assert_eq!(found_rules.len(), 2, "{found_rules:?}");
    let left =
        "--indices rule-many,rule-exclude,rule-include --partial --ignore-index-setting 'index.routing.allocation.*'";
    pair.preflight(left).exit(0);
    for (settings, check, level, words) in [
        (json!({"cluster.routing.allocation.enable": "none"}), "allocation", "blocker", "no shard is assigned"),
        (
            json!({"cluster.routing.allocation.enable": "new_primaries"}),
            "allocation",
            "warning",
            "replicas will stay unassigned",
        ),
        (
            json!({"cluster.routing.allocation.exclude._ip": "127.0.0.*"}),
            "allocation",
            "blocker",
            "cluster.routing.allocation.exclude._ip is 127.0.0.* on the target",
        ),
        (
            json!({"cluster.routing.allocation.require.room": "none"}),
            "allocation",
            "blocker",
            "cluster.routing.allocation.require.room is none on the target",
        ),
        (
            json!({"cluster.routing.allocation.include._tier": "data_hot"}),
            "allocation",
            "blocker",
            "cluster.routing.allocation.include._tier is data_hot on the target",
        ),
        (
            json!({"cluster.routing.allocation.total_shards_per_node": 4}),
            "allocation",
            "blocker",
            "5 primary shards are to come",
        ),
        (
            json!({"cluster.routing.allocation.total_shards_per_node": 5}),
            "allocation",
            "warning",
            "which leaves room for 5 shards: replicas will stay unassigned",
        ),
        (json!({"cluster.blocks.read_only": true}), "blocks", "blocker", "cluster.blocks.read_only is set"),
        (json!({"cluster.blocks.read_only_allow_delete": true}), "blocks", "blocker", "read_only_allow_delete is set"),
    ] {
        pair.set(&settings);
        let output = pair.preflight(left);
        output.exit(i32::from(level == "blocker"));
        found(&output, check, level, words);
        if check == "blocks" {
            assert_eq!(pair.target.call("PUT", "/_snapshot/pre-refused", Some(&json!({"type": "fs"}))).0, 403);
        }
    }
    // The server agrees: nothing goes where nothing may be.
    for (rule, wanted) in [("exclude._ip", "127.0.0.*"), ("include._tier", "data_hot")] {
        pair.set(&json!({format!("cluster.routing.allocation.{rule}"): wanted}));
        pair.restores_and_is("rule-include", "red");
        pair.set(&json!({}));
        ask(&pair.target, "DELETE", "/rule-include", None);
    }
    // A restored primary is a new one.
    pair.set(&json!({"cluster.routing.allocation.enable": "new_primaries"}));
    assert_eq!(pair.restore("rule-include").0, 200);
    eventually("a primary that is assigned", || {
        ask(&pair.target, "GET", "/_cluster/health/rule-include", None)["status"] == "green"
    });
    pair.set(&json!({}));
    ask(&pair.target, "DELETE", "/rule-include", None);
    ask(&pair.source, "DELETE", "/rule-*", None);
}

#[test]
fn a_tier_without_a_node_is_told_where_tiers_are_known() {
    for version in ["8.19.21", "9.5.3"] {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let source = bed::server(&format!("elasticsearch-{version}"));
        let work = tempfile::tempdir().unwrap();
        let key = "index.routing.allocation.include._tier_preference";
        let tiers = |wanted: &str| json!({"settings": {key: wanted, "number_of_replicas": 0}});
        ask(&source, "PUT", "/tier-none", Some(&tiers("data_cold,data_warm")));
        ask(&source, "PUT", "/tier-one", Some(&tiers("data_cold,data_hot")));
        put_documents(&source, "tier-none", 3);
        // A rule by tier itself, as 7.x has them, is taken off by the restore.
        let rule = json!({"index.routing.allocation.require._tier": "data_cold"});
        ask(&source, "PUT", "/tier-one/_settings", Some(&rule));
        let options = Options {
            settings: vec![("node.roles".into(), "master,data_hot,data_content,ingest".into())],
            ..Options::default()
        };
        let start = |server: &str| {
            let server = format!("{server}-{version}");
            bed::with(&server, &format!("preflight-tiers-{server}"), &options)
        };
        // Without x-pack the rule has no effect: the server puts the shard on a node of another tier.
        let pair = Pair { source, target: start("elasticsearch"), _turn: turn };
        let output = pair.preflight("--indices 'tier-*'");
        output.exit(0);
        found(&output, "allocation", "ok", "");
        pair.restores_and_is("tier-none", "green");
        pair.target.kill();
        let pair = Pair { target: start("elasticsearch-xpack"), ..pair };
        let output = pair.preflight("--indices 'tier-*'");
        output.exit(1);
        found(&output, "allocation", "blocker", &format!("tier-none has {key}: data_cold,data_warm"));
        assert_eq!(of(&output, "allocation").len(), 1, "{}", output.out());
        pair.restores_and_is("tier-none", "red");
        pair.restores_and_is("tier-one", "green");
        ask(&pair.target, "DELETE", "/tier-*", None);
        // What the hint says is enough.
        let left = "--indices 'tier-*' --ignore-index-setting 'index.routing.allocation.*'";
        let output = pair.preflight(left);
        output.exit(0);
        found(&output, "allocation", "ok", "");
        let name = format!("tiers-{version}");
        let whole = format!(
            "es-migrate --repository {name} --type fs --location {}/{name} {left} --work-dir {}",
            pair.source.repository_root.display(),
            work.path().display()
        );
        run(&whole, &pair.source, &pair.target).exit(0);
        assert_eq!(es_tests::count(&pair.target, "tier-none"), Some(3), "{version}");
        ask(&pair.source, "DELETE", "/tier-*", None);
        pair.target.kill();
    }
}

#[test]
fn rules_by_tier_of_7_x_are_told_where_x_pack_obeys_them() {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let options = Options {
        settings: vec![("node.roles".into(), "master,data_hot,data_content,ingest".into())],
        ..Options::default()
    };
    let target = bed::with("elasticsearch-xpack-7.17.29", "preflight-tiers-7", &options);
    let pair = Pair { source: bed::server("elasticsearch-7.17.29"), target, _turn: turn };
    let rules = [
        ("preference", "include._tier_preference", "data_cold,data_warm", "red"),
        ("require", "require._tier", "data_hot,data_warm", "red"),
        ("include", "include._tier", "data_warm", "red"),
        ("exclude", "exclude._tier", "data_cold,data_hot", "red"),
        ("required", "require._tier", "data_hot,data_content", "green"),
        ("included", "include._tier", "data_warm,data_hot", "green"),
        ("excluded", "exclude._tier", "data_cold,data_warm", "green"),
    ];
    for (name, rule, wanted, _) in rules {
        let settings = json!({format!("index.routing.allocation.{rule}"): wanted, "number_of_replicas": 0});
        ask(&pair.source, "PUT", &format!("/tier-{name}"), Some(&json!({"settings": settings})));
    }
    let output = pair.preflight("--indices 'tier-*'");
    output.exit(1);
    for (name, rule, wanted, health) in rules {
        if health == "red" {
            let message = format!("tier-{name} has index.routing.allocation.{rule}: {wanted}");
            found(&output, "allocation", "blocker", &message);
        }
        pair.restores_and_is(&format!("tier-{name}"), health);
    }
    assert_eq!(of(&output, "allocation").len(), 4, "{}", output.out());
    pair.preflight("--indices 'tier-*' --rename-pattern '(.+)' --rename-replacement 'other-$1' --ignore-index-setting 'index.routing.allocation.*'").exit(0);
    ask(&pair.source, "DELETE", "/tier-*", None);
    pair.target.kill();
}

#[test]
fn a_closed_index_goes_along_from_7_2_on_and_is_open_there_and_cannot_be_counted() {
    for version in ["elasticsearch-8.19.21", "opensearch-2.19.6"] {
        let pair = pair(version);
        ask(&pair.source, "PUT", "/shut", Some(&json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0}})));
        put_documents(&pair.source, "shut", 1);
        ask(&pair.source, "POST", "/shut/_close", None);
        let output = pair.preflight("--indices shut");
        output.exit(0);
        found(&output, "closed", "warning", "shut is closed, and cannot be counted");
        found(&output, "disk", "warning", "not checked: the source does not say how large shut is");
        // It is open when it is restored, and its shards count.
        pair.set(&json!({"cluster.max_shards_per_node": 1}));
        let output = pair.preflight("--indices shut");
        output.exit(1);
        found(&output, "shards", "blocker", "2 primary shards are to come");
        let (status, answer) = pair.restore("shut");
        assert!(status == 400 && answer.to_string().contains("maximum"), "{status} {answer}");
        pair.set(&json!({}));
        pair.restores_and_is("shut", "green");
        assert_eq!(es_tests::count(&pair.target, "shut"), Some(1), "{version}");
        assert_eq!(es_tests::count(&pair.source, "shut"), None, "{version}");
        for server in [&pair.target, &pair.source] {
            ask(server, "DELETE", "/shut", None);
        }
    }
}

#[test]
fn a_target_that_makes_no_indices_is_told_and_takes_a_restore_all_the_same() {
    let pair = pair("opensearch-2.19.6");
    ask(&pair.source, "PUT", "/no-more", None);
    pair.set(&json!({NO_INDICES: true}));
    let output = pair.preflight("--indices no-more");
    output.exit(0);
    found(&output, "blocks", "warning", "cluster.blocks.create_index is set");
    assert_eq!(pair.target.call("PUT", "/no-more-of-these", None).0, 403);
    let (status, answer) = pair.restore("no-more");
    assert_eq!(status, 200, "{answer}");
    pair.set(&json!({}));
    eventually("the restore", || pair.target.call("DELETE", "/no-more", None).0 == 200);
    ask(&pair.source, "DELETE", "/no-more", None);
}

#[test]
fn blocks_of_an_index_that_would_stop_the_move_are_told_and_can_be_left_behind() {
    let Original { source, target, .. } = &original();
    for (index, block) in [("block-ro", "read_only"), ("block-write", "write")] {
        put_documents(source, index, 2);
        ask(source, "PUT", &format!("/{index}/_settings"), Some(&json!({format!("index.blocks.{block}"): true})));
    }
    let output = preflight("--indices block-ro,block-write", source, target);
    output.exit(1);
    found(&output, "blocks", "blocker", "block-ro has index.blocks.read_only");
    found(&output, "blocks", "warning", "block-write has index.blocks.write");
    let work = tempfile::tempdir().expect("a work directory");
    let command = |name: &str, more: &str| {
        format!(
            "es-migrate --repository {name} --type fs --location {}/{name} --indices block-ro --work-dir {}/{name} {more}",
            source.repository_root.display(),
            work.path().display()
        )
    };
    // It is true: without a look the move stops half way.
    let output = run(&command("pre-block", "--no-preflight"), source, target);
    assert!(output.code() != 0 && output.err().contains("read-only"), "{} {}", output.code(), output.err());
    let leave = "--ignore-index-setting 'index.blocks.*' --rename-pattern '(.+)' --rename-replacement 'left-$1'";
    run(&command("pre-left", leave), source, target).exit(0);
    let kept = ask(target, "GET", "/left-block-ro/_settings", None);
    assert!(kept["left-block-ro"]["settings"]["index"]["blocks"].is_null(), "{kept}");
    for server in [source, target] {
        let _ = server.call(
            "PUT",
            "/block-*/_settings",
            Some(&json!({"index.blocks.read_only": null, "index.blocks.write": null})),
        );
        let _ = server.call("DELETE", "/block-*,left-block-*", None);
    }
}

#[test]
fn indices_that_a_wildcard_passes_over_and_policies_without_effect_are_told() {
    let Original { source, target, .. } = &original();
    for index in ["over-open", "over-closed", ".over-system"] {
        put_documents(source, index, 1);
    }
    ask(source, "POST", "/over-closed/_close", None);
    // 5.x takes any setting of a restore, and so has one of ILM.
    let root = json!({"type": "fs", "settings": {"location": source.repository_root.join("pre-over")}});
    ask(source, "PUT", "/_snapshot/pre-over", Some(&root));
    ask(source, "PUT", "/_snapshot/pre-over/one?wait_for_completion=true", Some(&json!({"indices": "over-open"})));
    let managed = json!({
        "indices": "over-open", "rename_pattern": "(.+)", "rename_replacement": "managed-$1",
        "index_settings": {"index.lifecycle.name": "short"},
    });
    ask(source, "POST", "/_snapshot/pre-over/one/_restore?wait_for_completion=true", Some(&managed));
    let output = preflight("--indices 'over-*,managed-over-open,.over-system'", source, target);
    output.exit(0);
    found(&output, "passed_over", "warning", "over-closed is closed");
    found(&output, "system", "warning", ".over-system");
    found(&output, "policies", "warning", "the lifecycle policy \"short\"; the target offers none");
    let left = preflight("--indices managed-over-open --ignore-index-setting 'index.lifecycle.*'", source, target);
    found(&left, "policies", "ok", "");
    let hides = bed::server("elasticsearch-8.19.21");
    ask(&hides, "PUT", "/over-hidden", Some(&json!({"settings": {"index.hidden": true}})));
    let output = preflight("--indices 'over-*' --rename-pattern '(.+)' --rename-replacement 'new-$1'", &hides, &hides);
    found(&output, "passed_over", "warning", "over-hidden is hidden");
    ask(&hides, "DELETE", "/over-hidden", None);
    ask(source, "DELETE", "/over-*,managed-over-open,.over-system", None);
    ask(source, "DELETE", "/_snapshot/pre-over", None);
}

/// What a server keeps of this test and of the tool: repositories, indices with their settings, templates. Others are at work there.
fn kept(server: &Server) -> Vec<Value> {
    let mut kept = vec![ask(server, "GET", "/_cluster/settings", None)];
    for list in ["/_snapshot", "/_all/_settings?expand_wildcards=all", "/_template"] {
        let mut all = ask(server, "GET", list, None);
        let ours = |name: &String| {
            ["tried", "secured", "preflight", "simulate"].iter().any(|word| name.to_lowercase().contains(word))
        };
        all.as_object_mut().unwrap().retain(|name, _| ours(name));
        kept.push(all);
    }
    kept.push(server.call("GET", "/_index_template/*preflight*", None).1["index_templates"].take());
    kept
}

#[test]
fn permissions_are_tried_without_a_trace_on_every_version() {
    for version in VERSIONS {
        let server = &bed::server(version);
        put_documents(server, "pre-tried", 1);
        let there = json!({"type": "fs", "settings": {"location": server.repository_root.join("pre-tried")}});
        ask(server, "PUT", "/_snapshot/pre-tried", Some(&there));
        let before = kept(server);
        let rename = "--rename-pattern '(.+)' --rename-replacement 'new-$1'";
        // One that is there, and one that would be registered.
        for repository in ["pre-tried", "pre-untried"] {
            let location = server.repository_root.join("pre-tried-anew");
            let place = format!("--repository {repository} --type fs --location {}", location.display());
            let flags = format!("--indices pre-tried {rename} {place}");
            let output = preflight(&flags, server, server);
            output.exit(0);
            found(&output, "permissions", "ok", "");
            found(&output, "clock", "ok", "");
        }
        // A place that no node may use is told where it would be registered, and the server agrees.
        let outside = "--repository pre-untried --type fs --location /elsewhere/pre";
        let output = preflight(&format!("--indices pre-tried {rename} {outside}"), server, server);
        output.exit(1);
        found(&output, "repository", "blocker", "/elsewhere/pre is below no path.repo of node");
        let body = json!({"type": "fs", "settings": {"location": "/elsewhere/pre"}});
        let (status, answer) = server.call("PUT", "/_snapshot/pre-untried", Some(&body));
        assert!(status >= 400 && answer.to_string().contains("path.repo"), "{version}: {status} {answer}");
        let _ = server.call("DELETE", "/_snapshot/pre-untried", None);
        assert_eq!(kept(server), before, "{version}");
        let snapshots = ask(server, "GET", "/_snapshot/pre-tried/_all", None);
        assert_eq!(snapshots["snapshots"], json!([]), "{version}");
        ask(server, "DELETE", "/_snapshot/pre-tried", None);
        ask(server, "DELETE", "/pre-tried", None);
    }
}

/// A user who may not do everything: name, what he may do with the cluster beside the usual, what he may not, the same with indices,
/// and what that stops.
type User<'a> = (&'a str, &'a [&'a str], &'a str, &'a [&'a str], &'a str);

#[test]
fn what_the_security_plugin_does_not_let_a_user_do_is_told() {
    let server = &bed::server("opensearch-2.19.1");
    put_documents(server, "pre-secured", 2);
    let there = json!({"type": "fs", "settings": {"location": server.repository_root.join("pre-secured")}});
    ask(server, "PUT", "/_snapshot/pre-secured", Some(&there));
    let password = "Kq7-vexing-Harbour";
    let cluster =
        ["cluster_monitor", "cluster:admin/repository/*", "cluster:admin/snapshot/*", "indices:admin/index_template/*"];
    let index = ["indices_monitor", "indices:admin/*", "indices:data/*"];
    let but = |all: &[&str], lacks: &str, rest: &[&str]| -> Vec<String> {
        let kept = all.iter().filter(|one| !lacks.starts_with(one.trim_end_matches('*')) || lacks.is_empty());
        kept.chain(rest).map(|one| (*one).to_string()).collect()
    };
    let repositories = ["cluster:admin/repository/get"];
    let snapshots = ["cluster:admin/snapshot/get", "cluster:admin/snapshot/status"];
    let take = [&snapshots[..], &["cluster:admin/snapshot/create"]].concat();
    let restore = [&snapshots[..], &["cluster:admin/snapshot/restore"]].concat();
    let looks =
        ["indices:admin/get", "indices:admin/mappings/get", "indices:admin/aliases/get", "indices:admin/create"];
    let users: [User<'_>; 6] = [
        ("may-all", &[], "", &[], ""),
        ("may-not-register", &repositories, "cluster:admin/repository/put", &[], "register a repository"),
        ("may-not-take", &restore, "cluster:admin/snapshot/create", &[], "take a snapshot"),
        ("may-not-restore", &take, "cluster:admin/snapshot/restore", &[], "restore"),
        ("may-not-set", &[], "indices:admin/settings/update", &looks, "change settings of the restored indices"),
        ("may-not-count", &[], "indices:data/read/search", &["indices:data/write/*"], "count"),
    ];
    for (user, more, lacks, rest, _) in users {
        let role = json!({
            "cluster_permissions": but(&cluster, lacks, more),
            "index_permissions": [{"index_patterns": ["*"], "allowed_actions": but(&index, lacks, rest)}],
        });
        ask(server, "PUT", &format!("/_plugins/_security/api/roles/{user}"), Some(&role));
        let who = json!({"password": password, "opendistro_security_roles": [user]});
        ask(server, "PUT", &format!("/_plugins/_security/api/internalusers/{user}"), Some(&who));
    }
    let asked = |user: &str, password: &str, repository: &str| {
        let rename = "--rename-pattern '(.+)' --rename-replacement 'new-$1'";
        let place = format!("--type fs --location {}", server.repository_root.join("pre-unsecured").display());
        let what = format!("--indices pre-secured {rename} --repository {repository} {place}");
        let run = shell(&format!("es-preflight {what}"), server, server);
        let run = ["SOURCE", "TARGET"].into_iter().fold(run, |run, role| {
            run.env(format!("ES_{role}_USERNAME"), user).env(format!("ES_{role}_PASSWORD"), password)
        });
        run.run()
    };
    // There is no snapshot yet by which the plugin could tell.
    let output = asked("may-all", password, "pre-secured");
    output.exit(0);
    found(&output, "permissions", "warning", "tells who may restore by a snapshot that is there");
    let body = json!({"indices": "pre-secured", "include_global_state": false});
    ask(server, "PUT", "/_snapshot/pre-secured/s1?wait_for_completion=true", Some(&body));
    let before = kept(server);
    for (user, .., what) in users {
        // One that is there, and one that would be registered.
        let repository = if what.starts_with("register") { "pre-unsecured" } else { "pre-secured" };
        let output = asked(user, password, repository);
        let blockers: Vec<String> =
            of(&output, "permissions").into_iter().filter(|finding| finding.starts_with("blocker")).collect();
        if what.is_empty() {
            output.exit(0);
            found(&output, "permissions", "ok", "");
        } else {
            output.exit(1);
            let named = format!("does not let this user {what}: HTTP 403 security_exception: no permissions for [");
            assert!(!blockers.is_empty(), "{user}: {}", output.out());
            assert!(blockers.iter().all(|one| one.contains(&named)), "{user}: {blockers:?}");
        }
    }
    let output = asked("may-all", "wrong", "pre-secured");
    output.exit(4);
    assert!(output.err().contains("HTTP 401"), "{}", output.err());
    assert_eq!(kept(server), before);
    ask(server, "DELETE", "/_snapshot/pre-secured/s1", None);
    ask(server, "DELETE", "/_snapshot/pre-secured", None);
    ask(server, "DELETE", "/pre-secured", None);
}

#[test]
fn what_a_policy_forbids_and_a_clock_that_is_wrong_are_told_before_the_move() {
    let Original { source, target, .. } = &original();
    put_documents(source, "pre-edge", 2);
    let options = EdgeOptions {
        upstream: source.url.clone(),
        bucket_root: None,
        bucket: "pre-bucket".into(),
        region: "ap-northeast-2".into(),
        gateway_timeout_ms: 60_000,
    };
    let edge = bed::edge("aws-edge-of-preflight", &options);
    let role = "arn:aws:iam::123456789012:role/es-snapshot";
    let ask_edge = |knobs: Value| {
        edge.turn(Some(&knobs));
        let command = format!(
            "es-preflight --indices pre-edge --repository pre-edge --type s3 --target-type fs --bucket pre-bucket --role-arn {role}"
        );
        let output = shell(&command, source, target)
            .env("ES_SOURCE_URL", &edge.url)
            .env("ES_SOURCE_AUTH", "sigv4")
            .env("AWS_REGION", &options.region)
            .env("AWS_ACCESS_KEY_ID", &edge.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &edge.secret_key)
            .run();
        edge.turn(Some(&json!({"deny": "", "skew": 0})));
        output
    };
    let output = ask_edge(json!({}));
    output.exit(0);
    found(&output, "permissions", "ok", "");
    found(&output, "clock", "ok", "");
    for (deny, what) in [
        ("^PUT /_snapshot/pre-edge$", "register a repository"),
        ("^PUT /_snapshot/pre-edge/", "take a snapshot"),
        ("^GET /pre-edge/_count", "count"),
    ] {
        let output = ask_edge(json!({"deny": deny}));
        output.exit(1);
        found(&output, "permissions", "blocker", &format!("does not let this user {what}"));
    }
    // The tools follow the service's clock; who signs by this machine's own would be refused.
    let output = ask_edge(json!({"skew": 900}));
    found(&output, "clock", "warning", "other programs will be refused");
    let output = ask_edge(json!({"skew": -120}));
    found(&output, "clock", "warning", "behind this machine's");
    assert_eq!(source.call("GET", "/_snapshot/pre-edge", None).0, 404);
    ask(source, "DELETE", "/pre-edge", None);
}
