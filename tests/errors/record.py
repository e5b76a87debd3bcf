#!/usr/bin/env python3
"""Records what real servers answer when something is wrong, for the error catalogue of es-client.

    make record-errors                                                  all servers, all conditions
    es-testbed run -- tests/errors/record.py --part damage elasticsearch-5.5.2 ...   what else is recorded stays

Each server is brought into every condition below, and every answer that is a refusal goes as one JSON line into
crates/es-testkit/answers/errors/SERVER.jsonl: {"name", "request", "status", "body"}. A body that is not JSON is kept as a
string. The conditions have the same names on every server; one that a server does not refuse leaves no line.
"""
import argparse
import base64
import concurrent.futures
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates" / "es-testkit" / "answers" / "errors"
SERVERS = [
    "elasticsearch-5.5.2", "elasticsearch-6.1.2", "elasticsearch-6.8.9", "elasticsearch-7.10.2", "elasticsearch-7.17.29",
    "elasticsearch-8.19.21", "elasticsearch-9.5.3", "opensearch-1.3.20", "opensearch-2.19.6", "opensearch-3.8.0", "opensearch-2.19.1",
]
JSON = "application/json"


def bed(*args):
    done = subprocess.run(["es-testbed", *args], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


class Recorder:
    def __init__(self, server):
        self.server = server
        # A small limit, so that a request can be too large; the names of files need one place for every repository.
        started = bed("start", server, "--name", f"errors-{server}", "--setting", "http.max_content_length=1mb")
        self.host = urllib.parse.urlsplit(started["url"]).netloc
        self.login = started["login"] and (started["login"]["username"], started["login"]["password"])
        # The servers share one place for repositories.
        self.root = pathlib.Path(started["repository_root"]) / server
        self.major = int(re.search(r"-(\d+)\.", server)[1])
        self.elastic = server.startswith("elasticsearch")
        # The type of documents: `_doc` where there are none any more.
        self.kind = "_doc" if self.major >= 7 or not self.elastic else "doc"
        self.lines = {}

    def call(self, method, path, body=None, content_type=JSON, timeout=90, **more):
        data = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        headers = {**more, **({"content-type": content_type} if data is not None else {})}
        if self.login:
            headers["authorization"] = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(raw)
        except ValueError:
            return answer.status, raw.decode("utf-8", "replace")

    def must(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if status >= 300:
            raise SystemExit(f"{self.server}: {method} {path}: {status} {answer}")
        return answer

    def record(self, name, method, path, body=None, content_type=JSON, **headers):
        try:
            status, answer = self.call(method, path, body, content_type, **headers)
        except OSError as error:
            print(f"{self.server} {name}: no answer: {error}", file=sys.stderr)
            return None
        troubled = isinstance(answer, dict) and (
            (answer.get("snapshot") or {}).get("state") in ("FAILED", "PARTIAL")
            or ((answer.get("snapshot") or {}).get("shards") or {}).get("failed")
        )
        if status >= 400 or troubled:
            self.keep(name, method, path, status, answer)
        return status

    def keep(self, name, method, path, status, answer):
        text = json.dumps(answer, ensure_ascii=False).replace(str(self.root), "/repositories")
        text = re.sub(r"/[^\" \]\[,]*es-testbed[^\" \]\[,/]*", "/testbed", text)
        self.lines[name] = {"request": f"{method} {path}"[:200], "status": status, "body": json.loads(text)}

    def until(self, wanted, seconds=60):
        end = time.monotonic() + seconds
        while not (met := wanted()):
            if time.monotonic() > end:
                raise SystemExit(f"{self.server}: the condition of line {wanted.__code__.co_firstlineno} did not come about")
            time.sleep(0.05)
        return met

    def state(self, repository, snapshot):
        status, answer = self.call("GET", f"/_snapshot/{repository}/{snapshot}")
        return answer["snapshots"][0].get("state") if status == 200 else None

    def write(self, kept):
        OUT.mkdir(parents=True, exist_ok=True)
        file = OUT / f"{self.server}.jsonl"
        if kept and file.exists():
            old = {line.pop("name"): line for line in map(json.loads, file.read_text(encoding="utf-8").splitlines())}
            self.lines = {**old, **self.lines}
        with open(file, "w", encoding="utf-8") as out:
            for name, line in sorted(self.lines.items()):
                out.write(json.dumps({"name": name, **line}, ensure_ascii=False) + "\n")
        print(f"{self.server}: {len(self.lines)} refusals")


def repositories(r):
    fs = lambda name, **more: {"type": "fs", "settings": {"location": str(r.root / name), **more}}
    r.record("repository-missing", "GET", "/_snapshot/nope")
    r.record("repository-missing-for-verify", "POST", "/_snapshot/nope/_verify")
    r.record("repository-missing-for-snapshot", "PUT", "/_snapshot/nope/s1")
    r.record("repository-missing-for-get", "GET", "/_snapshot/nope/s1")
    r.record("repository-missing-for-status", "GET", "/_snapshot/nope/s1/_status")
    r.record("repository-missing-for-restore", "POST", "/_snapshot/nope/s1/_restore")
    r.record("repository-missing-for-delete", "DELETE", "/_snapshot/nope")
    r.record("repository-type-unknown", "PUT", "/_snapshot/bad", {"type": "hdfs", "settings": {"uri": "hdfs://namenode/"}})
    r.record("repository-location-outside", "PUT", "/_snapshot/bad", {"type": "fs", "settings": {"location": "/elsewhere/x"}})
    r.record("repository-location-missing", "PUT", "/_snapshot/bad", {"type": "fs", "settings": {}})
    r.record("repository-chunk-size-bad", "PUT", "/_snapshot/bad", fs("bad", chunk_size="lots"))
    r.record("repository-url-not-allowed", "PUT", "/_snapshot/bad", {"type": "url", "settings": {"url": "http://192.0.2.1/x"}})
    r.record("repository-name-bad", "PUT", "/_snapshot/a%23b", fs("bad"))
    r.record("body-missing", "PUT", "/_snapshot/bad")
    r.record("body-cut", "PUT", "/_snapshot/bad", '{"type":"fs","settings":{')
    r.record("body-not-json", "PUT", "/_snapshot/bad", "type=fs")
    r.record("body-of-wrong-type", "PUT", "/_snapshot/bad", '["fs"]')
    r.record("content-type-wrong", "PUT", "/_snapshot/bad", "{}", "text/plain")
    r.record("content-type-form", "POST", "/_snapshot/bad/_verify", "a=b", "application/x-www-form-urlencoded")
    r.record("method-wrong", "PATCH", "/_snapshot/bad", "{}")
    r.record("endpoint-unknown", "GET", "/_no_such_endpoint/x/y/z/u/v")
    r.record("parameter-unknown", "GET", "/_snapshot/_all?nosuch=1")
    r.record("parameter-bad", "GET", "/_cluster/health?timeout=soon")
    r.record("body-too-large", "POST", "/_bulk", b" " * (2 << 20), "application/x-ndjson")
    r.record("line-too-long", "GET", "/" + "a," * 5000 + "/_count")
    r.record("header-too-large", "GET", "/_cluster/health/" + "x" * 3900)
    r.must("PUT", "/_snapshot/r1", fs("r1"))
    r.must("PUT", "/_snapshot/ro", fs("r1", readonly=True))


def names(r):
    for name, path in {
        "upper-case": "Snap1", "with-space": "s%201", "with-hash": "s%231", "with-comma": "s%2C1", "underscore-first": "_s1",
        "with-slash": "s%2F1",
    }.items():
        r.record(f"snapshot-name-{name}", "PUT", f"/_snapshot/r1/{path}")
    r.record("index-name-upper-case", "PUT", "/Upper")
    r.record("index-name-with-colon", "PUT", "/a:b")
    r.record("index-name-with-hash", "PUT", "/a%23b")
    r.record("index-name-dash-first", "PUT", "/-a")


def snapshots(r):
    for index in ("one", "two"):
        r.must("PUT", f"/{index}", {"settings": {"number_of_shards": 2, "number_of_replicas": 0}})
        for n in range(20):
            r.must("PUT", f"/{index}/{r.kind}/{n}", {"n": n, "text": f"text {n}"})
    r.must("POST", "/_refresh")
    r.must("POST", "/_aliases", {"actions": [{"add": {"index": "one", "alias": "both"}}]})
    body = {"indices": "one,two", "include_global_state": False}
    r.must("PUT", "/_snapshot/r1/s1?wait_for_completion=true", body)
    r.record("snapshot-exists", "PUT", "/_snapshot/r1/s1", body)
    r.record("snapshot-readonly", "PUT", "/_snapshot/ro/s2", body)
    r.record("snapshot-index-missing", "PUT", "/_snapshot/r1/s2?wait_for_completion=true", {"indices": "nosuch"})
    r.record("snapshot-body-cut", "PUT", "/_snapshot/r1/s2", '{"indices":')
    r.record("snapshot-option-of-wrong-type", "PUT", "/_snapshot/r1/s2", {"indices": 5, "partial": "perhaps"})
    r.record("snapshot-missing", "GET", "/_snapshot/r1/nosuch")
    r.record("snapshot-missing-for-status", "GET", "/_snapshot/r1/nosuch/_status")
    r.record("snapshot-missing-for-delete", "DELETE", "/_snapshot/r1/nosuch")
    r.record("snapshot-missing-for-restore", "POST", "/_snapshot/r1/nosuch/_restore", {"indices": "one"})
    r.record("snapshot-delete-readonly", "DELETE", "/_snapshot/ro/s1")


def restores(r):
    go = lambda name, **body: r.record(f"restore-{name}", "POST", "/_snapshot/r1/s1/_restore?wait_for_completion=true", body)
    go("over-open", indices="one")
    go("index-missing", indices="nosuch")
    go("two-into-one", rename_pattern="one|two", rename_replacement="both2")
    go("name-illegal", indices="one", rename_pattern="one", rename_replacement="ONE")
    go("pattern-bad", indices="one", rename_pattern="(", rename_replacement="x")
    go("group-bad", indices="one", rename_pattern="one", rename_replacement="x$7")
    go("setting-fixed", indices="one", rename_pattern="one", rename_replacement="n1", index_settings={"index.number_of_shards": 7})
    go("setting-of-wrong-type", indices="one", rename_pattern="one", rename_replacement="n2",
       index_settings={"index.number_of_replicas": "many"})
    go("setting-required-ignored", indices="one", rename_pattern="one", rename_replacement="n3",
       ignore_index_settings=["index.version.created"])
    go("alias-is-an-index", indices="one", rename_pattern="one", rename_replacement="both", include_aliases=False)
    r.must("PUT", "/taken", {"settings": {"number_of_replicas": 0}})
    r.must("POST", "/_aliases", {"actions": [{"add": {"index": "two", "alias": "was-alias"}}]})
    r.must("PUT", "/_snapshot/r1/s-alias?wait_for_completion=true", {"indices": "two", "include_global_state": False})
    r.must("DELETE", "/two/_alias/was-alias")
    r.must("PUT", "/was-alias", {"settings": {"number_of_replicas": 0}})
    r.record("restore-index-has-the-aliass-name", "POST", "/_snapshot/r1/s-alias/_restore?wait_for_completion=true",
             {"indices": "two", "rename_pattern": "two", "rename_replacement": "two-again"})
    r.record("restore-body-cut", "POST", "/_snapshot/r1/s1/_restore", '{"indices":')
    r.record("restore-option-of-wrong-type", "POST", "/_snapshot/r1/s1/_restore", {"index_settings": "none"})


def indices(r):
    r.record("index-exists", "PUT", "/one", {})
    r.record("index-setting-unknown", "PUT", "/new1", {"settings": {"index.nosuch": 1}})
    r.record("index-analyzer-missing", "PUT", "/new2", {"settings": {"analysis": {"analyzer": {"a": {"type": "nori"}}}}})
    r.record("index-tokenizer-missing", "PUT", "/new3",
             {"settings": {"analysis": {"analyzer": {"a": {"type": "custom", "tokenizer": "nori_tokenizer"}}}}})
    field = {"properties": {"f": {"type": "nosuch"}}}
    r.record("index-field-type-unknown", "PUT", "/new4",
             {"mappings": field if r.major >= 7 or not r.elastic else {"doc": field}})
    r.record("index-codec-unknown", "PUT", "/new5", {"settings": {"index.codec": "nosuch"}})
    r.record("index-mappings-typed", "PUT", "/new6", {"mappings": {"doc": {"properties": {"f": {"type": "keyword"}}}}})
    r.record("index-body-cut", "PUT", "/new7", '{"settings":')
    r.record("settings-of-missing-index", "PUT", "/nosuch/_settings", {"index.number_of_replicas": 0})
    r.record("settings-final", "PUT", "/one/_settings", {"index.number_of_shards": 9})
    r.record("settings-unknown", "PUT", "/one/_settings", {"index.nosuch": 1})
    r.record("settings-of-wrong-type", "PUT", "/one/_settings", {"index.number_of_replicas": "many"})
    r.record("settings-null-replicas", "PUT", "/one/_settings", {"index.number_of_replicas": None, "index.nosuch": None})
    r.record("cluster-setting-unknown", "PUT", "/_cluster/settings", {"transient": {"no.such": 1}})
    r.record("alias-missing", "GET", "/_alias/nosuch")
    r.record("index-missing", "GET", "/nosuch")
    r.record("index-missing-for-count", "GET", "/nosuch/_count")
    r.record("index-missing-for-refresh", "POST", "/nosuch/_refresh")
    r.record("index-missing-for-recovery", "GET", "/nosuch/_recovery")
    r.record("index-missing-for-health", "GET", "/_cluster/health/nosuch?timeout=100ms")
    r.record("index-missing-for-delete", "DELETE", "/nosuch")
    r.record("index-missing-for-close", "POST", "/nosuch/_close")
    r.record("health-not-green", "GET", "/_cluster/health?wait_for_nodes=9&timeout=100ms")
    r.record("explain-nothing", "GET", "/_cluster/allocation/explain")
    r.record("explain-missing-index", "POST", "/_cluster/allocation/explain", {"index": "nosuch", "shard": 0, "primary": True})
    r.record("explain-missing-shard", "POST", "/_cluster/allocation/explain", {"index": "one", "shard": 77, "primary": True})
    r.record("query-unknown", "POST", "/one/_search", {"query": {"nosuch": {}}})
    r.record("search-body-cut", "POST", "/one/_search", '{"query":')
    r.record("search-window-too-large", "GET", "/one/_search?from=20000&size=10")
    r.record("scroll-gone", "POST", "/_search/scroll", {"scroll": "1m", "scroll_id": "DnF1ZXJ5VGhlbkZldGNoAQAAAAAAAAABFnh4"})
    r.record("slice-bad", "POST", "/one/_search?scroll=1m", {"slice": {"id": 3, "max": 2}})
    r.record("bulk-malformed", "POST", "/_bulk", "not json\n", "application/x-ndjson")
    r.record("bulk-no-newline", "POST", "/_bulk", '{"index":{"_index":"one"}}', "application/x-ndjson")
    r.record("bulk-empty", "POST", "/_bulk", "\n", "application/x-ndjson")
    r.record("document-missing", "GET", f"/one/{r.kind}/nosuch")
    r.record("document-malformed", "PUT", f"/one/{r.kind}/x", '{"n":')
    r.record("document-not-of-the-mapping", "PUT", f"/one/{r.kind}/x", {"n": "no number"})
    r.record("document-exists", "PUT", f"/one/{r.kind}/1?op_type=create", {"n": 1})
    r.must("POST", "/taken/_close")
    r.record("index-closed-for-count", "GET", "/taken/_count")
    r.record("index-closed-for-search", "GET", "/taken/_search")
    r.record("index-closed-for-write", "PUT", f"/taken/{r.kind}/1", {"n": 1})
    r.record("index-closed-for-snapshot", "PUT", "/_snapshot/r1/s-closed?wait_for_completion=true", {"indices": "taken"})
    r.must("PUT", "/one/_settings", {"index.blocks.read_only_allow_delete": True})
    r.record("disk-flood-stage-for-write", "PUT", f"/one/{r.kind}/1", {"n": 1})
    r.record("disk-flood-stage-for-mapping", "PUT", "/one/_settings", {"index.max_result_window": 20001})
    r.must("PUT", "/one/_settings", {"index.blocks.read_only_allow_delete": None})
    for block in ("read_only", "write", "read", "metadata"):
        r.must("PUT", "/one/_settings", {f"index.blocks.{block}": True})
        r.record(f"index-block-{block}-for-write", "PUT", f"/one/{r.kind}/1", {"n": 1})
        r.record(f"index-block-{block}-for-count", "GET", "/one/_count")
        r.record(f"index-block-{block}-for-settings", "PUT", "/one/_settings", {"index.max_result_window": 20001})
        r.must("PUT", "/one/_settings", {f"index.blocks.{block}": None})
    for name, method, path, body in [
        ("repository", "PUT", "/_snapshot/r9", {"type": "fs", "settings": {"location": str(r.root / "r9")}}),
        ("settings", "PUT", "/one/_settings", {"index.max_result_window": 20002}),
        ("index", "PUT", "/new9", {}),
    ]:
        r.record(f"master-too-slow-for-{name}", method, f"{path}?master_timeout=1nanos&timeout=1nanos", body)
    if r.major >= 7 or not r.elastic:
        r.must("PUT", "/_cluster/settings", {"transient": {"cluster.max_shards_per_node": 1}})
        r.record("shard-limit-for-index", "PUT", "/new10", {})
        r.record("shard-limit-for-restore", "POST", "/_snapshot/r1/s1/_restore",
                 {"indices": "one", "rename_pattern": "one", "rename_replacement": "n10"})
        r.must("PUT", "/_cluster/settings", {"transient": {"cluster.max_shards_per_node": None}})
    r.must("PUT", "/_cluster/settings", {"transient": {"indices.breaker.request.limit": "1b"}})
    r.record("breaker-for-search", "POST", "/one/_search", {"size": 0, "aggs": {"a": {"terms": {"field": "n"}}}})
    r.must("PUT", "/_cluster/settings", {"transient": {"indices.breaker.request.limit": None}})


def cluster_blocks(r):
    r.must("PUT", "/_snapshot/blocks", {"type": "fs", "settings": {"location": str(r.root / "blocks")}})
    r.must("PUT", "/block-one", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
    r.until(lambda: r.call("GET", "/_cluster/health/block-one")[1]["status"] == "green")
    r.must("PUT", "/_snapshot/blocks/s1?wait_for_completion=true", {"indices": "block-one", "include_global_state": False})
    for block, name in {"read_only": "cluster-read-only", "read_only_allow_delete": "cluster-read-only-allow-delete"}.items():
        r.must("PUT", "/_cluster/settings", {"transient": {f"cluster.blocks.{block}": True}})
        r.record(f"{name}-for-repository", "PUT", "/_snapshot/r9", {"type": "fs", "settings": {"location": str(r.root / "r9")}})
        r.record(f"{name}-for-snapshot", "PUT", f"/_snapshot/blocks/s-{block}", {"indices": "block-one"})
        r.record(f"{name}-for-restore", "POST", "/_snapshot/blocks/s1/_restore",
                 {"indices": "block-one", "rename_pattern": "block-one", "rename_replacement": "block-two"})
        r.record(f"{name}-for-index", "PUT", "/new8", {})
        r.record(f"{name}-for-write", "PUT", f"/block-one/{r.kind}/1", {"n": 1})
        r.record(f"{name}-for-settings", "PUT", "/block-one/_settings", {"index.number_of_replicas": 0})
        r.must("PUT", "/_cluster/settings", {"transient": {f"cluster.blocks.{block}": None}})
    r.must("DELETE", "/block-one")


def missing_primaries(r):
    r.must("PUT", "/red?wait_for_active_shards=0",
           {"settings": {"number_of_replicas": 0, "number_of_shards": 1, "index.routing.allocation.require._name": "nobody"}})
    r.record("primary-missing-for-snapshot", "PUT", "/_snapshot/r1/s-red?wait_for_completion=true", {"indices": "red"})
    r.record("primary-missing-for-partial-snapshot", "PUT", "/_snapshot/r1/s-part?wait_for_completion=true",
             {"indices": "red,two", "partial": True})
    r.record("primary-missing-for-count", "GET", "/red/_count")
    r.record("primary-missing-for-search", "GET", "/red/_search")
    r.record("primary-missing-for-health", "GET", "/_cluster/health/red?wait_for_status=green&timeout=100ms")
    r.record("primary-missing-for-write", "PUT", f"/red/{r.kind}/1?timeout=100ms", {"n": 1})
    r.record("restore-of-a-partial-index", "POST", "/_snapshot/r1/s-part/_restore?wait_for_completion=true",
             {"indices": "red", "rename_pattern": "red", "rename_replacement": "red2"})
    r.must("DELETE", "/red")


def at_work(r):
    """A snapshot and a restore that are slow on purpose, and what is refused meanwhile."""
    slow = {"type": "fs", "settings": {"location": str(r.root / "slow"), "max_snapshot_bytes_per_sec": "40kb",
                                       "max_restore_bytes_per_sec": "40kb"}}
    r.must("PUT", "/_snapshot/slow", slow)
    r.must("PUT", "/big", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
    for n in range(12):
        r.must("PUT", f"/big/{r.kind}/{n}", {"text": os.urandom(20000).hex()})
    r.must("POST", "/big/_refresh")
    r.must("PUT", "/_snapshot/slow/s1", {"indices": "big", "include_global_state": False})
    r.until(lambda: r.state("slow", "s1") == "IN_PROGRESS")
    r.record("snapshot-running-for-the-same-name", "PUT", "/_snapshot/slow/s1", {"indices": "big"})
    r.record("snapshot-running-for-another", "PUT", "/_snapshot/slow/s2", {"indices": "one", "include_global_state": False})
    r.record("snapshot-running-for-another-repository", "PUT", "/_snapshot/r1/s3", {"indices": "one", "include_global_state": False})
    r.record("snapshot-running-for-the-same-repository", "PUT", "/_snapshot/slow", slow)
    changed = {"type": "fs", "settings": {**slow["settings"], "compress": False}}
    r.record("snapshot-running-for-a-change-of-the-repository", "PUT", "/_snapshot/slow", changed)
    r.record("snapshot-running-for-repository-delete", "DELETE", "/_snapshot/slow")
    r.record("snapshot-running-for-close", "POST", "/big/_close")
    r.record("snapshot-running-for-index-delete", "DELETE", "/big")
    r.record("snapshot-running-for-restore", "POST", "/_snapshot/slow/s1/_restore",
             {"indices": "big", "rename_pattern": "big", "rename_replacement": "big0"})
    r.until(lambda: r.state("slow", "s1") in ("SUCCESS", "PARTIAL", "FAILED"), 120)
    if r.call("GET", "/big")[0] != 200 or r.state("slow", "s1") != "SUCCESS":
        return
    r.must("POST", "/_snapshot/slow/s1/_restore",
           {"indices": "big", "rename_pattern": "big", "rename_replacement": "big1", "include_global_state": False})
    r.record("restore-running-for-the-same", "POST", "/_snapshot/slow/s1/_restore",
             {"indices": "big", "rename_pattern": "big", "rename_replacement": "big1"})
    r.record("restore-running-for-another", "POST", "/_snapshot/r1/s1/_restore",
             {"indices": "one", "rename_pattern": "one", "rename_replacement": "n11"})
    r.record("restore-running-for-snapshot-delete", "DELETE", "/_snapshot/slow/s1")
    r.record("restore-running-for-repository-delete", "DELETE", "/_snapshot/slow")
    r.record("restore-running-for-the-repository", "PUT", "/_snapshot/slow", changed)
    r.record("restore-running-for-count", "GET", "/big1/_count")
    r.record("restore-running-for-close", "POST", "/big1/_close")
    r.record("restore-running-for-snapshot-of-it", "PUT", "/_snapshot/r1/s-restoring?wait_for_completion=true", {"indices": "big1"})


def damage(r):
    """Repositories that someone has damaged: every kind of file cut, emptied or gone."""
    fs = lambda name: {"type": "fs", "settings": {"location": str(r.root / name)}}
    r.must("PUT", "/_snapshot/sound", fs("sound"))
    r.must("PUT", "/_snapshot/sound/s1?wait_for_completion=true", {"indices": "two", "include_global_state": False})
    kinds = {"root": "index-*", "latest": "index.latest", "snapshot": "snap-*.dat", "metadata": "meta-*.dat",
             "shard": "indices/*/*/index-*", "shard-snapshot": "indices/*/*/snap-*.dat", "index": "indices/*/meta-*.dat",
             "data": "indices/*/*/__*"}
    for kind, pattern in kinds.items():
        for harm in ("gone", "empty", "cut", "flipped"):
            name = f"d-{kind}-{harm}"
            shutil.copytree(r.root / "sound", r.root / name)
            for path in (r.root / name).glob(pattern):
                data = path.read_bytes()
                if harm == "gone":
                    path.unlink()
                elif harm == "empty":
                    path.write_bytes(b"")
                elif harm == "cut":
                    path.write_bytes(data[: len(data) * 2 // 3])
                else:
                    at = len(data) // 2
                    path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
            where = f"/_snapshot/{name}"
            if r.record(f"damage-{kind}-{harm}-for-repository", "PUT", where, fs(name)) != 200:
                continue
            r.record(f"damage-{kind}-{harm}-for-listing", "GET", f"{where}/_all")
            r.record(f"damage-{kind}-{harm}-for-get", "GET", f"{where}/s1")
            r.record(f"damage-{kind}-{harm}-for-status", "GET", f"{where}/s1/_status")
            new = f"{name.replace('_', '-')}"
            # Asked without waiting: 5.x never answers a restore whose blob is gone.
            r.record(f"damage-{kind}-{harm}-for-restore", "POST", f"{where}/s1/_restore",
                     {"indices": "two", "rename_pattern": "two", "rename_replacement": new, "include_aliases": False})
            r.record(f"damage-{kind}-{harm}-for-snapshot", "PUT", f"{where}/s2?wait_for_completion=true", {"indices": "two"})
            r.record(f"damage-{kind}-{harm}-for-count", "GET", f"/{new}/_count")
            r.call("DELETE", f"/{new}")
            r.call("DELETE", where)


def foreign(r):
    """Repositories that other versions wrote: too new, or of indices too old."""
    for maker in MAKERS:
        name = f"by-{maker}"
        if r.call("PUT", f"/_snapshot/{name}", {"type": "fs", "settings": {"location": str(r.root.parent / name), "readonly": True}})[0] != 200:
            continue
        short = maker.replace("elasticsearch-", "").replace("opensearch-", "os-")
        r.record(f"foreign-{short}-for-listing", "GET", f"/_snapshot/{name}/_all")
        r.record(f"foreign-{short}-for-get", "GET", f"/_snapshot/{name}/s1")
        r.record(f"foreign-{short}-for-status", "GET", f"/_snapshot/{name}/s1/_status")
        # Not waited for: where it is allowed, it is no refusal.
        r.record(f"foreign-{short}-for-restore", "POST", f"/_snapshot/{name}/s1/_restore", {"indices": "old"})
        r.call("DELETE", "/old")
        r.call("DELETE", f"/_snapshot/{name}")


MAKERS = ["elasticsearch-5.5.2", "elasticsearch-7.17.29", "elasticsearch-9.5.3", "opensearch-3.8.0"]


def make(server):
    """A repository with one index, for the servers of other versions to read."""
    r = Recorder(server)
    r.must("PUT", "/_snapshot/made", {"type": "fs", "settings": {"location": str(r.root.parent / f"by-{server}")}})
    r.must("PUT", "/old", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
    r.must("PUT", "/_snapshot/made/s1?wait_for_completion=true", {"indices": "old", "include_global_state": False})
    bed("stop-server", f"errors-{server}")


def two_writers(r):
    """One repository under two names: as if two clusters wrote it."""
    for name in ("w1", "w2"):
        r.must("PUT", f"/_snapshot/{name}", {"type": "fs", "settings": {"location": str(r.root / "shared")}})
    body = {"indices": "-*", "include_global_state": False}
    for number, name in enumerate(("w1", "w2", "w1", "w2", "w1")):
        r.record(f"writers-two-{number}-for-snapshot", "PUT", f"/_snapshot/{name}/s{number}?wait_for_completion=true", body)
    for name in ("w1", "w2"):
        r.record(f"writers-two-{name}-for-listing", "GET", f"/_snapshot/{name}/_all")
        r.call("DELETE", f"/_snapshot/{name}")


def scrolls(r):
    r.call("PUT", "/scrolled", {"settings": {"number_of_replicas": 0}})
    r.until(lambda: r.call("GET", "/_cluster/health/scrolled")[1]["status"] == "green")
    scroll = r.must("GET", "/scrolled/_search?scroll=1m")["_scroll_id"]
    r.must("DELETE", "/_search/scroll", {"scroll_id": [scroll]})
    r.record("scroll-cleared", "POST", "/_search/scroll", {"scroll": "1m", "scroll_id": scroll})


def s3(r):
    """The object store, wrong in each way; OpenSearch 3.8.0 is the server whose plugin the bed has."""
    if r.server != "opensearch-3.8.0":
        return
    store = bed("start", "s3", "--bucket", "errors")
    node = bed("start", r.server, "--name", "errors-s3", "--s3", "s3")
    host, r.host = r.host, urllib.parse.urlsplit(node["url"]).netloc
    put = lambda name, **settings: r.record(name, "PUT", "/_snapshot/s3", {"type": "s3", "settings": settings})
    put("s3-bucket-missing", bucket="nosuch")
    put("s3-bucket-not-given")
    put("s3-client-unknown", bucket="errors", client="nosuch")
    put("s3-away", bucket="errors", endpoint="http://127.0.0.1:1")
    # A store of its own has keys of its own.
    put("s3-keys-unknown", bucket="errors", endpoint=bed("start", "s3", "--name", "s3-other", "--bucket", "errors")["url"])
    bed("stop-server", "s3-other")
    r.must("PUT", "/_snapshot/s3", {"type": "s3", "settings": {"bucket": "errors", "base_path": "a"}})
    bed("stop-server", "s3")
    r.record("s3-away-for-listing", "GET", "/_snapshot/s3/_all")
    r.record("s3-away-for-snapshot", "PUT", "/_snapshot/s3/s1")
    bed("stop-server", "errors-s3")
    r.host = host


class Store(http.server.ThreadingHTTPServer):
    """Stands before an object store and hands everything on, but for what matches `refuses`: (method, path, status, code, words)."""

    daemon_threads = True

    def __init__(self, store):
        self.store = urllib.parse.urlsplit(store).netloc
        self.refuses = None
        super().__init__(("127.0.0.1", 0), Relay)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def relay(self):
        data = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.server.refuses and re.match(self.server.refuses[0], self.command) and re.search(self.server.refuses[1], self.path):
            _, _, status, code, words = self.server.refuses
            # As documented: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
            raw = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{words}</Message></Error>'.encode()
            headers = [("content-type", "application/xml")]
        else:
            connection = http.client.HTTPConnection(self.server.store, timeout=30)
            # The very bytes, and the host that was signed.
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            status, raw = answer.status, answer.read()
            headers = [pair for pair in answer.getheaders() if pair[0].lower() not in ("content-length", "transfer-encoding", "connection")]
            if self.command == "HEAD" and answer.getheader("content-length"):
                headers.append(("content-length", answer.getheader("content-length")))
            connection.close()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("content-length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relay

    def log_message(self, *_):
        pass


# What S3 says, by the condition: status, code, words.
S3_SAYS = {
    "bucket-missing": (404, "NoSuchBucket", "The specified bucket does not exist"),
    "slow-down": (503, "SlowDown", "Please reduce your request rate."),
    "unavailable": (503, "ServiceUnavailable", "Service is unable to handle request."),
    "internal-error": (500, "InternalError", "We encountered an internal error. Please try again."),
    "region-moved": (301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. "
                     "Please send all future requests to this endpoint."),
    "region-in-signature": (400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region 'us-east-1' is wrong; "
                            "expecting 'eu-west-1'"),
    "region-of-bucket": (400, "IllegalLocationConstraintException", "The eu-west-1 location constraint is incompatible for the region "
                         "specific endpoint this request was sent to."),
    "storage-class": (403, "InvalidObjectState", "The operation is not valid for the object's storage class"),
    "denied": (403, "AccessDenied", "Access Denied"),
    "key-unknown": (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    "secret-wrong": (403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. "
                     "Check your key and signing method."),
    "clock-wrong": (403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
}


def s3_refusals(r):
    """The same plugin before a store that says what S3 is documented to say."""
    if r.server != "opensearch-3.8.0":
        return
    store = Store(bed("start", "s3", "--name", "s3-says", "--bucket", "errors")["url"])
    with Other(r, bed("start", r.server, "--name", "errors-s3-says", "--s3", "s3-says")["url"]):
        settings = {"bucket": "errors", "base_path": "a", "endpoint": store.url}
        r.must("PUT", "/_snapshot/says", {"type": "s3", "settings": settings})
        r.must("PUT", "/one", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
        r.must("PUT", "/one/_doc/1?refresh=true", {"n": 1})
        r.must("PUT", "/_snapshot/says/s1?wait_for_completion=true", {"indices": "one"})
        for name, said in S3_SAYS.items():
            store.refuses = ("", "", *said)
            r.record(f"s3-{name}-for-repository", "PUT", "/_snapshot/new", {"type": "s3", "settings": {**settings, "base_path": name}})
            r.record(f"s3-{name}-for-verify", "POST", "/_snapshot/says/_verify")
            # Lists are still given: what is listed is asked for.
            store.refuses = ("GET", r"\.dat|/index-|/__", *said)
            # Registered anew, so that nothing is remembered.
            r.must("PUT", "/_snapshot/says?verify=false", {"type": "s3", "settings": {**settings, "chunk_size": f"{100 + len(r.lines)}mb"}})
            r.record(f"s3-{name}-for-listing", "GET", "/_snapshot/says/_all")
            r.record(f"s3-{name}-for-get", "GET", "/_snapshot/says/s1")
            r.record(f"s3-{name}-for-status", "GET", "/_snapshot/says/s1/_status")
            r.record(f"s3-{name}-for-restore", "POST", "/_snapshot/says/s1/_restore?wait_for_completion=true",
                     {"indices": "one", "rename_pattern": "one", "rename_replacement": f"r-{name}"})
            r.record(f"s3-{name}-for-snapshot", "PUT", "/_snapshot/says/s2?wait_for_completion=true", {"indices": "one"})
            store.refuses = None
            r.call("DELETE", f"/r-{name}")
            r.call("DELETE", "/_snapshot/new")
    bed("stop-server", "errors-s3-says")
    bed("stop-server", "s3-says")
    store.shutdown()


def security(r):
    """What the security plugin lets pass, asked by users who may do nothing, or only read."""
    admin = r.login
    fs = {"type": "fs", "settings": {"location": str(r.root / "r1")}}
    r.must("PUT", "/_snapshot/r1", fs)
    r.must("PUT", "/one", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
    r.must("PUT", "/one/_doc/1?refresh=true", {"n": 1})
    body = {"indices": "one", "include_global_state": False}
    r.must("PUT", "/_snapshot/r1/s1?wait_for_completion=true", body)
    password = "Kq7-vexing-Harbour"
    r.must("PUT", "/_plugins/_security/api/roles/looks", {
        "cluster_permissions": ["cluster_monitor", "cluster:admin/repository/get", "cluster:admin/snapshot/get", "cluster:admin/snapshot/status"],
        "index_permissions": [{"index_patterns": ["*"], "allowed_actions": ["indices_monitor", "indices:admin/get"]}],
    })
    r.must("PUT", "/_plugins/_security/api/roles/some", {
        "cluster_permissions": ["*"],
        "index_permissions": [{"index_patterns": ["*"], "allowed_actions": ["*"], "dls": json.dumps({"term": {"n": 2}})}],
    })
    for user, roles in {"nobody": [], "looker": ["looks"], "sees-some": ["some"]}.items():
        r.must("PUT", f"/_plugins/_security/api/internalusers/{user}", {"password": password, "opendistro_security_roles": roles})
    restored = {**body, "rename_pattern": "one", "rename_replacement": "two"}
    requests = {
        "root": ("GET", "/"),
        "health": ("GET", "/_cluster/health"),
        "cluster-settings": ("GET", "/_cluster/settings?include_defaults=true"),
        "state": ("GET", "/_cluster/state/metadata"),
        "nodes": ("GET", "/_nodes/plugins"),
        "indices": ("GET", "/_cat/indices?format=json"),
        "indices-settings": ("GET", "/one/_settings"),
        "aliases": ("GET", "/_alias"),
        "recovery": ("GET", "/one/_recovery"),
        "explain": ("GET", "/_cluster/allocation/explain"),
        "count": ("GET", "/one/_count"),
        "refresh": ("POST", "/one/_refresh"),
        "repositories": ("GET", "/_snapshot"),
        "repository": ("PUT", "/_snapshot/r2", fs),
        "verify": ("POST", "/_snapshot/r1/_verify"),
        "listing": ("GET", "/_snapshot/r1/_all"),
        "get": ("GET", "/_snapshot/r1/s1"),
        "status": ("GET", "/_snapshot/r1/s1/_status"),
        "snapshot": ("PUT", "/_snapshot/r1/s2", body),
        "restore": ("POST", "/_snapshot/r1/s1/_restore", restored),
        "settings": ("PUT", "/one/_settings", {"index.refresh_interval": "1s"}),
        "search": ("GET", "/one/_search"),
    }
    for who, login in {"stranger": None, "wrong-password": ("admin", "wrong"), "nobody": ("nobody", password), "looker": ("looker", password)}.items():
        r.login = login
        for what, request in requests.items():
            r.record(f"security-{who}-for-{what}", *request)
    # Who sees only some documents cannot do what would touch the others.
    r.login = ("sees-some", password)
    r.record("security-sees-some-for-update", "POST", "/one/_update/1", {"doc": {"n": 3}})
    r.record("security-sees-some-for-shrink", "PUT", "/one/_shrink/fewer")
    r.login = admin
    r.record("security-header-of-nodes", "GET", "/", _opendistro_security_user="admin")
    r.record("security-in-another-name", "GET", "/", opendistro_security_impersonate_as="nobody")
    # The plugin looks into a snapshot before it is restored. What it cannot look into nobody may restore.
    r.record("security-restore-of-a-missing-snapshot", "POST", "/_snapshot/r1/nosuch/_restore", body)
    r.record("security-restore-of-the-global-state", "POST", "/_snapshot/r1/s1/_restore", {**restored, "include_global_state": True})
    r.must("PUT", "/_snapshot/r1/s-all?wait_for_completion=true", {"indices": "*,.opendistro_security"})
    r.record("security-restore-of-its-own-index", "POST", "/_snapshot/r1/s-all/_restore", {"indices": ".opendistro_security"})
    r.record("security-repository-missing-for-restore", "POST", "/_snapshot/nosuch/s1/_restore", body)


def other_shards(r):
    """A closed index of the same name, which has other shards than the one in the snapshot."""
    r.must("PUT", "/_snapshot/shards", {"type": "fs", "settings": {"location": str(r.root / "shards")}})
    for index, shards in {"shards-1": 1, "shards-2": 2}.items():
        r.must("PUT", f"/{index}", {"settings": {"number_of_shards": shards, "number_of_replicas": 0}})
    r.until(lambda: r.call("GET", "/_cluster/health/shards-*")[1]["status"] == "green")
    r.must("PUT", "/_snapshot/shards/s1?wait_for_completion=true", {"indices": "shards-1", "include_global_state": False})
    r.must("POST", "/shards-2/_close")
    r.record("restore-over-other-shards", "POST", "/_snapshot/shards/s1/_restore?wait_for_completion=true",
             {"indices": "shards-1", "rename_pattern": "shards-1", "rename_replacement": "shards-2"})


def cluster(r):
    """Three nodes: a place that each has for itself, and one node that dies while it is asked."""
    names = [f"errors-three-{n}-{r.server}" for n in (1, 2, 3)]
    members = [word for name in names for word in ("--member", name)]
    start = lambda name: bed("start", r.server, "--name", name, *members, "--setting", "path.repo=own")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        nodes = dict(zip(names, pool.map(start, names)))
    with Other(r, nodes[names[0]]["url"]):
        r.until(lambda: r.call("GET", "/_cluster/health?wait_for_nodes=3")[1].get("number_of_nodes") == 3, 120)
        # path.repo is taken from where each node runs.
        r.record("repository-of-one-node", "PUT", "/_snapshot/own", {"type": "fs", "settings": {"location": "own"}})
        r.record("repository-of-one-node-for-verify", "POST", "/_snapshot/own/_verify")
        master = r.call("GET", "/_cat/master?format=json")[1][0]["node"]
    dies, asked = [name for name in names if name != master][:2]
    with Other(r, nodes[asked]["url"]):
        settings = {"number_of_shards": 1, "number_of_replicas": 0, "index.routing.allocation.require._name": dies}
        r.must("PUT", "/away", {"settings": settings})
        r.until(lambda: r.call("GET", "/_cluster/health/away?timeout=1s")[1].get("status") == "green")
        r.must("PUT", f"/away/{r.kind}/1?refresh=true", {"n": 1})
        requests = {
            "document": ("GET", f"/away/{r.kind}/1"),
            "count": ("GET", "/away/_count"),
            "search": ("GET", "/away/_search"),
            "explain": ("GET", f"/away/_explain/1?q=n:1" if r.kind == "_doc" else f"/away/{r.kind}/1/_explain?q=n:1"),
            "write": ("PUT", f"/away/{r.kind}/2?timeout=2s", {"n": 2}),
            "refresh": ("POST", "/away/_refresh"),
            "verify": ("POST", "/_snapshot/own/_verify"),
        }
        os.kill(nodes[dies]["pid"], signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
            for what, request in requests.items():
                pool.submit(r.record, f"node-away-for-{what}", *request)
            # They are on their way to it: it reads nothing any more.
            time.sleep(1)
            os.kill(nodes[dies]["pid"], signal.SIGKILL)
    for name in names:
        subprocess.run(["es-testbed", "kill", name], stdout=subprocess.DEVNULL, check=False)


class Other:
    """For a while, another node takes the place of the one that is recorded."""

    def __init__(self, r, url):
        self.r, self.host = r, urllib.parse.urlsplit(url).netloc

    def __enter__(self):
        self.r.host, self.host = self.host, self.r.host

    def __exit__(self, *_):
        self.r.host, self.host = self.host, self.r.host


def no_master(r):
    """A node that waits for a master that never comes. The bed waits for it too, and gives it up when it is killed."""
    name = f"errors-headless-{r.server}"
    wait = {"discovery.type": "zen" if r.major < 8 else "multi-node", "cluster.initial_master_nodes": "nobody"}
    if not r.elastic:
        wait = {"discovery.type": "zen", "cluster.initial_cluster_manager_nodes" if r.major > 1 else "cluster.initial_master_nodes": "nobody"}
    elif r.major < 7:
        wait = {"discovery.zen.minimum_master_nodes": "2", "discovery.zen.ping_timeout": "1s"}
    settings = [word for key, value in wait.items() for word in ("--setting", f"{key}={value}")]
    starting = subprocess.Popen(["es-testbed", "start", r.server, "--name", name, *settings],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers():
        listed = subprocess.run(["es-testbed", "list"], check=True, stdout=subprocess.PIPE, text=True).stdout
        nodes = [node for node in map(json.loads, listed.splitlines()) if node["name"] == name]
        if not nodes:
            return False
        other = Other(r, nodes[0]["url"])
        try:
            with other:
                r.call("GET", "/")
        except OSError:
            return False
        return other

    try:
        with r.until(answers, 60):
            fast = "master_timeout=1s&timeout=1s"
            r.record("no-master-for-root", "GET", "/")
            r.record("no-master-for-repository", "PUT", f"/_snapshot/r?{fast}", {"type": "fs", "settings": {"location": str(r.root / "r")}})
            r.record("no-master-for-repositories", "GET", "/_snapshot/_all?master_timeout=1s")
            r.record("no-master-for-get", "GET", "/_snapshot/r/s?master_timeout=1s")
            r.record("no-master-for-status", "GET", "/_snapshot/r/s/_status?master_timeout=1s")
            r.record("no-master-for-snapshot", "PUT", "/_snapshot/r/s?master_timeout=1s", {"indices": "x"})
            r.record("no-master-for-restore", "POST", "/_snapshot/r/s/_restore?master_timeout=1s", {"indices": "x"})
            r.record("no-master-for-verify", "POST", f"/_snapshot/r/_verify?{fast}")
            r.record("no-master-for-health", "GET", f"/_cluster/health?{fast}")
            r.record("no-master-for-indices", "GET", "/_cat/indices?format=json&master_timeout=1s")
            r.record("no-master-for-aliases", "GET", "/_alias")
            r.record("no-master-for-recovery", "GET", "/_recovery")
            r.record("no-master-for-count", "GET", "/x/_count")
            r.record("no-master-for-refresh", "POST", "/x/_refresh")
            r.record("no-master-for-write", "PUT", f"/x/{r.kind}/1?timeout=1s", {"n": 1})
    finally:
        subprocess.run(["es-testbed", "kill", name], stdout=subprocess.DEVNULL, check=False)
        starting.wait(60)


def full_queue(r):
    """A node with one thread for searches and one place before it, and forty that want in at once."""
    name = f"errors-queue-{r.server}"
    node = bed("start", r.server, "--name", name, "--setting", "thread_pool.search.size=1", "--setting", "thread_pool.search.queue_size=1")
    with Other(r, node["url"]):
        r.must("PUT", "/one", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
        for n in range(50):
            r.must("PUT", f"/one/{r.kind}/{n}", {"text": " ".join(f"w{(n * k) % 997}" for k in range(400))})
        r.must("POST", "/one/_refresh")
        slow = {"size": 50, "query": {"query_string": {"query": "*7* OR *1* OR /w.*[0-9]9/", "default_field": "text"}}}
        for what in ("count", "search"):
            body = slow if what == "search" else {"query": slow["query"]}
            for _ in range(20):  # until one met a full queue
                with concurrent.futures.ThreadPoolExecutor(40) as pool:
                    asked = lambda _: r.call("POST", f"/one/_{what}", body)
                    refused = [answer for answer in pool.map(asked, range(40)) if answer[0] >= 400]
                if refused:
                    r.keep(f"queue-full-for-{what}", "POST", f"/one/_{what}", *refused[0])
                    break
    bed("stop-server", name)


PARTS = [repositories, names, snapshots, restores, indices, cluster_blocks, missing_primaries, at_work, damage, foreign, s3, two_writers, scrolls, no_master, full_queue, s3_refusals, other_shards, cluster]
# A server that wants to know who asks refuses what the others do; only what is its own is recorded.
SECURED = [security]


def main():
    parser = argparse.ArgumentParser(description="records refusals of real servers")
    parser.add_argument("--part", action="append", choices=[part.__name__ for part in PARTS + SECURED], help="only these, and keep what is recorded of others")
    parser.add_argument("servers", nargs="*", default=SERVERS)
    args = parser.parse_args()
    if not args.part or "foreign" in args.part:
        for server in MAKERS:
            make(server)
    for server in args.servers:
        r = Recorder(server)
        for part in SECURED if r.login else PARTS:
            if not args.part or part.__name__ in args.part:
                part(r)
        r.write(kept=args.part is not None)
        subprocess.run(["es-testbed", "stop-server", f"errors-{server}"], stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
