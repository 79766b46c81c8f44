-- Messages that displace the one under way, and messages that are joined into one.
begin;
select plan(31);

create function pg_temp.at(p_seconds int) returns void language sql as $$
  select set_config('test.now', (timestamptz '2030-01-01 00:00:00Z' + make_interval(secs => p_seconds))::text, true)
$$;
create or replace function chat_internal.now() returns timestamptz language sql volatile set search_path = '' as $$
  select current_setting('test.now')::timestamptz
$$;
create function pg_temp.id(p_turn int) returns uuid language sql as $$
  select ('00000000-0000-4000-8000-0000000000' || lpad(p_turn::text, 2, '0'))::uuid
$$;
create function pg_temp.submit(p_turn int, p_strategy text, p_gather int default 0) returns jsonb language sql as $$
  select public.chat_submit_turn(
    '00000000-0000-4000-8000-00000000000a', pg_temp.id(p_turn), '00000000-0000-4000-8000-00000000000c', null, null,
    null, 'message ' || p_turn, null, p_strategy, '{}', 'key ' || p_turn, repeat('0', 64), 900000, 8, 8, 30, 'owner',
    15000, p_gather)
$$;
create function pg_temp.claim(p_op text) returns jsonb language sql as $$
  select public.chat_claim_turn('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000c', 'owner',
                           15000, p_op)
$$;
create function pg_temp.advance(p_turn int, p_claim jsonb, p_op text, p_to text, p_patch text, p_lease int default 15000)
returns jsonb language sql as $$
  select public.chat_advance_turn(
    '00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000c', pg_temp.id(p_turn),
    (p_claim -> 'epoch')::bigint, p_op, p_to, p_patch, p_lease)
$$;
create function pg_temp.turn(p_turn int) returns jsonb language sql as $$
  select public.chat_get_turn('00000000-0000-4000-8000-00000000000a', pg_temp.id(p_turn)) -> 'turn'
$$;
create temp table said (name text primary key, answer jsonb);
create function pg_temp.said(p_name text) returns jsonb language sql as $$
  select coalesce(answer -> 'claim', answer) from said where name = p_name
$$;

-- interrupt
select pg_temp.at(0);
insert into said values ('first', pg_temp.submit(1, 'enqueue'));
select pg_temp.submit(2, 'enqueue');
select pg_temp.advance(1, pg_temp.said('first'), 'a', 'running', '{"run": {"run_id": "r", "agent": "x", "status": "s"}}');
select is(pg_temp.submit(3, 'interrupt') -> 'turn' -> 'position', '1', 'it goes right behind the one under way');
select is(pg_temp.turn(2) -> 'position', '2', 'before those that wait');
select is(pg_temp.turn(1) ->> 'superseded_by', pg_temp.id(3)::text, 'the one under way is told by what it is displaced');
select is(pg_temp.turn(1) -> 'cancel_requested', 'true');
select is(pg_temp.submit(3, 'interrupt') ->> 'outcome', 'created', 'a repeated call is the same call');
select is(pg_temp.advance(1, pg_temp.said('first'), 'b', 'cancelled', '{"partial": "once upon"}', 0) -> 'turn' -> 'error',
          jsonb_build_object('code', 'superseded', 'superseded_by', pg_temp.id(3), 'partial_text', 'once upon'));
select throws_ok(
  format('update public.chat_turns set superseded_by = null, superseded_how = null where id = %L', pg_temp.id(1)), '55000',
  'a final turn does not change');
insert into said values ('third', pg_temp.claim('c'));
select is(pg_temp.said('third') -> 'turn' -> 'seq', '3');
select is(pg_temp.said('third') -> 'displaced',
          jsonb_build_array(jsonb_build_object('turn_id', pg_temp.id(1), 'text', 'message 1', 'partial', 'once upon')),
          'what was asked and said is told to the next one');

-- rollback
select pg_temp.submit(4, 'rollback');
select pg_temp.advance(3, pg_temp.said('third'), 'd', 'cancelled', '{"partial": "never said"}', 0);
select results_eq(
  'select seq, role, text, partial from public.chat_messages where user_id = ''00000000-0000-4000-8000-00000000000a'' order by seq',
  $$ values (1, 'user', 'message 1', false), (2, 'assistant', 'once upon', true) $$, 'what was rolled back is gone');
