#!/usr/bin/env bash
# Checks that each feature compiles alone, without a warning, and that a client contains no server code.
#
# Checks only the library, because dev-dependencies enable features and would hide a missing one.
set -euo pipefail
cd "$(dirname "$0")/.."

# Read the features from the manifest, so that none is missing here.
features=$(sed -n '/^\[features\]/,/^\[dep/s/^\([a-z][a-z-]*\) = .*/\1/p' Cargo.toml | grep -vx default)
[ -n "$features" ] || { echo "no features found in Cargo.toml" >&2; exit 1; }

check() {
    echo "-- cargo clippy --lib $*"
    cargo clippy --quiet --locked --package livestream-client --lib "$@" -- -D warnings
}

# Server code is axum, tonic's server and router, and hyper's server.
holds_no_server() {
    local found
    found=$(cargo tree --locked --package livestream-client --edges normal --prefix none --format '{p} [{f}]' "$@" |
        grep -E '^(axum|(tonic|hyper|hyper-util) .*[[,](server|server-auto|router|transport)[],])' ||
        true)
    if [ -n "$found" ]; then
        echo "server code in a client ($*):" >&2
        sort -u <<<"$found" >&2
        return 1
    fi
}

check --no-default-features
holds_no_server --no-default-features
for feature in $features; do
    check --no-default-features --features "$feature"
    holds_no_server --no-default-features --features "$feature"
done
check
holds_no_server

# The number of crates in a program with this crate, the program included.
count_crates() {
    cargo tree --locked --package livestream-client --edges normal --prefix none "$@" |
        sed 's/ (.*//' | sort -u | wc -l | awk '{ print $1 + 1 }'
}

max=90
own=$(count_crates --no-default-features --features ring)
all=$(count_crates)
echo "-- crates of a program with its own tokens: $own; with the feature adc: $all"
[ "$own" -le "$max" ] || { echo "more than $max crates without the feature adc" >&2; exit 1; }
[ "$all" -gt "$max" ] || { echo "the count does not see the crates of google-cloud-auth" >&2; exit 1; }

# Check that this check can fail.
if holds_no_server --package livestream-emulator 2>/dev/null; then
    echo "the search for server code does not find that of the emulator" >&2
    exit 1
fi
echo "each feature compiles alone, and no client contains server code"
