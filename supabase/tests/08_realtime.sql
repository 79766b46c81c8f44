-- Changes are broadcast where there is Realtime, to their user and to no other. A stand-in has what a hosted project's
-- schema `realtime` has of it: the table, who may write it, the topic of a connection, and `send`.
begin;
select plan(12);

select is(chat_internal.join_realtime(), to_regclass('realtime.messages') is not null,
          'a database without Realtime is left as it is');

create schema if not exists realtime;
grant usage on schema realtime to authenticated, service_role;
create table realtime.messages (
  topic text not null, extension text not null, payload jsonb, event text, private boolean default false,
  inserted_at timestamptz not null default now(), id uuid not null default gen_random_uuid());
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
create function realtime.topic() returns text language sql stable as $$
  select nullif(current_setting('realtime.topic', true), '') $$;
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language sql volatile as $$
  insert into realtime.messages (payload, event, topic, private, extension) values ($1, $2, $3, $4, 'broadcast') $$;

select ok(chat_internal.join_realtime(), 'one with it is joined');
select ok(chat_internal.join_realtime(), 'as often as it is asked for');

create function pg_temp.said() returns jsonb language sql as $$
  select jsonb_agg(payload - 'conversation_id' || jsonb_build_object('topic', right(topic, 1)) order by payload ->> 'seq')
  from realtime.messages $$;

insert into public.chat_conversations (user_id, id, title, active_agent, last_message_at, created_at, updated_at)
select u::uuid, '00000000-0000-4000-8000-00000000000c', 'a secret title', 'orchestrator', now(), now(), now()
from unnest(array['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b']) u;
select is((select count(*)::int from realtime.messages where event = 'changed' and private), 2, 'a beginning is told of');
delete from realtime.messages;

update public.chat_conversations set updated_at = now();
select is((select count(*)::int from realtime.messages), 0, 'what is of no interest to a page is not');
update public.chat_conversations set open_turns = 1, next_seq = 2 where user_id = '00000000-0000-4000-8000-00000000000a';
select is(pg_temp.said(), '[{"seq": 1, "messages": 0, "status": "busy", "topic": "a"}]', 'a message is, by numbers alone');
select is_empty($$ select 1 from realtime.messages where payload::text like '%secret%' $$, 'without a word of it');

-- How many messages a signed-in user reads while connected to a topic. Realtime asks the same before it lets one join.
create function pg_temp.heard(p_user text, p_topic text) returns bigint language plpgsql as $$
declare
  heard bigint;
begin
  perform set_config('request.jwt.claims', json_build_object('sub', p_user, 'role', 'authenticated')::text, true);
  perform set_config('realtime.topic', p_topic, true);
  perform set_config('role', 'authenticated', true);
  select count(*) into heard from realtime.messages;
  perform set_config('role', 'none', true);
  return heard;
end $$;
select is(pg_temp.heard('00000000-0000-4000-8000-00000000000a', 'chat:00000000-0000-4000-8000-00000000000a'), 1::bigint,
          'A hears A''s');
select is(pg_temp.heard('00000000-0000-4000-8000-00000000000b', 'chat:00000000-0000-4000-8000-00000000000a'), 0::bigint,
          'B can neither join nor hear A''s topic');
select is(pg_temp.heard('00000000-0000-4000-8000-00000000000a', 'chat:'), 0::bigint, 'nor A a topic of no user');

select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000000a"}', true);
set local role authenticated;
select throws_ok($$ insert into realtime.messages (topic, extension)
  values ('chat:00000000-0000-4000-8000-00000000000a', 'broadcast') $$, '42501', null, 'no browser sends on a topic');
reset role;

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language sql volatile as $$ select 1 / 0 $$;
select lives_ok($$ update public.chat_conversations set next_seq = 9 $$, 'and where sending fails, nothing else does');

select * from finish();
rollback;
