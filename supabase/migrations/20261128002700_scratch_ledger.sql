-- The threads of agents that are asked as tools: kept while their call is under way, listed for deletion when it is
-- over.

-- The thread made for an asked agent, and its newest run.
create function public.chat_keep_scratch(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_call text, p_provider text, p_thread text,
  p_run text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  held boolean := chat_internal.may_write(p_user, p_conversation, p_turn, p_epoch);
begin
  -- kept for its deletion also where the holder is late
  update public.chat_scratch_threads set run_id = p_run where thread_id = p_thread and provider = p_provider;
  if not found and p_thread is not null then
    insert into public.chat_scratch_threads (turn_id, call_id, provider, thread_id, run_id, created_at)
    values (case when held then p_turn end, chat_internal.call_key(p_call), p_provider, p_thread, p_run,
            chat_internal.now());
  end if;
  return jsonb_build_object('outcome', case when held then 'ok' else 'fenced' end);
end $$;

-- Threads that are not needed any more: their turn is over, or gone.
create function public.chat_list_scratch(p_limit int) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'threads', coalesce(jsonb_agg(jsonb_build_object(
    'provider', s.provider, 'thread_id', s.thread_id) order by s.created_at), '[]'))
  from (
    select s.* from public.chat_scratch_threads s left join public.chat_turns t on t.id = s.turn_id
    where t.id is null or t.finished_at is not null
    order by s.created_at limit least(greatest(p_limit, 1), 1000)) s
$$;

create function public.chat_drop_scratch(p_provider text, p_thread text) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.chat_scratch_threads where provider = p_provider and thread_id = p_thread;
  return jsonb_build_object('outcome', 'ok');
end $$;
