#!/usr/bin/env python3
"""Times the whole move beside its rivals, in one run, on the same data and the same servers (`make bench`).

5.5.2 is the source, 6.1.2 the target. Each rival runs --runs times in turn; the median counts. CPU seconds and peak memory
are those of the rival's own processes, as the kernel accounts for them (wait4), never the servers'.
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
import urllib.error
import urllib.request

import section

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INDEX = "javacafe_2018_01_01"
ELASTICDUMP = "6.125.1"


def ask(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise SystemExit(f"{method} {url}: {error.read()[:500]}")


def bed(*words):
    return [json.loads(line) for line in subprocess.check_output(["es-testbed", *words]).splitlines()]


def timed(command, env=None):
    """Wall and CPU seconds, and the peak memory in MiB of the largest process of a command; it must succeed."""
    began = datetime.datetime.now().timestamp()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env)
        _, status, usage = os.wait4(child.pid, 0)
        wall = datetime.datetime.now().timestamp() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            raise SystemExit(f"{command}: exit {child.returncode}\n{output.read().decode()[-3000:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss / 1024}


def elasticdump():
    """The peer, installed once into the cache."""
    cache = pathlib.Path(os.environ.get("ES_MIGRATE_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "es-migrate")
    place = cache / f"elasticdump-{ELASTICDUMP}"
    program = place / "node_modules/.bin/elasticdump"
    if not program.exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", place, f"elasticdump@{ELASTICDUMP}"], check=True)
    return str(program)


class Bench:
    def __init__(self, documents):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="es-migrate-bench-"))
        self.repositories = self.root / "repositories"
        self.repositories.mkdir()
        self.serial = 0
        start = lambda server, name: bed("start", server, "--name", name, "--repository-root", str(self.repositories))[0]
        self.source = start("elasticsearch-5.5.2", "source")["url"]
        self.target = start("elasticsearch-6.1.2", "target")["url"]
        bed("seed", "--url", self.source, "--plain", "--indices", "1", "--documents", str(documents))
        ask("POST", f"{self.source}/{INDEX}/_flush")
        stats = ask("GET", f"{self.source}/{INDEX}/_stats/docs,store")["_all"]["primaries"]
        self.documents, self.bytes = stats["docs"]["count"], stats["store"]["size_in_bytes"]
        self.elasticdump = elasticdump()
        self.server_seconds = []

    def clean(self):
        """A target without the index, and a repository that was never written: a second snapshot would be incremental."""
        ask("DELETE", f"{self.target}/{INDEX}")
        for cluster in (self.source, self.target):
            for name in ("bench-curl", "bench"):
                ask("DELETE", f"{cluster}/_snapshot/{name}")
        self.serial += 1
        location = self.repositories / f"r{self.serial}"
        if self.serial > 1:
            shutil.rmtree(self.repositories / f"r{self.serial - 1}", ignore_errors=True)
        # What the last rival wrote must not be paid for by the next one.
        os.sync()
        return str(location)

    def check(self):
        ask("POST", f"{self.target}/{INDEX}/_refresh")
        counted = ask("GET", f"{self.target}/{INDEX}/_count")["count"]
        if counted != self.documents:
            raise SystemExit(f"{counted} of {self.documents} documents are on the target")

    def curl(self):
        location = self.clean()
        figures = timed(["sh", str(HERE / "original.sh"), self.source, self.target, location, INDEX])
        self.check()
        return figures

    def script(self):
        location = self.clean()
        work = self.root / f"work-{self.serial}"
        env = dict(os.environ, ES_SOURCE_URL=self.source, ES_TARGET_URL=self.target)
        figures = timed([str(ROOT / "scripts/es-migrate"), "--repository", "bench", "--type", "fs", "--location", location,
                         "--max-snapshot-bytes-per-sec", "0b", "--indices", INDEX, "--work-dir", str(work)], env)
        self.check()
        snapshot = ask("GET", f"{self.source}/_snapshot/bench/{INDEX}")["snapshots"][0]["duration_in_millis"]
        shards = ask("GET", f"{self.target}/{INDEX}/_recovery")[INDEX]["shards"]
        primaries = [shard for shard in shards if shard["type"] == "SNAPSHOT"]
        restore = max(s["stop_time_in_millis"] for s in primaries) - min(s["start_time_in_millis"] for s in primaries)
        self.server_seconds.append((snapshot + restore) / 1000)
        return figures

    def dump(self):
        self.clean()
        figures = timed([self.elasticdump, f"--input={self.source}/{INDEX}", f"--output={self.target}/{INDEX}",
                         "--type=data", "--limit=10000", "--quiet"])
        self.check()
        return figures

    def scroll(self):
        return timed([sys.executable, str(HERE / "scroll.py"), self.source, INDEX])


def svg(rows):
    """A bar a rival; the bars are the median wall times."""
    longest = max(row["wall"] for row in rows)
    height = 44 * len(rows) + 16
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="sans-serif" font-size="14">',
             f'<rect width="760" height="{height}" fill="#ffffff"/>']
    for number, row in enumerate(rows):
        y = 12 + 44 * number
        width = max(2, 420 * row["wall"] / longest)
        colour = "#1b6ca8" if row["ours"] else "#b8b8b8"
        parts.append(f'<text x="230" y="{y + 20}" text-anchor="end" fill="#222222">{row["name"]}</text>')
        parts.append(f'<rect x="240" y="{y}" width="{width:.1f}" height="30" fill="{colour}"/>')
        parts.append(f'<text x="{246 + width:.1f}" y="{y + 20}" fill="#222222">{row["wall"]:.1f} s</text>')
    return "\n".join([*parts, "</svg>", ""])


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--documents", type=int, default=940_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--out", type=pathlib.Path, default=ROOT / "docs")
    arguments = arguments.parse_args()
    bench = Bench(arguments.documents)
    try:
        rivals = [
            ("scripts/es-migrate", True, "whole move, no throttle", bench.script),
            ("curl, as in 2018", False, "whole move, servers' default throttle", bench.curl),
            ("elasticdump", False, f"{ELASTICDUMP}, cluster to cluster, --limit=10000", bench.dump),
            ("scroll loop", False, "reads the source only, 5000 a page", bench.scroll),
        ]
        runs = {name: [] for name, *_ in rivals}
        for turn in range(arguments.runs):
            for name, _, _, run in rivals:
                runs[name].append(run())
                print(f"{turn + 1}/{arguments.runs} {name}: {runs[name][-1]['wall']:.2f} s", flush=True)
    finally:
        shutil.rmtree(bench.root, ignore_errors=True)
    rows = []
    for name, ours, what, _ in rivals:
        median = {key: statistics.median(run[key] for run in runs[name]) for key in ("wall", "cpu", "memory")}
        spread = [run["wall"] for run in runs[name]]
        rows.append({"name": name, "ours": ours, "what": what, "least": min(spread), "most": max(spread), **median})
    mine = rows[0]
    table = ["| way | what | wall, median (least-most) | CPU of its own | peak memory | beside ours |", "|---|---|---|---|---|---|"]
    for row in rows:
        table.append(f"| {row['name']} | {row['what']} | {row['wall']:.2f} s ({row['least']:.2f}-{row['most']:.2f}) | {row['cpu']:.2f} s "
                     f"| {row['memory']:.0f} MiB | {row['wall'] / mine['wall']:.1f}x |")
    server = statistics.median(bench.server_seconds)
    share = mine["cpu"] / mine["wall"]
    text = f"""## The whole move

