#!/bin/sh
# Starts one ZooKeeper server in the foreground, configured by its environment.
#
# It is the entry point of the image, and runs as well as a plain script, by any user, with every path taken from the
# environment: that is how the tests start real ensembles on loopback ports.
#
#   ZOO_SERVERS        the ensemble: entries `server.<id>=<host>:<peer port>:<election port>[;[<address>:]<client port>]`,
#                      separated by spaces or newlines; unset for a single server
#   ZOO_MY_ID          which of the entries this server is (1 to 255); required with ZOO_SERVERS
#   ZOO_CLIENT_PORT    where clients connect, unless this server's entry says so itself
#   ZOO_CLIENT_ADDRESS the address that port is bound to; all of them by default
#   ZOO_DATA_DIR       snapshots, transaction logs and `myid`; survives restarts
#   ZOO_CONF_DIR       where zoo.cfg is written, anew at each start
#   ZOO_HOME           the folder of bin/zkServer.sh
#   ZOO_JAVA_LIB       the folder of zookeeper.jar
#   ZOO_TICK_TIME      one tick in milliseconds; sessions last 2 to 20 ticks
#   ZOO_INIT_LIMIT     ticks a follower may take to join
#   ZOO_SYNC_LIMIT     ticks a follower may lag
#   ZOO_MAX_CLIENT_CNXNS, ZOO_AUTOPURGE_PURGE_INTERVAL (hours, 0 = never), ZOO_AUTOPURGE_SNAP_RETAIN_COUNT,
#   ZOO_4LW_COMMANDS_WHITELIST, ZOO_LOG_LEVEL, JVMFLAGS
#
# A missing or malformed value ends it with one line on standard error and exit code 2.
set -eu

fail() {
    echo "zookeeper entrypoint: $*" >&2
    exit 2
}

require_number() { # name, value, least, most
    case $2 in
    '' | *[!0-9]* | ??????????*) fail "$1 is '$2'; it must be a number from $3 to $4" ;;
    esac
    [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1 is '$2'; it must be a number from $3 to $4"
}

ZOO_SERVERS=$(echo "${ZOO_SERVERS:-}" | tr -s ' \t\n' ' ' | sed 's/^ //; s/ $//')
ZOO_MY_ID=${ZOO_MY_ID:-}
ZOO_CLIENT_PORT=${ZOO_CLIENT_PORT:-2181}
ZOO_CLIENT_ADDRESS=${ZOO_CLIENT_ADDRESS:-0.0.0.0}
ZOO_DATA_DIR=${ZOO_DATA_DIR:-/var/lib/zookeeper}
ZOO_CONF_DIR=${ZOO_CONF_DIR:-/etc/zookeeper/run}
ZOO_HOME=${ZOO_HOME:-/usr/share/zookeeper}
ZOO_JAVA_LIB=${ZOO_JAVA_LIB:-/usr/share/java}
ZOO_TICK_TIME=${ZOO_TICK_TIME:-2000}
ZOO_INIT_LIMIT=${ZOO_INIT_LIMIT:-10}
ZOO_SYNC_LIMIT=${ZOO_SYNC_LIMIT:-5}
ZOO_MAX_CLIENT_CNXNS=${ZOO_MAX_CLIENT_CNXNS:-60}
ZOO_AUTOPURGE_PURGE_INTERVAL=${ZOO_AUTOPURGE_PURGE_INTERVAL:-24}
ZOO_AUTOPURGE_SNAP_RETAIN_COUNT=${ZOO_AUTOPURGE_SNAP_RETAIN_COUNT:-3}
ZOO_4LW_COMMANDS_WHITELIST=${ZOO_4LW_COMMANDS_WHITELIST:-ruok,srvr,mntr,conf}
ZOO_LOG_LEVEL=${ZOO_LOG_LEVEL:-INFO}

require_number ZOO_CLIENT_PORT "$ZOO_CLIENT_PORT" 1 65535
require_number ZOO_TICK_TIME "$ZOO_TICK_TIME" 10 600000
require_number ZOO_INIT_LIMIT "$ZOO_INIT_LIMIT" 1 100000
require_number ZOO_SYNC_LIMIT "$ZOO_SYNC_LIMIT" 1 100000
require_number ZOO_MAX_CLIENT_CNXNS "$ZOO_MAX_CLIENT_CNXNS" 0 1000000
require_number ZOO_AUTOPURGE_PURGE_INTERVAL "$ZOO_AUTOPURGE_PURGE_INTERVAL" 0 100000
require_number ZOO_AUTOPURGE_SNAP_RETAIN_COUNT "$ZOO_AUTOPURGE_SNAP_RETAIN_COUNT" 3 100000

