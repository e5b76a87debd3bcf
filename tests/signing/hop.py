"""Every form of a signed request through a real HTTP hop: es-sign-request prints, curl or a socket sends, and the
stand-in of the AWS edge verifies with botocore. 0 failures, or exit 1.

    python hop.py --tool target/release/es-sign-request [--largest 50000000]
"""

import argparse
import hashlib
import http.server
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN//=="
PATHS = ["", "/", "//a//b", "/<logs-{now/d}>/_search", "/a,-b*/_count", "/100%/x y", "/자바/é", "/a/../b", "/a/.", "/a%2Fb%41", "/k=v:w@x"]
QUERIES = ["", "?a=1&a=&b&a=0", "?q=a+b%20c&x=*,:", "?é=ü&filter_path=**.x", "?q=[1]{2}|3"]


class Node(http.server.BaseHTTPRequestHandler):
    """A node behind the edge: remembers repositories, and is slow where it is asked to be."""

    repositories = {}

    def log_message(self, *_):
        pass

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self.path.removeprefix("/_snapshot").strip("/").split("?")[0]
        if self.path.startswith("/slow"):
            time.sleep(3)
        answer = {"acknowledged": True}
        if self.path.startswith("/_snapshot") and self.command == "GET":
            answer = {n: r for n, r in self.repositories.items() if name in ("", n)}
        elif self.path.startswith("/_snapshot"):
            self.repositories[name] = json.loads(body)
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do