Made by `make bench` on {datetime.date.today()}; run it for figures of your own machine.

{bench.documents:,} documents of generated logs, one index of 5 shards, {bench.bytes / 2**20:.0f} MiB in the store. Elasticsearch 5.5.2 to
6.1.2, one node each, 1 GiB heap, repository type `fs`, all on one machine: {os.cpu_count()} cores ({processor()}), Linux
{platform.release()}. {arguments.runs} runs of each way in turn; a fresh repository and an empty target each time; every
copy was checked by `_count`.

{chr(10).join(table)}

![wall times](benchmarks.svg)

CPU and memory are those of the way's own processes (memory: the largest one), not the servers'. Of the {mine['wall']:.2f} s of
scripts/es-migrate the servers say that they spent {server:.2f} s on the snapshot and the restore. The rest is starting shards,
putting settings back, the servers' cluster states between the stages, and the tools: these used {mine['cpu']:.2f} s of CPU,
{100 * share:.1f} % of the wall time.

The throttle is what makes the steps of 2018 slow: 5.x and 6.x write and read snapshots at 40 MB/s a node unless the
repository says otherwise. es-migrate lifts it on the target always, and on the source with
`--max-snapshot-bytes-per-sec 0b` as here; without that flag the snapshot takes as long as theirs.
"""
    arguments.out.mkdir(parents=True, exist_ok=True)
    section.put(arguments.out / "benchmarks.md", "move", text)
    (arguments.out / "benchmarks.svg").write_text(svg(rows))
    print(text)


if __name__ == "__main__":
    main()
