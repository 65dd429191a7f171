# A cluster on loopback for the scripts that measure: ZooKeeper, a server, and stores of the group "birds", each a process of its own in a
# folder of its own; all of it ends with the script. Sourced by bash, after common.sh.
#
#   AVIARY_BINARY   runs this binary instead of building one
#   AVIARY_LOGS     keeps the nodes' logs in this folder
# shellcheck disable=SC2154

scripts/setup.sh
if [ -z "${AVIARY_BINARY:-}" ]; then
    swift build -c release --product aviary
    AVIARY_BINARY=$(swift build -c release --show-bin-path)/aviary
fi
home=$(mktemp -d "${TMPDIR:-/tmp}/aviary-cluster.XXXXXX")
pids=()
cleanup() {
    local i pid
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do kill -TERM "${pids[i]}" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ -n "${AVIARY_LOGS:-}" ]; then mkdir -p "$AVIARY_LOGS" && cp "$home"/*.log "$AVIARY_LOGS"; fi
    rm -rf "$home"
}
trap cleanup EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
zookeeper=$(free_port)

ZOO_CLIENT_PORT=$zookeeper ZOO_CLIENT_ADDRESS=127.0.0.1 ZOO_DATA_DIR=$home/zk ZOO_CONF_DIR=$home/conf \
    JVMFLAGS="-Xmx256m -XX:+UseSerialGC" docker/zookeeper/entrypoint.sh >"$home/zk.log" 2>&1 &
pids+=($!)
for _ in $(seq 600); do ! docker/zookeeper/healthcheck.sh "$zookeeper" || break; sleep 0.1; done

# Starts a node: its port, the command, further settings.
node() {
    local port=$1 command=$2
    shift 2
    env zooaddr="127.0.0.1:$zookeeper" serverip=127.0.0.1 serverport="$port" "$@" "$AVIARY_BINARY" "$command" \
        >"$home/$port.log" 2>&1 &
    pids+=($!)
}

# Starts a store at a port.
store() { node "$1" data name=birds dbfile="$home/$1.txt" rbfile="$home/$1-rollback.txt"; }

server=$(free_port)
node "$server" server

# How many stores are in-sync.
in_sync() {
    "$AVIARY_BINARY" status --json --server "127.0.0.1:$server" 2>/dev/null |
        python3 -c 'import json, sys; print(sum(m["inSync"] for g in json.load(sys.stdin)["groups"] for m in g["members"]))' 2>/dev/null
}

# Waits until so many are.
wait_for() {
    for _ in $(seq 600); do [ "$(in_sync)" != "$1" ] || return 0; sleep 0.1; done
    die "no $1 stores in-sync"
}
