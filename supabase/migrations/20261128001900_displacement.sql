-- Strategies `interrupt` and `rollback`: a message that goes before those that wait and ends the turn under way. The
-- caller holds the conversation's row lock.

-- Right behind the head and what was joined to it, before all other waiting turns.
create function chat_internal.place_for(c public.chat_conversations, p_strategy text) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  h public.chat_turns := chat_internal.head(c);
begin
  if h.id is null or p_strategy not in ('interrupt', 'rollback') then
    return c.next_seq::numeric;
  end if;
  return chat_internal.place_behind(h, c.next_seq);
end $$;

-- A head that waits ends at once, and its lease is free. One under way is for its holder to end.
create function chat_internal.displace_head(c public.chat_conversations, p_by public.chat_turns, p_now timestamptz)
returns void
language plpgsql volatile set search_path = '' as $$
declare
  h public.chat_turns := chat_internal.head(c);
begin
  if h.id = p_by.id or h.cancel_requested then
    return;
  end if;
  update public.chat_turns set
    cancel_requested = true, cancel_requested_at = p_now, superseded_by = p_by.id, superseded_how = p_by.strategy,
    updated_at = p_now
  where id = h.id returning * into h;
  if h.status = 'queued' then
    perform chat_internal.end_waiting(h, p_now);
    update public.chat_conversations set lease_owner = null, lease_until = null where user_id = c.user_id and id = c.id;
  end if;
end $$;

-- What was asked and said in interrupted turns since the last answer: providers may have dropped it from the thread. A
-- thread made since then was seeded with it, and what stands before a step that has ended there stands there as well.
-- Joined messages were asked as one, so they are told as one; steered ones each, and what had been said behind the last.
create function chat_internal.displaced(c public.chat_conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'turn_id', t.id, 'partial', case when exists (
          select 1 from public.chat_turns s
          where s.user_id = t.user_id and s.joined_to = coalesce(t.joined_to, t.id) and s.strategy = 'steer'
            and s.place > t.place) then '' else coalesce(l.error ->> 'partial_text', '') end,
      'text', coalesce((select string_agg(j.value ->> 'text', E'\n\n' order by j.ordinality)
                        from jsonb_array_elements(chat_internal.joined(t)) with ordinality j), t.text))
      order by t.place, t.seq), '[]')
    from public.chat_turns t join public.chat_turns l on l.id = coalesce(t.joined_to, t.id)
    where t.user_id = c.user_id and t.conversation_id = c.id and t.superseded_how = 'interrupt'
      and t.status = 'cancelled' and (t.joined_to is null or t.strategy = 'steer')
      and t.finished_at > coalesce(greatest(c.answered_at, c.seeded_at), '-infinity')
      and not exists (
        select 1 from jsonb_array_elements(l.steps) with ordinality step
        where step.ordinality > coalesce(t.steered_step, 0) and step.value ->> 'thread_id' = c.thread_id));
end $$;
