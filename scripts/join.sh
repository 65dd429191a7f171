#!/usr/bin/env bash
# What a store that joins costs the others: a group of two stores is filled with data and loaded, then a third store joins it with an
# empty disk. Prints the latencies of the same load before, every five seconds while it joins, and after. Everything on one machine.
#
#   scripts/join.sh [megabytes] [requests in flight] [percent of gets]    1000, 16 and 0 without them
#
#   AVIARY_BINARY     runs this binary instead of building one
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

megabytes=${1:-1000} inflight=${2:-16} reads=${3:-0}
. scripts/local-cluster.sh

first=$(free_port) second=$(free_port) third=$(free_port)
store "$first"
wait_for 1
store "$second"
wait_for 2

# Bytes of a value, keys, seconds, requests in flight.
bench() {
    "$AVIARY_BINARY" bench --server "127.0.0.1:$first" --value-bytes "$1" --keys "$2" --seconds "$3" --inflight "$4" --reads "$reads"
}

say "Writing $megabytes MB"
bench 4096 "$((megabytes * 1000 * 1000 / 4096))" 1 64 >/dev/null
say "With two stores"
bench 128 1000 20 "$inflight"
say "While a third store joins"
store "$third"
began=$SECONDS
until [ "$(in_sync)" = 3 ]; do
    [ "$((SECONDS - began))" -lt 900 ] || die "the third store is not in-sync after a quarter of an hour"
    bench 128 1000 5 "$inflight"
done
say "In-sync after at most $((SECONDS - began)) s"
say "With three stores"
bench 128 1000 20 "$inflight"
