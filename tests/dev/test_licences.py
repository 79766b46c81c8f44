"""What runs has licences that were agreed to: those that pyproject.toml names for `make licences`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from importlib.metadata import distribution

import pytest

from tests.db.database import ROOT

AGREED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pip-licenses"]["allow-only"].split(";")
ELSEWHERE = frozenset({"httpx2-jsfetch"})  # what another platform needs is not installed here
PINNED = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def told(name: str) -> list[str]:
    """What a package says of its licence, the newest way of saying it first."""
    fields = distribution(name).metadata
    kinds = [one.rpartition(" :: ")[2] for one in fields.get_all("Classifier") or [] if one.startswith("License ::")]
    return [*(fields.get_all("License-Expression") or []), *kinds, *(fields.get_all("License") or [])][:1]


def is_agreed(licences: Sequence[str]) -> bool:
    return bool(licences) and all(any(word in licence for word in AGREED) for licence in licences)


@pytest.mark.parametrize("name", sorted(set(PINNED) - ELSEWHERE))
def test_what_runs_has_a_licence_that_was_agreed_to(name: str) -> None:
    assert is_agreed(told(name)), f"{name}: {told(name)}"


def test_all_that_is_pinned_is_looked_at() -> None:
    assert len(PINNED) > 40
    assert set(PINNED) >= ELSEWHERE


@pytest.mark.parametrize("licences", [[], ["GPL-3.0-only"], ["GNU Affero General Public License v3"], ["Proprietary"]])
def test_another_licence_is_seen(licences: list[str]) -> None:
    assert not is_agreed(licences)
