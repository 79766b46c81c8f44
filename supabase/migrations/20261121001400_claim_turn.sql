-- Take the lease and the head of the queue in one step, and give a lease back.

create function public.claim_turn(p_user uuid, p_conversation uuid, p_owner text, p_lease_ms int, p_op text)
returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.conversations;
  t public.turns;
  v timestamptz;
begin
  select * into c from public.conversations where user_id = p_user and id = p_conversation for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  v := internal.now();
  t := internal.head(c);
  if t.id is null then
    return jsonb_build_object('outcome', 'idle');
  end if;
  if not internal.lease_free(c, p_op, v) then
    return jsonb_build_object('outcome', 'busy', 'retry_ms', internal.ms(c.lease_until - v));
  end if;
  if c.claim_op = p_op and c.lease_owner is null then
    -- a late copy of a claim that has been served and given up since: nobody is waiting for its answer
    return jsonb_build_object('outcome', 'busy', 'retry_ms', 0);
  end if;
  if t.status = 'queued' and t.not_before > v and t.deadline_at > v and not t.cancel_requested then
    return jsonb_build_object('outcome', 'backoff',
                              'retry_ms', internal.ms(least(t.not_before, t.deadline_at) - v));
  end if;
  c := internal.take_lease(c, p_owner, p_lease_ms, p_op, v);
  -- one that is to end is left as it is, for the caller to finish
  if t.status = 'queued' and t.deadline_at > v and not t.cancel_requested then
    t := internal.start_turn(c, t, p_op, v);
  end if;
  return jsonb_build_object('outcome', 'claimed') || internal.claim_json(c, t, p_op);
end $$;

create function public.release_lease(p_user uuid, p_conversation uuid, p_epoch bigint) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  update public.conversations set lease_owner = null, lease_until = null
  where user_id = p_user and id = p_conversation and lease_epoch = p_epoch;
  return jsonb_build_object('outcome', 'ok');
end $$;

revoke execute on function public.claim_turn(uuid, uuid, text, int, text) from public, anon, authenticated;
grant execute on function public.claim_turn(uuid, uuid, text, int, text) to service_role;
revoke execute on function public.release_lease(uuid, uuid, bigint) from public, anon, authenticated;
grant execute on function public.release_lease(uuid, uuid, bigint) to service_role;
