-- Take the lease and the head of the queue in one step, and give a lease back.

create function public.chat_claim_turn(p_user uuid, p_conversation uuid, p_owner text, p_lease_ms int, p_op text)
returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns;
  v timestamptz;
begin
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  v := chat_internal.now();
  t := chat_internal.head(c);
  if t.id is null then
    return jsonb_build_object('outcome', 'idle');
  end if;
  if not chat_internal.lease_free(c, p_op, v) then
    return jsonb_build_object('outcome', 'busy', 'retry_ms', chat_internal.ms(c.lease_until - v));
  end if;
  if c.claim_op = p_op and c.lease_owner is null then
    -- a late copy of a claim that has been served and given up since: no caller waits for its answer
    return jsonb_build_object('outcome', 'busy', 'retry_ms', 0);
  end if;
  if t.status = 'queued' and t.not_before > v and t.deadline_at > v and not t.cancel_requested then
    return jsonb_build_object('outcome', 'backoff',
                              'retry_ms', chat_internal.ms(least(t.not_before, t.deadline_at) - v));
  end if;
  c := chat_internal.take_lease(c, p_owner, p_lease_ms, p_op, v);
  -- one that is to end is left as it is, for the caller to finish
  if t.status = 'queued' and t.deadline_at > v and not t.cancel_requested then
    t := chat_internal.start_turn(c, t, p_op, v);
  end if;
  return jsonb_build_object('outcome', 'claimed') || chat_internal.claim_json(c, t, p_op);
end $$;

create function public.chat_release_lease(p_user uuid, p_conversation uuid, p_epoch bigint) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_conversations set lease_owner = null, lease_until = null
  where user_id = p_user and id = p_conversation and lease_epoch = p_epoch;
  return jsonb_build_object('outcome', 'ok');
end $$;
