-- Who had control before a place is told by the turns themselves, and not by the last line there: that one may be what an
-- agent had said that was asked for by name alone, until its turn was stopped.

-- The agent that answered last, or that had been handed over to in a turn that was stopped, as `close_turn` moves control;
-- null where there was none.
create or replace function chat_internal.agent_before(c public.chat_conversations, p_named public.chat_turns) returns text
language sql stable set search_path = '' as $$
  select case when t.status = 'completed' then coalesce((
      select run.value ->> 'agent' from jsonb_array_elements(t.runs) with ordinality run
      where not run.value ? 'asked_by' order by run.ordinality desc limit 1), t.agent)
    else t.agent end
  from public.chat_turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.joined_to is null
    and (t.status = 'completed' or (t.status = 'cancelled' and t.handoffs <> '[]'))
    and coalesce(t.superseded_how, 'interrupt') = 'interrupt'
    and not t.id in (select d.id from chat_internal.turns_from(c, p_named) d)
  order by t.place desc, t.seq desc limit 1
$$;
