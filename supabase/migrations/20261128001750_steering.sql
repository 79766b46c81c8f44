-- Strategy `steer`: a message that joins the turn under way at its next step. The caller holds the conversation's row
-- lock.

-- Right behind a turn and all that was joined to it, at p_own or before: between two places there is always room for one
-- more.
create function chat_internal.place_behind(t public.chat_turns, p_own numeric) returns numeric
language sql stable set search_path = '' as $$
  select coalesce((own.last + min(n.place)) * 0.5, p_own)
  from (
    select greatest(t.place, max(o.place)) as last from public.chat_turns o
    where o.user_id = t.user_id and o.joined_to = t.id) own
  left join public.chat_turns n on n.user_id = t.user_id and n.conversation_id = t.conversation_id
    and n.finished_at is null and n.place > own.last and n.place < p_own
  group by own.last
$$;

-- With the intent to start the turn's next run, and never again: so a create that is repeated tells the same. Messages
-- that wait to steer are told with that run, in order. One that names an agent waits for that one to be at work, and all
-- wait where the turn is to end. p_said: what its agent has said since its last line, which is a line of its own now;
-- with a handoff it has been written.
create function chat_internal.take_steering(t public.chat_turns, p_said text, p_handed_over boolean, p_now timestamptz)
returns void
language plpgsql volatile set search_path = '' as $$
declare
  m public.chat_turns;
  said boolean := p_handed_over;
begin
  if t.cancel_requested then
    return;
  end if;
  for m in
    select w.* from public.chat_turns w
    where w.user_id = t.user_id and w.conversation_id = t.conversation_id and w.finished_at is null
      and w.strategy = 'steer' and w.joined_to is null and w.attempt = 0
      and not (w.agent_named and w.agent <> t.agent)
    order by w.place, w.seq
  loop
    if not said then
      perform chat_internal.add_line(t, 'assistant', t.agent, p_said, p_now);
      said := true;
    end if;
    update public.chat_turns set
      joined_to = t.id, agent = t.agent, place = chat_internal.place_behind(t, m.place), first_started_at = p_now,
      steered_step = jsonb_array_length(t.steps), steered_runs = jsonb_array_length(t.runs),
      steered_handoffs = jsonb_array_length(t.handoffs) - p_handed_over::int, updated_at = p_now
    where id = m.id;
    perform chat_internal.add_line(m, 'user', null, m.text, p_now);
  end loop;
end $$;
