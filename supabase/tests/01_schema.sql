-- What there is, and that nothing came in unnoticed: a table or function added to public has to be named here.
begin;
select plan(21);

select tables_are('public', array['chat_agents', 'chat_conversations', 'chat_turns', 'chat_messages', 'chat_tool_calls',
  'chat_person_calls', 'chat_scratch_threads', 'chat_projects', 'chat_threads', 'chat_deleted_conversations', 'chat_deleted_keys',
  'chat_left_runs', 'chat_turn_streams', 'chat_turn_events', 'chat_webhooks', 'chat_feedback', 'chat_remote_objects',
  'chat_breakers', 'chat_images']);

select functions_are('public', array[
  'chat_submit_turn', 'chat_claim_turn', 'chat_release_lease', 'chat_advance_turn', 'chat_withdraw_turn',
  'chat_begin_tool_call', 'chat_finish_tool_call', 'chat_get_tool_output', 'chat_keep_scratch',
  'chat_list_ended_threads', 'chat_drop_thread', 'chat_defer_thread',
  'chat_begin_assistant', 'chat_list_ended_objects', 'chat_drop_object', 'chat_defer_object', 'chat_list_left_runs', 'chat_drop_left_run', 'chat_defer_left_run', 'chat_delete_conversation', 'chat_delete_conversations', 'chat_was_deleted',
  'chat_cancel_turn', 'chat_edit_turn', 'chat_answer_call', 'chat_get_turn', 'chat_list_conversations', 'chat_get_conversation',
  'chat_change_conversation', 'chat_rotate_conversation', 'chat_expire_conversations', 'chat_list_messages', 'chat_list_agents', 'chat_get_agent', 'chat_remember_assistant', 'chat_list_orphans',
  'chat_create_agent', 'chat_change_agent', 'chat_delete_agent',
  'chat_follow_conversation', 'chat_note_stream',
  'chat_take_webhooks', 'chat_drop_webhook', 'chat_find_run', 'chat_tidy_events', 'chat_get_statistics', 'chat_list_watched', 'chat_get_timeline', 'chat_list_feedback', 'chat_read_feedback',
  'chat_keep_image', 'chat_read_image',
  'chat_read_project', 'chat_write_project', 'chat_ping', 'chat_schema_version']);

select is_empty($$
  select kind, name from (
    select 'relation' as kind, relname as name, relnamespace as schema from pg_class
    union all select 'type', typname, typnamespace from pg_type where typelem = 0
    union all select 'function', proname, pronamespace from pg_proc
    union all select 'constraint', conname, connamespace from pg_constraint) made
  where schema = 'public'::regnamespace and name not like 'chat\_%'
$$, 'every name in public has the prefix of this service');

select is_empty($$
  select p.oid::regprocedure from pg_proc p
  where p.pronamespace in ('public'::regnamespace, 'chat_internal'::regnamespace)
    and (p.prosecdef <> (p.oid = 'chat_internal.delete_with_user'::regproc)
         or not coalesce(p.proconfig, '{}') @> array['search_path=""'])
$$, 'every function runs with an empty search path, and all but the one for users who are gone as their caller');

select is_empty($$
  select p.oid::regprocedure from pg_proc p, unnest(p.proargtypes) as argument
  where p.pronamespace = 'public'::regnamespace
    and argument not in ('uuid'::regtype, 'text'::regtype, 'int'::regtype, 'bigint'::regtype, 'boolean'::regtype)
$$, 'arguments are text and scalars');

select is_empty($$
  select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity
$$, 'row level security is on everywhere');

select col_is_pk('public', 'chat_conversations', array['user_id', 'id'], 'the user is part of a conversation''s key');
select index_is_unique('public', 'chat_turns', 'chat_turns_one_active', 'one turn of a conversation under way');
select index_is_unique('public', 'chat_turns', 'chat_turns_one_per_key', 'one turn per idempotency key');
select col_is_unique('public', 'chat_messages', array['user_id', 'conversation_id', 'seq']);
select col_is_unique('public', 'chat_turns', array['user_id', 'conversation_id', 'seq']);
select index_is_unique('public', 'chat_conversations', 'chat_conversations_one_per_scope',
  'one conversation per scope');

select throws_ok($$
  insert into public.chat_agents (slug, name, model) values ('two__underscores', 'x', 'm')
$$, '23514', null, 'slugs fit into function names');

select throws_ok($$
  insert into public.chat_agents (slug, name, model, tools, approvals) values ('x', 'x', 'm', '{a}', '{a,b}')
$$, '23514', null, 'only an agent''s own functions can need a word');

select throws_ok(format($$
  insert into public.chat_agents (slug, name, model, tools, client_tools) values ('x', 'x', 'm', '{mine}', %L)
$$, tools), '23514', null, 'no functions of a browser: ' || tools)
from unnest(array[
  '{}', '[1]', '[{"name": "a"}]', '[{"name": "ask_x", "description": "", "parameters": {"type": "object"}}]',
  '[{"name": "mine", "description": "", "parameters": {"type": "object"}}]',
  '[{"name": "a", "description": "", "parameters": {"type": "array"}}]']) tools;

select lives_ok($$
  insert into public.chat_agents (slug, name, model, tools, approvals, ask_user, client_tools) values (
    'x', 'x', 'm', '{a,b}', '{b}', true, '[{"name": "where", "description": "", "parameters": {"type": "object"}}]')
$$, 'an agent may have all three');

select * from finish();
rollback;
