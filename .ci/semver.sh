#!/usr/bin/env bash
# Checks that the public API is compatible with the last tag. Checks nothing before the first tag.
set -euo pipefail
cd "$(dirname "$0")/.."

tag=$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null) || { echo "no tag yet"; exit 0; }
command -v cargo-semver-checks >/dev/null ||
    cargo install --quiet --locked --debug cargo-semver-checks
CARGO_TARGET_DIR="$CARGO_TARGET_DIR/semver" \
    cargo semver-checks --package livestream-client --all-features --baseline-rev "$tag"
