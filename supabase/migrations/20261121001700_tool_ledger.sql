-- Before a tool runs and after it. A call that was begun by somebody who never said how it ended is in doubt: it is not
-- run again, and the model is told so.

-- Call ids are the server's words and may be longer than an index takes.
create function internal.call_key(p_call text) returns text
language sql immutable set search_path = '' as $$
  select case when length(p_call) <= 200 then p_call
              else 'sha256:' || encode(sha256(convert_to(p_call, 'UTF8')), 'hex') end
$$;

-- Whether this token may still write to this turn. Locks the conversation's row.
create function internal.may_write(p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint) returns boolean
language plpgsql volatile set search_path = '' as $$
begin
  perform 1 from public.conversations
  where user_id = p_user and id = p_conversation and lease_epoch = p_epoch for update;
  if not found then
    return false;
  end if;
  return exists (
    select 1 from public.turns
    where id = p_turn and user_id = p_user and conversation_id = p_conversation and finished_at is null);
end $$;

create function public.begin_tool_call(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_call text, p_name text, p_op text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  k public.tool_calls;
begin
  if not internal.may_write(p_user, p_conversation, p_turn, p_epoch) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  insert into public.tool_calls (turn_id, call_id, user_id, name, op, status, begun_at)
  values (p_turn, internal.call_key(p_call), p_user, p_name, p_op, 'begun', internal.now())
  on conflict do nothing;
  select * into k from public.tool_calls where turn_id = p_turn and call_id = internal.call_key(p_call);
  if k.status = 'done' then
    return jsonb_build_object('outcome', 'done', 'output', k.output);
  end if;
  return jsonb_build_object('outcome', case when k.op = p_op then 'run' else 'in_doubt' end);
end $$;

create function public.finish_tool_call(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_call text, p_output text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  k public.tool_calls;
begin
  if not internal.may_write(p_user, p_conversation, p_turn, p_epoch) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  update public.tool_calls set status = 'done', output = p_output, done_at = internal.now()
  where turn_id = p_turn and call_id = internal.call_key(p_call) and status = 'begun';
  select * into k from public.tool_calls where turn_id = p_turn and call_id = internal.call_key(p_call);
  if not found then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  return jsonb_build_object('outcome', 'done', 'output', k.output);
end $$;

revoke execute on function public.begin_tool_call(uuid, uuid, uuid, bigint, text, text, text)
  from public, anon, authenticated;
grant execute on function public.begin_tool_call(uuid, uuid, uuid, bigint, text, text, text) to service_role;
revoke execute on function public.finish_tool_call(uuid, uuid, uuid, bigint, text, text)
  from public, anon, authenticated;
grant execute on function public.finish_tool_call(uuid, uuid, uuid, bigint, text, text) to service_role;
