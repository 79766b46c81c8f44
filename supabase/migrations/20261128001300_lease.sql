-- The lease: the time-bounded right to serve the head of a conversation's queue. The caller holds the conversation's
-- row lock.

-- A lease belongs to the claim that took it, not to an instance: two requests of one instance are two holders.
create function chat_internal.lease_free(c public.chat_conversations, p_op text, p_now timestamptz) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return c.lease_owner is null or c.lease_until <= p_now or c.claim_op is not distinct from p_op;
end $$;

-- Whether a claim of the head `t` would succeed now.
create function chat_internal.claimable(c public.chat_conversations, t public.chat_turns, p_now timestamptz)
returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return t.id is not null
     and (c.lease_owner is null or c.lease_until <= p_now)
     and (t.status <> 'queued' or t.not_before is null or t.not_before <= p_now
          or t.deadline_at <= p_now or t.cancel_requested)
     and (t.status <> 'waiting' or t.waiting_until <= p_now or t.cancel_requested);
end $$;

-- A claim that is repeated keeps its token; every other gets a new one, and with it the old one is worthless.
create function chat_internal.take_lease(
  c public.chat_conversations, p_owner text, p_lease_ms int, p_op text, p_now timestamptz)
returns public.chat_conversations
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_conversations set
    lease_epoch = case when c.claim_op = p_op and c.lease_until > p_now then c.lease_epoch
                       else nextval('chat_internal.lease_epochs') end,
    lease_owner = p_owner,
    lease_until = p_now + chat_internal.span(p_lease_ms),
    claim_op = p_op
  where user_id = c.user_id and id = c.id
  returning * into c;
  return c;
end $$;

-- 0 gives the lease up. One that was given up is not taken again by a late write, only by a claim.
create function chat_internal.keep_lease(c public.chat_conversations, p_lease_ms int, p_now timestamptz) returns void
language plpgsql volatile set search_path = '' as $$
begin
  update public.chat_conversations set
    lease_owner = case when p_lease_ms > 0 then lease_owner end,
    lease_until = case when p_lease_ms > 0 then p_now + chat_internal.span(p_lease_ms) end
  where user_id = c.user_id and id = c.id and lease_owner is not null;
end $$;

-- Whether this token may still write to this turn. Locks the conversation's row.
create function chat_internal.may_write(p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform 1 from public.chat_conversations
  where user_id = p_user and id = p_conversation and lease_epoch = p_epoch for update;
  if not found then
    return false;
  end if;
  return exists (
    select 1 from public.chat_turns
    where id = p_turn and user_id = p_user and conversation_id = p_conversation and finished_at is null);
end $$;
