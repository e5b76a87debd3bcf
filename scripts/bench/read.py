#!/usr/bin/env python3
"""Times es-read-snapshot beside elasticdump, beside a program that only decompresses and prints what it decompressed or throws it
away, on one core and two, from files and from S3, in one run, on the same data (`make bench`). By itself, with target/release on
the PATH:

    es-testbed run -- python3 -B scripts/bench/read.py

The ways are run in turn, those that are compared right after each other or nearly so; the median counts, of what one took beside the other in
each turn too: a neighbour of the machine slows both. The bytes of every output are compared with those of one whose lines were
counted and whose documents have the same digest whichever way they are read.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

import section
from bench import ELASTICDUMP, INDEX, ROOT, ask, bed, elasticdump, processor, timed

SERVER = "elasticsearch-5.5.2"
SNAPSHOT = "reading"
ONE = "one-segment"
WEB = "web-logs"
LARGE = "large"
# Far larger than a chunk.
LARGE_BYTES = 20_000_000
LARGE_DOCUMENTS = 12
# As many jobs as es-read-snapshot takes by itself: in an object store that depends on how long it waits.
OWN_JOBS = None
# The ranges that it asks an object store for.
S3_PART = 32 << 20


def put(script, url, *numbers):
    """Documents of a kind, by a script beside this one."""
    subprocess.run([sys.executable, str(pathlib.Path(__file__).with_name(script)), url, *map(str, numbers)], check=True)


class Reading:
    def __init__(self, documents):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="es-migrate-read-"))
        self.output = self.root / "output"
        self.decompress = str(pathlib.Path(shutil.which("es-read-snapshot")).parent / "examples/decompress")
        started = bed("start", SERVER, "--name", "read", "--repository-root", str(self.root))[0]
        self.url = started["url"]
        bed("seed", "--url", self.url, "--plain", "--indices", "1", "--documents", str(documents))
        ask("POST", f"{self.url}/{INDEX}/_flush")
        self.store = ask("GET", f"{self.url}/{INDEX}/_stats/store")["_all"]["primaries"]["store"]["size_in_bytes"]
        self.documents = ask("GET", f"{self.url}/{INDEX}/_count")["count"]
        self.dump = elasticdump()

    def snapshot(self):
        """One shard of one segment, web logs, a few large documents, and a snapshot of all, in files and in S3."""
        ask("PUT", f"{self.url}/{INDEX}/_settings", {"index.blocks.write": True})
        settings = {"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.blocks.write": None}
        ask("POST", f"{self.url}/{INDEX}/_shrink/{ONE}", {"settings": settings})
        ask("PUT", f"{self.url}/{WEB}", {"settings": {"number_of_replicas": 0}, "mappings": {"doc": {"dynamic": False}}})
        ask("PUT", f"{self.url}/{LARGE}", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
        ask("GET", f"{self.url}/_cluster/health/{ONE},{WEB},{LARGE}?wait_for_status=green&timeout=60s")
        ask("POST", f"{self.url}/{ONE}/_forcemerge?max_num_segments=1&flush=true")
        put("weblogs.py", f"{self.url}/{WEB}/doc", self.documents)
        mapping = {"properties": {"text": {"enabled": False, "type": "object"}}}
        ask("PUT", f"{self.url}/{LARGE}/_mapping/doc", mapping)
        put("large.py", f"{self.url}/{LARGE}/doc", LARGE_DOCUMENTS, LARGE_BYTES)
        ask("POST", f"{self.url}/{WEB},{LARGE}/_flush")
        ask("POST", f"{self.url}/_snapshot/read", {"type": "fs", "settings": {"location": str(self.root / "files")}})
        body = {"indices": f"{INDEX},{ONE},{WEB},{LARGE}", "include_global_state": False}
        made = ask("PUT", f"{self.url}/_snapshot/read/{SNAPSHOT}?wait_for_completion=true", body)
        if made["snapshot"]["state"] != "SUCCESS":
            raise SystemExit(f"the snapshot: {made}")
        segments = ask("GET", f"{self.url}/{ONE}/_segments")["indices"][ONE]["shards"]["0"][0]["segments"]
        if len(segments) != 1:
            raise SystemExit(f"{len(segments)} segments in place of one")
        store = bed("start", "s3", "--name", "read-s3", "--bucket", "reading")[0]
        # As repository-s3 puts them there: of an object that came another way the store hashes all for each request.
        self.curl_options = "".join(f'{name} = "{value}"\n' for name, value in {
            "header": "x-amz-content-sha256: UNSIGNED-PAYLOAD", "aws-sigv4": f"aws:amz:{store['region']}:s3",
            "user": f"{store['access_key']}:{store['secret_key']}"}.items()) + "silent\nshow-error\nfail\n"
        base = f"{store['url']}/reading/base"
        files = [path for path in (self.root / "files").rglob("*") if path.is_file()]
        key = lambda path: path.relative_to(self.root / "files")
        lines = self.curl_options + "".join(f'upload-file = "{path}"\nurl = "{base}/{key(path)}"\n' for path in files)
        subprocess.run(["curl", "--config", "-"], input=lines.encode(), check=True, stdout=subprocess.DEVNULL)
        self.objects = {path.stat().st_size: f"{base}/{key(path)}" for path in files}
        self.store_process = store["pid"]
        self.files = (f"file://{self.root}/files", [], {})
        keys = {"AWS_ACCESS_KEY_ID": store["access_key"], "AWS_SECRET_ACCESS_KEY": store["secret_key"]}
        flags = ["--endpoint", store["url"], "--region", store["region"], "--path-style"]
        self.s3 = ("s3://reading/base", flags, keys)

    def fresh(self):
        """No output of another run; nothing waits to be written to the disk."""
        self.output.unlink(missing_ok=True)
        os.sync()

    def dumped(self):
        self.fresh()
        command = [self.dump, f"--input={self.url}/{INDEX}", f"--output={self.output}", "--type=data", "--limit=10000", "--quiet"]
        figures = timed(command)
        self.check(self.documents)
        return figures

    def store_cpu(self):
        """Seconds of CPU that the S3 server has taken so far."""
        fields = pathlib.Path(f"/proc/{self.store_process}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def timed(self, command, output="/dev/null", env=None):
        """As `timed`, with the standard output in a file that is new; what the store took is in it as `store`."""
        self.fresh()
        before = self.store_cpu()
        figures = timed(["sh", "-c", 'out=$1; shift; exec "$@" > "$out"', "sh", str(output), *command], env)
        return dict(figures, store=self.store_cpu() - before)

    def read(self, place, index, jobs, *flags, output=None):
        url, options, keys = place
        if jobs is not OWN_JOBS:
            flags += ("--jobs", str(jobs))
        command = ["es-read-snapshot", "--repository", url, *options, "--indices", index, *flags]
        return self.timed(command, output or self.output, dict(os.environ, **keys))

    def checked(self, place, index, jobs, documents):
        """The record of an untimed run."""
        record = self.root / "record.json"
        self.read(place, index, jobs, "--record", str(record))
        self.check(documents)
        return json.loads(record.read_text())

    def check(self, documents):
        lines = int(subprocess.check_output(["wc", "-l", str(self.output)]).split()[0])
        if lines != documents:
            raise SystemExit(f"{lines} of {documents} documents")

    def only_decompressed(self, index, jobs, output=None):
        """Thrown away if there is no output."""
        words = ["print"] if output else []
        return self.timed([self.decompress, self.files[0], SNAPSHOT, index, str(jobs), *words], output or "/dev/null")

    def only_fetched(self, size):
        """An object in the ranges that es-read-snapshot asks for, side by side."""
        config = self.root / "ranges"
        ends = [(start, min(start + S3_PART, size) - 1) for start in range(0, size, S3_PART)]
        lines = (f'range = "{start}-{end}"\nurl = "{self.objects[size]}"\noutput = "/dev/null"\n' for start, end in ends)
        config.write_text("next\n".join(f"{self.curl_options}{own}" for own in lines))
        return self.timed(["curl", "--parallel", "--parallel-immediate", "--config", str(config)])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--documents", type=int, default=940_000)
    arguments.add_argument("--dumps", type=int, default=3)
    arguments.add_argument("--runs", type=int, default=21)
    arguments.add_argument("--out", type=pathlib.Path, default=ROOT / "docs")
    arguments = arguments.parse_args()
    reading = Reading(arguments.documents)
    try:
        text = measured(reading, arguments)
    finally:
        shutil.rmtree(reading.root, ignore_errors=True)
    section.put(arguments.out / "benchmarks.md", "read", text)
    print(text)


def measured(reading, arguments):
    reading.snapshot()
    record = reading.checked(reading.files, INDEX, 2, reading.documents)
    digest, bytes_out = record["indices"][0]["digest"], record["bytes"]
    stored, fetched = record["indices"][0]["stored_bytes"], record["bytes_fetched"]
    sizes = {}
    for place, index, jobs in [(reading.files, INDEX, 1), (reading.s3, INDEX, OWN_JOBS), (reading.files, ONE, 1), (reading.s3, ONE, OWN_JOBS)]:
        other = reading.checked(place, index, jobs, reading.documents)
        if other["indices"][0]["digest"] != digest:
            raise SystemExit(f"other documents: {index}, {jobs or 'its own'} jobs, {place[0]}")
        sizes[index] = other["bytes"]
    # The one segment is one object.
    one = other["indices"][0]["stored_bytes"]
    web = reading.checked(reading.files, WEB, 2, reading.documents)
    sizes[WEB] = web["bytes"]

    ways = {("fetched", ONE, 1): lambda: reading.only_fetched(one)}
    for index in (INDEX, ONE, WEB):
        for jobs, own in ((1, 1), (2, OWN_JOBS)):
            if index != WEB:
                ways["S3", index, own] = lambda index=index, own=own: reading.read(reading.s3, index, own)
            ways["read", index, jobs] = lambda index=index, jobs=jobs: reading.read(reading.files, index, jobs)
            ways["only, printed", index, jobs] = lambda index=index, jobs=jobs: reading.only_decompressed(index, jobs, reading.output)
            ways["only", index, jobs] = lambda index=index, jobs=jobs: reading.only_decompressed(index, jobs)
        ways["discarded", index, 1] = lambda index=index: reading.read(reading.files, index, 1, output="/dev/null")
        ways["only, discarded", index, 1] = lambda index=index: reading.only_decompressed(index, 1, "/dev/null")
    runs = {way: [] for way in ways}
    dumps = []
    for turn in range(arguments.runs):
        if turn < arguments.dumps:
            dumps.append(reading.dumped())
        # There and back: what a way takes may depend on the one before it.
        for way in list(ways)[:: 1 if turn % 2 == 0 else -1]:
            runs[way].append(ways[way]())
            if way[0] in ("read", "S3") and (size := reading.output.stat().st_size) != sizes[way[1]]:
                raise SystemExit(f"{way}: {size} bytes in place of {sizes[way[1]]}")
        print(f"{turn + 1}/{arguments.runs}: " + ", ".join(f"{'/'.join(map(str, way))} {own[-1]['wall']:.2f} s" for way, own in runs.items()), flush=True)
    large = [reading.read(reading.files, LARGE, jobs)["memory"] for jobs in (2, 4)]

    wall = {way: statistics.median(run["wall"] for run in own) for way, own in runs.items()}
    cpu = {way: statistics.median(run["cpu"] for run in own) for way, own in runs.items()}
    memory, memory_s3 = (max(run["memory"] for way, own in runs.items() if way[0] == kind for run in own) for kind in ("read", "S3"))
    store = statistics.median(run["store"] for run in runs["S3", INDEX, OWN_JOBS])
    dump, ours = statistics.median(run["wall"] for run in dumps), wall["read", INDEX, 2]
    pairs = zip(runs["S3", ONE, OWN_JOBS], runs["read", ONE, 2])
    longer = statistics.median(s3["wall"] - files["wall"] for s3, files in pairs)

    def row(name, way, beside):
        own = [run["wall"] for run in runs[way]]
        return f"| {name} | {wall[way]:.2f} s ({min(own):.2f}-{max(own):.2f}) | {cpu[way]:.2f} s | {beside} |"

    def beside(way, other):
        """How many times as long a way takes as another."""
        return statistics.median(ours["wall"] / others["wall"] for ours, others in zip(runs[way], runs[other]))

    def like(way, other):
        """The same with as many jobs, as it is printed."""
        return f"{beside(way, (other, *way[1:])):.2f}x"

    least = [run["wall"] for run in dumps]
    table = [
        "| way | wall, median (least-most) | CPU | |", "|---|---|---|---|",
        row("es-read-snapshot to a file", ("read", INDEX, 2), "1.0x"),
        f"| elasticdump {ELASTICDUMP} to a file, --limit=10000 | {dump:.2f} s ({min(least):.2f}-{max(least):.2f}) "
        f"| {statistics.median(run['cpu'] for run in dumps):.2f} s | {dump / ours:.1f}x |",
        row("es-read-snapshot from S3 to a file", ("S3", INDEX, OWN_JOBS), f"{beside(('S3', INDEX, OWN_JOBS), ('read', INDEX, 2)):.2f}x of files"),
        row("the one segment from S3 to a file", ("S3", ONE, OWN_JOBS), f"{beside(('S3', ONE, OWN_JOBS), ('read', ONE, 2)):.2f}x of files"),
        row("5 shards from S3 to a file, --jobs 1", ("S3", INDEX, 1), f"{like(('S3', INDEX, 1), 'read')} of files with one job"),
        row("the one segment from S3 to a file, --jobs 1", ("S3", ONE, 1), f"{like(('S3', ONE, 1), 'read')} of files with one job"),
        row("its object, the same ranges only fetched by curl", ("fetched", ONE, 1), ""),
    ]
    for index, name in ((INDEX, "5 shards"), (ONE, "one segment"), (WEB, "web logs")):
        table.append(row(f"{name}, --jobs 1, to /dev/null", ("discarded", index, 1),
                         f"{like(('discarded', index, 1), 'only, discarded')} of decompressing to /dev/null"))
        table.append(row(f"{name}, decompressed by 1 to /dev/null", ("only, discarded", index, 1), ""))
        for jobs in (1, 2):
            way = ("read", index, jobs)
            table.append(row(f"{name}, --jobs {jobs}, to a file", way, f"{like(way, 'only, printed')} of decompressing to a file, "
                             f"{like(way, 'only')} of only decompressing"))
            table.append(row(f"{name}, decompressed by {jobs} to a file", ("only, printed", index, jobs), ""))
            table.append(row(f"{name}, only decompressed by {jobs}", ("only", index, jobs), ""))
    scaling = ", ".join(f"{beside(('read', index, 1), ('read', index, 2)):.2f} for {name}" for index, name in ((INDEX, "5 shards"), (ONE, "one segment")))
    return f"""## Reading a snapshot

