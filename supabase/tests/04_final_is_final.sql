-- What is over stays as it is for every writer: also for service_role, also with its own values changed one by one.
begin;
select no_plan();

insert into public.chat_conversations (user_id, id, title, active_agent, last_message_at, created_at, updated_at)
values ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000c', 'a title', 'orchestrator', now(), now(), now());
insert into public.chat_turns (id, user_id, conversation_id, seq, place, status, text, agent, agent_named, strategy, idempotency_key,
    request_hash, attempt, run_key, starting_at, first_started_at, reply, error, deadline_at, created_at, updated_at,
    finished_at)
select ('00000000-0000-4000-8000-00000000000' || seq)::uuid, '00000000-0000-4000-8000-00000000000a',
       '00000000-0000-4000-8000-00000000000c', seq, seq, status, 'text', 'orchestrator', false, 'enqueue', 'key ' || seq,
       repeat('0', 64), 1, 'key', now(), now(), case when status = 'completed' then 'reply' end,
       case when status = 'failed' then '{}'::jsonb end, now(), now(), now(),
       case when status in ('completed', 'failed', 'cancelled') then now() end
from (values (1, 'completed'), (2, 'failed'), (3, 'cancelled'), (4, 'running'), (5, 'queued')) as t (seq, status);
insert into public.chat_messages (user_id, conversation_id, seq, turn_id, turn_seq, role, text, created_at)
values ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000c', 1,
        '00000000-0000-4000-8000-000000000001', 1, 'user', 'text', now());
insert into public.chat_tool_calls (turn_id, call_id, user_id, name, op, status, output, begun_at)
values ('00000000-0000-4000-8000-000000000004', 'call', '00000000-0000-4000-8000-00000000000a', 'tool', 'op', 'done',
        'output', now());

create function pg_temp.writes_as_service(p_sql text) returns text language plpgsql as $$
begin
  perform set_config('role', 'service_role', true);
  execute p_sql;
  perform set_config('role', 'none', true);
  return 'written';
exception when others then
  perform set_config('role', 'none', true);
  return sqlstate;
end $$;

select is(pg_temp.writes_as_service(format('update public.chat_turns set %s where seq = %s', change, seq)), '55000',
          format('final turn %s: %s', seq, change))
from unnest(array[1, 2, 3]) seq, unnest(array[
  'status = ''queued'', finished_at = null, reply = null, error = null', 'conflicts = conflicts + 1',
  'updated_at = updated_at + interval ''1 second''', 'text = ''other''', 'cancel_requested = true',
  'runs = ''[{}]''', 'input_tokens = 1', 'agent = ''other''']) change;

select is(pg_temp.writes_as_service('update public.chat_turns set reply = ''other'' where seq = 1'), '55000', 'a reply stands');

select is(pg_temp.writes_as_service(format('update public.chat_turns set %s where seq = 4', change)), '55000',
          'an open turn keeps: ' || change)
from unnest(array['seq = 9', 'user_id = gen_random_uuid()', 'request_hash = repeat(''1'', 64)', 'attempt = 0',
  'idempotency_key = ''other''', 'idempotency_key = null', 'deadline_at = deadline_at + interval ''1 hour''',
  'metadata = ''{"a": "b"}''', 'strategy = ''reject''', 'first_started_at = null', 'text = ''other''']) change;

select is(pg_temp.writes_as_service('update public.chat_turns set text = ''other'' where seq = 5'), 'written',
          'a queued message may be changed');
select is(pg_temp.writes_as_service('update public.chat_turns set status = ''starting'' where seq = 5'), '23505',
          'no second turn under way');
select is(pg_temp.writes_as_service('update public.chat_messages set text = ''other'''), '55000', 'lines stand');
select is(pg_temp.writes_as_service('update public.chat_tool_calls set output = ''other'''), '55000', 'outputs stand');

select is(pg_temp.writes_as_service(format('update public.chat_turns set %s where seq = 4', change)), '23514',
          'no half-final turn: ' || change)
from unnest(array['status = ''completed''', 'status = ''failed'', finished_at = now()', 'finished_at = now()',
  'reply = ''early''', 'error = ''{}''', 'status = ''unheard_of''']) change;

select * from finish();
rollback;
