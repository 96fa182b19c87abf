#!/usr/bin/env python3
"""Checks that the public API has exactly the types of other crates that external_types.txt lists.

A new major version of such a crate is a breaking change of ours. The script reads rustdoc's JSON.
"""
import json
import os
import subprocess
import sys

ALLOWED = ".ci/external_types.txt"


def document():
    command = ["cargo", "rustdoc", "--quiet", "--locked", "--lib", "--all-features", "--"]
    command += ["-Z", "unstable-options", "--output-format", "json"]
    wrapper = os.path.abspath(".ci/rustdoc-unstable")
    subprocess.run(command, env={**os.environ, "RUSTDOC": wrapper}, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    with open(f"{target}/doc/livestream_client.json") as file:
        return json.load(file)


def mentioned(node):
    """Yields the ids of all types and traits in a part of an item's signature."""
    if isinstance(node, dict):
        if isinstance(node.get("id"), int) and ("path" in node or "source" in node):
            yield node["id"]
        for part in node.values():
            yield from mentioned(part)
    elif isinstance(node, list):
        for part in node:
            yield from mentioned(part)


def external_types(docs):
    found = set()
    for item in docs["index"].values():
        kind = item["inner"].get("impl", {})
        # Blanket impls of other crates apply to every type, and are not part of our API.
        if item["crate_id"] != 0 or kind.get("blanket_impl") or kind.get("is_synthetic"):
            continue
        for id in mentioned(item["inner"]):
            path = docs["paths"].get(str(id))
            if path and path["crate_id"] != 0:
                # Leave out the modules in the path, because they are often private.
                found.add(f"{path['path'][0]}::{path['path'][-1]}")
    return {name for name in found if not name.startswith(("core::", "alloc::", "std::"))}


found = external_types(document())
assert "tonic::Status" in found, "the search finds nothing: has the format of the JSON changed?"
with open(ALLOWED) as file:
    allowed = {line.split("#")[0].strip() for line in file} - {""}
for name in sorted(found - allowed):
    print(f"{name} is in the public API, but not in {ALLOWED}", file=sys.stderr)
for name in sorted(allowed - found):
    print(f"{name} is in {ALLOWED}, but no longer in the public API", file=sys.stderr)
if found != allowed:
    sys.exit(1)
print(f"{len(found)} types of other crates, all of them allowed")
