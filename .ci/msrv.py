#!/usr/bin/env python3
"""Checks that the Rust version in the manifest is the one that the dependencies need.

The script installs no other toolchain. Clippy's lint `incompatible_msrv` checks the code of the crate, with
the version in clippy.toml.
"""
import json
import re
import subprocess
import sys


def parts(version):
    return [*map(int, version.split(".")), 0][:3]


metadata = ["cargo", "metadata", "--locked", "--format-version=1", "--all-features"]
metadata = json.loads(subprocess.check_output(metadata))
packages = metadata["packages"]
promised = {package["rust_version"] for package in packages if not package["source"]}
assert len(promised) == 1, f"members promise different versions: {promised}"
promised = promised.pop()
versions = {package["name"]: package["rust_version"] for package in packages if package["source"]}
needed, by = max((parts(version), name) for name, version in versions.items() if version)
linted = re.search(r'^msrv = "(.*)"', open("clippy.toml").read(), re.M)[1]

if parts(promised) != needed or linted != promised:
    needed = ".".join(map(str, needed))
    sys.exit(f"Cargo.toml promises Rust {promised}, clippy.toml checks {linted}, {by} needs {needed}")
print(f"Rust {promised}, as {by} needs")
