-- Strategy `coalesce`: messages that wait are joined, in order, into the turn that starts next, and share its outcome.
-- The caller holds the conversation's row lock.

-- Each new message gives the ones before it a little more time, within bounds.
create function chat_internal.gather(c public.chat_conversations, p_gather_ms int, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_turns set
    not_before = least(p_now + chat_internal.span(p_gather_ms), created_at + 5 * chat_internal.span(p_gather_ms))
  where id = (chat_internal.head(c)).id and status = 'queued' and strategy = 'coalesce' and attempt = 0;
end $$;

-- Joins the turns right behind the head, up to the first that may not be. Only with the first attempt: once the
-- provider may have heard of the turn, what was asked stays as it was.
create function chat_internal.join_waiting(t public.chat_turns, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  m public.chat_turns;
begin
  if t.strategy <> 'coalesce' or t.attempt > 1 then
    return;
  end if;
  for m in
    select w.* from public.chat_turns w
    where w.user_id = t.user_id and w.conversation_id = t.conversation_id and w.finished_at is null
      and w.joined_to is null and (w.place, w.seq) > (t.place, t.seq)
    order by w.place, w.seq
  loop
    exit when m.strategy <> 'coalesce' or (m.agent_named and m.agent <> t.agent);
    update public.chat_turns set joined_to = t.id, agent = t.agent, updated_at = p_now where id = m.id;
    perform chat_internal.add_line(m, 'user', null, m.text, p_now);
  end loop;
end $$;

-- A list without its first so many entries.
create function chat_internal.behind(p_list jsonb, p_before int) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(one.value order by one.ordinality), '[]')
  from jsonb_array_elements(p_list) with ordinality one where one.ordinality > p_before
$$;

-- The outcome of a run is that of every message it answered. A head that its own user cancelled lets the others go on,
-- as if they had not been joined; what was steered into it ends with it. Of a steered one only the runs since then are
-- shown, and the handoff with which it was told.
create function chat_internal.close_joined(t public.chat_turns, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
declare
  closed int;
  waited bigint;
begin
  if t.status = 'cancelled' and t.superseded_by is null then
    update public.chat_turns set joined_to = null, updated_at = p_now
    where user_id = t.user_id and joined_to = t.id and strategy = 'coalesce' and finished_at is null;
  end if;
  with ended as (
    update public.chat_turns set
      status = t.status, reply = t.reply, structured_at = t.structured_at,
      error = t.error - 'partial_text', agent = t.agent,
      runs = chat_internal.behind(t.runs, coalesce(steered_runs, 0)),
      handoffs = chat_internal.behind(t.handoffs, coalesce(steered_handoffs, 0)),
      first_started_at = coalesce(first_started_at, t.first_started_at),
      superseded_by = t.superseded_by, superseded_how = t.superseded_how,
      finished_at = p_now, updated_at = p_now
    where user_id = t.user_id and joined_to = t.id and finished_at is null
    returning created_at, first_started_at)
  select count(*), sum(chat_internal.ms(coalesce(e.first_started_at, p_now) - e.created_at)) into closed, waited
  from ended e;
  if closed > 0 then  -- the run, its conflicts and its tokens are counted once, with the turn that it was started for
    update public.chat_conversations set open_turns = open_turns - closed, waited_ms = waited_ms + waited
    where user_id = t.user_id and id = t.conversation_id;
  end if;
end $$;
