#!/usr/bin/env bash
# Checks that the published package builds outside of the repository, with its documentation.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo package --quiet --locked --allow-dirty --no-verify
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
tar -xzf "$CARGO_TARGET_DIR"/package/livestream-client-*.crate -C "$outside" --strip-components=1

# The package must not depend on itself. Its own dev-dependency has only a path, so Cargo omits it.
if grep -q '^\[dev-dependencies.livestream-client\]' "$outside/Cargo.toml"; then
    echo "the package depends on itself" >&2
    exit 1
fi

export RUSTDOC="$PWD/.ci/rustdoc-unstable"
cd "$outside"
cargo check --quiet --locked --all-features --lib --bins
# Build the documentation as docs.rs does.
RUSTDOCFLAGS="--cfg docsrs -D warnings" cargo doc --quiet --locked --all-features --no-deps --lib