# zkServer.sh splits its flags at white space, so the paths must have none.
for name in ZOO_DATA_DIR ZOO_CONF_DIR; do
    eval "value=\$$name"
    case $value in
    *[!A-Za-z0-9._/-]*) fail "$name is '$value'; use letters, digits and ._/- only" ;;
    /*) ;;
    *) fail "$name is '$value'; it must be an absolute path" ;;
    esac
done
case $ZOO_LOG_LEVEL in
TRACE | DEBUG | INFO | WARN | ERROR) ;;
*) fail "ZOO_LOG_LEVEL is '$ZOO_LOG_LEVEL'; it must be TRACE, DEBUG, INFO, WARN or ERROR" ;;
esac

own_client_port=
if [ -n "$ZOO_SERVERS" ]; then
    [ -n "$ZOO_MY_ID" ] || fail "ZOO_MY_ID is not set; it says which entry of ZOO_SERVERS this server is"
    require_number ZOO_MY_ID "$ZOO_MY_ID" 1 255
    shape='^server\.[1-9][0-9]{0,2}=([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}:[0-9]{1,5}(:participant|:observer)?(;(([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):)?[0-9]{1,5})?$'
    ids=' '
    for entry in $ZOO_SERVERS; do
        echo "$entry" | grep -Eq "$shape" ||
            fail "ZOO_SERVERS has '$entry'; an entry looks like server.1=host:2888:3888 or server.1=host:2888:3888;2181"
        id=${entry%%=*}
        id=${id#server.}
        require_number "the id of '$entry' in ZOO_SERVERS" "$id" 1 255
        case $ids in *" $id "*) fail "ZOO_SERVERS has two entries for server.$id" ;; esac
        ids="$ids$id "
        ports=$(echo "${entry#*=}" | sed -E 's/^(\[[^]]*\]|[^:]*)//; s/(\[[^]]*\]|[A-Za-z][A-Za-z0-9._-]*|[0-9]+\.[0-9.]+)//g' | tr -s ':;' ' ')
        for port in $ports; do
            require_number "a port of '$entry' in ZOO_SERVERS" "$port" 1 65535
        done
        case $id:$entry in "$ZOO_MY_ID:"*\;*) own_client_port=yes ;; esac
    done
    case $ids in *" $ZOO_MY_ID "*) ;; *) fail "ZOO_MY_ID is $ZOO_MY_ID, but ZOO_SERVERS has no server.$ZOO_MY_ID" ;; esac
elif [ -n "$ZOO_MY_ID" ]; then
    require_number ZOO_MY_ID "$ZOO_MY_ID" 1 255
fi

[ -x "$ZOO_HOME/bin/zkServer.sh" ] || fail "ZOO_HOME is '$ZOO_HOME', but there is no $ZOO_HOME/bin/zkServer.sh"
command -v java >/dev/null || fail "there is no java on the PATH; ZooKeeper needs Java 11 or later"
for name in ZOO_DATA_DIR ZOO_CONF_DIR; do
    eval "folder=\$$name"
    mkdir -p "$folder" 2>/dev/null || fail "$name is '$folder', which cannot be created"
    [ -w "$folder" ] || fail "$name is '$folder', which $(id -un 2>/dev/null || id -u) may not write to"
done

# A data folder belongs to one server for good: under another id it would vote twice.
if [ -n "$ZOO_MY_ID" ]; then
    if [ -s "$ZOO_DATA_DIR/myid" ] && [ "$(cat "$ZOO_DATA_DIR/myid")" != "$ZOO_MY_ID" ]; then
        fail "ZOO_MY_ID is $ZOO_MY_ID, but $ZOO_DATA_DIR belongs to server $(cat "$ZOO_DATA_DIR/myid")"
    fi
    echo "$ZOO_MY_ID" >"$ZOO_DATA_DIR/myid"
fi

{
    echo "tickTime=$ZOO_TICK_TIME"
    echo "initLimit=$ZOO_INIT_LIMIT"
    echo "syncLimit=$ZOO_SYNC_LIMIT"
    echo "dataDir=$ZOO_DATA_DIR"
    echo "maxClientCnxns=$ZOO_MAX_CLIENT_CNXNS"
    echo "autopurge.purgeInterval=$ZOO_AUTOPURGE_PURGE_INTERVAL"
    echo "autopurge.snapRetainCount=$ZOO_AUTOPURGE_SNAP_RETAIN_COUNT"
    echo "4lw.commands.whitelist=$ZOO_4LW_COMMANDS_WHITELIST"
    echo "admin.enableServer=false"
    # The two ways to name the client port exclude each other.
    if [ -z "$own_client_port" ]; then
        echo "clientPort=$ZOO_CLIENT_PORT"
        echo "clientPortAddress=$ZOO_CLIENT_ADDRESS"
    fi
    for entry in $ZOO_SERVERS; do echo "$entry"; done
} >"$ZOO_CONF_DIR/zoo.cfg"

# Debian's package brings no logger of its own into the class path; the simplest one of SLF4J writes to the console.
logger=$ZOO_JAVA_LIB/slf4j-simple.jar
if [ -r "$logger" ]; then
    settings=org.slf4j.simpleLogger
    JVMFLAGS="-cp $ZOO_CONF_DIR:$ZOO_JAVA_LIB/zookeeper.jar:$logger \
        -D$settings.defaultLogLevel=$ZOO_LOG_LEVEL -D$settings.logFile=System.out -D$settings.showThreadName=false \
        -D$settings.showShortLogName=true -D$settings.showDateTime=true \
        -D$settings.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS ${JVMFLAGS:-}"
fi
export JVMFLAGS="${JVMFLAGS:-}"
export JMXDISABLE=true
cd "$ZOO_DATA_DIR"
# zkServer.sh replaces itself by java: the process that was started is the server, and signals reach it.
exec "$ZOO_HOME/bin/zkServer.sh" start-foreground "$ZOO_CONF_DIR/zoo.cfg"
