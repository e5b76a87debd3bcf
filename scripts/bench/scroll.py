#!/usr/bin/env python3
"""Reads an index by scroll and throws it away: the least that any copy by documents has to do. Arguments: URL INDEX."""
import json
import sys
import urllib.request

url, index = sys.argv[1:]


def ask(path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


page = ask(f"/{index}/_search?scroll=1m", {"size": 5000, "sort": ["_doc"]})
documents = 0
while page["hits"]["hits"]:
    documents += len(page["hits"]["hits"])
    page = ask("/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
total = page["hits"]["total"]
sys.exit(0 if documents == total else f"{documents} of {total} documents")
