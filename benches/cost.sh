#!/usr/bin/env bash
# Measures the cost of building a program that reads one channel: with this crate and default credentials,
# with this crate and the program's own token, with the official crate, and with tonic only. Prints a
# Markdown table. Takes about thirteen minutes on two cores.
#
#     benches/cost.sh                  # all four programs
#     benches/cost.sh ours bare        # only these
#
# Each program is built in an empty target directory, which is then deleted. Times are wall-clock seconds,
# with CPU seconds in parentheses; other work on the machine disturbs CPU seconds less. Crates are those in
# the program, including the program itself. Sizes are those of a stripped release build, and of a build for
# size (opt-level "s", link-time optimisation, one codegen unit, abort on panic).
set -euo pipefail
cd "$(dirname "$0")/compare"

programs=("$@")
[ $# -gt 0 ] || programs=(ours own-token official bare)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo fetch --locked --quiet

# Builds with the given arguments and prints the seconds that it took.
timed() {
    local TIMEFORMAT='%0R %0U %0S'
    { time cargo build --locked --quiet "$@" 2>"$work/log"; } 2>&1 || { cat "$work/log" >&2; exit 1; }
}

megabytes() { awk -v bytes="$(stat -c %s "$1")" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

small=(--config 'profile.release.opt-level="s"' --config 'profile.release.lto=true'
       --config 'profile.release.codegen-units=1' --config 'profile.release.panic="abort"')

echo "$(date +%F), $(rustc --version | cut -d' ' -f1-2), $(nproc) cores of $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1 /proc/loadavg)"
echo
echo "| program | crates | debug build | release build | size | optimised for size |"
echo "|---|--:|--:|--:|--:|--:|"
for program in "${programs[@]}"; do
    export CARGO_TARGET_DIR="$work/$program" CARGO_INCREMENTAL=0
    crates=$(cargo tree --locked -p "$program" -e normal --prefix none | sed 's/ (.*//' | sort -u | wc -l)
    read -r wall user system < <(timed -p "$program")
    debug="$wall s ($((user + system)) s)"
    read -r wall user system < <(timed -p "$program" --release)
    release="$wall s ($((user + system)) s)"
    size=$(megabytes "$CARGO_TARGET_DIR/release/$program")
    timed -p "$program" --release "${small[@]}" >"$work/small"
    smallest=$(megabytes "$CARGO_TARGET_DIR/release/$program")
    echo "| $program | $crates | $debug | $release | $size | $smallest |"
    rm -rf "$CARGO_TARGET_DIR"
done
