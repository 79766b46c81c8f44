-- Who may call what. Postgres lets every role call a new function, and hosted projects add their own grants to that: so
-- all of it is taken back, and service_role alone may call the functions here.

-- Everything in chat_internal, and these of public. A later migration that adds functions calls it again with its own.
create function chat_internal.restrict_to_service_role(variadic p_functions regproc[]) returns void
language plpgsql volatile set search_path = '' as $$
declare
  f regprocedure;
begin
  for f in
    select p.oid::regprocedure from pg_proc p
    where p.oid = any (p_functions) or p.pronamespace = 'chat_internal'::regnamespace
  loop
    execute format('revoke all on function %s from public, anon, authenticated', f);
    execute format('grant execute on function %s to service_role', f);
  end loop;
end $$;

select chat_internal.restrict_to_service_role(
  'public.chat_submit_turn',
  'public.chat_claim_turn',
  'public.chat_release_lease',
  'public.chat_advance_turn',
  'public.chat_withdraw_turn',
  'public.chat_begin_tool_call',
  'public.chat_finish_tool_call',
  'public.chat_get_tool_output',
  'public.chat_keep_scratch',
  'public.chat_list_ended_threads',
  'public.chat_drop_thread',
  'public.chat_defer_thread',
  'public.chat_delete_conversation',
  'public.chat_delete_conversations',
  'public.chat_was_deleted',
  'public.chat_begin_assistant',
  'public.chat_list_ended_objects',
  'public.chat_drop_object',
  'public.chat_defer_object',
  'public.chat_list_left_runs',
  'public.chat_drop_left_run',
  'public.chat_defer_left_run',
  'public.chat_cancel_turn',
  'public.chat_edit_turn',
  'public.chat_answer_call',
  'public.chat_get_turn',
  'public.chat_list_conversations',
  'public.chat_get_conversation',
  'public.chat_follow_conversation',
  'public.chat_note_stream',
  'public.chat_change_conversation',
  'public.chat_rotate_conversation',
  'public.chat_expire_conversations',
  'public.chat_list_messages',
  'public.chat_list_agents',
  'public.chat_get_agent',
  'public.chat_remember_assistant',
  'public.chat_create_agent',
  'public.chat_change_agent',
  'public.chat_delete_agent',
  'public.chat_list_orphans',
  'public.chat_take_webhooks',
  'public.chat_drop_webhook',
  'public.chat_find_run',
  'public.chat_tidy_events',
  'public.chat_get_statistics',
  'public.chat_list_watched',
  'public.chat_get_timeline',
  'public.chat_read_project',
  'public.chat_write_project',
  'public.chat_ping');
