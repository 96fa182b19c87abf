#!/usr/bin/env python3
"""Counts the cost of a call and compares it with benches/counts.txt.

A number may differ from the record by 2 %, and by half an allocation if that is less: one more allocation
for each call is an error. A better number is an error too until it is recorded, so that a later
regression is noticed. With --write, records the numbers.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / "benches/counts.txt"
INSTRUCTIONS = "instructions a call, by the bare stub's with the same token"
TRACED = "instructions a call with a subscriber that samples nothing, by those without"
MAX_TRACED = 1.02
HEADER = "# Per call of GetChannel, and per name. Recorded by `.ci/counts.py --write`.\n"


def main():
    if shutil.which("valgrind") is None:
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "update"], check=True)
        subprocess.run([*sudo, "apt-get", "install", "-y", "valgrind"], check=True)
    program = build()
    found = allocations(program)
    ours, traced, bare, with_token = instructions(program)
    print(f"instructions for each call: {ours:.0f}, traced: {traced:.0f}")
    print(f"of the bare stub: {bare:.0f}, with the same token: {with_token:.0f}")
    found[INSTRUCTIONS] = round(ours / with_token, 3)
    found[TRACED] = round(traced / ours, 3)
    if found[TRACED] > MAX_TRACED:
        print(f"{TRACED}: {found[TRACED]}, more than {MAX_TRACED}")
        return 1

    if "--write" in sys.argv:
        lines = [f"{what}: {number:g}\n" for what, number in found.items()]
        RECORD.write_text(HEADER + "".join(lines))
        return 0
    recorded = read(RECORD.read_text())
    if recorded.keys() != found.keys():
        print("the list of counts has changed: record it with `.ci/counts.py --write`")
        return 1
    worse = [what for what in found if not report(what, found[what], recorded[what])]
    return 1 if worse else 0


def report(what, found, recorded):
    """Prints one line. Returns false if the number does not match the record."""
    margin = 0.02 * recorded
    if what.startswith("allocations"):
        margin = min(margin, 0.5)
    verdict = "as recorded"
    if found > recorded + margin:
        verdict = "HIGHER than recorded"
    elif found < recorded - margin:
        verdict = "lower than recorded: record it with `.ci/counts.py --write`"
    print(f"{what}: {found:g}, recorded {recorded:g}: {verdict}")
    return verdict == "as recorded"


def build():
    command = ["cargo", "bench", "--locked", "--no-run", "-p", "livestream-benches", "--bench", "count"]
    built = subprocess.run(
        [*command, "--message-format=json"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "count":
            return message["executable"]
    sys.exit("no bench was built")


def allocations(program):
    counted = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout
    return read(counted)


def read(text):
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {what: float(number) for what, number in (line.rsplit(": ", 1) for line in lines)}


def instructions(program):
    """Returns the instructions of the client's thread for each call.

    The calls are those of this crate, of this crate with a subscriber, of the bare stub, and of the bare
    stub with the same token of 1 kB.

    The difference of two runs excludes the instructions of the start.
    """
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        def count(caller, calls):
            file = f"{folder}/{caller}.{calls}"
            subprocess.run(
                [
                    "valgrind", "--tool=callgrind", "--separate-threads=yes",
                    f"--callgrind-out-file={file}", program, caller, str(calls),
                ],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            # The first thread is that of the client.
            totals = re.search(r"^totals: (\d+)", pathlib.Path(f"{file}-01").read_text(), re.M)
            return int(totals[1])

        short, long = 1000, 3000
        callers = ("ours", "traced", "bare", "bare-with-token")
        runs = [(caller, calls) for caller in callers for calls in (short, long)]
        counts = list(pool.map(lambda run: count(*run), runs))
        return [(many - few) / (long - short) for few, many in zip(counts[::2], counts[1::2])]


if __name__ == "__main__":
    sys.exit(main())
