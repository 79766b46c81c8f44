-- The open turn that waits for a run, as its provider names it; a run of an asked agent is waited for by its turn.

create function public.chat_find_run(p_run text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  t public.chat_turns;
begin
  select * into t from public.chat_turns where run_id = p_run and finished_at is null limit 1;
  if not found then
    select a.* into t from public.chat_scratch_threads s
    join public.chat_turns a on a.id = s.turn_id and a.finished_at is null
    where s.run_id = p_run limit 1;
  end if;
  if t.id is null then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'ok', 'turn', chat_internal.turn_json(t));
end $$;
