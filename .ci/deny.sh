#!/usr/bin/env bash
# Licences, sources, bans and duplicates of the dependency tree; advisories where they can be had.
set -euo pipefail
cd "$(dirname "$0")/.."

# Unoptimised, it is built in a minute and still checks in two seconds.
command -v cargo-deny >/dev/null ||
    cargo install --quiet --locked --debug --no-default-features cargo-deny@0.20.2

check() { cargo deny --locked check --hide-inclusion-graph "$@"; }

check bans licenses sources
said=$(check advisories 2>&1) && echo "$said" || {
    # Only a database that cannot be fetched is excused, not what it says.
    grep -q "failed to fetch advisory database" <<<"$said" || { echo "$said" >&2; exit 1; }
    echo "advisories skipped: the database cannot be fetched"
}
