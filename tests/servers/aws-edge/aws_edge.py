"""A stand-in for the edge of an Amazon Elasticsearch/OpenSearch domain, put before a node of one's own.

It verifies Signature Version 4 with botocore, refuses as AWS refuses, and maps a repository of type s3 to a
directory that the node sees, so that the requests of a real migration work to the letter.

    python aws_edge.py --listen 127.0.0.1:0 --upstream http://127.0.0.1:9200 --bucket-root DIR \
        --region ap-northeast-2 --gateway-timeout 60 --print-url

One JSON line with the URL is printed when it listens; it ends when its standard input does.

Where its answers come from. No domain of Amazon's was within reach when this was written, so nothing here was recorded
by us. "Quoted" is what a user of the service pasted into a report, status and body; "documented" is a rule of
docs.aws.amazon.com/opensearch-service, whose answer is put into words here.

  quoted      403  anonymous                        anomalyco/sst#834
  quoted      403  signature does not match         awslabs/logstash-output-amazon_es#82, with the canonical string
  quoted      403  region, service out of scope     awslabs/logstash-output-amazon_es#82, vectordotdev/vector#2403
  quoted      403  expired token                    elasticsearch-dump/elasticsearch-dump#752
  quoted      403  clock too far off                boto/botocore#149, by another service that verifies alike; the limit
                                                    of five minutes is that service's
  quoted      401  path not on the list             {"Message":"Your request: '/_cluster/reroute' is not allowed."}
  quoted      401  no role_arn                      AuthenticationException(401, settings.role_arn is needed ...)
  quoted      413  {"Message":"Request size exceeded 10485760 bytes"}  elasticsearch-dump/elasticsearch-dump#616, on 5.5
  quoted      429  429 Too Many Requests /_bulk     toluaina/pgsync#476, DataBiosphere/azul#3339: no JSON
  quoted      403  403 Request throttled due to too many requests /_bulk   ankane/searchkick#1434: no JSON
  documented  403  an identity policy denies    handling-errors, in the words that IAM has for every action
  documented  403  iam:PassRole missing             handling-errors, in the words that IAM has for every action
  documented  401  names that begin with cs-        managedomains-snapshots; the answer is that of a closed path
  documented  401  a repository that is not s3      managedomains-snapshots; the answer is that of a closed path
  documented  504  504 GATEWAY_TIMEOUT              managedomains-snapshots; the page around the words is ours
"""

import argparse
import calendar
import hashlib
import hmac
import http.client
import http.server
import json
import os
import re
import socket
import sys
import threading
import time
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

LARGEST_BODY = 10 << 20
SKEW = 300
EMPTY = hashlib.sha256(b"").hexdigest()

# After the page aes-supported-es-operations for version 5.5, and not compared with it line by line. These, and every operation in an index's path but _close; no _recovery for the whole cluster.
ALLOWED = re.compile(
    r"""^/(
        |_alias(es)?(/.*)?|_all(/.*)?|_analyze|_bulk|_cat(?!/nodeattrs)(/.*)?
        |_cluster/(allocation/explain|health|pending_tasks|settings|state|stats)(/.*)?
        |_count|_delete_by_query|_explain|_field_caps|_field_stats|_flush(/.*)?|_ingest/pipeline(/.*)?|_mappings?(/.*)?|_mget
        |_msearch(/.*)?|_mtermvectors|_nodes(/.*)?|_plugin/kibana(/.*)?|_percolate|_refresh|_reindex|_render(/.*)?|_rollover
        |_scripts(/.*)?|_search(/.*)?|_shard_stores|_shrink|_snapshot(/.*)?|_stats(/.*)?|_status|_tasks(/.*)?|_template(/.*)?
        |_update_by_query|_validate(/.*)?
        |[^_/].*
    )$""",
    re.VERBOSE,
)
CLOSED = re.compile(r"^/[^_/][^/]*/_close$")
REPOSITORIES = re.compile(r"/_snapshot(?:/([^/]+))?/?")


