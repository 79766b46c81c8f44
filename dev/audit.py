"""Looks for known vulnerabilities of what runs, where an advisory database can be reached: `make audit`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def main(command: str, requirements: str) -> int:
    """Returns 1 where a vulnerability is known, or a package was passed over by a database that knows others."""
    found = subprocess.run(
        [command, "--requirement", requirements, "--require-hashes", "--disable-pip", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    faults, looked_up = report(found.stdout)
    if not looked_up:
        print("Nothing was looked up: no advisory database can be reached from here.", file=sys.stderr)
        return 0
    print("\n".join(faults) or f"{looked_up} packages looked up, no vulnerability is known.")
    return 1 if faults else 0


def report(output: str) -> tuple[list[str], int]:
    """A line for each fault in pip-audit's JSON, and how many packages the database knew."""
    try:
        packages: list[Mapping[str, Any]] = json.loads(output)["dependencies"]
    except ValueError:
        return [], 0
    known = [package for package in packages if "skip_reason" not in package]
    faults = [
        f"{package['name']} {package['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'none'}"
        for package in known
        for each in package["vulns"]
    ]
    faults += [f"{package['name']}: not looked up" for package in packages if "skip_reason" in package]
    return faults, len(known)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
