"""Measures es-sign-request: one request as a whole process against awscurl, a batch against botocore in one process.

    python bench.py --tool target/release/es-sign-request --awscurl VENV/bin/awscurl

One JSON line a measurement. Everything runs on one core.
"""

import argparse
import json
import os
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
    with subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=ENVIRONMENT) as child:
        child.stdin.write(json.dumps({"type": "request", "url": url}).encode() + b"\n")
        child.stdin.flush()
        time.sleep(0.5)
        with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
            kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        child.stdin.close()
    return kib


def tell(what, runs):
    print(json.dumps({"what": what, "seconds": round(statistics.median(r[0] for r in runs), 5),
                      "cpu_seconds": round(statistics.median(r[1] for r in runs), 5), "peak_kib": max(r[2] for r in runs)}), flush=True)
    return statistics.median(r[0] for r in runs), max(r[2] for r in runs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--awscurl")
    parser.add_argument("--records", type=int, default=100000)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    url = "https://search-x.us-east-1.es.amazonaws.com/javacafe_2018_01_01/_count?q=a"
    ours = tell("one request: es-sign-request", [measure([args.tool, url]) for _ in range(20)])
    if args.awscurl:
        # awscurl sends what it signs: to a port that refuses at once, which costs it nothing.
        theirs = tell("one request: awscurl", [measure([args.awscurl, "--service", "es", "--region", "us-east-1", "http://127.0.0.1:9/"]) for _ in range(5)])
        kib = peak(args.tool, url)
        print(json.dumps({"what": "one request", "times_faster": round(theirs[0] / ours[0], 1), "peak_kib": kib, "memory_share": round(kib / theirs[1], 3)}))
    with tempfile.TemporaryFile("w+") as records:
        for i in range(args.records):
            records.write(json.dumps({"type": "request", "method": "POST", "url": f"https://search-x.us-east-1.es.amazonaws.com/javacafe_2018_{i}/_count?q=a&b={i}",
                                      "headers": {"content-type": "application/json"}, "body": json.dumps({"query": {"match_all": {}}, "n": i})}) + "\n")
        records.flush()

        def batch(command):
            records.seek(0)
            return measure(command, records)

        ours = tell(f"{args.records} records: es-sign-request", [batch([args.tool]) for _ in range(3)])
        theirs = tell(f"{args.records} records: botocore", [batch([sys.executable, "-c", BOTOCORE, KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]]) for _ in range(1)])
    print(json.dumps({"what": f"{args.records} records", "times_faster": round(theirs[0] / ours[0], 1)}))


if __name__ == "__main__":
    main()
