-- Strategies `interrupt` and `rollback`: a message that goes before those that wait and ends the turn under way. The
-- caller holds the conversation's row lock.

-- Right behind the head, before everybody else: between two places there is always room for one more.
create function internal.place_for(c public.conversations, p_strategy text) returns numeric
language plpgsql stable set search_path = '' as $$
declare
  h public.turns := internal.head(c);
  following numeric;
begin
  if h.id is null or p_strategy not in ('interrupt', 'rollback') then
    return c.next_seq;
  end if;
  select min(t.place) into following from public.turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null and t.place > h.place;
  return coalesce((h.place + following) * 0.5, c.next_seq);
end $$;

create function internal.superseded(t public.turns, p_partial text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('code', 'superseded', 'superseded_by', t.superseded_by)
    || case when p_partial ~ '\S' then jsonb_build_object('partial_text', p_partial) else '{}' end
$$;

-- A turn that waits can be ended at once: every create is preceded by a write that a final turn refuses, so its holder,
-- if it has one, can start nothing any more.
create function internal.end_waiting(t public.turns, p_now timestamptz) returns public.turns
language plpgsql volatile set search_path = '' as $$
begin
  update public.turns set
    status = 'cancelled', cancel_requested = true, cancel_requested_at = coalesce(cancel_requested_at, p_now),
    finished_at = p_now, updated_at = p_now,
    error = case when superseded_by is not null then internal.superseded(t, null) end
  where id = t.id returning * into t;
  perform internal.close_turn(t, 'queued', null, p_now);
  if t.superseded_how = 'rollback' and t.attempt > 0 then
    -- an attempt that was refused may have left its message behind
    update public.conversations set thread_id = null, thread_provider = null, thread_cursor = null
    where user_id = t.user_id and id = t.conversation_id;
  end if;
  return t;
end $$;

-- A head that waits ends at once, and its lease is free. One under way is for its holder to end.
create function internal.displace_head(c public.conversations, p_by public.turns, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  h public.turns := internal.head(c);
begin
  if h.id = p_by.id or h.cancel_requested then
    return;
  end if;
  update public.turns set
    cancel_requested = true, cancel_requested_at = p_now, superseded_by = p_by.id, superseded_how = p_by.strategy,
    updated_at = p_now
  where id = h.id returning * into h;
  if h.status = 'queued' then
    perform internal.end_waiting(h, p_now);
    update public.conversations set lease_owner = null, lease_until = null where user_id = c.user_id and id = c.id;
  end if;
end $$;

-- What was asked and said in interrupted turns since the last answer: providers may have dropped it from the thread. One
-- made since then was made with it.
-- Joined messages were asked as one, so they are told as one.
create function internal.displaced(c public.conversations) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'turn_id', t.id, 'partial', coalesce(t.error ->> 'partial_text', ''),
    'text', coalesce((select string_agg(j.value ->> 'text', E'\n\n' order by j.ordinality)
                      from jsonb_array_elements(internal.joined(t)) with ordinality j), t.text))
    order by t.place, t.seq), '[]')
  from public.turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.superseded_how = 'interrupt'
    and t.status = 'cancelled' and t.joined_to is null
    and t.finished_at > coalesce(greatest(c.answered_at, c.seeded_at), '-infinity')
$$;
