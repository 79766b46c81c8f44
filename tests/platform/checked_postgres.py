"""A Postgres that has plpgsql_check, the extension behind `supabase db lint`: the environment's own has no extensions.

`python -m tests.platform.checked_postgres` installs it where that is possible. Debian and Ubuntu have it as a package.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_PROGRAMS = Path("/usr/lib/postgresql")
_EXTENSIONS = "/usr/share/postgresql/{version}/extension/plpgsql_check.control"
_PACKAGE = re.compile(r"postgresql-(\d+)-plpgsql-check")
_OLDEST = 15


def find() -> Path | None:
    """The directory of the newest one's programs, if the machine has one."""
    versions = sorted((int(each.name) for each in _PROGRAMS.glob("[0-9]*") if each.name.isdigit()), reverse=True)
    for version in versions:
        if version >= _OLDEST and Path(_EXTENSIONS.format(version=version)).exists():
            return _PROGRAMS / str(version) / "bin"
    return None


def install() -> str | None:
    """Put it on the machine; returns what is in the way, None when it is there."""
    if find():
        return None
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "only root can install plpgsql_check (on Debian and Ubuntu the package postgresql-N-plpgsql-check)"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if trouble := _run(["apt-get", "update", "--quiet"], environment):
        return trouble
    offered = subprocess.run(["apt-cache", "pkgnames", "postgresql-"], capture_output=True, text=True, check=False)
    versions = [int(found[1]) for name in offered.stdout.split() if (found := _PACKAGE.fullmatch(name))]
    if not versions:
        return "apt-get knows no postgresql-N-plpgsql-check"
    package = f"postgresql-{max(versions)}-plpgsql-check"
    return _run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package], environment) or (
        None if find() else f"apt-get installed no plpgsql_check with {package}"
    )


def _run(command: list[str], environment: dict[str, str]) -> str | None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return f"{' '.join(command)} failed: {done.stderr.strip()[-600:]}" if done.returncode else None


if __name__ == "__main__":
    if not find():
        sys.stderr.write("installing plpgsql_check for the tests of the database functions\n")
    if trouble := install():
        sys.stderr.write(f"{trouble}\n")
