"""The life of conversations broken on purpose, one rule at a time: the mode `lifecycle` notices each."""

from __future__ import annotations

from tests.simulation.mutants import Change, Mutant, in_sql

MODE = "lifecycle"
CLOSED = "case when not rests or (archived_at is null and not rotate_asked) then"


def _thread_columns(instead: str) -> Change:
    """What the end of a turn leaves its conversation of a thread."""
    columns = ("thread_id", "thread_provider", "thread_cursor")
    swaps = ((f"{one} = {CLOSED} {one} end", f"{one} = case when {instead} then {one} end") for one in columns)
    return in_sql("chat_internal.close_turn", *swaps)


LIFE_MUTANTS = (
    Mutant("a deletion leaves its thread on no record", MODE, (
        in_sql("chat_internal.keep_thread_record", (
            "update public.chat_threads set user_id = null, conversation_id = null",
            "delete from public.chat_threads")),
    ), says="is left at the provider"),
    Mutant("a deletion leaves its runs to themselves", MODE, (
        in_sql("chat_internal.leave_runs", ("from under_way u", "from under_way u where false")),
    ), says="was deleted before"),
    Mutant("a deletion leaves the responses that were stored", MODE, (
        in_sql("chat_internal.keep_responses", ("r.run ->> 'run_id' is not null", "false")),
    ), says="is kept at the provider"),
    Mutant("a response goes before its run has ended", MODE, (
        in_sql("public.chat_list_ended_objects", ("where r.run_id = e.object_id", "where false")),
    ), says="was deleted before", first_seed=6),
    Mutant("a thread goes before the runs that were left there", MODE, (
        in_sql("public.chat_list_ended_threads", ("where r.thread_id = e.thread_id", "where false")),
    ), says="was deleted before"),
    Mutant("a run that did not end at once is forgotten", MODE, (
        in_sql("public.chat_defer_left_run", (
            "update public.chat_left_runs set failures = failures + 1, not_before = v +"
            " chat_internal.back_off(failures)", "delete from public.chat_left_runs")),
    ), says="was deleted before"),
    Mutant("events outlive their turn", MODE, (
        in_sql("chat_internal.forget_events", ("where turn_id in", "where false and turn_id in")),
    ), says="is left in public.chat_turn_events"),
    Mutant("the id of a deleted conversation is used again", MODE, (
        in_sql("chat_internal.was_deleted", ("d.user_id = p_user and", "false and")),
    ), says="its conversation was deleted"),
    Mutant("a deletion knows no user", MODE, (
        in_sql("chat_internal.delete_conversation", ("where user_id = c.user_id and id = c.id", "where id = c.id")),
    ), says="G3", first_seed=1),
    Mutant("a rotation drops the message that waits", MODE, (
        in_sql("public.chat_rotate_conversation", (
            "return jsonb_build_object('outcome', 'ok')",
            "delete from public.chat_turns where user_id = p_user and conversation_id = p_conversation"
            " and status = 'queued'; return jsonb_build_object('outcome', 'ok')")),
    ), says="G3", first_seed=3),
    Mutant("a rotation is forgotten as its turn ends", MODE, (_thread_columns("archived_at is null"),),
           says="given up at", first_seed=3),
    Mutant("threads that were given up are never deleted", MODE, (
        in_sql("chat_internal.end_thread", ("and ended_at is null", "and false")),
    ), says="is left at the provider"),
    Mutant("threads in use are deleted", MODE, (
        in_sql("public.chat_list_ended_threads", ("where e.ended_at is not null and", "where")),
    ), says="goes on with it"),
    Mutant("a closed conversation takes messages", MODE, (
        in_sql("public.chat_submit_turn", ("if c.archived_at is not null then", "if false then")),
    ), says="closed since", first_seed=7),
    Mutant("one that was opened again is closed for its old age", MODE, (
        in_sql("chat_internal.expired", ("greatest(c.last_message_at, c.reopened_at)", "c.last_message_at")),
    ), says="which nothing explains", first_seed=7),
    Mutant("an archive ends what was accepted before", MODE, (
        in_sql("public.chat_change_conversation", (
            "if c.archived_at is null and exists",
            "if c.archived_at is not null then perform chat_internal.end_waiting(t, chat_internal.now())"
            " from public.chat_turns t where t.user_id = p_user and t.conversation_id = c.id and t.status = 'queued';"
            " end if; if c.archived_at is null and exists")),
    ), says="G11", first_seed=3),
    Mutant("a message takes the name that a person gave", MODE, (
        in_sql("public.chat_submit_turn", (
            "ttl_ms = coalesce(p_scope_ttl_ms, ttl_ms)",
            "ttl_ms = coalesce(p_scope_ttl_ms, ttl_ms), title = chat_internal.title_of(p_text)")),
    ), says="is called", first_seed=8),
    Mutant("answers are not counted as unread", MODE, (
        in_sql("chat_internal.add_line", ("unread = unread + (p_role = 'assistant')::int", "unread = unread")),
    ), says="shows other figures"),
)  # fmt: skip
