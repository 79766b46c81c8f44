"""`python -m dev.release` seals the migrations: their checksums are written down, and from then on no file may change.

A database that has applied a migration never applies it again, so an edit of a released one would reach new projects
only. Before the first release there is no list, and the migrations are edited in place.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from dev.cli import CHECKOUT
from dev.errors import DevError

MIGRATIONS = CHECKOUT / "supabase/migrations"
# As `sha256sum` writes and checks it: a digest and a file's name on each line.
SEALS = CHECKOUT / "supabase/migrations.sha256"


def read_seals(seals: Path) -> dict[str, str]:
    """Digests by file name; none where nothing has been released."""
    if not seals.exists():
        return {}
    lines = (line.split("  ", 1) for line in seals.read_text().splitlines())
    return {name: digest for digest, name in lines}


def faults(migrations: Path, seals: Path) -> list[str]:
    """One sentence for each released migration that is not as it was, and each new one that comes before the last."""
    sealed, present = read_seals(seals), _digests(migrations)
    found = [f"{name} was released and is gone" for name in sealed if name not in present]
    found += [
        f"{name} was released and is changed: write a new migration instead"
        for name, digest in sealed.items()
        if present.get(name, digest) != digest
    ]
    last = max(sealed, default="")
    found += [
        f"{name} is new and sorts before {last}: databases that have that one refuse it"
        for name in present
        if name not in sealed and name < last
    ]
    return found


def seal(migrations: Path, seals: Path) -> list[str]:
    """Add the migrations that are new and return their names. Raises DevError where one released before is changed."""
    if wrong := faults(migrations, seals):
        raise DevError("\n".join(wrong))
    sealed, present = read_seals(seals), _digests(migrations)
    seals.write_text("".join(f"{digest}  {name}\n" for name, digest in present.items()))
    return [name for name in present if name not in sealed]


def _digests(migrations: Path) -> dict[str, str]:
    files = sorted(migrations.glob("*.sql"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def main() -> int:
    try:
        added = seal(MIGRATIONS, SEALS)
    except DevError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{SEALS.relative_to(CHECKOUT)}: {len(added)} migrations are released now; commit it with the release")
    return 0


if __name__ == "__main__":
    sys.exit(main())
