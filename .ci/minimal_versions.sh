#!/usr/bin/env bash
# The library builds with the oldest version of each dependency that its manifest allows.
#
# In a copy without dev-dependencies and the workspace's other members, as users get it. Cargo's flag
# is unstable, thus the bootstrap; the compiler itself runs as ever.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r build.rs proto src README.md "$copy"
awk '/^\[/ { skipped = /^\[(dev-dependencies|workspace)\]|^\[\[test\]\]/ } !skipped' Cargo.toml >"$copy/Cargo.toml"

# Its own directory, kept: what it builds, nothing else can use.
export CARGO_TARGET_DIR="$CARGO_TARGET_DIR/minimal-versions"
cd "$copy"
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
cargo check --quiet --lib --all-features
