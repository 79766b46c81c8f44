"""What is told of turns broken on purpose: the events that operators see, and the webhooks of another service."""

from __future__ import annotations

from typing import Any

from shared.webhooks import Webhooks
from tests.simulation.calls import Store
from tests.simulation.mutants import Mutant, in_python, in_sql, instead, without

DEATHS = "a death where the end of a turn is told"  # crashes.py: at each boundary
TOLD = "told"

_submit_turn = Store.submit_turn


async def _submitted_and_then_noted(self: Store, submission: Any, lessee: Any) -> Any:
    """Writes the event with a call of its own, as one would without a trigger."""
    accepted = await _submit_turn(self, submission, lessee)
    await self.instance.step("event, sent")
    self.instance.world.database.note_accepted(accepted.turn.turn_id)
    return accepted


OUTBOX_MUTANTS = (
    Mutant("no end is told of turns that were cancelled", TOLD, (
        in_sql("chat_internal.note_webhook", ("begin", "begin if new.status = 'cancelled' then return null; end if;")),
    ), says="was not told"),
    Mutant("what was taken counts as sent", DEATHS, (
        in_sql("public.chat_take_webhooks", ("interval '30 seconds' * 2", "interval '73 hours' * 2"),
               ("interval '6 hours'", "interval '73 hours'")),
    ), says="was not told"),
    Mutant("what is about to be sent is dropped", DEATHS, (
        in_python(Webhooks, "_work", (
            "if not await", "await self._outbox.drop_webhook(webhook.id)\n        if not await")),
    ), says="was not told"),
    Mutant("each attempt has an id of its own", TOLD, (
        in_sql("public.chat_take_webhooks", ("'id', p.id", "'id', gen_random_uuid()")),
    ), says="under two ids"),
    Mutant("the end of a turn is told as it begins", TOLD, (
        in_sql("chat_internal.note_webhook", ("'turn.' || new.status", "'turn.completed'")),
        without("drop trigger note_webhook on public.chat_turns;"
                " create trigger note_webhook after update on public.chat_turns for each row"
                " when (new.webhook and old.status = 'queued' and new.status = 'starting')"
                " execute function chat_internal.note_webhook()",
                "drop trigger note_webhook on public.chat_turns;"
                " create trigger note_webhook after update on public.chat_turns for each row"
                " when (new.webhook and new.text <> '' and old.finished_at is null and ("
                " new.finished_at is not null or (new.status = 'waiting' and old.status <> 'waiting')))"
                " execute function chat_internal.note_webhook()"),
    ), says="is true"),
    Mutant("no event tells the end of a turn that was joined", "clean", (
        in_sql("chat_internal.note_change", ("if old.finished_at is null and new.finished_at is not null then",
                                             "if old.finished_at is null and new.finished_at is not null"
                                             " and new.joined_to is null then")),
    ), says="events of", first_seed=3),
    Mutant("no event tells that a run was started", "clean", (
        in_sql("chat_internal.note_change", ("case when r.starts then 'run.started' end", "null")),
    ), says="events of"),
    Mutant("events are written by a call of their own", "crash", (
        without("alter table public.chat_turns disable trigger note_accepted",
                "alter table public.chat_turns enable trigger note_accepted"),
        instead(Store, "submit_turn", _submitted_and_then_noted),
    ), says="events of"),
)  # fmt: skip
