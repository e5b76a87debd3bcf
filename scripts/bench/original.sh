#!/bin/sh
# The steps of 2018 as they were typed, by curl: servers' own throttle, a look a second, counts by _cat. The measure that
# scripts/es-migrate is held against. Arguments: SOURCE TARGET LOCATION INDEX.
set -eu
source=$1 target=$2 location=$3 index=$4
json='content-type: application/json'
ask() { curl -sS -f -H "$json" "$@"; }
ask -X POST "$source/_snapshot/bench-curl" -d "{\"type\":\"fs\",\"settings\":{\"location\":\"$location\"}}" >/dev/null
ask -X PUT "$source/_snapshot/bench-curl/$index" \
    -d "{\"indices\":\"$index\",\"ignore_unavailable\":true,\"include_global_state\":false}" >/dev/null
until ask "$source/_snapshot/bench-curl/$index" | grep -q '"state":"SUCCESS"'; do sleep 1; done
ask -X POST "$target/_snapshot/bench-curl" -d "{\"type\":\"fs\",\"settings\":{\"location\":\"$location\",\"readonly\":true}}" >/dev/null
ask -X POST "$target/_snapshot/bench-curl/$index/_restore" \
    -d "{\"indices\":\"$index\",\"index_settings\":{\"index.number_of_replicas\":0,\"index.refresh_interval\":\"-1\"}}" >/dev/null
until ask "$target/_cat/indices/$index?h=health" | grep -q green; do sleep 1; done
test "$(ask "$source/_cat/count/$index?h=count")" = "$(ask "$target/_cat/count/$index?h=count")"
