"""A deletion is carried to its end wherever an instance dies; and the checks see where it is not."""

from __future__ import annotations

import pytest

from tests.simulation.database import Database
from tests.simulation.deletions import deletions
from tests.simulation.mutants import Change, in_sql

EVERY = 5  # boundaries; `make soak-simulation` takes each of them


@pytest.mark.parametrize("kind", ["threads", "responses"])
def test_nothing_is_left_wherever_an_instance_dies(simulated: Database, kind: str) -> None:
    found = list(deletions(simulated, kind, every=EVERY))
    assert len(found) > 5
    for number, result in enumerate(found):
        assert result.world.crashed.is_set() == (number > 0)
        assert not result.violations, f"died at {result.world.died_at}\n{result.report()}"


MUTANTS: dict[str, tuple[Change, str]] = {
    "the record of threads goes with the rows": (
        in_sql(
            "chat_internal.keep_thread_record",
            (
                "update public.chat_threads set user_id = null, conversation_id = null",
                "delete from public.chat_threads",
            ),
        ),
        "is left at the provider",
    ),
    "a deleted conversation is forgotten": (
        in_sql("chat_internal.was_deleted", ("d.user_id = p_user and", "false and")),
        "a message was taken after the deletion",
    ),
    "a deletion knows no user": (
        in_sql("chat_internal.delete_conversation", ("where user_id = c.user_id and id = c.id", "where id = c.id")),
        "G3",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(simulated: Database, name: str) -> None:
    change, says = MUTANTS[name]
    with change(simulated):
        usual = next(deletions(simulated, "responses"))
    assert any(says in violation for violation in usual.violations), usual.report()
