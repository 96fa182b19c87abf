#!/usr/bin/env bash
# Changes one thing at a time in the code, and checks that a test notices each change.
#
#     .ci/mutants.sh                            the lines that differ from the branch main
#     .ci/mutants.sh 'src/gax/policy/**' …      whole files
#
# Not a step of .ci/run: each change takes 10 s with the unit tests and a minute with all tests. The
# changes that no test can notice are listed, with the reason, in .cargo/mutants.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo-mutants >/dev/null || cargo install --quiet --locked --debug cargo-mutants@27.1.0

where=()
if [ $# -gt 0 ]; then
    for glob in "$@"; do where+=(--file "$glob"); done
else
    diff=$(mktemp)
    trap 'rm -f "$diff"' EXIT
    git diff main >"$diff"
    [ -s "$diff" ] || { echo "nothing differs from main"; exit 0; }
    where=(--in-diff "$diff" --file 'src/**' --file 'emulator/src/**')
fi

# A change that makes tests hang counts as noticed only if the tests have a limit.
run() { cargo mutants --workspace --output target --timeout 300 --build-timeout 600 "${where[@]}" "$@"; }

# First the unit tests alone, because they build in seconds; then all tests, for what is left.
rm -rf target/mutants.out
run --cargo-arg=--lib || true
run --iterate