class Refused(Exception):
    """An answer of the edge itself. Its authorizer says `message`, its gateway `Message`; a key of None is bare text."""

    def __init__(self, status, message, key="message"):
        super().__init__(message)
        self.status, self.message, self.key = status, message, key


class Edge:
    """What the edge knows: keys, region, clock, limits. Plain state, so that tests can turn its knobs."""

    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.keys = {}
        self.skew = 0.0
        self.throttle = 0
        self.throttle_status = 429
        self.delay = 0.0
        self.cut = 0
        self.deny = ""
        self.gateway_timeout = args.gateway_timeout
        self.requests = []
        self.refused = []
        self.repositories = {}
        for line in args.key:
            self.add_key(line)

    def add_key(self, line):
        """`AKID:SECRET[:TOKEN[:EXPIRES_EPOCH]]`; from the environment only, never from argv in a real run."""
        parts = (line.split(":") + ["", "", ""])[:4]
        expires = float(parts[3]) if parts[3] else None
        self.keys.setdefault(parts[0], []).append((parts[1], parts[2], expires))

    def now(self):
        return time.time() + self.skew


def canonical_name(name):
    return name.lower()


def stamp(at):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))


def epoch(text):
    try:
        return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
    except ValueError as error:
        raise Refused(403, f"Date must be in ISO-8601 'basic format'. Got '{text}'.") from error


def signature(method, url, headers, names, body, key, secret, token, region, service, when, payload=None):
    """What botocore computes for the request that arrived: canonical request, string to sign, signature."""
    kept = [(n, v) for n, v in headers if canonical_name(n) in names]
    request = AWSRequest(method=method, url=url)
    request.context["timestamp"] = when
    auth = SigV4Auth(Credentials(key, secret, token or None), service, region)
    # botocore leaves some headers out; the list of the request decides.
    message = http.client.HTTPMessage()
    for name, value in kept:
        message[canonical_name(name)] = value

    parts = urllib.parse.urlsplit(url)
    lines = [method.upper()]
    lines.append(auth._normalize_url_path(parts.path))
    lines.append(auth.canonical_query_string(request))
    lines.append(auth.canonical_headers(message) + "\n")
    lines.append(auth.signed_headers(message))
    lines.append(payload or hashlib.sha256(body).hexdigest())
    canonical = "\n".join(lines)
    to_sign = auth.string_to_sign(request, canonical)
    return canonical, to_sign, auth.signature(to_sign, request)


def parse_authorization(text):
    if not text.startswith("AWS4-HMAC-SHA256"):
        raise Refused(403, f"'{text[:40]}' not a valid key=value pair (missing equal-sign) in Authorization header.")
    found = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,\s]+)", text))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if name not in found:
            raise Refused(403, f"Authorization header requires '{name}' parameter.")
    return found["Credential"], found["SignedHeaders"].split(";"), found["Signature"]


