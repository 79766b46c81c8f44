-- The lease: the time-bounded right to serve the head of a conversation's queue, and the intent to start that goes with
-- taking it. The caller holds the conversation's row lock.

-- A lease belongs to the claim that took it, not to an instance: two requests of one instance are two holders.
create function internal.lease_free(c public.conversations, p_op text, p_now timestamptz) returns boolean
language sql immutable set search_path = '' as $$
  select c.lease_owner is null or c.lease_until <= p_now or c.claim_op is not distinct from p_op
$$;

create function internal.head(c public.conversations) returns public.turns
language sql stable set search_path = '' as $$
  select t.* from public.turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.finished_at is null and t.joined_to is null
  order by t.place, t.seq limit 1
$$;

-- A claim that is repeated keeps its token; every other gets a new one, and with it the old one is worthless.
create function internal.take_lease(
  c public.conversations, p_owner text, p_lease_ms int, p_op text, p_now timestamptz) returns public.conversations
language sql volatile set search_path = '' as $$
  update public.conversations set
    lease_epoch = case when c.claim_op = p_op and c.lease_until > p_now then c.lease_epoch
                       else nextval('internal.lease_epochs') end,
    lease_owner = p_owner,
    lease_until = p_now + internal.span(p_lease_ms),
    claim_op = p_op
  where user_id = c.user_id and id = c.id
  returning *
$$;

-- 0 gives the lease up. One that was given up is not taken again by a late write, only by a claim.
create function internal.keep_lease(c public.conversations, p_lease_ms int, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update public.conversations set
    lease_owner = case when p_lease_ms > 0 then lease_owner end,
    lease_until = case when p_lease_ms > 0 then p_now + internal.span(p_lease_ms) end
  where user_id = c.user_id and id = c.id and lease_owner is not null
$$;

create function internal.remember_op(p_ops text[], p_op text) returns text[]
language sql immutable set search_path = '' as $$
  select (array[p_op] || p_ops)[1:8]
$$;

-- Commit the intent to start, with a run key nobody has used, before the provider hears of it.
create function internal.start_turn(c public.conversations, t public.turns, p_op text, p_now timestamptz)
returns public.turns
language plpgsql volatile set search_path = '' as $$
begin
  update public.turns set
    status = 'starting',
    attempt = attempt + 1,
    run_key = id::text || '.' || (attempt + 1),
    run_id = null,
    agent = case when agent_named or attempt > 0 then agent else c.active_agent end,
    starting_at = p_now,
    running_at = null,
    not_before = null,
    ops = internal.remember_op(ops, p_op),
    updated_at = p_now
  where id = t.id
  returning * into t;
  perform internal.add_line(t, 'user', null, t.text, p_now);
  perform internal.join_waiting(t, p_now);
  return t;
end $$;

-- What a holder needs to serve the head. `fresh`: this very claim committed the intent, so nobody can have sent it yet.
create function internal.claim_json(c public.conversations, t public.turns, p_op text) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'epoch', c.lease_epoch,
    'fresh', t.status = 'starting' and t.ops[1] = p_op,
    'thread_id', c.thread_id, 'thread_provider', c.thread_provider, 'thread_cursor', c.thread_cursor,
    'last_run_id', c.last_run_id,
    'message_count', (select n.next_message_seq - 1 from public.conversations n
                      where n.user_id = c.user_id and n.id = c.id)
                     - (select count(*) from public.messages m where m.turn_id = t.id),
    'displaced', internal.displaced(c),
    'agent', internal.worker_json(t.user_id, internal.agent_or_default(t.user_id, t.agent)),
    'steps', internal.steps_json(t),
    'turn', internal.turn_json(t))
$$;
