#!/usr/bin/env bash
# Builds Aviary and runs a whole cluster on loopback: ZooKeeper, three servers, and the groups zdata1 and zdata2 with two data
# nodes each. Shows it at work and leaves it running until Ctrl-C, after which nothing is left behind.
#
#   scripts/run.sh [--once]     --once ends the cluster after it was shown
#
#   AVIARY_BINARY     runs this binary instead of building one
#   AVIARY_DATA_DIR   keeps the data in this folder, and goes on with what is there; without it data lives as long as the run
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

once=
case "${1:-}" in
'') ;;
--once) once=yes ;;
*) die "unknown argument '$1'; only --once is known" ;;
esac

declare -A names=()     # process id -> what it is
nodes=()                # process ids of servers and data nodes
zookeeper=
home=
keep_home=

is_running() { kill -0 "$1" 2>/dev/null; }

# Ends the processes given, and waits for them: first with SIGTERM, after some seconds for good.
end_all() {
    local pid deadline=$((SECONDS + ${STOP_SECONDS:-12}))
    for pid in "$@"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "$@"; do
        while is_running "$pid" && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.05; done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

cleanup() {
    local code=$?
    trap '' INT TERM
    if [ "${#names[@]}" -gt 0 ]; then
        say "Stopping the cluster"
        # Nodes first: they hand over and say good-bye to ZooKeeper.
        [ "${#nodes[@]}" -eq 0 ] || end_all "${nodes[@]}"
        [ -z "$zookeeper" ] || end_all "$zookeeper"
    fi
    if [ -n "$home" ]; then
        if [ "$code" -ne 0 ] && [ "$code" -ne 130 ] && [ "$code" -ne 143 ]; then
            mkdir -p .run/failed && cp "$home"/*.log .run/failed/ 2>/dev/null || true
            echo "the logs were kept in .run/failed" >&2
        fi
        if [ -n "$keep_home" ]; then say "The data stays in $home"; else rm -rf "$home"; fi
    fi
    [ "$code" -ne 130 ] && [ "$code" -ne 143 ] || code=0
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts a program in a session of its own, so that a Ctrl-C comes here alone; should this script be killed, it ends too.
launch() { # what it is, log, command…
    local name=$1 log=$2
    shift 2
    if command -v setpriv >/dev/null; then set -- setpriv --pdeathsig TERM -- "$@"; fi
    setsid "$@" >>"$log" 2>&1 </dev/null &
    names[$!]=$name
}

is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# ---- Build

scripts/setup.sh
if [ -n "${AVIARY_BINARY:-}" ]; then
    [ -x "$AVIARY_BINARY" ] || die "AVIARY_BINARY is '$AVIARY_BINARY', which is no program"
    aviary=$AVIARY_BINARY
else
    say "Building Aviary (the first time takes a few minutes)"
    swift build -c release --product aviary
    aviary=$(swift build -c release --show-bin-path)/aviary
fi

# ---- Where: folders and ports

if [ -n "${AVIARY_DATA_DIR:-}" ]; then
    mkdir -p "$AVIARY_DATA_DIR"
    home=$(cd "$AVIARY_DATA_DIR" && pwd)
    keep_home=yes
else
    mkdir -p .run
    base=$PWD/.run
    # ZooKeeper's own scripts cannot cope with blanks in paths.
    case $base in *[!A-Za-z0-9._/-]*) base=${TMPDIR:-/tmp} ;; esac
    home=$(mktemp -d "$base/cluster.XXXXXX")
fi

server_ports=(1926 1927 1928)
data_ports=(1931 1932 1941 1942)
groups=(zdata1 zdata1 zdata2 zdata2)
zookeeper_port=2181
shift_ports() { # by how much
    local i
    for i in "${!server_ports[@]}"; do server_ports[i]=$((server_ports[i] + $1)); done
    for i in "${!data_ports[@]}"; do data_ports[i]=$((data_ports[i] + $1)); done
}
any_taken() {
    local port
    for port in "$@"; do ! is_taken "$port" || return 0; done
    return 1
}
shifted=0
while any_taken "${server_ports[@]}" "${data_ports[@]}"; do
    shifted=$((shifted + 1))
    [ "$shifted" -le 50 ] || die "no free ports found from 1926 to ${data_ports[3]}"
    shift_ports 100
done
[ "$shifted" -eq 0 ] || say "Ports from 1926 on are taken; using ${server_ports[*]} for servers and ${data_ports[*]} for data nodes"
while is_taken "$zookeeper_port"; do zookeeper_port=$((zookeeper_port + 1)); done
[ "$zookeeper_port" -eq 2181 ] || say "Port 2181 is taken; using $zookeeper_port for ZooKeeper"

# ---- Start

say "Starting ZooKeeper on 127.0.0.1:$zookeeper_port"
launch ZooKeeper "$home/zookeeper.log" env \
    ZOO_CLIENT_PORT="$zookeeper_port" ZOO_CLIENT_ADDRESS=127.0.0.1 ZOO_DATA_DIR="$home/zookeeper" ZOO_CONF_DIR="$home/zookeeper-conf" \
    ZOO_TICK_TIME=500 JVMFLAGS="-Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC" docker/zookeeper/entrypoint.sh
zookeeper=$!
for _ in $(seq 300); do
    ! docker/zookeeper/healthcheck.sh "$zookeeper_port" || break
    is_running "$zookeeper" || { tail -n 5 "$home/zookeeper.log" >&2; die "ZooKeeper ended at its start"; }
    sleep 0.1
done
docker/zookeeper/healthcheck.sh "$zookeeper_port" || die "ZooKeeper does not serve after 30 s"

for i in "${!server_ports[@]}"; do
    port=${server_ports[i]}
    say "Starting server $((i + 1)) on 127.0.0.1:$port"
    launch "server 127.0.0.1:$port" "$home/server-$port.log" env zooaddr="127.0.0.1:$zookeeper_port" serverip=127.0.0.1 serverport="$port" \
        "$aviary" server
    nodes+=($!)
done
for i in "${!data_ports[@]}"; do
    port=${data_ports[i]}
    folder=$home/${groups[i]}-$((i % 2 + 1))
    mkdir -p "$folder"
    say "Starting a data node of ${groups[i]} on 127.0.0.1:$port, data in ${folder#"$PWD/"}"
    launch "data node of ${groups[i]} 127.0.0.1:$port" "$home/${groups[i]}-$port.log" env zooaddr="127.0.0.1:$zookeeper_port" \
        serverip=127.0.0.1 serverport="$port" name="${groups[i]}" dbfile="$folder/db.txt" rbfile="$folder/rollback.txt" "$aviary" data
    nodes+=($!)
done

servers=$(printf '127.0.0.1:%s,' "${server_ports[@]}")
servers=${servers%,}

# ---- Show

say "Waiting for both groups to serve with both stores in sync"
is_whole() {
    local status
    status=$("$aviary" status --server "$servers" --json 2>/dev/null) || return 1
    [ "$(grep -c '"state" : "serving"' <<<"$status")" -eq 2 ] && [ "$(grep -c '"inSync" : true' <<<"$status")" -eq 4 ]
}
deadline=$((SECONDS + 90))
until is_whole; do
    for pid in "${nodes[@]}"; do
        is_running "$pid" || { echo "the ${names[$pid]} ended at its start:" >&2; tail -n 5 "$home"/*.log >&2; exit 1; }
    done
    [ "$SECONDS" -lt "$deadline" ] || { "$aviary" status --server "$servers" >&2 || true; die "the cluster is not whole after 90 s"; }
    sleep 0.2
done
"$aviary" status --server "$servers"

echo
say "aviary put greeting 'hello, world'"
"$aviary" put greeting 'hello, world' --server "$servers"
say "aviary get greeting"
"$aviary" get greeting --newline --server "$servers"

[ -z "$once" ] || exit 0

cat <<TEXT

${bold}The cluster runs.${plain} In another terminal:

  export PATH="${aviary%/aviary}:\$PATH" serverip=127.0.0.1 serverport=${server_ports[0]}
  aviary client                    a prompt
  aviary put KEY VALUE             and get, delete
  aviary status                    who is master, primary, standby
  kill -9 PID                      and look at the status again:

TEXT
for pid in "${nodes[@]}"; do printf '  %7d  %s\n' "$pid" "${names[$pid]}"; done
printf '\nLogs and data are in %s. Ctrl-C ends everything.\n\n' "${home#"$PWD/"}"

# ---- Until Ctrl-C: tell of nodes that end

while true; do
    ended=
    wait -n -p ended 2>/dev/null || true
    [ -n "$ended" ] || break
    say "The ${names[$ended]} has ended"
done
