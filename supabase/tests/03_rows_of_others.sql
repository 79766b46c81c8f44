-- Two users with the same conversation id: each reads their own rows and cannot tell that there are others.
begin;
select plan(18);

insert into public.chat_conversations (user_id, id, title, active_agent, last_message_at, created_at, updated_at)
select u::uuid, '00000000-0000-4000-8000-00000000000c', 'a title', 'orchestrator', now(), now(), now()
from unnest(array['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b']) u;
insert into public.chat_turns (id, user_id, conversation_id, seq, place, text, agent, agent_named, strategy, request_hash,
                          deadline_at, created_at, updated_at)
select id, user_id, '00000000-0000-4000-8000-00000000000c', 1, 1, text, 'orchestrator', false, 'enqueue',
       repeat('0', 64), now(), now(), now()
from (values
  ('00000000-0000-4000-8000-0000000000a1'::uuid, '00000000-0000-4000-8000-00000000000a'::uuid, 'A says'),
  ('00000000-0000-4000-8000-0000000000b1'::uuid, '00000000-0000-4000-8000-00000000000b'::uuid, 'B says')
) as t (id, user_id, text);
insert into public.chat_messages (user_id, conversation_id, seq, turn_id, turn_seq, role, text, created_at)
select user_id, conversation_id, 1, id, 1, 'user', text, now() from public.chat_turns;
insert into public.chat_tool_calls (turn_id, call_id, user_id, name, op, status, begun_at)
select id, 'call', user_id, 'tool', 'op', 'begun', now() from public.chat_turns;
insert into public.chat_person_calls (turn_id, call_id, user_id, number, kind, name, arguments, asked_at, expires_at)
select id, 'call', user_id, 1, 'question', 'ask_user', text, now(), now() from public.chat_turns;
insert into public.chat_projects (user_id, conversation_id, title, updated_at)
select user_id, conversation_id, text, now() from public.chat_turns;
insert into public.chat_images (id, user_id, turn_id, media_type, bytes, created_at)
select gen_random_uuid(), user_id, id, 'image/png', '\x00', now() from public.chat_turns;
insert into public.chat_agents (owner_id, slug, name, model)
values ('00000000-0000-4000-8000-00000000000a', 'mine', 'A''s own', 'm'),
       ('00000000-0000-4000-8000-00000000000b', 'mine', 'B''s own', 'm');

create function pg_temp.seen_by(p_user text, p_sql text) returns text[] language plpgsql as $$
declare
  rows text[];
begin
  perform set_config('request.jwt.claims', json_build_object('sub', p_user, 'role', 'authenticated')::text, true);
  perform set_config('role', 'authenticated', true);
  execute 'select coalesce(array_agg(v order by v), ''{}'') from (' || p_sql || ') as seen (v)' into rows;
  perform set_config('role', 'none', true);
  return rows;
end $$;

select is(pg_temp.seen_by('00000000-0000-4000-8000-00000000000a', sql), array[a], 'A sees A''s: ' || sql)
from (values
  ('select text from public.chat_turns', 'A says'),
  ('select text from public.chat_messages', 'A says'),
  ('select user_id::text from public.chat_conversations', '00000000-0000-4000-8000-00000000000a'),
  ('select turn_id::text from public.chat_tool_calls', '00000000-0000-4000-8000-0000000000a1'),
  ('select title from public.chat_projects', 'A says'),
  ('select arguments from public.chat_person_calls', 'A says'),
  ('select turn_id::text from public.chat_images', '00000000-0000-4000-8000-0000000000a1'),
  ('select name from public.chat_agents where owner_id is not null', 'A''s own')) as t (sql, a);

select is(pg_temp.seen_by('00000000-0000-4000-8000-00000000000b', sql), '{}', 'B does not see A''s: ' || sql)
from (values
  ('select text from public.chat_turns where text = ''A says'''),
  ('select text from public.chat_messages where text = ''A says'''),
  ('select id::text from public.chat_conversations where user_id = ''00000000-0000-4000-8000-00000000000a'''),
  ('select call_id from public.chat_tool_calls where turn_id = ''00000000-0000-4000-8000-0000000000a1'''),
  ('select title from public.chat_projects where title = ''A says'''),
  ('select call_id from public.chat_person_calls where arguments = ''A says'''),
  ('select media_type from public.chat_images where turn_id = ''00000000-0000-4000-8000-0000000000a1'''),
  ('select name from public.chat_agents where name = ''A''''s own''')) as t (sql);

select is(
  pg_temp.seen_by('00000000-0000-4000-8000-00000000000a', 'select slug from public.chat_agents where owner_id is null'),
  array['image_prompt_writer', 'orchestrator', 'scene_describer', 'script_writer'],
  'every user sees the global agents');

select is(pg_temp.seen_by('00000000-0000-4000-8000-00000000000d', 'select text from public.chat_turns'), '{}',
          'a stranger sees nothing');

select * from finish();
rollback;
