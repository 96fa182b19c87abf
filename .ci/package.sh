#!/usr/bin/env bash
# What would be published builds outside of the repository, by itself, with its documentation.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo package --quiet --locked --allow-dirty --no-verify
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
tar -xzf "$CARGO_TARGET_DIR"/package/livestream-client-*.crate -C "$outside" --strip-components=1

# Its tests use this package once more, with the emulator on; from the registry, that would be a circle.
if grep -q '^\[dev-dependencies.livestream-client\]' "$outside/Cargo.toml"; then
    echo "the package depends on itself" >&2
    exit 1
fi

export RUSTDOC="$PWD/.ci/rustdoc-unstable"
cd "$outside"
cargo check --quiet --locked --all-features --lib --bins
# As docs.rs does it.
RUSTDOCFLAGS="--cfg docsrs -D warnings" cargo doc --quiet --locked --all-features --no-deps --lib
