#!/usr/bin/env python3
"""Puts web logs into an index, half as Logstash keeps lines of nginx and half as Beats does: with URLs, and quotes that are escaped.
A process of its own, as large.py is. Arguments: URL of the type, number of documents."""
import json
import random
import sys
import urllib.request

BATCH = 5_000
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Googlebot/2.1 (+http://www.google.com/bot.html)", "curl/8.5.0"]

url, documents = sys.argv[1], int(sys.argv[2])
pick = random.Random(6)


def path():
    return "".join(f"/{pick.choice(['api', 'cart', 'img', 'item', 'shop', 'user'])}{pick.randrange(1000)}" for _ in range(pick.randint(1, 3)))


def document(number):
    address = ".".join(str(pick.randrange(256)) for _ in range(4))
    second, status, length, agent = pick.randrange(60), pick.choice([200, 200, 304, 404]), pick.randrange(100_000), pick.choice(AGENTS)
    page, referrer = path(), f"https://www.example.org{path()}"
    time = f"2018-02-01T00:00:{second:02}.{pick.randrange(1000):03}Z"
    if number % 2:
        line = f'{address} - - [01/Feb/2018:00:00:{second:02} +0000] "GET {page} HTTP/1.1" {status} {length} "{referrer}" "{agent}"'
        return {"@timestamp": time, "message": line, "response": status, "bytes": length, "host": f"web{pick.randrange(9)}"}
    http = {"request": {"method": "GET", "referrer": referrer}, "response": {"status_code": status, "bytes": length}}
    return {"@timestamp": time, "url": {"full": f"https://www.example.org{page}", "path": page}, "http": http,
            "source": {"ip": address}, "user_agent": {"original": agent}}


for begin in range(0, documents, BATCH):
    lines = (json.dumps(document(number), separators=(",", ":")) for number in range(begin, min(begin + BATCH, documents)))
    body = "".join(f'{{"index":{{}}}}\n{line}\n' for line in lines).encode()
    request = urllib.request.Request(f"{url}/_bulk", body, {"content-type": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        if json.load(answer)["errors"]:
            raise SystemExit(f"a batch from document {begin} on has errors")
