-- The threads of agents that are asked as tools: kept while their call is under way.

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
