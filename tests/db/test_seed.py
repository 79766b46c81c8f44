"""The seed names models: none that its provider switches off."""

from __future__ import annotations

import re

from tests.db.database import SEED

# By the vendor's own announcements: gpt-5 and o3 end on 2026-12-11, gpt-4o and gpt-4.1 on 2027-01-14.
ENDING = re.compile(r"gpt-[1-4]\b.*|gpt-4o.*|gpt-5(-.*)?|o[1-4](-.*)?")


def test_the_seed_names_no_model_that_ends() -> None:
    named = re.findall(r"'((?:gpt-|o[0-9])[\w.-]+)' as model", SEED.read_text())
    assert named
    assert [model for model in named if ENDING.fullmatch(model)] == []
