#!/usr/bin/env bash
# Checks licences, sources, bans and duplicates in the dependency tree, and advisories if they are available.
set -euo pipefail
cd "$(dirname "$0")/.."

# A debug build of cargo-deny takes a minute, and it still checks in two seconds.
command -v cargo-deny >/dev/null ||
    cargo install --quiet --locked --debug --no-default-features cargo-deny@0.20.2

check() { cargo deny --locked check --hide-inclusion-graph "$@"; }

check bans licenses sources
said=$(check advisories 2>&1) && echo "$said" || {
    # Ignore only a failure to fetch the database, not an advisory.
    grep -q "failed to fetch advisory database" <<<"$said" || { echo "$said" >&2; exit 1; }
    echo "advisories skipped: the database cannot be fetched"
}
