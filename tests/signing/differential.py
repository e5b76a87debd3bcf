"""Signs generated requests with es-sign-request and verifies each with botocore. 0 mismatches, or exit 1.

    python differential.py --tool target/release/es-sign-request --seed 1 --requests 20000

The requests are hostile on purpose: unicode, spaces, date maths, repeated and empty parameters, dots and slashes,
raw and encoded alike, headers with runs of white space, bodies of any bytes. What is verified is the record that
is printed: its URL, its headers, its body.
"""

import argparse
import base64
import collections
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import urllib.parse

import botocore
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ=="

PIECES = [
    "a", "_search", "_snapshot", "javacafe_2018_01_01", "<logs-{now/d}>", "<a-{now/d{yyyy.MM.dd|+09:00}}>", "*", "-b*",
    "a,b,-c", "cluster:index", "k=v", "100%", "%41", "%2f", "%2F", "%c3%a9", "%zz", "%", "자바카페", "é", "\U0001f980", "a b",
    "+", "a+b", "~", "-._~", "!$&'()*+,;=:@", "\"quoted\"", "back\\slash", "{x}", "[0]", "^", "`", "|", ".", "..", "...",
    "", "\u202e", "%00", "%25", "%2525",
]
NAMES = ["q", "pretty", "index", "a", "A", "b", "filter_path", "X-Amz-Thing", "é", "a b", "k+", "%6b", "[]", "", "."]
VALUES = PIECES + ["true", "5m", "a&b".replace("&", "%26"), "x=y", "==", "a/b/c", "2018-01-18T01:48:39Z||/d", "?", "??", "%e2%82%ac"]
METHODS = ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"]
WORDS = ["application/json", "a", "  a  ", "a  b", "a\tb", " \t x \t", "", "a, b,  c", "\"q  q\"", "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,./"]


# What the APIs take and signers are known to get wrong: each kind must be among the requests, whatever the seed.
KINDS = {
    "date math": lambda path, query: "<" in path,
    "comma": lambda path, query: "," in path,
    "asterisk": lambda path, query: "*" in path,
    "colon": lambda path, query: ":" in path,
    "equals sign in the path": lambda path, query: "=" in path,
    "equals sign in a value": lambda path, query: any(part.count("=") > 1 for part in query.split("&")),
    "percent sign": lambda path, query: re.search("%(?![0-9a-fA-F]{2})", path) is not None,
    "percent-encoded": lambda path, query: re.search("%[0-9a-fA-F]{2}", path) is not None,
    "space": lambda path, query: " " in path,
    "plus sign": lambda path, query: "+" in path and "+" in query,
    "unicode": lambda path, query: not path.isascii(),
    "unicode in the query": lambda path, query: not query.isascii(),
    "double slash": lambda path, query: "//" in path,
    "dots": lambda path, query: any(part in (".", "..") for part in path.split("/")),
    "no path": lambda path, query: path == "",
    "empty value": lambda path, query: any(part.endswith("=") for part in query.split("&")),
    "name alone": lambda path, query: any(part and "=" not in part for part in query.split("&")),
    "repeated name": lambda path, query: repeated(query),
}


def repeated(query):
    names = [part.split("=")[0] for part in query.split("&") if part]
    return len(set(names)) < len(names)


def kinds(record):
    path, _, query = record["url"].split("//", 1)[1].partition("?")
    path = path[path.index("/"):] if "/" in path else ""
    return [name for name, fits in KINDS.items() if fits(path, query)]


def make(rng):
    path = "/".join(rng.choice(PIECES) for _ in range(rng.randint(0, 5)))
    if rng.random() < 0.2:
        path = "".join(chr(rng.choice([rng.randint(33, 126), rng.randint(0xA1, 0x2FF)])) for _ in range(rng.randint(1, 20)))
        path = path.replace("#", "").replace("?", "")
    query = []
    for _ in range(rng.choice([0, 0, 1, 2, 5, 12])):
        name = rng.choice(NAMES)
        if rng.random() < 0.3:
            name = urllib.parse.quote(name)
        query.append(name + rng.choice(["", "=", "=" + rng.choice(VALUES), "=" + urllib.parse.quote(rng.choice(VALUES), safe="")]))
    query = rng.choice(["&", "&", "&", "&&"]).join(query).replace("#", "")
    host = rng.choice(["search-x.ap-northeast-2.es.amazonaws.com", "H.Example.COM", "h:9200", "127.0.0.1:443", "[::1]:9200", "h:443"])
    url = f"https://{host}" + (f"/{path}" if path or rng.random() < 0.5 else "") + (f"?{query}" if query else "")
    headers = {}
    for _ in range(rng.choice([0, 1, 3, 9])):
        name = rng.choice(["Content-Type", "X-A", "x-b", "Accept", "X-Opaque-Id", "User-Agent", "X-Amz-Meta-A", "Expect", "Cookie", "x_y", "Z"])
        name = rng.choice([name, name.lower(), name.upper()])
        if name.lower() in [n.lower() for n in headers]:
            continue
        headers[name] = rng.choice(WORDS) if rng.random() < 0.8 else [rng.choice(WORDS) for _ in range(rng.randint(1, 3))]
    record = {"type": "request", "method": rng.choice(METHODS), "url": url, "headers": headers}
    kind = rng.random()
    if kind < 0.3:
        record["body"] = "".join(rng.choice(PIECES + ["\n", "\r\n", "\0", "{", "}"]) for _ in range(rng.randint(0, 30)))
    elif kind < 0.5:
        record["body_base64"] = base64.b64encode(rng.randbytes(rng.randint(0, 3000))).decode()
    return record


