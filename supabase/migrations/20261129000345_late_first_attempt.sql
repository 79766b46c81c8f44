-- A chat that sends a message once more, of which nothing is known, may only be faster than its own first attempt: one that
-- arrives later finds its message accepted.

-- p_owner null: accept only, claim nothing. p_replaces: in the place of that turn; p_text null: what was asked there.
-- p_trigger, p_names and p_message are a chat's own words for that (meant_turn), and p_key is for new messages then.
create or replace function public.chat_submit_turn(
  p_user uuid, p_turn uuid, p_conversation uuid, p_new_conversation uuid, p_scope_kind text, p_scope_key text,
  p_text text, p_agent text, p_strategy text, p_metadata text, p_key text, p_hash text, p_ttl_ms int,
  p_open_per_conversation int, p_open_per_user int, p_per_minute int, p_owner text, p_lease_ms int,
  p_gather_ms int default 0, p_replaces uuid default null, p_trigger text default null, p_names text default null,
  p_message text default null, p_webhook boolean default false, p_scope_ttl_ms bigint default null,
  p_idle_ttl_ms bigint default 0) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns;
  named public.chat_turns;
  agent public.chat_agents;
  v timestamptz;
  n bigint;
  freed bigint := 0;
  slot timestamptz;
  claim jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('chat_submit_turn ' || p_user::text, 0));
  select * into t from public.chat_turns
  where user_id = p_user and (id = p_turn or (p_key is not null and idempotency_key = p_key and p_names is null))
  order by id = p_turn desc limit 1;
  if found then
    return chat_internal.known_turn(t, p_turn, p_hash, p_owner, p_lease_ms);
  end if;
  if chat_internal.was_deleted(
      p_user, array[p_conversation, p_new_conversation], case when p_names is null then p_key end) then
    return jsonb_build_object('outcome', 'deleted');
  end if;

  if p_replaces is not null then
    p_conversation := coalesce(p_conversation, (
      select r.conversation_id from public.chat_turns r where r.user_id = p_user and r.id = p_replaces));
    if p_conversation is null then
      return jsonb_build_object('outcome', 'not_found');
    end if;
  end if;
  c := chat_internal.find_conversation(p_user, p_conversation, p_scope_kind, p_scope_key);
  if chat_internal.expired(c, p_idle_ttl_ms, chat_internal.now()) then
    c := chat_internal.archive(c, chat_internal.now());
    if p_conversation is null then
      c := null;  -- its scope goes on in a new one
    end if;
  end if;
  if c.archived_at is not null then
    return jsonb_build_object('outcome', 'archived');
  end if;
  if p_trigger is not null then
    p_replaces := chat_internal.meant_turn(c, p_trigger, p_names, p_message, p_text);
    if p_replaces is not null then
      t := chat_internal.under_way_there(c, p_replaces, p_trigger, p_names, p_text, p_agent, p_hash);
      if t.id is not null then
        return jsonb_build_object('outcome', 'replayed', 'turn', chat_internal.turn_json(t));
      end if;
      p_text := case when p_trigger = 'submit-message' then p_text end;
      p_strategy := 'enqueue';
      p_key := null;
    elsif p_trigger = 'regenerate-message' and p_names <> coalesce(p_message, '') then
      return jsonb_build_object('outcome', 'not_found');
    elsif p_names is not null or p_trigger = 'regenerate-message' then
      if p_trigger = 'regenerate-message' then
        p_key := p_conversation::text || '/' || p_message;  -- a first attempt that comes late is known by it
      end if;
      select * into t from public.chat_turns where user_id = p_user and idempotency_key = p_key;
      if found and p_trigger = 'submit-message' then
        return chat_internal.known_turn(t, p_turn, p_hash, p_owner, p_lease_ms);
      elsif found then
        p_key := null;  -- it is that of another message
      end if;
    end if;
  end if;
  if p_replaces is not null then
    named := chat_internal.named_turn(c, p_replaces);
    if named.id is null then
      return jsonb_build_object('outcome', 'not_found');
    end if;
    p_text := coalesce(p_text, chat_internal.asked_in(named));
    if length(p_text) > 32000 then
      return jsonb_build_object('outcome', 'too_long');
    end if;
    select count(*) into freed from chat_internal.turns_from(c, named) r where r.finished_at is null;
  end if;
  v := chat_internal.now();
  select created_at into slot from public.chat_turns
  where user_id = p_user and created_at > v - interval '1 minute'
  order by created_at desc offset greatest(p_per_minute, 1) - 1 limit 1;
  if found then
    return jsonb_build_object('outcome', 'rate_limited',
                              'retry_ms', chat_internal.ms(slot + interval '1 minute' - v));
  end if;
  if p_agent is not null then
    agent := chat_internal.find_agent(p_user, p_agent);
  else
    agent := chat_internal.agent_or_default(
      p_user, case when named.id is null then c.active_agent else chat_internal.agent_at(c, named) end);
  end if;
  if agent.id is null then
    return jsonb_build_object('outcome', case when p_agent is null then 'no_agents' else 'unknown_agent' end);
  end if;
  select count(*) into n from public.chat_turns where user_id = p_user and finished_at is null;
  if n - freed >= p_open_per_user then
    return jsonb_build_object('outcome', 'too_many_open', 'open', n);
  end if;
  n := chat_internal.open_turns(p_user, c.id) - freed;
  if p_strategy = 'reject' and n > 0 then
    return jsonb_build_object('outcome', 'run_in_progress', 'turn_id', (chat_internal.head(c)).id);
  end if;
  if n >= p_open_per_conversation then
    return jsonb_build_object('outcome', 'queue_full', 'open', n);
  end if;

  if c.id is null then
    insert into public.chat_conversations (user_id, id, title, scope_kind, scope_key, active_agent, last_message_at,
                                           created_at, updated_at)
    values (p_user, coalesce(p_conversation, p_new_conversation), chat_internal.title_of(p_text),
            case when p_conversation is null then p_scope_kind end,
            case when p_conversation is null then p_scope_key end, agent.slug, v, v, v)
    returning * into c;
  end if;
  if named.id is not null then
    -- an agent that is only asked for by name has no control before it answers
    perform chat_internal.displace_from(c, named, p_turn, p_text, coalesce(
      (chat_internal.agent_or_default(p_user, chat_internal.agent_before(c, named))).slug, agent.slug), v);
    select * into c from public.chat_conversations where user_id = p_user and id = c.id;
  end if;
  insert into public.chat_turns (id, user_id, conversation_id, seq, place, text, agent, agent_named, strategy, metadata,
                            idempotency_key, request_hash, replaced, client_message_id, deadline_at, created_at,
                            updated_at, webhook)
  values (p_turn, p_user, c.id, c.next_seq, chat_internal.place_for(c, p_strategy), p_text, agent.slug,
          p_agent is not null or coalesce(named.agent_named, false), p_strategy, p_metadata::jsonb, p_key, p_hash,
          p_replaces, coalesce(p_message, named.client_message_id), v + chat_internal.span(p_ttl_ms), v, v,
          p_webhook)
  returning * into t;
  update public.chat_conversations set
    next_seq = next_seq + 1, open_turns = open_turns + 1, last_message_at = v, updated_at = v,
    ttl_ms = coalesce(p_scope_ttl_ms, ttl_ms)
  where user_id = p_user and id = c.id returning * into c;

  if p_strategy in ('interrupt', 'rollback', 'coalesce') then
    if p_strategy <> 'coalesce' then
      perform chat_internal.displace_head(c, t, v);
    elsif p_gather_ms > 0 then
      perform chat_internal.gather(c, p_gather_ms, v);
    end if;
    select * into t from public.chat_turns where id = t.id;
    select * into c from public.chat_conversations where user_id = p_user and id = c.id;
  end if;

  if p_owner is null or not chat_internal.claimable(c, t, v) or (chat_internal.head(c)).id <> t.id
     or not chat_internal.lease_free(c, p_turn::text, v) then
    return jsonb_build_object('outcome', 'created', 'turn', chat_internal.turn_json(t),
                              'active_run', chat_internal.active_run(c));
  end if;
  c := chat_internal.take_lease(c, p_owner, p_lease_ms, p_turn::text, v);
  t := chat_internal.start_turn(c, t, p_turn::text, v);
  claim := chat_internal.claim_json(c, t, p_turn::text);
  return jsonb_build_object('outcome', 'created', 'turn', claim -> 'turn', 'claim', claim);
end $$;
