-- Reading the transcript, from its beginning or only its newest lines.

-- What an agent called while it said this line: the calls of the steps since control came to it, or since a message was
-- steered to it, but for the handoff itself.
-- `at` is how many characters of the line were said before. A run that goes on after its calls shows its text in several
-- steps, each with more of it. Arguments and outputs are cut where they are long.
create function chat_internal.calls_json(m public.chat_messages) returns jsonb
language sql stable set search_path = '' as $$
  with steps as (
    select s.value as step, s.ordinality as n, t,
      count(*) filter (where jsonb_typeof(s.value -> 'handoff') = 'object' or exists (
          select 1 from public.chat_turns w
          where w.user_id = m.user_id and w.joined_to = t.id and w.steered_step = s.ordinality))
        over (order by s.ordinality rows between unbounded preceding and 1 preceding) as segment
    from public.chat_turns t cross join lateral jsonb_array_elements(t.steps) with ordinality s
    where m.role = 'assistant' and t.id = m.turn_id)
  select coalesce(jsonb_agg(jsonb_build_object(
    'call_id', k.key, 'name', c.value ->> 'name', 'arguments', left(c.value ->> 'arguments', 4000),
    'output', left(coalesce(c.value ->> 'output', l.output), 4000), 'at', (
      select coalesce(sum(w.chars), 0) + 2 * greatest(count(*) - 1, 0) from (
        select max(length(e.step ->> 'text')) as chars from steps e
        where e.segment = o.segment and e.n <= o.n and e.step ->> 'text' ~ '\S' group by e.step ->> 'run_id') w))
    order by o.n, c.ordinality), '[]')
  from steps o
  cross join lateral jsonb_array_elements(o.step -> 'calls') with ordinality c
  cross join lateral chat_internal.ledger_key(o.t, o.n, c.value ->> 'call_id') k (key)
  left join public.chat_tool_calls l on l.turn_id = (o.t).id and l.call_id = k.key
  where o.segment = m.part and c.value ->> 'name' not like 'transfer\_to\_%'
$$;

-- What the runs of an agent in this turn cite, at the agent's last line there.
create function chat_internal.sources_json(m public.chat_messages) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(cited.source order by cited.n), '[]') from (
    select s.value as source, min(r.ordinality * 1000 + s.ordinality) as n
    from public.chat_turns t
    cross join lateral jsonb_array_elements(t.runs) with ordinality r
    cross join lateral jsonb_array_elements(r.value -> 'sources') with ordinality s
    where m.role = 'assistant' and t.id = m.turn_id and r.value ->> 'agent' = m.agent and not r.value ? 'asked_by'
      and not exists (
        select 1 from public.chat_messages l where l.turn_id = m.turn_id and l.agent = m.agent and l.part > m.part)
    group by s.value) cited
$$;

create function chat_internal.message_json(m public.chat_messages) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', m.id, 'seq', m.seq, 'turn_id', m.turn_id, 'turn_seq', m.turn_seq, 'role', m.role, 'agent', m.agent,
    'text', m.text, 'partial', m.partial, 'handoff_to', m.handoff_to, 'created_at', chat_internal.iso(m.created_at),
    'calls', chat_internal.calls_json(m), 'sources', chat_internal.sources_json(m),
    'steered_into', (select w.joined_to from public.chat_turns w where w.id = m.turn_id and w.steered_step is not null),
    'answers_turn_id', (
      select w.id from public.chat_turns w join public.chat_messages told on told.turn_id = w.id
      where m.role = 'assistant' and w.user_id = m.user_id and w.joined_to = m.turn_id
        and w.steered_step is not null and told.seq < m.seq
      order by told.seq desc limit 1),
    'client_message_id', case when m.role = 'user' then (
      select t.client_message_id from public.chat_turns t where t.id = m.turn_id) end)
$$;

-- Lines between two numbers, neither of them included; with p_newest the last of them.
create function public.chat_list_messages(
  p_user uuid, p_conversation uuid, p_after_seq int, p_limit int, p_newest boolean, p_before_seq int default null)
returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  before_seq int := coalesce(p_before_seq, 2147483647);
begin
  if not exists (select 1 from public.chat_conversations c where c.user_id = p_user and c.id = p_conversation) then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return (
    select jsonb_build_object('outcome', 'ok', 'messages', coalesce(jsonb_agg(
      chat_internal.message_json(page) order by page.seq), '[]'))
    from (
      (select m.* from public.chat_messages m
       where not p_newest and m.user_id = p_user and m.conversation_id = p_conversation and m.seq > p_after_seq
         and m.seq < before_seq
       order by m.seq limit least(greatest(p_limit, 1), 1000))
      union all
      (select m.* from public.chat_messages m
       where p_newest and m.user_id = p_user and m.conversation_id = p_conversation and m.seq > p_after_seq
         and m.seq < before_seq
       order by m.seq desc limit least(greatest(p_limit, 1), 1000))) page);
end $$;
