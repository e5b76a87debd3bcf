"""Measures es-sign-request: one request as a whole process against awscurl, a batch against botocore in one process.

    python bench.py --tool target/release/es-sign-request --awscurl VENV/bin/awscurl [--page docs/benchmarks.md]

One JSON line a measurement, and a section of the page. Everything runs on one core. Exit 1 where a goal is missed.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "AWS_REGION": "us-east-1"}

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **KEYS}

BOTOCORE = """
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
auth = SigV4Auth(Credentials(sys.argv[1], sys.argv[2]), "es", "us-east-1")
write = sys.stdout.write
for line in sys.stdin:
    record = json.loads(line)
    request = AWSRequest(method=record["method"], url=record["url"], data=record.get("body"), headers=record["headers"])
    auth.add_auth(request)
    record["headers"] = dict(request.headers.items())
    write(json.dumps(record) + "\\n")
"""


def measure(command, stdin=None):
    """Wall time, processor time, peak memory in KiB, as the kernel counted for the child."""
    before = time.perf_counter()
    child = subprocess.Popen(command, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - before
    child.returncode = os.waitstatus_to_exitcode(status)
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, child.returncode


def peak(tool, url):
    """Peak memory of signing one request, in KiB, read while the tool waits for the next record.

    What wait4 says begins with the memory of this interpreter, which the child was before it became the tool.
    """
    with subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as child:
        child.stdin.write(json.dumps({"type": "request", "url": url}).encode() + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
            kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        child.stdin.close()
    return kib


def tell(what, runs):
    seconds, processor, kib = statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs), max(r[2] for r in runs)
    print(json.dumps({"what": what, "seconds": round(seconds, 5), "cpu_seconds": round(processor, 5), "peak_kib": kib}), flush=True)
    return seconds, processor, kib


# One request: how much faster, and how much of the memory at most. A batch: how much faster.
GOALS = {"faster": 20, "memory": 1 / 3, "batch": 5}


def page(file, figures, records):
    """Writes the section of the page that is about signing."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "bench"))
    import section

    one, curl, batch, botocore = (figures[name] for name in ("one", "awscurl", "batch", "botocore"))
    version = importlib.metadata.version
    section.put(file, "signing", f"""## Signing

Made by `make bench` on {datetime.date.today()}, on one core.

| what | wall, median | CPU | peak memory | beside ours |
|---|---|---|---|---|
| es-sign-request, one request, as a whole process | {1000 * one[0]:.1f} ms | {1000 * one[1]:.1f} ms | {one[2] / 1024:.1f} MiB | 1.0x |
| awscurl {version("awscurl")}, the same | {1000 * curl[0]:.0f} ms | {1000 * curl[1]:.0f} ms | {curl[2] / 1024:.1f} MiB | {curl[0] / one[0]:.0f}x |
| es-sign-request, {records:,} records in one process | {batch[0]:.2f} s | {batch[1]:.2f} s | at most {batch[2] / 1024:.1f} MiB | 1.0x |
| botocore {version("botocore")}, the same in one Python process | {botocore[0]:.2f} s | {botocore[1]:.2f} s | {botocore[2] / 1024:.1f} MiB | {botocore[0] / batch[0]:.1f}x |

awscurl also sends what it signed, here to a port that refuses at once. Wall times are medians of 20, 5, 3 and 3 runs. The
memory of es-sign-request for one request is what its process had at most when it had signed; the kernel's figure for a
child begins with the memory of its parent.
""")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--awscurl", required=True)
    parser.add_argument("--records", type=int, default=100000)
    parser.add_argument("--page")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    url = "https://search-x.us-east-1.es.amazonaws.com/javacafe_2018_01_01/_count?q=a"
    figures = {"one": tell("one request: es-sign-request", [measure([args.tool, url]) for _ in range(20)])}
    # awscurl sends what it signs: to a port that refuses at once, which costs it nothing.
    curl = [args.awscurl, "--service", "es", "--region", "us-east-1", "http://127.0.0.1:9/"]
    figures["awscurl"] = tell("one request: awscurl", [measure(curl) for _ in range(5)])
    figures["one"] = (*figures["one"][:2], peak(args.tool, url))
    with tempfile.TemporaryFile("w+") as records:
        for i in range(args.records):
            records.write(json.dumps({"type": "request", "method": "POST", "url": f"https://search-x.us-east-1.es.amazonaws.com/javacafe_2018_{i}/_count?q=a&b={i}",
                                      "headers": {"content-type": "application/json"}, "body": json.dumps({"query": {"match_all": {}}, "n": i})}) + "\n")
        records.flush()

        def batch(command):
            records.seek(0)
            run = measure(command, records)
            if run[3]:
                raise SystemExit(f"{command[0]}: exit {run[3]}")
            return run

        python = [sys.executable, "-c", BOTOCORE, KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]]
        figures["batch"] = tell(f"{args.records} records: es-sign-request", [batch([args.tool]) for _ in range(3)])
        figures["botocore"] = tell(f"{args.records} records: botocore", [batch(python) for _ in range(3)])
    got = {
        "faster": figures["awscurl"][0] / figures["one"][0],
        "memory": figures["one"][2] / figures["awscurl"][2],
        "batch": figures["botocore"][0] / figures["batch"][0],
    }
    print(json.dumps({name: round(value, 3) for name, value in got.items()}))
    if args.page:
        page(args.page, figures, args.records)
    missed = [name for name, goal in GOALS.items() if (got[name] > goal) == (name == "memory")]
    if missed:
        print(f"missed: {missed}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