def verify(edge, method, target, headers, body):
    """Raises Refused, or returns the access key that signed."""
    first = {}
    for name, value in headers:
        first.setdefault(canonical_name(name), value)
    path, _, query = target.partition("?")
    parameters = urllib.parse.parse_qsl(query, keep_blank_values=True)
    presigned = dict(parameters) if "X-Amz-Signature" in dict(parameters) else None
    if presigned is None and "authorization" not in first:
        raise Refused(403, f"User: anonymous is not authorized to perform: es:ESHttp{method.capitalize()}", "Message")
    if presigned is None:
        credential, names, given = parse_authorization(first["authorization"])
        when = first.get("x-amz-date", "")
        token = first.get("x-amz-security-token", "")
        payload = first.get("x-amz-content-sha256")
    else:
        credential, names = presigned["X-Amz-Credential"], presigned["X-Amz-SignedHeaders"].split(";")
        given, when = presigned["X-Amz-Signature"], presigned["X-Amz-Date"]
        token, payload = presigned.get("X-Amz-Security-Token", ""), EMPTY
        kept = [pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature=")]
        query = "&".join(kept)
    if not when:
        raise Refused(403, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    scope = credential.split("/")
    if len(scope) != 5:
        raise Refused(403, f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'")
    key, day, region, service, _ = scope
    if region != edge.args.region:
        raise Refused(403, f"Credential should be scoped to a valid region, not '{region}'. ")
    if service != edge.args.service:
        raise Refused(403, f"Credential should be scoped to correct service: '{edge.args.service}'. ")
    if "host" not in names:
        raise Refused(403, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    if not when.startswith(day):
        raise Refused(403, f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != '{when[:8]}', from '{when}'.")
    at, now = epoch(when), edge.now()
    life = SKEW if presigned is None else int(presigned["X-Amz-Expires"])
    if at + life < now:
        raise Refused(403, f"Signature expired: {when} is now earlier than {stamp(now - life)} ({stamp(now)} - {life // 60} min.)")
    if at - SKEW > now:
        raise Refused(403, f"Signature not yet current: {when} is still later than {stamp(now + SKEW)} ({stamp(now)} + 5 min.)")
    known = edge.keys.get(key)
    if not known:
        raise Refused(403, "The security token included in the request is invalid.")
    fitting = [entry for entry in known if entry[1] == token]
    if not fitting:
        raise Refused(403, "The security token included in the request is invalid.")
    secret, token, expires = fitting[0]
    if expires is not None and expires < time.time():
        raise Refused(403, "The security token included in the request is expired")
    url = f"http://{first.get('host', '')}{path}" + (f"?{query}" if query else "")
    digest = hashlib.sha256(body).hexdigest()
    if presigned is None and payload not in (None, "UNSIGNED-PAYLOAD", digest):
        raise Refused(403, "The provided 'x-amz-content-sha256' header does not match what was computed.")
    if edge.args.service == "aoss" and payload is None:
        raise Refused(403, "x-amz-content-sha256 is missing")
    used = payload if presigned is not None or payload == "UNSIGNED-PAYLOAD" else digest
    canonical, to_sign, expected = signature(
        method, url, headers, set(names), body, key, secret, token, region, service, when, used
    )
    if not hmac.compare_digest(expected, given):
        raise Refused(
            403,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String "
            f"for this request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n",
        )
    return key


def allow(path):
    if CLOSED.match(path) or not ALLOWED.match(path):
        raise Refused(401, f"Your request: '{path}' is not allowed.", "Message")


def map_repository(edge, method, path, body):
    """`PUT|POST /_snapshot/NAME` of type s3 becomes an fs repository at BUCKET-ROOT/bucket/base_path."""
    match = re.fullmatch(r"/_snapshot/([^/]+)", path)
    if not match or method not in ("PUT", "POST"):
        return body
    name = urllib.parse.unquote(match.group(1))
    if name.startswith("cs-"):
        raise Refused(401, f"Your request: '{path}' is not allowed.", "Message")
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        return body
    if asked.get("type") != "s3":
        raise Refused(401, f"Your request: '{path}' is not allowed.", "Message")
    settings = asked.get("settings", {})
    if not settings.get("role_arn"):
        raise Refused(401, "settings.role_arn is needed for snapshot registration.", "Message")
    denied = edge.args.deny_pass_role
    if denied and re.search(denied, settings["role_arn"]):
        raise Refused(
            403,
            f"User: {edge.args.user_arn} is not authorized to perform: iam:PassRole on resource: {settings['role_arn']}",
            "Message",
        )
    bucket = settings.get("bucket", "")
    root = os.path.join(edge.args.bucket_root, os.path.basename(bucket))
    if not bucket or not os.path.isdir(root):
        # An s3 plugin finds out when it writes: so does the node, below a place that is none.
        root = os.path.join("/nonexistent-bucket", os.path.basename(bucket) or "-")
    edge.repositories[name] = asked
    place = os.path.normpath(os.path.join(root, settings.get("base_path", "").strip("/")))
    kept = {
        k: v
        for k, v in settings.items()
        if k in ("compress", "chunk_size", "readonly", "max_snapshot_bytes_per_sec", "max_restore_bytes_per_sec")
    }
    return json.dumps({"type": "fs", "settings": {**kept, "location": place}}).encode()


def show_repository(edge, method, path, status, body):
    """Answers about repositories show them as they were asked for, and AWS's own one beside them."""
    match = REPOSITORIES.fullmatch(path)
    if not match or method != "GET" or status != 200:
        return body
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    for name in list(answer):
        if name in edge.repositories:
            asked = edge.repositories[name]
            answer[name] = {"type": "s3", "settings": {k: str(v) if isinstance(v, (bool, int)) else v for k, v in asked["settings"].items()}}
    if match.group(1) in (None, "_all", "*"):
        answer = {"cs-automated": {"type": "s3"}, **answer}
    return json.dumps(answer, separators=(",", ":")).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    edge = None
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def version_string(self):
        return "Server"

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.edge.now() if timestamp is None else timestamp)

    def do(self):
        # http.server drops the slashes that open a path; the request line has them.
        words = self.raw_requestline.decode("iso-8859-1").split()
        target = words[1] if len(words) > 1 else self.path
        try:
            body = self.read_body()
        except Refused as refused:
            self.close_connection = True
            self.refuse(refused)
            return
        try:
            self.handle_one(target, body)
        except Refused as refused:
            self.refuse(refused)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = do

    def read_body(self):
        limit = self.edge.args.max_body
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces, size = [], 0
            while True:
                length = int(self.rfile.readline().split(b";")[0], 16)
                piece = self.rfile.read(length)
                self.rfile.readline()
                if not length:
                    return b"".join(pieces)
                size += length
                if size > limit:
                    raise Refused(413, f"Request size exceeded {limit} bytes", "Message")
                pieces.append(piece)
        length = int(self.headers.get("Content-Length") or 0)
        if length > limit:
            # Answered before the body is read, as the edge does; what is under way is drained a little.
            raise Refused(413, f"Request size exceeded {limit} bytes", "Message")
        return self.rfile.read(length)

    def handle_one(self, target, body):
        edge, path = self.edge, target.partition("?")[0]
        if path == "/_edge":
            self.turn(body)
            return
        headers = [(name, value) for name, value in self.headers.items()]
        key = verify(edge, self.command, target, headers, body)
        with edge.lock:
            edge.requests.append([self.command, target, key])
            if edge.throttle > 0:
                edge.throttle -= 1
                words = "429 Too Many Requests" if edge.throttle_status == 429 else "403 Request throttled due to too many requests"
                raise Refused(edge.throttle_status, f"{words} {path}", None)
        plain = re.sub("/+", "/", urllib.parse.unquote(path))
        if edge.deny and re.search(edge.deny, f"{self.command} {plain}"):
            action = f"es:ESHttp{self.command.capitalize()}"
            raise Refused(403, f"User: {edge.args.user_arn} is not authorized to perform: {action} because no identity-based policy allows the {action} action", "Message")
        allow(plain)
        sent = map_repository(edge, self.command, path, body)
        if edge.args.upstream is None:
            self.answer(200, [("Content-Type", "application/json")], json.dumps({"method": self.command, "target": target, "key": key, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}).encode())
            return
        self.forward(target, path, sent)

    def forward(self, target, path, body):
        """Hands the request to the node; the gateway gives up after its time, the node works on."""
        edge = self.edge
        upstream = urllib.parse.urlsplit(edge.args.upstream)
        result = {}

        def ask():
            try:
                connection = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=3600)
                passed = ["content-type", "accept"]
                # What show_repository rewrites must come back as plain text.
                if not REPOSITORIES.fullmatch(path):
                    passed.append("accept-encoding")
                headers = {n: v for n, v in self.headers.items() if n.lower() in passed}
                headers["Content-Length"] = str(len(body))
                time.sleep(edge.delay)
                connection.request(self.command, target, body, headers)
                response = connection.getresponse()
                result["answer"] = (response.status, response.getheaders(), response.read())
                connection.close()
            except OSError as error:
                result["error"] = error

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(edge.gateway_timeout)
        with edge.lock:
            # The node has done what it was asked, and nobody hears of it.
            cut = edge.cut > 0 and self.command in ("PUT", "POST")
            edge.cut -= cut
        if cut or thread.is_alive():
            self.close_connection = True
            with edge.lock:
                edge.refused.append([self.command, target, 504, "GATEWAY_TIMEOUT"])
            self.answer(504, [("Content-Type", "text/html")], b"<html><body><h1>504 GATEWAY_TIMEOUT</h1></body></html>")
            return
        if "error" in result:
            self.answer(503, [("Content-Type", "text/html")], b"<html><body><b>Http/1.1 Service Unavailable</b></body> </html>")
            return
        status, headers, answer = result["answer"]
        answer = show_repository(edge, self.command, path, status, answer)
        skip = ("content-length", "transfer-encoding", "connection", "date", "server")
        self.answer(status, [(n, v) for n, v in headers if n.lower() not in skip], answer)

    def turn(self, body):
        """GET /_edge tells what was served and refused. POST turns knobs: {"skew": seconds, "throttle": requests,
        "throttle_status": 429 or 403, "cut": writes whose answer is lost at the gateway,
        "deny": what the caller's policy does not allow, a regular expression of METHOD PATH, "delay": seconds,
        "gateway_timeout": seconds, "key": "AKID:SECRET:TOKEN:EXPIRES", "clear": true}."""
        edge = self.edge
        with edge.lock:
            if self.command == "POST":
                for name, value in json.loads(body).items():
                    if name == "key":
                        edge.add_key(value)
                    elif name == "clear":
                        edge.requests.clear()
                        edge.refused.clear()
                    elif name in ("skew", "throttle", "throttle_status", "cut", "deny", "delay", "gateway_timeout"):
                        setattr(edge, name, value)
                    else:
                        raise Refused(400, f"no knob {name}")
            told = {"requests": edge.requests, "refused": edge.refused, "skew": edge.skew, "throttle": edge.throttle}
            said = json.dumps(told).encode()
        self.answer(200, [("Content-Type", "application/json")], said)

    def refuse(self, refused):
        with self.edge.lock:
            self.edge.refused.append([self.command, self.path, refused.status, refused.message])
        kind = "text/plain" if refused.key is None else "application/json"
        words = refused.message if refused.key is None else json.dumps({refused.key: refused.message})
        headers = [("Content-Type", kind), ("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000")]
        self.answer(refused.status, headers, words.encode())

    def answer(self, status, headers, body):
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()
            if status == 413:
                self.connection.shutdown(socket.SHUT_WR)
                left = 64 << 20
                while left > 0:
                    piece = self.connection.recv(1 << 16)
                    if not piece:
                        break
                    left -= len(piece)
        except OSError:
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--upstream", metavar="URL", help="the node; without one, requests are answered by what was verified")
    parser.add_argument("--bucket-root", default=".", metavar="DIR", help="buckets are directories here, under the node's path.repo")
    parser.add_argument("--region", default="ap-northeast-2")
    parser.add_argument("--service", default="es")
    parser.add_argument("--gateway-timeout", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--max-body", type=int, default=LARGEST_BODY, metavar="BYTES")
    parser.add_argument("--deny-pass-role", metavar="REGEX", help="role ARNs that the caller may not pass")
    parser.add_argument("--user-arn", default="arn:aws:iam::123456789012:user/es-migrate", help=argparse.SUPPRESS)
    parser.add_argument("--print-url", action="store_true")
    args = parser.parse_args()
    # AWS_EDGE_KEYS, lines of AKID:SECRET[:TOKEN[:EXPIRES]]; else the caller's own keys.
    args.key = [line for line in os.environ.get("AWS_EDGE_KEYS", "").split() if line]
    if not args.key and "AWS_ACCESS_KEY_ID" in os.environ:
        own = [os.environ.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
        args.key = [":".join(own)]
    return args


def main():
    args = arguments()
    host, _, port = args.listen.rpartition(":")
    Handler.edge = Edge(args)
    server = Server((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if args.print_url:
        print(json.dumps({"url": f"http://{host}:{server.server_address[1]}"}), flush=True)
    try:
        while sys.stdin.buffer.read(4096):
            pass
    except KeyboardInterrupt:
        pass
    server.shutdown()


if __name__ == "__main__":
    main()
