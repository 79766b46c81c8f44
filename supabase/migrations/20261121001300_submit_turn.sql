-- Accept a message, or say why not. A refusal leaves nothing behind. Accepting locks the user first, then the
-- conversation: so keys, limits and rates are exact however many submit at once.

create function internal.open_turns(p_user uuid, p_conversation uuid) returns bigint
language sql stable set search_path = '' as $$
  select count(*) from public.turns t
  where t.user_id = p_user and t.conversation_id = p_conversation and t.finished_at is null
$$;

-- The conversation a message is for, locked; null where it has to be made. A named id goes before a scope.
create function internal.find_conversation(p_user uuid, p_conversation uuid, p_scope_kind text, p_scope_key text)
returns public.conversations
language plpgsql volatile set search_path = '' as $$
declare
  c public.conversations;
begin
  if p_conversation is not null then
    select * into c from public.conversations where user_id = p_user and id = p_conversation for update;
  elsif p_scope_kind is not null then
    select * into c from public.conversations
    where user_id = p_user and scope_kind = p_scope_kind and scope_key = p_scope_key for update;
  end if;
  return c;
end $$;

-- A turn that is known already: the caller's own lost answer (same turn id) gets what it missed, claim included; the
-- same key from another request is a replay.
create function internal.known_turn(t public.turns, p_turn uuid, p_hash text, p_owner text, p_lease_ms int)
returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.conversations;
  v timestamptz;
begin
  if t.request_hash <> p_hash then
    return jsonb_build_object('outcome', 'key_mismatch');
  end if;
  if t.id <> p_turn then
    return jsonb_build_object('outcome', 'replayed', 'turn', internal.turn_json(t));
  end if;
  select * into c from public.conversations where user_id = t.user_id and id = t.conversation_id for update;
  select * into t from public.turns where id = p_turn;
  v := internal.now();
  if c.claim_op = p_turn::text and c.lease_owner is not null and t.status = 'starting' and t.ops[1] = p_turn::text then
    c := internal.take_lease(c, p_owner, p_lease_ms, p_turn::text, v);
    return jsonb_build_object('outcome', 'created', 'turn', internal.turn_json(t),
                              'claim', internal.claim_json(c, t, p_turn::text));
  end if;
  return jsonb_build_object('outcome', 'created', 'turn', internal.turn_json(t));
end $$;

-- p_owner null: accept only, claim nothing.
create function public.submit_turn(
  p_user uuid, p_turn uuid, p_conversation uuid, p_new_conversation uuid, p_scope_kind text, p_scope_key text,
  p_text text, p_agent text, p_strategy text, p_metadata text, p_key text, p_hash text, p_ttl_ms int,
  p_open_per_conversation int, p_open_per_user int, p_per_minute int, p_owner text, p_lease_ms int,
  p_gather_ms int default 0) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.conversations;
  t public.turns;
  agent public.agents;
  v timestamptz;
  n bigint := 0;
  slot timestamptz;
begin
  perform pg_advisory_xact_lock(hashtextextended('submit_turn ' || p_user::text, 0));
  select * into t from public.turns
  where user_id = p_user and (id = p_turn or (p_key is not null and idempotency_key = p_key))
  order by id = p_turn desc limit 1;
  if found then
    return internal.known_turn(t, p_turn, p_hash, p_owner, p_lease_ms);
  end if;

  c := internal.find_conversation(p_user, p_conversation, p_scope_kind, p_scope_key);
  v := internal.now();
  select created_at into slot from public.turns
  where user_id = p_user and created_at > v - interval '1 minute'
  order by created_at desc offset greatest(p_per_minute, 1) - 1 limit 1;
  if found then
    return jsonb_build_object('outcome', 'rate_limited',
                              'retry_ms', internal.ms(slot + interval '1 minute' - v));
  end if;
  if p_agent is not null then
    agent := internal.find_agent(p_user, p_agent);
  else
    agent := internal.agent_or_default(p_user, c.active_agent);
  end if;
  if agent.id is null then
    return jsonb_build_object('outcome', 'unknown_agent');
  end if;
  select count(*) into n from public.turns where user_id = p_user and finished_at is null;
  if n >= p_open_per_user then
    return jsonb_build_object('outcome', 'too_many_open', 'open', n);
  end if;
  n := internal.open_turns(p_user, c.id);
  if p_strategy = 'reject' and n > 0 then
    return jsonb_build_object('outcome', 'run_in_progress', 'turn_id', (internal.head(c)).id);
  end if;
  if n >= p_open_per_conversation then
    return jsonb_build_object('outcome', 'queue_full', 'open', n);
  end if;

  if c.id is null then
    insert into public.conversations (user_id, id, scope_kind, scope_key, active_agent, created_at, updated_at)
    values (p_user, coalesce(p_conversation, p_new_conversation),
            case when p_conversation is null then p_scope_kind end,
            case when p_conversation is null then p_scope_key end, agent.slug, v, v)
    returning * into c;
  end if;
  insert into public.turns (id, user_id, conversation_id, seq, place, text, agent, agent_named, strategy, metadata,
                            idempotency_key, request_hash, deadline_at, created_at, updated_at)
  values (p_turn, p_user, c.id, c.next_seq, internal.place_for(c, p_strategy), p_text, agent.slug, p_agent is not null, p_strategy, p_metadata::jsonb,
          p_key, p_hash, v + internal.span(p_ttl_ms), v, v)
  returning * into t;
  update public.conversations set next_seq = next_seq + 1, updated_at = v
  where user_id = p_user and id = c.id returning * into c;

  if p_strategy in ('interrupt', 'rollback') then
    perform internal.displace_head(c, t, v);
  elsif p_strategy = 'coalesce' and p_gather_ms > 0 then
    perform internal.gather(c, p_gather_ms, v);
  end if;
  select * into t from public.turns where id = t.id;
  select * into c from public.conversations where user_id = p_user and id = c.id;

  if p_owner is null or not internal.claimable(c, t, v) or (internal.head(c)).id <> t.id
     or not internal.lease_free(c, p_turn::text, v) then
    return jsonb_build_object('outcome', 'created', 'turn', internal.turn_json(t));
  end if;
  c := internal.take_lease(c, p_owner, p_lease_ms, p_turn::text, v);
  t := internal.start_turn(c, t, p_turn::text, v);
  return jsonb_build_object('outcome', 'created', 'turn', internal.turn_json(t),
                            'claim', internal.claim_json(c, t, p_turn::text));
end $$;

revoke execute on function public.submit_turn(uuid, uuid, uuid, uuid, text, text, text, text, text, text, text, text,
  int, int, int, int, text, int, int) from public, anon, authenticated;
grant execute on function public.submit_turn(uuid, uuid, uuid, uuid, text, text, text, text, text, text, text, text,
  int, int, int, int, text, int, int) to service_role;
