#!/usr/bin/env bash
# First figures: requests per second and latency of puts and gets, through a server and straight to the primary, for a group
# of two stores on one machine, everything on loopback, logs synced always. Prints one line for each.
#
#   scripts/figures.sh [seconds per line]     AVIARY_BINARY runs this binary instead of building one
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=${1:-10}
. scripts/local-cluster.sh

first=$(free_port) second=$(free_port)
store "$first"
wait_for 1
store "$second"
wait_for 2

for target in "server $server" "primary $first"; do
    read -r name port <<<"$target"
    for reads in 0 100; do
        for inflight in 1 64; do
            printf '%-8s ' "$name"
            "$AVIARY_BINARY" bench --server "127.0.0.1:$port" --seconds "$seconds" --inflight "$inflight" --reads "$reads" --keys 10000
        done
    done
done
