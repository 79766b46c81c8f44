-- A stream that is taken up again: of the turn under way, or of the last one where its client was left with half of it.

-- The last turn in the order of service, for ten minutes after it has ended with a stream that broke. One that was taken
-- out of view, or taken back, is no turn that a client waits for, and hides none.
create function chat_internal.broken_turn(c public.chat_conversations, p_now timestamptz) returns public.chat_turns
language sql stable set search_path = '' as $$
  select t.* from public.chat_turn_streams s join public.chat_turns t on t.id = s.turn_id
  where s.user_id = c.user_id and s.conversation_id = c.id and s.broke_at is not null and s.written_at is null
    and greatest(t.finished_at, s.broke_at) > p_now - interval '10 minutes'
    and t.superseded_how is distinct from 'edit'
    and not exists (
      select 1 from public.chat_turns later
      where later.user_id = c.user_id and later.conversation_id = c.id and (later.place, later.seq) > (t.place, t.seq)
        and later.text <> '' and later.superseded_how is distinct from 'edit')
$$;

create function public.chat_follow_conversation(p_user uuid, p_conversation uuid) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns;
begin
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  t := chat_internal.head(c);
  if t.id is null then
    t := chat_internal.broken_turn(c, chat_internal.now());
  end if;
  return jsonb_build_object('outcome', 'ok', 'turn', case when t.id is not null then chat_internal.turn_json(t) end);
end $$;

-- How a stream of this turn ended: whole, or broken off. Both are kept as they were first.
create function public.chat_note_stream(p_user uuid, p_turn uuid, p_whole boolean) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_now timestamptz := chat_internal.now();
begin
  insert into public.chat_turn_streams as kept (turn_id, user_id, conversation_id, broke_at, written_at)
  select t.id, t.user_id, t.conversation_id, case when not p_whole then v_now end, case when p_whole then v_now end
  from public.chat_turns t where t.id = p_turn and t.user_id = p_user
  on conflict (turn_id) do update set
    broke_at = coalesce(kept.broke_at, excluded.broke_at), written_at = coalesce(kept.written_at, excluded.written_at);
  return jsonb_build_object('outcome', case when found then 'ok' else 'not_found' end);
end $$;
