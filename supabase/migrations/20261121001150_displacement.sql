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
    || case when p_partial <> '' then jsonb_build_object('partial_text', p_partial) else '{}' end
$$;

-- A head that waits ends at once: every create is preceded by a write that a final turn refuses, so its holder, if it
-- has one, can start nothing any more and its lease is free. One under way is for its holder to end.
create function internal.displace_head(c public.conversations, p_by public.turns, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  h public.turns := internal.head(c);
begin
  if h.id = p_by.id or h.cancel_requested then
    return;
  end if;
  update public.turns set
    cancel_requested = true, superseded_by = p_by.id, superseded_how = p_by.strategy, updated_at = p_now
  where id = h.id returning * into h;
  if h.status <> 'queued' then
    return;
  end if;
  update public.turns set status = 'cancelled', error = internal.superseded(h, null), finished_at = p_now
  where id = h.id returning * into h;
  perform internal.close_turn(h, 'queued', null, p_now);
  update public.conversations set
    lease_owner = null, lease_until = null,
    -- an attempt that was refused may have left its message behind
    thread_id = case when h.superseded_how = 'rollback' and h.attempt > 0 then null else thread_id end,
    thread_provider = case when h.superseded_how = 'rollback' and h.attempt > 0 then null else thread_provider end,
    thread_cursor = case when h.superseded_how = 'rollback' and h.attempt > 0 then null else thread_cursor end
  where user_id = c.user_id and id = c.id;
end $$;

-- What was asked and said in interrupted turns since the last answer: providers may have dropped it from the thread.
create function internal.displaced(c public.conversations) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'turn_id', t.id, 'text', t.text, 'partial', coalesce(t.error ->> 'partial_text', '')) order by t.place, t.seq), '[]')
  from public.turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.superseded_how = 'interrupt'
    and t.status = 'cancelled' and t.finished_at > coalesce(c.answered_at, '-infinity')
$$;
