-- What an agent had said that was asked for by name alone, until its turn was stopped or failed, gave it no control.

-- Who had control before that place; null where no agent had. A turn that did not complete has moved it only where it was
-- handed over before it was stopped, as `close_turn` says.
create or replace function chat_internal.agent_before(c public.chat_conversations, p_named public.chat_turns) returns text
language sql stable set search_path = '' as $$
  select coalesce(m.handoff_to, m.agent) from public.chat_messages m
  where m.user_id = c.user_id and m.conversation_id = c.id and m.role = 'assistant'
    and not m.turn_id in (select t.id from chat_internal.turns_from(c, p_named) t)
    and not exists (
      select 1 from public.chat_turns t
      where t.id = m.turn_id and (t.status = 'failed' or (t.status = 'cancelled' and t.handoffs = '[]')))
  order by m.seq desc limit 1
$$;