Made by `make bench` on {datetime.date.today()}; run it for figures of your own machine.

{reading.documents:,} documents of generated logs, {bytes_out / 1e6:.0f} MB as lines, in an index of 5 shards, {reading.store / 2**20:.0f} MiB in the
store of {SERVER}, {stored / 2**20:.0f} MiB of which are stored fields; and the same documents in one shard of one segment.
"Web logs" are {reading.documents:,} other documents in 5 shards, {web["bytes"] / 1e6:.0f} MB as lines, with URLs in all and escaped quotes in half of them.
{os.cpu_count()} cores ({processor()}), Linux {platform.release()}; the files are in the page cache, S3 is s3s-fs on the same cores.
{arguments.runs} runs of each way in turn, {arguments.dumps} of elasticdump; every output had all its bytes, those of one run of each kind were counted,
and their digests are the same. How many times as long one way takes as another is the median of what it was in each turn.

{chr(10).join(table)}

Two jobs in place of one: {scaling} times as fast. "Decompressed" is crates/es-repository/examples/decompress.rs: it reads the
same bytes from front to back, with their checksum, decompresses them, looks at nothing, and prints them as `lz4 -d` does; where it is
"only decompressed", it throws them away. While 5 shards were read from S3, the store took {store:.2f} s of CPU of the same cores.

From S3 the one segment took {longer:.3f} s longer than from files; curl took {wall["fetched", ONE, 1]:.3f} s only to fetch it, on the same cores.

{fetched:,} bytes were fetched for {stored:,} bytes of stored fields: {fetched / stored:.3f}. Peak memory was {memory:.0f} MiB at most,
{memory_s3:.0f} MiB from S3, and {large[0]:.0f} MiB for documents of 20 MB with two jobs, {large[1]:.0f} MiB with four.
"""


if __name__ == "__main__":
    main()
