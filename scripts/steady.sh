#!/usr/bin/env bash
# Whether a group stays as it is when nothing is wrong: three stores under full load for as long as told. Prints what became of the term
# and of the in-sync set, and fails where a primary was deposed or a store shrunk away. Let the machine do something else beside it.
#
#   scripts/steady.sh [seconds] [requests in flight] [percent of gets]    3600, 64 and 50 without them
#
#   AVIARY_BINARY     runs this binary instead of building one
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=${1:-3600} inflight=${2:-64} reads=${3:-50}
. scripts/local-cluster.sh

stores=()
for number in 1 2 3; do
    stores+=("$(free_port)")
    store "${stores[-1]}"
    wait_for "$number"
done
config() {
    "$AVIARY_BINARY" status --json --server "127.0.0.1:$server" | python3 -c '
import json, sys
for g in json.load(sys.stdin)["groups"]:
    print("term", g["term"], "in-sync", *sorted(str(m["number"]) for m in g["members"] if m["inSync"]))'
}
# How often the nodes have said so.
count() { cat "$home"/*.log | grep -c "$1" || true; }

before=$(config) shrunk=$(count "shrinking the in-sync set")
say "Before: $before"
began=$SECONDS
while [ "$((SECONDS - began))" -lt "$seconds" ]; do
    left=$((seconds - SECONDS + began))
    "$AVIARY_BINARY" bench --server "127.0.0.1:$server" --seconds "$((left < 300 ? left : 300))" --inflight "$inflight" --reads "$reads" \
        --keys 10000 --timeout 60
    printf 'after %s: %s, load of the machine %s\n' "$(duration $((SECONDS - began)))" "$(config)" "$(cut -d' ' -f1 /proc/loadavg)"
done
after=$(config) shrunk=$(($(count "shrinking the in-sync set") - shrunk)) deposed=$(count "deposing the primary")
say "After: $after; depositions: $deposed, shrunk: $shrunk"
[ "$before" = "$after" ] && [ "$deposed" -eq 0 ] && [ "$shrunk" -eq 0 ] || die "the group did not stay as it was"
