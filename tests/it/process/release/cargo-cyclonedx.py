#!/usr/bin/env python3
"""Stands for CycloneDX's own tool, which takes minutes to build. It asks cargo for the crates, as the
tool does, without the network and with the versions of Cargo.lock, and writes a short bill of them
where the tool writes its own."""

import argparse
import json
import os
import pathlib
import subprocess

options = argparse.ArgumentParser()
options.add_argument("cyclonedx", choices=["cyclonedx"])
options.add_argument("--manifest-path", type=pathlib.Path, required=True)
options.add_argument("--format", choices=["json"], required=True)
options.add_argument("--spec-version", choices=["1.5"], required=True)
options.add_argument("--target", required=True)
options.add_argument("--no-build-deps", action="store_true", required=True)
options.add_argument("--override-filename", required=True)
options.add_argument("--quiet", action="store_true")
asked = options.parse_args()

command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
command += ["--filter-platform", asked.target, "--manifest-path", asked.manifest_path]
found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
needs = {node["id"]: node["deps"] for node in found["resolve"]["nodes"]}
crates, left = set(), [found["resolve"]["root"]]
while left:
    crate = left.pop()
    if crate not in crates:
        crates.add(crate)
        # A kind is null unless the crate is there for builds or tests alone.
        left += [it["pkg"] for it in needs[crate] if any(not kind["kind"] for kind in it["dep_kinds"])]
components = [
    {"type": "library", "bom-ref": it["id"], "name": it["name"], "version": it["version"],
     "licenses": [{"expression": it["license"]}]}
    for it in found["packages"] if it["id"] in crates
]
own = [it for it in components if it["bom-ref"] == found["resolve"]["root"]][0]
components.remove(own)
# The tool takes the time from there, so that the bill has the same bytes each time.
metadata = {"timestamp": os.environ["SOURCE_DATE_EPOCH"], "component": own}
bill = {"bomFormat": "CycloneDX", "specVersion": asked.spec_version, "metadata": metadata,
        "components": components}
to = asked.manifest_path.with_name(f"{asked.override_filename}.json")
to.write_text(json.dumps(bill, indent=2))
