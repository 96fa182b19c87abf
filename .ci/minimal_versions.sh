#!/usr/bin/env bash
# Checks that the library builds with the oldest version of each dependency that its manifest allows.
#
# Builds a copy without dev-dependencies and without the other members of the workspace, as users do. The
# flag of Cargo is unstable and needs RUSTC_BOOTSTRAP. The compiler runs as usual.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r build.rs build proto src README.md "$copy"
awk '/^\[/ { skipped = /^\[(dev-dependencies|workspace)\]|^\[\[test\]\]/ } !skipped' Cargo.toml >"$copy/Cargo.toml"

# A separate target directory, because no other step can use these builds. It is kept for the next run.
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/minimal-versions"
cd "$copy"
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
cargo check --quiet --lib --all-features
