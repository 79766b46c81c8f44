-- Before a tool runs and after it. A call that was begun and never finished is in doubt for every later holder: it is
-- not run again, and the model is told so.

create function public.chat_begin_tool_call(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_call text, p_name text, p_op text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  k public.chat_tool_calls;
begin
  if not chat_internal.may_write(p_user, p_conversation, p_turn, p_epoch) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  insert into public.chat_tool_calls (turn_id, call_id, user_id, name, op, status, begun_at)
  values (p_turn, chat_internal.call_key(p_call), p_user, p_name, p_op, 'begun', chat_internal.now())
  on conflict do nothing;
  select * into k from public.chat_tool_calls where turn_id = p_turn and call_id = chat_internal.call_key(p_call);
  if k.status = 'done' then
    return jsonb_build_object('outcome', 'done', 'output', k.output);
  end if;
  return jsonb_build_object('outcome', case when k.op = p_op then 'run' else 'in_doubt' end, 'scratch', (
    select jsonb_build_object('provider', s.provider, 'thread_id', s.thread_id, 'run_id', s.run_id)
    from public.chat_scratch_threads s where s.turn_id = p_turn and s.call_id = k.call_id
    order by s.created_at desc limit 1));
end $$;

create function public.chat_finish_tool_call(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_call text, p_output text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  k public.chat_tool_calls;
begin
  if not chat_internal.may_write(p_user, p_conversation, p_turn, p_epoch) then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  update public.chat_tool_calls set status = 'done', output = p_output, done_at = chat_internal.now()
  where turn_id = p_turn and call_id = chat_internal.call_key(p_call) and status = 'begun';
  select * into k from public.chat_tool_calls where turn_id = p_turn and call_id = chat_internal.call_key(p_call);
  if not found then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  return jsonb_build_object('outcome', 'done', 'output', k.output);
end $$;

-- What came of a call of this conversation, whichever turn made it; null where that is on no record. A server that
-- numbers the calls of every run anew gets that of the newest turn.
create function public.chat_get_tool_output(p_user uuid, p_conversation uuid, p_call text) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object('outcome', 'ok', 'output', (
    select k.output from public.chat_turns t join public.chat_tool_calls k on k.turn_id = t.id
    where t.user_id = p_user and t.conversation_id = p_conversation and k.call_id = chat_internal.call_key(p_call)
      and k.status = 'done'
    order by t.seq desc limit 1));
end $$;
