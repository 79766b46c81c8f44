-- The rules of the queue, with the clock held in hand.
begin;
select plan(28);

create function pg_temp.at(p_seconds int) returns void language sql as $$
  select set_config('test.now', (timestamptz '2030-01-01 00:00:00Z' + make_interval(secs => p_seconds))::text, true)
$$;
create or replace function chat_internal.now() returns timestamptz language sql volatile set search_path = '' as $$
  select current_setting('test.now')::timestamptz
$$;
create function pg_temp.submit(p_turn int, p_strategy text default 'enqueue') returns jsonb language sql as $$
  select public.chat_submit_turn(
    '00000000-0000-4000-8000-00000000000a', ('00000000-0000-4000-8000-00000000000' || p_turn)::uuid,
    '00000000-0000-4000-8000-00000000000c', null, null, null, 'message ' || p_turn, null, p_strategy, '{}',
    'key ' || p_turn, repeat('0', 64), 900000, 3, 8, 6, 'owner', 15000)
$$;
create function pg_temp.claim(p_op text) returns jsonb language sql as $$
  select public.chat_claim_turn('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000c', 'owner',
                           15000, p_op)
$$;
create function pg_temp.advance(p_turn int, p_epoch bigint, p_op text, p_to text, p_patch text, p_lease int default 15000)
returns jsonb language sql as $$
  select public.chat_advance_turn(
    '00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000c',
    ('00000000-0000-4000-8000-00000000000' || p_turn)::uuid, p_epoch, p_op, p_to, p_patch, p_lease)
$$;
create temp table said (name text primary key, answer jsonb);
create function pg_temp.epoch(p_name text) returns bigint language sql as $$
  select coalesce(answer -> 'claim' -> 'epoch', answer -> 'epoch')::bigint from said where name = p_name
$$;

select pg_temp.at(0);
insert into said values ('first', pg_temp.submit(1));
select is(answer ->> 'outcome', 'created', 'a message is accepted') from said;
select is(answer -> 'claim' -> 'fresh', 'true', 'and claimed at once') from said;
select is(answer -> 'turn' ->> 'status', 'starting') from said;
select is(answer -> 'turn' ->> 'run_key', '00000000-0000-4000-8000-000000000001.1', 'a run key of its own') from said;

select pg_temp.at(1);
insert into said values ('second', pg_temp.submit(2));
select is(answer -> 'turn' ->> 'status', 'queued', 'the next one waits') from said where name = 'second';
select is(answer -> 'turn' -> 'position', '1') from said where name = 'second';
select is(answer -> 'claim', null, 'without a claim') from said where name = 'second';
select is(pg_temp.submit(3, 'reject') ->> 'outcome', 'run_in_progress', 'reject does not wait');
select is(pg_temp.submit(4) ->> 'outcome', 'created');
select is(pg_temp.submit(5) ->> 'outcome', 'queue_full', 'the queue is bounded');
select is(pg_temp.claim('a') ->> 'outcome', 'busy', 'a live lease excludes');
select is(pg_temp.claim('a') -> 'retry_ms', '14000', 'for as long as it lives');

select pg_temp.at(14);
select is(pg_temp.advance(1, pg_temp.epoch('first'), 'x', null, '{}') ->> 'outcome', 'ok', 'a heartbeat');
select pg_temp.at(28);
select is(pg_temp.claim('b') ->> 'outcome', 'busy', 'keeps it alive');
select pg_temp.at(29);
insert into said values ('taken', pg_temp.claim('c'));
select is(answer ->> 'outcome', 'claimed', 'a lapsed lease is taken over') from said where name = 'taken';
select is(answer -> 'fresh', 'false', 'by a claim that did not start the turn') from said where name = 'taken';
select ok(pg_temp.epoch('taken') > pg_temp.epoch('first'), 'with a newer token');
select is(pg_temp.advance(1, pg_temp.epoch('first'), 'y', 'running', '{}') ->> 'outcome', 'fenced', 'the old one is worthless');

select is(pg_temp.advance(1, pg_temp.epoch('taken'), 'z', 'queued', '{"delay_ms": 5000}', 0) -> 'turn' ->> 'status',
          'queued', 'back into the queue');
select is(pg_temp.claim('d') ->> 'outcome', 'backoff', 'but not at once');
select is(pg_temp.claim('d') -> 'retry_ms', '5000');
select pg_temp.at(34);
insert into said values ('again', pg_temp.claim('e'));
select is(answer -> 'turn' ->> 'run_key', '00000000-0000-4000-8000-000000000001.2', 'a new attempt, a new key')
from said where name = 'again';
select is(pg_temp.advance(2, pg_temp.epoch('again'), 'o', 'starting', '{}') ->> 'outcome', 'conflict', 'only the head starts');
select is(
  pg_temp.advance(1, pg_temp.epoch('again'), 'p', 'completed', '{"reply": "done"}', 0) -> 'turn' ->> 'status', 'completed');
select is(pg_temp.claim('f') -> 'turn' -> 'seq', '2', 'then the next in order');

select pg_temp.at(1000);
insert into said values ('late', pg_temp.claim('g'));
select is(pg_temp.advance(2, pg_temp.epoch('late'), 'q', 'failed', '{"error": {"code": "expired"}}', 0) -> 'turn' ->> 'status',
          'failed');
select is(pg_temp.claim('h') -> 'turn' ->> 'status', 'queued', 'one past its deadline is handed over unstarted');
select results_eq(
  'select seq, role, text from public.chat_messages where user_id = ''00000000-0000-4000-8000-00000000000a'' order by seq',
  $$ values (1, 'user', 'message 1'), (2, 'assistant', 'done'), (3, 'user', 'message 2') $$,
  'the transcript in reading order');

select * from finish();
rollback;
