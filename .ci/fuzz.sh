#!/usr/bin/env bash
# Runs each fuzz target for some seconds on the stored corpus. The build is not optimised, because it takes
# most of the time.
set -euo pipefail
cd "$(dirname "$0")/.."

export FUZZ_PROFILE=dev CARGO_TARGET_DIR="$CARGO_TARGET_DIR/fuzz"
fuzz/run
for target in fuzz/corpus/*/; do
    target=$(basename "$target")
    log=$(fuzz/run "$target" -max_total_time=8 -verbosity=1 2>&1) ||
        { tail -n 60 <<<"$log" >&2; exit 1; }
    echo "$target: $(grep '^Done' <<<"$log")"
done
