#!/bin/bash
# Succeeds if the ZooKeeper server at this port serves clients, as leader, follower or alone.
#
#   healthcheck.sh [port] [host]
#
# bash, for its /dev/tcp: the image has no netcat.
port=${1:-${ZOO_CLIENT_PORT:-2181}}
host=${2:-127.0.0.1}
exec 2>/dev/null
exec 3<>"/dev/tcp/$host/$port" || exit 1
printf srvr >&3
grep -Eq '^Mode: (leader|follower|observer|standalone)' <&3