def body_of(record):
    if "body_base64" in record:
        return base64.b64decode(record["body_base64"])
    return record.get("body", "").encode()


def values(value):
    return value if isinstance(value, list) else [value]


def expected(record, service, region, token):
    """What botocore signs for the printed record, with the names that the record says are signed."""
    headers = record["headers"]
    lower = {name.lower(): value for name, value in headers.items()}
    names = lower["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    body = body_of(record)
    request = AWSRequest(method=record["method"], url=record["url"], data=body or None)
    for name in names:
        for value in values(lower[name]):
            request.headers.add_header(name, value)
    request.context["timestamp"] = lower["x-amz-date"]
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(KEY, SECRET, token), service, region)
    # botocore leaves some headers out by name; the list in the record decides here.
    auth.headers_to_sign = lambda request: request.headers
    canonical = auth.canonical_request(request)
    return canonical, auth.signature(auth.string_to_sign(request, canonical), request)


def meaning(url):
    parts = urllib.parse.urlsplit(url)
    segments = [urllib.parse.unquote_to_bytes(s) for s in parts.path.split("/")]
    return segments, urllib.parse.parse_qsl(parts.query, keep_blank_values=True)


def dotted(record):
    path = urllib.parse.urlsplit(record["url"]).path
    return any(s in (".", "..") for s in path.split("/")) or "<" in path


def check(asked, record, service, region, token):
    lower = {name.lower(): value for name, value in record["headers"].items()}
    canonical, wanted = expected(record, service, region, token)
    given = lower["authorization"].rsplit("Signature=", 1)[1]
    if given != wanted:
        return f"signature {given} != {wanted}\n{canonical}"
    scope = f"{KEY}/{lower['x-amz-date'][:8]}/{region}/{service}/aws4_request"
    if f"Credential={scope}," not in lower["authorization"]:
        return "credential scope"
    if lower.get("x-amz-security-token") != token:
        return "session token"
    if service in ("s3", "aoss") and lower.get("x-amz-content-sha256") != hashlib.sha256(body_of(record)).hexdigest():
        return "x-amz-content-sha256"
    if not record["url"].isascii() or any(c in record["url"] for c in " <>\"{}|\\^`#"):
        return "the URL is not one"
    if body_of(asked) != body_of(record) or asked["method"] != record["method"]:
        return "body or method changed"
    (path, query), (path2, query2) = meaning(asked["url"]), meaning(record["url"])
    if query != query2:
        return f"the query means something else: {query} {query2}"
    if not dotted(asked) and (path != path2 and [path, path2] != [[b""], [b"", b""]]):
        return f"the path means something else: {path} {path2}"
    for name, value in asked["headers"].items():
        if [v.split() for v in values(value)] != [v.split() for v in values(record["headers"].get(name, []))]:
            return f"header {name} changed"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=20000)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    runs = [(service, token) for service in ("es", "aoss", "s3", "opensearch") for token in (None, TOKEN)]
    mismatches, total, seen = [], 0, collections.Counter()
    for i, (service, token) in enumerate(runs):
        count = args.requests // len(runs) + (1 if i < args.requests % len(runs) else 0)
        asked = [make(rng) for _ in range(count)]
        region = rng.choice(["ap-northeast-2", "us-east-1", "cn-north-1"])
        environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        if token:
            environment["AWS_SESSION_TOKEN"] = token
        command = [args.tool, "--quiet", "--service", service, "--region", region]
        if rng.random() < 0.5:
            command += ["--date", "20180118T014839Z"]
        lines = "".join(json.dumps(record, ensure_ascii=rng.random() < 0.5) + "\n" for record in asked)
        done = subprocess.run(command, input=lines.encode(), capture_output=True, env=environment, check=False)
        if SECRET.encode() in done.stdout + done.stderr:
            print("the secret key was printed", file=sys.stderr)
            return 1
        if done.returncode or done.stderr:
            print(f"{command}: exit {done.returncode}: {done.stderr.decode()}", file=sys.stderr)
            return 1
        printed = [json.loads(line) for line in done.stdout.splitlines()]
        if len(printed) != len(asked):
            print(f"{len(asked)} in, {len(printed)} out", file=sys.stderr)
            return 1
        for before, after in zip(asked, printed):
            total += 1
            seen.update(kinds(before))
            wrong = check(before, after, service, region, token)
            if wrong:
                mismatches.append(f"{service}: {json.dumps(before)}: {wrong}")
                if len(mismatches) <= 10:
                    print(f"{service}: {json.dumps(before)}\n  {json.dumps(after)}\n  {wrong}", file=sys.stderr)
    # As every figure of the scorecard is written (scripts/chaos).
    figure = {"figure": "signatures", "tried": total, "right": total - len(mismatches), "versions": [f"botocore {botocore.__version__}"]}
    print(json.dumps({**figure, "seed": args.seed, "wrong": mismatches[:10], "of_them": dict(seen)}))
    missing = [name for name in KINDS if seen[name] < total / 1000]
    if missing:
        print(f"hardly any request is of this kind: {missing}", file=sys.stderr)
    return 1 if mismatches or missing else 0


if __name__ == "__main__":
    sys.exit(main())
