-- Take the lease and the head of the queue in one step, and give a lease back.

-- The caller holds the conversation's row lock.
create function chat_internal.claim_head(
  c public.chat_conversations, p_owner text, p_lease_ms int, p_op text, p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  t public.chat_turns := chat_internal.head(c);
  before bigint := c.lease_epoch;
begin
  if t.id is null then
    return jsonb_build_object('outcome', 'idle');
  end if;
  if not chat_internal.lease_free(c, p_op, p_now) then
    return jsonb_build_object('outcome', 'busy', 'retry_ms', chat_internal.ms(c.lease_until - p_now));
  end if;
  if c.claim_op = p_op and c.lease_owner is null then
    -- a late copy of a claim that has been served and given up since: no caller waits for its answer
    return jsonb_build_object('outcome', 'busy', 'retry_ms', 0);
  end if;
  if t.status = 'queued' and t.not_before > p_now and t.deadline_at > p_now and not t.cancel_requested then
    return jsonb_build_object('outcome', 'backoff',
                              'retry_ms', chat_internal.ms(least(t.not_before, t.deadline_at) - p_now));
  end if;
  t := chat_internal.expire_calls(t, p_now);
  if t.status = 'waiting' and not t.cancel_requested then
    return jsonb_build_object('outcome', 'backoff', 'retry_ms', chat_internal.ms(t.waiting_until - p_now));
  end if;
  c := chat_internal.take_lease(c, p_owner, p_lease_ms, p_op, p_now);
  if t.status <> 'queued' and c.lease_epoch <> before then
    perform chat_internal.note_takeover(t, p_now);
  end if;
  -- one that is to end is left as it is, for the caller to finish
  if t.status = 'queued' and t.deadline_at > p_now and not t.cancel_requested then
    t := chat_internal.start_turn(c, t, p_op, p_now);
  end if;
  return jsonb_build_object('outcome', 'claimed') || chat_internal.claim_json(c, t, p_op);
end $$;

create function public.chat_claim_turn(p_user uuid, p_conversation uuid, p_owner text, p_lease_ms int, p_op text)
returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
begin
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return chat_internal.claim_head(c, p_owner, p_lease_ms, p_op, chat_internal.now());
end $$;

-- The answer to a write that ended a turn and gave its lease up, with the claim on the next turn where the caller names
-- who waits for it: so one call lies between two runs. The caller holds the conversation's row lock.
create function chat_internal.hand_over(
  p_answer jsonb, t public.chat_turns, p_next_owner text, p_lease_ms int, p_op text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  next jsonb;
begin
  if p_next_owner is null or t.finished_at is null then
    return p_answer;
  end if;
  select * into c from public.chat_conversations where user_id = t.user_id and id = t.conversation_id;
  next := chat_internal.claim_head(c, p_next_owner, p_lease_ms, p_op, chat_internal.now());
  return case when next ->> 'outcome' = 'claimed' then p_answer || jsonb_build_object('next', next) else p_answer end;
end $$;

create function public.chat_release_lease(p_user uuid, p_conversation uuid, p_epoch bigint) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_conversations set lease_owner = null, lease_until = null
  where user_id = p_user and id = p_conversation and lease_epoch = p_epoch;
  return jsonb_build_object('outcome', 'ok');
end $$;
