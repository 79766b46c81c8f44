-- What interrupt displaced is put back into the thread once: where a turn behind it has left something there, it was put
-- back before that one's message. The caller holds the conversation's row lock.

-- Whether a turn behind it has left its message, and so all that was put back before it, in the thread. What
-- a rollback takes out of it goes with what was put back before.
create function chat_internal.was_put_back(c public.chat_conversations, t public.chat_turns) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select 1 from public.chat_turns o
    where o.user_id = t.user_id and o.conversation_id = t.conversation_id
      and o.finished_at is not null and (o.place, o.seq) > (t.place, t.seq)
      and o.superseded_how is distinct from 'rollback'
      and (o.error ->> 'code' = 'run_incomplete'  -- cut off, it stands there like a whole one
        or exists (
          select 1 from jsonb_array_elements(o.steps) step where step.value ->> 'thread_id' = c.thread_id)))
$$;

-- What was asked and said in interrupted turns since the last answer: providers may have dropped it from the thread. A
-- thread made since then was seeded with it, and what stands before a step that has ended there stands there as well.
-- Joined messages were asked as one, so they are told as one; steered ones each, and what had been said behind the last.
create or replace function chat_internal.displaced(c public.chat_conversations) returns jsonb
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
        where step.ordinality > coalesce(t.steered_step, 0) and step.value ->> 'thread_id' = c.thread_id)
      and not chat_internal.was_put_back(c, t));
end $$;

select chat_internal.restrict_to_service_role('chat_internal.was_put_back');
