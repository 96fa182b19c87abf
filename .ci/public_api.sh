#!/usr/bin/env bash
# The public API of each crate is the one that .ci/public-api records. With --write, records it.
#
# Generated messages and stubs are not listed: proto/ defines them.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo-public-api >/dev/null ||
    cargo install --quiet --locked --debug cargo-public-api@0.52.0

export RUSTDOC="$PWD/.ci/rustdoc-unstable"
for crate in livestream-client livestream-emulator; do
    record=".ci/public-api/$crate.txt"
    found=$(mktemp)
    # Three times `s`: without the impls that every type gets from the compiler and from derives.
    cargo public-api --package "$crate" --all-features -sss --color never 2>"$found.log" >"$found" ||
        { cat "$found.log" >&2; exit 1; }
    sed -i -E '/::(model|proto)::/d' "$found"
    if [ "${1:-}" = --write ]; then
        mkdir -p .ci/public-api
        cp "$found" "$record"
    elif ! diff -u "$record" "$found"; then
        echo "the public API of $crate has changed: record it with \`.ci/public_api.sh --write\`" >&2
        exit 1
    fi
    rm "$found" "$found.log"
done
echo "the public API is as recorded"
