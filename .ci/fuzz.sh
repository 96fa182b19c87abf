#!/usr/bin/env bash
# Runs each fuzz target for some seconds on the stored corpus, two at a time. The build is not optimised,
# because it takes most of the time.
set -euo pipefail
cd "$(dirname "$0")/.."

export FUZZ_PROFILE=dev CARGO_TARGET_DIR="$CARGO_TARGET_DIR/fuzz"
fuzz/run

run() {
    local log
    log=$(fuzz/run "$1" -max_total_time=8 -verbosity=1 2>&1) ||
        { tail -n 60 <<<"$log" >&2; exit 1; }
    echo "$1: $(grep '^Done' <<<"$log")"
}
export -f run
find fuzz/corpus -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort |
    xargs -P 2 -I '{}' bash -euo pipefail -c 'run {}'
