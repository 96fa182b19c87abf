#!/usr/bin/env bash
# Shows that the simulation finds bugs: plants each bug of `src` that is behind `planted!`, one at a time,
# and runs seeds until an invariant is violated. Prints a table, and fails if a bug is not found.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_INCREMENTAL=0 RUSTC_WORKSPACE_WRAPPER="$PWD/.ci/rustc-planted"
export RUST_BACKTRACE=0 SIMULATION_SEEDS="${SIMULATION_SEEDS:-10000}"

binary=$(cargo test --quiet --locked --no-run --test simulation --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    found = json.loads(line)
    if found.get("executable") and found["target"]["name"] == "simulation":
        print(found["executable"])')

# The names, also of invocations that take several lines.
names=$(cat $(find src -name '*.rs' | sort) | tr '\n' ' ' | grep -oP 'planted!\(\s*"\K[^"]+' | sort -u)

missed=0
row() { printf '| %s | %s | %s |\n' "$@"; }
row 'planted bug' 'seed' 'violated invariant'
row --- --- ---
while read -r name; do
    if output=$(PLANTED="$name" "$binary" --exact no_seed_violates_an_invariant --nocapture 2>&1); then
        row "$name" 'none' 'none'
        missed=$((missed + 1))
        continue
    fi
    found=$(grep -aoP '^seed \K\d+ violates [^:]+' <<<"$output" | head -n 1) ||
        { echo "$name: no invariant, but a panic:" >&2; tail -n 30 <<<"$output" >&2; exit 1; }
    row "$name" "${found%% *}" "${found#* violates }"
done <<<"$names"
if [ "$missed" -gt 0 ]; then
    echo "$missed planted bugs were not found in $SIMULATION_SEEDS seeds" >&2
    exit 1
fi
