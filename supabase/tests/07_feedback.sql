-- Feedback: written by people themselves, each on answers of their own.
begin;
select plan(13);

insert into public.chat_conversations (user_id, id, title, active_agent, last_message_at, created_at, updated_at)
select u::uuid, '00000000-0000-4000-8000-00000000000c', 'a title', 'orchestrator', now(), now(), now()
from unnest(array['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b']) u;
insert into public.chat_turns (id, user_id, conversation_id, seq, place, text, agent, agent_named, strategy, request_hash,
                          deadline_at, created_at, updated_at, status, reply, finished_at)
select id, user_id, '00000000-0000-4000-8000-00000000000c', seq, seq, 'asked', 'orchestrator', false, 'enqueue',
       repeat('0', 64), now(), now(), now(), status, reply, case when reply is not null then now() end
from (values
  ('00000000-0000-4000-8000-0000000000a1'::uuid, '00000000-0000-4000-8000-00000000000a'::uuid, 1, 'completed', 'A hears'),
  ('00000000-0000-4000-8000-0000000000a2'::uuid, '00000000-0000-4000-8000-00000000000a'::uuid, 2, 'queued', null),
  ('00000000-0000-4000-8000-0000000000b1'::uuid, '00000000-0000-4000-8000-00000000000b'::uuid, 1, 'completed', 'B hears')
) as t (id, user_id, seq, status, reply);

-- How many rows a statement touched as that user, or the code of its refusal.
create function pg_temp.done_by(p_user text, p_sql text) returns text language plpgsql as $$
declare
  touched bigint;
begin
  perform set_config('request.jwt.claims', json_build_object('sub', p_user, 'role', 'authenticated')::text, true);
  perform set_config('role', 'authenticated', true);
  execute p_sql;
  get diagnostics touched = row_count;
  perform set_config('role', 'none', true);
  return touched::text;
exception when others then
  perform set_config('role', 'none', true);
  return sqlstate;
end $$;

create function pg_temp.a(p_sql text) returns text language sql as $$
  select pg_temp.done_by('00000000-0000-4000-8000-00000000000a', p_sql) $$;
create function pg_temp.b(p_sql text) returns text language sql as $$
  select pg_temp.done_by('00000000-0000-4000-8000-00000000000b', p_sql) $$;
create function pg_temp.rating(p_turn text, p_more text default '') returns text language sql as $$
  select format($q$ insert into public.chat_feedback (turn_id, conversation_id, good, comment)
    values ('00000000-0000-4000-8000-0000000000%s', '00000000-0000-4000-8000-00000000000c', true, 'fine') %s $q$, p_turn, p_more)
$$;

select is(pg_temp.a(pg_temp.rating('a1')), '1', 'A rates an answer of A''s');
select is((select user_id::text from public.chat_feedback), '00000000-0000-4000-8000-00000000000a', 'and is its author');
select is(pg_temp.a(pg_temp.rating('a1', 'on conflict (turn_id) do update set good = false, turn_id = excluded.turn_id')),
          '1', 'thinks better of it');
select is((select good from public.chat_feedback), false, 'which stands then');
select is(pg_temp.a(pg_temp.rating('a2')), '42501', 'not of what has no answer yet');
select is(pg_temp.b(pg_temp.rating('a1')), '42501', 'B may not rate it');
select is(pg_temp.a(pg_temp.rating('b1')), '42501', 'nor A an answer of B''s');
select is(pg_temp.a($$ insert into public.chat_feedback (turn_id, conversation_id, good, user_id)
  values ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-00000000000c', true,
          '00000000-0000-4000-8000-00000000000b') $$), '42501', 'nor in B''s name');
select is(pg_temp.b('select * from public.chat_feedback'), '0', 'B sees nothing of it');
select is(pg_temp.b('update public.chat_feedback set good = true'), '0', 'changes nothing of it');
select is(pg_temp.b('delete from public.chat_feedback'), '0', 'and deletes nothing of it');
select is(pg_temp.a($$ update public.chat_feedback set turn_id = '00000000-0000-4000-8000-0000000000b1' $$), '42501',
          'A cannot move it to an answer of B''s');
select is(pg_temp.a('delete from public.chat_feedback'), '1', 'A takes it back');

select * from finish();
rollback;
