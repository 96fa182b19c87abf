#!/usr/bin/env bash
# Runs the flows of the official clients against the program, and the page in headless Chromium, outside of
# `cargo test`: they need Python, Node and the package registries. A missing tool or registry is an error,
# unless it is named in SKIP, such as SKIP="node rust". If the page has changed, set FRAGMENT=1: then the test
# of the page writes a new screenshot to the guide.
set -euo pipefail
cd "$(dirname "$0")"

root=$(cd ../../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
packages=$target/official
mkdir -p "$packages"

cargo build --quiet --locked --manifest-path "$root/Cargo.toml" -p livestream-emulator --features program
coproc program {
    exec "$target/debug/livestream-emulator" --project my-project=123456789012 2>"$packages/emulator.log"
}
trap 'kill "$program_PID" 2>/dev/null' EXIT
read -r line <&"${program[0]}"
host=${line#export LIVESTREAM_EMULATOR_HOST=}

is_skipped() { [[ " ${SKIP-} " == *" $1 "* ]]; }

is_skipped curl || ./howto.sh "$host"
if ! is_skipped python; then
    [ -x "$packages/python/bin/python" ] || python3 -m venv "$packages/python"
    "$packages/python/bin/pip" install --quiet --disable-pip-version-check \
        "google-cloud-video-live-stream>=1.18,<2" "grpcio-reflection>=1.60,<2"
    for transport in grpc asyncio rest; do
        "$packages/python/bin/python" flow.py "$host" "$transport"
    done
fi
if ! is_skipped node; then
    mkdir -p "$packages/node"
    [ -f "$packages/node/package.json" ] || (cd "$packages/node" && npm init -y >/dev/null)
    (cd "$packages/node" && npm install --silent --no-fund --no-audit "@google-cloud/livestream@^1.4")
    for transport in grpc rest; do
        NODE_PACKAGES=$packages/node NODE_NO_WARNINGS=1 node flow.mjs "$host" "$transport"
    done
fi
if ! is_skipped page; then
    mkdir -p "$packages/page"
    [ -f "$packages/page/package.json" ] || (cd "$packages/page" && npm init -y >/dev/null)
    (cd "$packages/page" && npm install --silent --no-fund --no-audit \
        "@sparticuz/chromium@^147" "puppeteer-core@^24")
    fragment=$root/src/guide/emulator.html
    NODE_PACKAGES=$packages/page node ../page/page.mjs "$host" ${FRAGMENT:+"$fragment"}
    hash=$(sha256sum <../../src/http/page.html | cut -d' ' -f1)
    grep -qF "data-page=\"$hash\"" "$fragment" || {
        echo "the screenshot in $fragment is of another page: run this script with FRAGMENT=1" >&2
        exit 1
    }
fi
if ! is_skipped rust; then
    CARGO_TARGET_DIR=$target/official-rust cargo run --quiet --locked --manifest-path rust/Cargo.toml -- "$host"
fi
echo "all official clients passed"
