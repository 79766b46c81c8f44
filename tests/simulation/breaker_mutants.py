"""Breakers broken on purpose, one rule at a time."""

from __future__ import annotations

from dataclasses import replace

from shared.core.breaker import FailureKind
from shared.core.conflict.events import TurnCame
from shared.core.turns import Claim
from shared.held_turn import HeldTurn
from shared.turn import fallback
from shared.turn.admission import Admission
from tests.simulation.mutants import Mutant, in_python, in_sql, instead

_take_over = Admission.take_over


def _with_its_row(self: Admission, claim: Claim) -> TurnCame:
    """Begins with the agent's row, and not as the intent says."""
    return _take_over(self, replace(claim, turn=replace(claim.turn, fallback=0)) if claim.fresh else claim)


_STARTS = "t := chat_internal.start_turn(c, t, p_op, p_now);\n  end if;"

BREAKER_MUTANTS = (
    Mutant("breakers are ignored where a turn begins", "fallbacks", (
        in_sql("chat_internal.choose", ("if not exists (select 1 from public.chat_breakers) then", "if true then")),
    ), says="began with choice 0", first_seed=3),
    Mutant("what a turn begins with is not on record with its intent", "fallbacks", (
        in_sql("chat_internal.start_turn", ("fallback = coalesce(tried[1], fallback),", "")),
    ), says="began with choice 0", first_seed=3),
    Mutant("a turn does not begin with what its intent says", "fallbacks", (
        instead(Admission, "take_over", _with_its_row),
    ), says="its intent says"),
    Mutant("a turn whose create was lost is moved by a breaker", "fallbacks", (
        in_sql("chat_internal.claim_head", (
            _STARTS, _STARTS.replace("end if;", "elsif t.status = 'starting' then\n"
                                     "    t := chat_internal.choose_again(t, true, p_now);\n  end if;"))),
    ), says="though nothing had failed for certain"),
    Mutant("an agent that is handed the turn begins with its row", "fallbacks", (
        in_python(HeldTurn, "hand_over_to", ("agent.fallen_back(self.turn.fallback)", "agent")),
    ), says="though nothing had failed for certain", first_seed=9),
    Mutant("a success closes no breaker", "fallbacks", (
        in_sql("chat_internal.note_breaker", (
            "return case when chat_internal.note_success(p_patch -> 'proven_choice') then 'closed' end;",
            "return null;")),
    ), says="is still open"),
    Mutant("an open breaker stays open", "fallbacks", (
        in_sql("chat_internal.breaker_pause", ("interval '10 minutes'", "interval '10 years'"),
               ("interval '30 seconds' * 2", "interval '300 days' * 2")),
    ), says="is still open"),
    Mutant("all turns try again at once", "fallbacks", (
        in_sql("chat_internal.may_try", ("interval '15 seconds'", "interval '0 seconds'")),
    ), says="beside another turn", first_seed=16),
    Mutant("a turn whose choices are all open is not begun with its own row", "fallbacks", (
        in_sql("chat_internal.choose", ("if cardinality(shut) in (0, most + 1) then", "if cardinality(shut) = 0 then"),
               ("order by n = any (shut), n)",
                "order by n = any (shut), case when cardinality(shut) > most then -n end, n)")),
    ), says="began with choice 2", first_seed=10),
    Mutant("what was passed over is not tried in the end", "fallbacks", (
        in_python(HeldTurn, "next_agents", ("order[tried + 1 :]", "order[tried + 1 :] if n > self.agent.fallback")),
    ), says="choices were tried", first_seed=8),
    Mutant("a failure that is the message's fault counts", "fallbacks", (
        instead(fallback, "failure_kind", lambda code, run_error=None: FailureKind(2)),
    ), says="whose message was to blame", first_seed=3),
)  # fmt: skip
