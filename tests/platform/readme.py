"""The README's commands, so that tests run what it says."""

from __future__ import annotations

import re

from tests.platform.hosted import ROOT


def commands(heading: str) -> list[str]:
    """The lines of the first shell block behind a heading, without comments. Raises LookupError."""
    _, _, after = (ROOT / "README.md").read_text().partition(f"\n### {heading}\n")
    found = re.search(r"```sh\n(.*?)```", after, re.DOTALL)
    if found is None:
        raise LookupError(f"the README has no commands under {heading}")
    return [line.partition("  #")[0].strip() for line in found[1].strip().splitlines()]


def push_flags(command: str) -> list[str]:
    """What stands behind `supabase db push --remote`. Raises LookupError where the command is another one."""
    found = re.fullmatch(r"supabase db push --remote((?: --[a-z-]+)*)", command)
    if found is None:
        raise LookupError(f"no push: {command}")
    return found[1].split()
