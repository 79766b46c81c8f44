"""The table of guards is about the project as it is. That each is noticed, `python -m tests.security.guards` shows."""

from __future__ import annotations

import re

import pytest

from tests.security.guards import ATTACKS, GUARDS, ROOT, Guard


def test_every_attack_has_a_guard() -> None:
    assert {guard.attack for guard in GUARDS} == set(ATTACKS) == set(range(1, 20))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_table_says(guard: Guard) -> None:
    assert guard.old in (ROOT / guard.file).read_text("utf-8")
    file, _, test = guard.test.partition("::")
    assert re.search(rf"^(?:async )?def {test or 'test_'}", (ROOT / file).read_text("utf-8"), re.MULTILINE)