select pg_temp.at(1);
insert into said values ('fourth', pg_temp.claim('e'));
select is(jsonb_array_length(pg_temp.said('fourth') -> 'displaced'), 1, 'and never told');
select pg_temp.submit(5, 'interrupt');
select is(pg_temp.advance(4, pg_temp.said('fourth'), 'f', 'completed', '{"reply": "done"}', 0) -> 'turn' ->> 'status',
          'completed', 'an answer that came first');
select is(pg_temp.turn(4) -> 'superseded_by', 'null', 'stands');
insert into said values ('fifth', pg_temp.claim('g'));
select is(pg_temp.said('fifth') -> 'displaced', '[]', 'after an answer there is nothing to put back');
select pg_temp.advance(5, pg_temp.said('fifth'), 'h', 'queued', '{"delay_ms": 60000}');
insert into said values ('sixth', pg_temp.submit(6, 'interrupt'));
select is(pg_temp.turn(5) ->> 'status', 'cancelled', 'a head that waits ends at once');
select is(pg_temp.said('sixth') -> 'turn' ->> 'status', 'starting', 'and its lease is free');
select is(pg_temp.advance(5, pg_temp.said('fifth'), 'i', 'starting', '{}') ->> 'outcome', 'fenced');
select is(pg_temp.advance(6, pg_temp.said('sixth'), 'j', 'completed', '{"reply": "done"}', 0) ->> 'outcome', 'ok');
select is(pg_temp.claim('k') -> 'turn' -> 'seq', '2', 'those that waited come after all');
select public.chat_withdraw_turn('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000c',
                            pg_temp.id(2), lease_epoch) from public.chat_conversations;

-- coalesce
select pg_temp.at(60);
update public.chat_conversations set lease_owner = null, lease_until = null;
select is(pg_temp.submit(7, 'coalesce', 1000) -> 'claim', null, 'a short pause');
select pg_temp.submit(8, 'coalesce', 1000);
select is(pg_temp.claim('l') ->> 'outcome', 'backoff', 'in which messages gather');
select pg_temp.submit(9, 'enqueue');
select pg_temp.submit(10, 'coalesce');
select pg_temp.at(62);
insert into said values ('joint', pg_temp.claim('m'));
select is(jsonb_path_query_array(pg_temp.said('joint') -> 'turn' -> 'joined', '$[*].text'), '["message 7", "message 8"]',
          'neighbours are joined');
select is(pg_temp.turn(8) ->> 'joined_to', pg_temp.id(7)::text);
select is(pg_temp.turn(10) -> 'joined_to', 'null', 'others are not');
select is(pg_temp.turn(9) -> 'position', '1');
select is(public.chat_edit_turn('00000000-0000-4000-8000-00000000000a', pg_temp.id(8), 'other', 'n') ->> 'outcome',
          'already_started', 'a joined message has been sent');
select pg_temp.advance(7, pg_temp.said('joint'), 'o', 'queued', '{}');
select pg_temp.advance(7, pg_temp.said('joint'), 'p', 'starting', '{}');
select is(pg_temp.turn(8) ->> 'status', 'queued', 'it waits with its head');
select pg_temp.advance(7, pg_temp.said('joint'), 'q', 'completed', '{"reply": "to both"}', 0);
select is(pg_temp.turn(8) ->> 'reply', 'to both', 'and has its answer');
select is(pg_temp.turn(8) -> 'finished_at', pg_temp.turn(7) -> 'finished_at');
select is(pg_temp.claim('r') -> 'turn' -> 'seq', '9');
select is((select next_message_seq - 1 = count(*) from public.chat_conversations c
           join public.chat_messages m on m.user_id = c.user_id and m.conversation_id = c.id
           where c.user_id = '00000000-0000-4000-8000-00000000000a' group by c.next_message_seq), true, 'lines without gaps');

select * from finish();
rollback;
