#!/usr/bin/env bash
# Each feature compiles alone, without a warning, and a client pulls in no server code.
#
# Only the library is checked: dev-dependencies switch features on that hide what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# Read from the manifest, so that no feature is forgotten.
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

# Crates that end up in a program with this crate, the program itself included.
count_crates() {
    cargo tree --locked --package livestream-client --edges normal --prefix none "$@" |
        sed 's/ (.*//' | sort -u | wc -l | awk '{ print $1 + 1 }'
}

most=90
own=$(count_crates --no-default-features --features ring)
all=$(count_crates)
echo "-- crates of a program with its own tokens: $own; of one that finds credentials: $all"
[ "$own" -le "$most" ] || { echo "more than $most crates without the feature adc" >&2; exit 1; }
[ "$all" -gt "$most" ] || { echo "the count does not see the crates of google-cloud-auth" >&2; exit 1; }

# The gate must be able to fail.
if holds_no_server --package livestream-emulator 2>/dev/null; then
    echo "the search for server code does not find the emulator's" >&2
    exit 1
fi
echo "no feature needs another, and no client holds a server"