class Edge:
    def __init__(self, service, keys, largest, *more):
        command = [sys.executable, HERE.parent / "servers" / "aws-edge" / "aws_edge.py", "--region", "us-east-1", "--service", service,
                   "--print-url", *more]
        if largest is not None:
            command += ["--max-body", str(largest + 1)]
        environment = {"PATH": os.environ["PATH"], "AWS_EDGE_KEYS": keys}
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.url = json.loads(self.child.stdout.readline())["url"]

    def turn(self, **knobs):
        with urllib.request.urlopen(self.url + "/_edge", json.dumps(knobs).encode()) as answer:
            return json.load(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait(10)


def tool(args, arguments, stdin=b"", token=None):
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1", **KEYS}
    if token:
        environment["AWS_SESSION_TOKEN"] = token
    done = subprocess.run([args.tool, *arguments], input=stdin, capture_output=True, env=environment, check=False)
    if KEYS["AWS_SECRET_ACCESS_KEY"].encode() in done.stdout + done.stderr:
        raise AssertionError(f"{arguments}: the secret key was printed")
    if done.returncode:
        raise AssertionError(f"{arguments}: exit {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def curl(config):
    done = subprocess.run(["curl", "-q", "-sS", "-w", "\n%{http_code}\n", "-K", "-"], input=config, capture_output=True,
                          env={"PATH": os.environ["PATH"]}, check=False)
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise AssertionError(f"curl exit {done.returncode}: {done.stderr.decode()}")
    body, code = text.rstrip("\n").rsplit("\n", 1)
    return int(code), body


def raw(url, request):
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def accepted(what, answer, body):
    code, text = answer
    if code != 200:
        raise AssertionError(f"{what}: {code} {text[:2000]}")
    if text and json.loads(text)["sha256"] != hashlib.sha256(body).hexdigest():
        raise AssertionError(f"{what}: another body arrived: {text}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--largest", type=int, default=50_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    passed = 0
    keys = f"{KEYS['AWS_ACCESS_KEY_ID']}:{KEYS['AWS_SECRET_ACCESS_KEY']}"
    for service in ("es", "aoss"):
        with Edge(service, f"{keys} {keys}:{TOKEN}", args.largest) as edge:
            for path in PATHS:
                for query in QUERIES:
                    url = edge.url + path + query
                    token = rng.choice([None, TOKEN])
                    form = ["--service", service, "-H", "x-a:  b   c", "-H", "x-empty:"]
                    accepted(url, curl(tool(args, [*form, "--format", "curl", url], token=token)), b"")
                    accepted(url, raw(edge.url, tool(args, [*form, "-X", "PUT", "--data", "x", "--format", "http", url], token=token)), b"x")
                    if service == "es":
                        link = tool(args, ["--service", "es", "--expires", "1h", "--format", "curl", url], token=token)
                        accepted(url, curl(link), b"")
                        passed += 1
                    passed += 2
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                url = edge.url + "/a"
                accepted(method, curl(tool(args, ["--service", service, "-X", method, "--format", "curl", url])), b"")
                passed += 1
            code, _ = curl(tool(args, ["--service", service, "-X", "HEAD", "--format", "curl", edge.url + "/a"]))
            assert code == 200, code
            sizes = [0, 1, 44_999, 45_000, 45_001, 1 << 20, args.largest]
            with tempfile.TemporaryDirectory() as folder:
                for size in sizes:
                    name = pathlib.Path(folder, f"body \"{size}\" \\ é")
                    body = rng.randbytes(size)
                    name.write_bytes(body)
                    url = edge.url + "/_bulk"
                    form = ["--service", service, "-H", "content-type: application/x-ndjson", "--format"]
                    accepted(f"file {size}", curl(tool(args, [*form, "curl", "--data", f"@{name}", url])), body)
                    accepted(f"http {size}", raw(edge.url, tool(args, [*form, "http", "--data", f"@{name}", url])), body)
                    # Within a config there is no zero byte; everything else, and many at signs, is.
                    text = bytes(b or 64 for b in body)
                    if size <= 1 << 20 or service == "es":
                        accepted(f"pipe {size}", curl(tool(args, [*form, "curl", "--data", "@-", url], stdin=text)), text)
                        passed += 1
                    passed += 2
            records = [json.dumps({"type": "request", "method": "POST", "url": edge.url + f"/{i}/_doc", "headers": {}, "body": chr(i) * i}) for i in range(1, 200)]
            config = tool(args, ["--service", service, "--format", "curl"], stdin="\n".join(records).encode())
            done = subprocess.run(["curl", "-q", "-sS", "-K", "-"], input=config, capture_output=True, check=True)
            answers = [json.loads(part + "}") for part in done.stdout.decode().split("}") if part]
            for i, answer in enumerate(answers, 1):
                assert answer["sha256"] == hashlib.sha256((chr(i) * i).encode()).hexdigest(), answer
            assert len(answers) == 199
            passed += 199
            print(json.dumps({"service": service, "passed": passed}), flush=True)
    refusals(args, keys)
    gateway(args, keys)
    return 0


def told(key, words):
    return json.dumps({key: words})


def gateway(args, keys):
    """What the edge does beside verifying: paths, repositories, limits, the gateway's patience. Each with the whole body."""
    node = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
    threading.Thread(target=node.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "javacafe"))
        more = ["--upstream", f"http://127.0.0.1:{node.server_address[1]}", "--bucket-root", root, "--gateway-timeout", "1",
                "--deny-pass-role", "Forbidden"]
        with Edge("es", keys, None, *more) as edge:

            def ask(what, status, body, path, *flags):
                code, text = curl(tool(args, ["--service", "es", "--format", "curl", *flags, edge.url + path]))
                assert code == status and body in (None, text), f"{what}: {code} {text}"
                print(json.dumps({"gateway": what, "status": code}), flush=True)
                return text

            def repository(method="POST", kind="s3", **settings):
                body = {"type": kind, "settings": {"bucket": "javacafe", "region": "us-east-1", **settings}}
                return ["-X", method, "-H", "content-type: application/json", "--data", json.dumps(body)]

            def closed(path):
                return told("Message", f"Your request: '{path}' is not allowed.")

            role = {"role_arn": "arn:aws:iam::123456789012:role/es"}
            for path in ("/_cluster/reroute", "/_shutdown", "/_recovery", "/javacafe/_close", "/_cat/nodeattrs", "/_ilm/policy"):
                ask(f"closed: {path}", 401, closed(path), path, "-X", "POST")
            for path in ("/javacafe/_recovery", "/_alias", "/_all/_settings", "/_cluster/health/javacafe", "/<logs-{now/d}>/_search"):
                ask(f"open: {path}", 200, None, path)
            no_role = told("Message", "settings.role_arn is needed for snapshot registration.")
            for method in ("PUT", "POST"):
                ask(f"{method} of a repository without role_arn", 401, no_role, "/_snapshot/javacafe-es-backup", *repository(method))
                ask(f"{method} of a reserved name", 401, closed("/_snapshot/cs-mine"), "/_snapshot/cs-mine", *repository(method, **role))
                ask(f"{method} of a type that is not s3", 401, closed("/_snapshot/x"), "/_snapshot/x", *repository(method, "fs"))
            forbidden = "arn:aws:iam::123456789012:role/Forbidden"
            may_not = f"User: arn:aws:iam::123456789012:user/es-migrate is not authorized to perform: iam:PassRole on resource: {forbidden}"
            ask("a role that may not be passed", 403, told("Message", may_not), "/_snapshot/x", *repository(role_arn=forbidden))
            assert not Node.repositories, f"the node was told of a repository that was refused: {Node.repositories}"
            ask("a repository", 200, None, "/_snapshot/javacafe-es-backup", *repository(base_path="a/b", **role))
            assert Node.repositories == {"javacafe-es-backup": {"type": "fs", "settings": {"location": os.path.join(root, "javacafe/a/b")}}}
            shown = json.loads(ask("all repositories", 200, None, "/_snapshot"))
            assert list(shown) == ["cs-automated", "javacafe-es-backup"], shown
            assert shown["javacafe-es-backup"]["type"] == "s3" and shown["javacafe-es-backup"]["settings"]["base_path"] == "a/b", shown
            page = "<html><body><h1>504 GATEWAY_TIMEOUT</h1></body></html>"
            ask("a request that takes longer than the gateway waits", 504, page, "/slow")
            edge.turn(gateway_timeout=60)
            ask("the same with more patience", 200, None, "/slow")
            edge.turn(throttle=1)
            ask("throttled", 429, "429 Too Many Requests /_bulk", "/_bulk")
            ask("throttled no more", 200, None, "/_bulk")
            edge.turn(throttle=1, throttle_status=403)
            ask("throttled as 403", 403, "403 Request throttled due to too many requests /_bulk", "/_bulk")
            large = os.path.join(root, "large")
            with open(large, "wb") as file:
                file.truncate(10 << 20)
            ask("10 MiB", 200, None, "/_bulk", "--data", f"@{large}")
            with open(large, "ab") as file:
                file.write(b"x")
            exceeded = told("Message", "Request size exceeded 10485760 bytes")
            ask("a byte more", 413, exceeded, "/_bulk", "--data", f"@{large}")
            chunk = b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20))
            head = b"POST /_bulk HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            answer = raw(edge.url, head + chunk * 11 + b"0\r\n\r\n")
            assert answer == (413, exceeded), answer
    node.shutdown()


