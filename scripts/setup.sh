#!/usr/bin/env bash
# Makes sure that what Aviary builds on is there; installs Debian packages that are missing, and nothing else.
#
#   scripts/setup.sh [tests]    with `tests`, also what only the tests need: a browser, and ip for networks that are cut
#
# It looks for what a package brings, not for the package, so that another way of installing it counts too.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

has_file() {
    local path
    for path in "$@"; do [ -e "$path" ] && return 0; done
    return 1
}

missing=()
has_file /usr/include/grpc/grpc.h /usr/local/include/grpc/grpc.h || missing+=(libgrpc-dev)
has_file /usr/include/zookeeper/zookeeper.h /usr/local/include/zookeeper/zookeeper.h || missing+=(libzookeeper-mt-dev)
has_file "${ZOO_HOME:-/usr/share/zookeeper}/bin/zkServer.sh" || missing+=(zookeeper)
command -v java >/dev/null || missing+=(default-jre-headless)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
command -v curl >/dev/null || missing+=(curl)
if [ "${1:-}" = tests ]; then
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
        missing+=(chromium)
    command -v ip >/dev/null || missing+=(iproute2)
fi

command -v swift >/dev/null || die "there is no swift on the PATH; Swift 6.1 or later is needed, see https://www.swift.org/install"
version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)
read -r major minor <<<"${version:-0 0}"
[ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 1 ]; } ||
    die "Swift ${version/ /.} is too old; 6.1 or later is needed, see https://www.swift.org/install"

[ "${#missing[@]}" -gt 0 ] || exit 0

command -v apt-get >/dev/null ||
    die "please install what these Debian packages bring, there is no apt here to do it: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "please run as root: apt-get install ${missing[*]}"
    as_root=(sudo)
fi
say "Installing ${missing[*]}${as_root:+ (sudo may ask for your password)}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
