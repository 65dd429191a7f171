#!/usr/bin/env bash
# First figures: requests per second and latency of puts and gets, through a server and straight to the primary, for a group
# of two stores on one machine, everything on loopback, logs synced always. Prints one line for each.
#
#   scripts/figures.sh [seconds per line]     AVIARY_BINARY runs this binary instead of building one
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=${1:-10}
scripts/setup.sh
if [ -z "${AVIARY_BINARY:-}" ]; then
    swift build -c release --product aviary
    AVIARY_BINARY=$(swift build -c release --show-bin-path)/aviary
fi
home=$(mktemp -d "${TMPDIR:-/tmp}/aviary-figures.XXXXXX")
pids=()
cleanup() {
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do kill -TERM "${pids[i]}" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$home"
}
trap cleanup EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
zookeeper=$(free_port) server=$(free_port) first=$(free_port) second=$(free_port)

ZOO_CLIENT_PORT=$zookeeper ZOO_CLIENT_ADDRESS=127.0.0.1 ZOO_DATA_DIR=$home/zk ZOO_CONF_DIR=$home/conf \
    JVMFLAGS="-Xmx256m -XX:+UseSerialGC" docker/zookeeper/entrypoint.sh >"$home/zk.log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do ! docker/zookeeper/healthcheck.sh "$zookeeper" || break; sleep 0.1; done

node() { # port, command, further settings
    local port=$1 command=$2
    shift 2
    env zooaddr="127.0.0.1:$zookeeper" serverip=127.0.0.1 serverport="$port" "$@" "$AVIARY_BINARY" "$command" \
        >"$home/$port.log" 2>&1 &
    pids+=($!)
}
node "$server" server
node "$first" data name=birds dbfile="$home/first.txt" rbfile="$home/first-rollback.txt"
in_sync() {
    "$AVIARY_BINARY" status --json --server "127.0.0.1:$server" 2>/dev/null |
        python3 -c 'import json, sys; print(sum(m["inSync"] for g in json.load(sys.stdin)["groups"] for m in g["members"]))' 2>/dev/null
}
wait_for() { for _ in $(seq 300); do [ "$(in_sync)" != "$1" ] || return 0; sleep 0.1; done; die "no $1 stores in-sync"; }
wait_for 1
node "$second" data name=birds dbfile="$home/second.txt" rbfile="$home/second-rollback.txt"
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