STAMP = r"\d{8}T\d{6}Z"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'"
)


def refusals(args, keys):
    """What the edge refuses, it refuses with the status and the body of AWS, and --diagnose names the cause."""
    other = f"{KEYS['AWS_ACCESS_KEY_ID']}X:another"
    with Edge("es", f"{keys} {other} {keys}:OLD:1000000000", 1 << 20) as edge:
        url = edge.url + "/javacafe_2018_01_01/_search?q=1"

        def refused(what, config, words, finding, flags=(), key="message"):
            """The whole body is these words; a pattern where the time is in them, their beginning where the request is."""
            code, text = curl(config)
            said = json.loads(text)
            fits = words.fullmatch(said.get(key, "")) if isinstance(words, re.Pattern) else said == {key: words}
            if words is MISMATCH:
                fits = list(said) == [key] and said[key].startswith(words) and "\n\nThe String-to-Sign should have been\n'" in said[key]
            assert code == 403 and fits, f"{what}: {code} {text}"
            named = tool(args, ["--format", "json", "--diagnose", "-", *flags, url], stdin=text.encode())
            found = [json.loads(line)["finding"] for line in named.splitlines()]
            assert found == [finding], f"{what}: {found} {text}"
            print(json.dumps({"refused": what, "finding": finding}), flush=True)

        plain = ["--service", "es", "--format", "curl", url]
        good = tool(args, plain).decode()
        assert curl(good.encode())[0] == 200
        unsigned = "\n".join(l for l in good.splitlines() if "authorization" not in l)
        refused("anonymous", unsigned.encode(), "User: anonymous is not authorized to perform: es:ESHttpGet", "header", key="Message")
        unknown = good.replace(KEYS["AWS_ACCESS_KEY_ID"], "AKIDUNKNOWN")
        invalid = "The security token included in the request is invalid."
        refused("unknown key", unknown.encode(), invalid, "token")
        swapped = good.replace(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_ACCESS_KEY_ID"] + "X")
        refused("wrong secret", swapped.encode(), MISMATCH, "secret_key")
        refused("wrong region", tool(args, ["--region", "eu-west-1", *plain]),
                "Credential should be scoped to a valid region, not 'eu-west-1'. ", "region", ["--region", "eu-west-1"])
        refused("wrong service", tool(args, ["--format", "curl", "--service", "opensearch", url]),
                "Credential should be scoped to correct service: 'es'. ", "service", ["--service", "opensearch"])
        refused("expired token", tool(args, plain, token="OLD"), "The security token included in the request is expired", "token")
        refused("unknown token", tool(args, plain, token="OTHER"), invalid, "token")
        expired = re.compile(rf"Signature expired: 20180118T014839Z is now earlier than {STAMP} \({STAMP} - 5 min\.\)")
        refused("old clock", tool(args, ["--date", "20180118T014839Z", *plain]), expired, "clock", ["--date", "20180118T014839Z"])
        edge.turn(skew=-3600)
        early = re.compile(rf"Signature not yet current: {STAMP} is still later than {STAMP} \({STAMP} \+ 5 min\.\)")
        refused("clock ahead", tool(args, plain), early, "clock")
        edge.turn(skew=0)
        body = tool(args, ["--data", "{}", *plain]).replace(b'data-raw = "{}"', b'data-raw = "{ }"')
        refused("altered body", body, MISMATCH, "body", ["--data", "{}"])
        refused("altered query", good.replace("q=1", "q=2").encode(), MISMATCH, "query")
        refused("altered path", good.replace("/_search", "/x/_search").encode(), MISMATCH, "path")
        refused("altered host", good.replace('"host: 127.0.0.1', '"host: localhost').encode(), MISMATCH, "host")
        headers = ["-H", "x-a: 1"]
        refused("altered header", tool(args, [*headers, *plain]).replace(b"x-a: 1", b"x-a: 2"), MISMATCH, "header", headers)
        refusals_told = edge.turn()["refused"]
        assert [r[2] for r in refusals_told] == [403] * 14, refusals_told


if __name__ == "__main__":
    sys.exit(main())
