-- A message in the place of an earlier one: an edited one, or the same once more. The turn it names and all behind it
-- are taken out of view at once, in every status. The caller holds the conversation's row lock.

-- The turn whose place is taken. A message that was joined to others shares their place: it shares their answer.
create function chat_internal.named_turn(c public.chat_conversations, p_turn uuid) returns public.chat_turns
language sql stable set search_path = '' as $$
  select l.* from public.chat_turns t join public.chat_turns l on l.id = coalesce(t.joined_to, t.id)
  where t.user_id = c.user_id and t.conversation_id = c.id and t.id = p_turn and t.text <> ''
    and l.user_id = c.user_id
$$;

-- That turn and all behind it. What has joined another one stands where that one does: it shares its answer.
create function chat_internal.turns_from(c public.chat_conversations, p_named public.chat_turns)
returns setof public.chat_turns
language sql stable set search_path = '' as $$
  select t.* from public.chat_turns t left join public.chat_turns l on l.id = t.joined_to
  where t.user_id = c.user_id and t.conversation_id = c.id
    and (coalesce(l.place, t.place), coalesce(l.seq, t.seq)) >= (p_named.place, p_named.seq)
$$;

-- What was asked there: its own message, or all that were joined, and what was steered into it.
create function chat_internal.asked_in(p_named public.chat_turns) returns text
language sql stable set search_path = '' as $$
  select string_agg(one.value ->> 'text', E'\n\n' order by one.ordinality)
  from jsonb_array_elements(
    coalesce(nullif(chat_internal.joined(p_named), '[]'), jsonb_build_array(jsonb_build_object('text', p_named.text)))
    || chat_internal.steered(p_named)) with ordinality one
$$;

-- Who had control before that place; null where no agent had spoken.
create function chat_internal.agent_before(c public.chat_conversations, p_named public.chat_turns) returns text
language sql stable set search_path = '' as $$
  select coalesce(m.handoff_to, m.agent) from public.chat_messages m
  where m.user_id = c.user_id and m.conversation_id = c.id and m.role = 'assistant'
    and not m.turn_id in (select t.id from chat_internal.turns_from(c, p_named) t)
  order by m.seq desc limit 1
$$;

-- Who answers in that place: the agent that was asked for by name, else the one that had control before it.
create function chat_internal.agent_at(c public.chat_conversations, p_named public.chat_turns) returns text
language sql stable set search_path = '' as $$
  select case when p_named.agent_named then coalesce(p_named.handoffs -> 0 ->> 'from', p_named.agent)
    else chat_internal.agent_before(c, p_named) end
$$;

-- Ends what is open from there on, so that it can never answer: every later write of its holder is refused, and its run
-- is left with its thread. The holder ends it at the provider, or the sweep where that holder is gone. What is final keeps
-- its status and its reply. Numbers of lines are not used again.
create function chat_internal.displace_from(
  c public.chat_conversations, p_named public.chat_turns, p_by uuid, p_text text, p_agent text, p_now timestamptz)
returns void
language plpgsql volatile set search_path = '' as $$
declare
  t public.chat_turns;
  begun boolean;
  first boolean;
  ids uuid[];
begin
  select array_agg(x.id), bool_or(x.attempt > 0) into ids, begun from chat_internal.turns_from(c, p_named) x;
  perform chat_internal.leave_runs(c, ids);
  for t in
    select x.* from chat_internal.turns_from(c, p_named) x
    where x.finished_at is null and x.joined_to is null order by x.place, x.seq
  loop
    t.superseded_by := p_by;
    update public.chat_turns set
      status = 'cancelled', cancel_requested = true, cancel_requested_at = coalesce(cancel_requested_at, p_now),
      superseded_by = p_by, superseded_how = 'edit', error = chat_internal.superseded(t, t.draft),
      waiting_at = null, waiting_until = null, finished_at = p_now, updated_at = p_now
    where id = t.id returning * into t;
    perform chat_internal.close_turn(t, 'running', p_now);
  end loop;
  update public.chat_turns set superseded_by = coalesce(superseded_by, p_by), superseded_how = 'edit'
  where id = any (ids) and superseded_how is distinct from 'edit';
  delete from public.chat_messages where turn_id = any (ids);
  first := not exists (
    select 1 from public.chat_turns e
    where e.user_id = c.user_id and e.conversation_id = c.id and not e.id = any (ids) and e.text <> ''
      and e.superseded_how is distinct from 'edit');
  update public.chat_conversations n set
    title = case when first and not n.renamed then chat_internal.title_of(p_text) else n.title end,
    preview = chat_internal.last_preview(c),
    unread = chat_internal.unread(c.user_id, c.id, n.read_seq),
    active_agent = p_agent,
    thread_id = case when not begun then n.thread_id end,
    thread_provider = case when not begun then n.thread_provider end,
    thread_cursor = case when not begun then n.thread_cursor end,
    lease_owner = case when n.open_turns > 0 then n.lease_owner end,
    lease_until = case when n.open_turns > 0 then n.lease_until end
  where n.user_id = c.user_id and n.id = c.id;
end $$;
