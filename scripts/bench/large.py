#!/usr/bin/env python3
"""Puts large documents into an index, of text that does not compress well. A process of its own: the kernel counts what it took as
the memory of all that its parent starts later. Arguments: URL of the type, number of documents, bytes of each."""
import json
import os
import sys
import urllib.request

url, documents, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(documents):
    body = json.dumps({"text": {"hex": os.urandom(size // 2).hex()}}).encode()
    request = urllib.request.Request(f"{url}/{number}", body, {"content-type": "application/json"}, method="PUT")
    with urllib.request.urlopen(request, timeout=120):
        pass
