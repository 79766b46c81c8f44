"""The commands of README and docs/deploy.md, so that tests run what they say."""

from __future__ import annotations

import re

from tests.platform.hosted import ROOT

DOCUMENTS = (ROOT / "README.md", ROOT / "docs/deploy.md")


def commands(heading: str) -> list[str]:
    """The lines of the first shell block behind a heading, without comments. Raises LookupError."""
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    found = re.search(rf"\n##+ {re.escape(heading)}\n.*?```sh\n(.*?)```", text, re.DOTALL)
    if found is None:
        raise LookupError(f"no commands under {heading}")
    return [line.partition("  #")[0].strip() for line in found[1].strip().splitlines()]


def push_flags(command: str) -> list[str]:
    """What stands behind `supabase db push --remote`. Raises LookupError where the command is another one."""
    found = re.fullmatch(r"supabase db push --remote((?: --[a-z-]+)*)", command)
    if found is None:
        raise LookupError(f"no push: {command}")
    return found[1].split()
