-- Before a tool runs and after it. A call that was begun by somebody who never said how it ended is in doubt: it is not
-- run again, and the model is told so.

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
  return jsonb_build_object('outcome', case when k.op = p_op then 'run' else 'in_doubt' end, 'scratch', (
    select jsonb_build_object('provider', s.provider, 'thread_id', s.thread_id, 'run_id', s.run_id)
    from public.scratch_threads s where s.turn_id = p_turn and s.call_id = k.call_id
    order by s.created_at desc limit 1));
end $$;

-- The thread made for an asked agent, and its newest run.
create function public.keep_scratch(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_call text, p_provider text, p_thread text, p_run text)
returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  held boolean := internal.may_write(p_user, p_conversation, p_turn, p_epoch);
begin
  -- kept for its deletion also where the holder is late
  update public.scratch_threads set run_id = p_run where thread_id = p_thread and provider = p_provider;
  if not found and p_thread is not null then
    insert into public.scratch_threads (turn_id, call_id, provider, thread_id, run_id, created_at)
    values ((select t.id from public.turns t where t.id = p_turn and t.user_id = p_user and held),
            internal.call_key(p_call), p_provider, p_thread, p_run, internal.now());
  end if;
  return jsonb_build_object('outcome', case when held then 'ok' else 'fenced' end);
end $$;

-- Threads that nobody needs any more: their turn is over, or gone.
create function public.list_scratch(p_limit int) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'threads', coalesce(jsonb_agg(jsonb_build_object(
    'provider', s.provider, 'thread_id', s.thread_id) order by s.created_at), '[]'))
  from (
    select s.* from public.scratch_threads s left join public.turns t on t.id = s.turn_id
    where t.id is null or t.finished_at is not null
    order by s.created_at limit least(greatest(p_limit, 1), 1000)) s
$$;

create function public.drop_scratch(p_provider text, p_thread text) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.scratch_threads where provider = p_provider and thread_id = p_thread;
  return jsonb_build_object('outcome', 'ok');
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
revoke execute on function public.keep_scratch(uuid, uuid, uuid, bigint, text, text, text, text)
  from public, anon, authenticated;
grant execute on function public.keep_scratch(uuid, uuid, uuid, bigint, text, text, text, text) to service_role;
revoke execute on function public.list_scratch(int) from public, anon, authenticated;
grant execute on function public.list_scratch(int) to service_role;
revoke execute on function public.drop_scratch(text, text) from public, anon, authenticated;
grant execute on function public.drop_scratch(text, text) to service_role;
