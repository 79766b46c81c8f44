-- The intent to start, committed before the provider hears of the turn. The caller holds the conversation's row lock.

-- The newest few writes of a turn, by which a repeated one is known.
create function chat_internal.remember_op(p_ops text[], p_op text) returns text[]
language plpgsql immutable set search_path = '' as $$
begin
  return (array[p_op] || p_ops)[1:8];
end $$;

-- With a run key that has never been used.
create function chat_internal.start_turn(c public.chat_conversations, t public.chat_turns, p_op text, p_now timestamptz)
returns public.chat_turns
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_turns set
    status = 'starting',
    attempt = attempt + 1,
    run_key = id::text || '.' || (attempt + 1),
    run_id = null,
    agent = case when agent_named or attempt > 0 then agent else c.active_agent end,
    starting_at = p_now,
    running_at = null,
    not_before = null,
    ops = chat_internal.remember_op(ops, p_op),
    updated_at = p_now
  where id = t.id
  returning * into t;
  perform chat_internal.add_line(t, 'user', null, t.text, p_now);
  perform chat_internal.join_waiting(t, p_now);
  return t;
end $$;

-- The run that answers the head now, as its row names it; null where none is known. Whoever waits for its end can ask the
-- provider for it, and so can who displaces it.
create function chat_internal.active_run(c public.chat_conversations) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  h public.chat_turns := chat_internal.head(c);
begin
  return case when h.status = 'running' and h.run_id is not null then jsonb_build_object(
    'turn_id', h.id, 'run_id', h.run_id, 'thread_id', c.thread_id, 'thread_provider', c.thread_provider) end;
end $$;

-- What a holder needs to serve the head. `fresh`: this very claim committed the intent, so no other one can have sent
-- it.
create function chat_internal.claim_json(c public.chat_conversations, t public.chat_turns, p_op text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  before bigint;     -- lines of earlier turns
  in_thread bigint;  -- of those, the ones since its thread was made
begin
  select n.next_message_seq - 1 - own.lines, n.next_message_seq - 1 - n.seeded_seq - own.lines
  into before, in_thread
  from public.chat_conversations n,
    lateral (select count(*) as lines from public.chat_messages m where m.turn_id = t.id) own
  where n.user_id = c.user_id and n.id = c.id;
  return jsonb_build_object(
    'epoch', c.lease_epoch,
    'fresh', t.status = 'starting' and t.ops[1] = p_op,
    'thread_id', c.thread_id, 'thread_provider', c.thread_provider, 'thread_cursor', c.thread_cursor,
    'last_run_id', c.last_run_id,
    'message_count', before, 'thread_lines', in_thread,
    'displaced', chat_internal.displaced(c),
    'agent', chat_internal.worker_json(t.user_id, chat_internal.agent_or_default(t.user_id, t.agent)),
    'steps', chat_internal.steps_json(t),
    'turn', chat_internal.turn_json(t));
end $$;
