#!/usr/bin/env bash
# Builds everything and runs all tests. Ends with one line that says how it went; logs of a failure are kept in .run/test.
#
#   scripts/test.sh [arguments for swift test, such as --filter StorageTests]
#
#   SIM_SEEDS   how many seeds the simulation sweep tries; SIM_SEED=n repeats one
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

logs=.run/test
started=$SECONDS
step=setup

finish() {
    local code=$?
    if [ "$code" -eq 0 ]; then
        say "make test: passed, $tests tests in $(duration $((SECONDS - started)))"
    else
        say "make test: FAILED in $step after $(duration $((SECONDS - started))); logs are in $logs"
    fi
}
tests=0
trap finish EXIT

scripts/setup.sh tests
rm -rf "$logs"
mkdir -p "$logs"

step="the debug build"
say "Building the tests (the first time takes a few minutes)"
swift build --build-tests 2>&1 | tee "$logs/build-debug.log"

step="the release build"
say "Building the release binary, for the tests with real processes"
swift build -c release --product aviary 2>&1 | tee "$logs/build-release.log"
AVIARY_BINARY=$(swift build -c release --show-bin-path)/aviary
export AVIARY_BINARY AVIARY_TEST_LOGS=$PWD/$logs

# Runs `swift test` with a name for its log; adds up what passed.
run_tests() {
    local name=$1
    shift
    step="the $name tests"
    say "Running the $name tests"
    # Everything is in the log; here go what failed, what a test prints (such as seeds), and the summaries.
    set +e
    swift test --skip-build "$@" 2>&1 | tee "$logs/$name.log" |
        awk '/^◇/ { within = !/started\.$/; next }        # an argument may have several lines
             within { within = !/started\.$/; next }
             /^✔ Test / && !/^✔ Test run/ { next }
             { print; fflush() }'
    local code=${PIPESTATUS[0]}
    set -e
    [ "$code" -eq 0 ] || exit 1
    local count
    count=$(sed -nE 's/.*Test run with ([0-9]+) tests? .*passed.*/\1/p' "$logs/$name.log" | tail -n 1)
    [ -n "$count" ] || { echo "no summary of the $name tests was found in their log"; exit 1; }
    tests=$((tests + count))
}

if [ "$#" -gt 0 ]; then
    run_tests chosen "$@"
    exit 0
fi
# Tests of machines compute and may take all cores; tests that wait for sockets and files share them among themselves; tests
# with real processes and deadlines of their own come one by one.
adapters='GRPCAdapterTests|AviaryClientTests|FileAdapterTests|DiskConformanceTests|RuntimeTests|CommandTests|StoryPageTests'
processes='IntegrationTests|ZooKeeperAdapterTests|^ConformanceTests'
run_tests machine --skip "$adapters|$processes"
run_tests adapter --filter "$adapters"
run_tests process --no-parallel --filter "$processes"
