-- What there is, and that nothing came in unnoticed: a table or function added to public has to be named here.
begin;
select plan(12);

select tables_are('public', array['agents', 'conversations', 'turns', 'messages', 'tool_calls', 'scratch_threads',
  'projects']);

select functions_are('public', array[
  'submit_turn', 'claim_turn', 'release_lease', 'advance_turn', 'withdraw_turn', 'begin_tool_call', 'finish_tool_call',
  'cancel_turn', 'edit_turn', 'get_turn', 'list_conversations', 'get_conversation', 'list_messages', 'list_orphans',
  'list_agents', 'get_agent', 'remember_assistant', 'keep_scratch', 'list_scratch', 'drop_scratch', 'read_project',
  'write_project', 'ping']);

select is_empty($$
  select p.oid::regprocedure from pg_proc p
  where p.pronamespace in ('public'::regnamespace, 'internal'::regnamespace)
    and (p.prosecdef or not coalesce(p.proconfig, '{}') @> array['search_path=""'])
$$, 'every function runs as its caller and with an empty search path');

select is_empty($$
  select p.oid::regprocedure from pg_proc p, unnest(p.proargtypes) as argument
  where p.pronamespace = 'public'::regnamespace
    and argument not in ('uuid'::regtype, 'text'::regtype, 'int'::regtype, 'bigint'::regtype, 'boolean'::regtype)
$$, 'arguments are text and scalars');

select is_empty($$
  select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity
$$, 'row level security is on everywhere');

select col_is_pk('public', 'conversations', array['user_id', 'id'], 'the user is part of a conversation''s key');
select index_is_unique('public', 'turns', 'turns_one_active', 'one turn of a conversation under way');
select index_is_unique('public', 'turns', 'turns_one_per_key', 'one turn per idempotency key');
select col_is_unique('public', 'messages', array['user_id', 'conversation_id', 'seq']);
select col_is_unique('public', 'turns', array['user_id', 'conversation_id', 'seq']);
select index_is_unique('public', 'conversations', 'conversations_one_per_scope', 'one conversation per scope');

select throws_ok($$
  insert into public.agents (slug, name, model) values ('two__underscores', 'x', 'm')
$$, '23514', null, 'slugs fit into function names');

select * from finish();
rollback;
