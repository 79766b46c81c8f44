-- What has been said stays said. These triggers hold for every writer, service_role included.

create function chat_internal.guard_turn() returns trigger
language plpgsql set search_path = '' as $$
declare
  withdrawn boolean := new.status = 'cancelled' and new.text = '' and new.idempotency_key is null;
  kept public.chat_turns := new;
begin
  if new.superseded_how = 'edit' then  -- what was answered stands, and may be taken out of view afterwards
    kept.superseded_by := old.superseded_by;
    kept.superseded_how := old.superseded_how;
  end if;
  if old.finished_at is not null and (kept is distinct from old or new.superseded_by <> old.superseded_by) then
    raise exception 'a final turn does not change' using errcode = '55000';
  end if;
  if (new.id, new.user_id, new.conversation_id, new.seq, new.request_hash, new.strategy, new.metadata,
      new.agent_named, new.replaced, new.client_message_id, new.created_at)
     is distinct from
     (old.id, old.user_id, old.conversation_id, old.seq, old.request_hash, old.strategy, old.metadata,
      old.agent_named, old.replaced, old.client_message_id, old.created_at)
     or (new.deadline_at <> old.deadline_at and old.status <> 'waiting')
     or (new.idempotency_key is distinct from old.idempotency_key and not withdrawn)
     or (new.first_started_at is distinct from old.first_started_at and old.first_started_at is not null)
     or new.attempt < old.attempt then
    raise exception 'this column of a turn does not change' using errcode = '55000';
  end if;
  if new.text <> old.text and not withdrawn and not (old.status = 'queued' and new.status = 'queued') then
    raise exception 'the text of a turn changes only while it is queued' using errcode = '55000';
  end if;
  return new;
end $$;

create trigger guard_turn before update on public.chat_turns
  for each row execute function chat_internal.guard_turn();

create function chat_internal.guard_person_call() returns trigger
language plpgsql set search_path = '' as $$
begin
  if old.status <> 'waiting' then
    raise exception 'what a person has said does not change' using errcode = '55000';
  end if;
  return new;
end $$;

create trigger guard_person_call before update on public.chat_person_calls
  for each row execute function chat_internal.guard_person_call();

create function chat_internal.guard_message() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'a line of the transcript does not change' using errcode = '55000';
end $$;

create trigger guard_message before update on public.chat_messages
  for each row execute function chat_internal.guard_message();

create function chat_internal.guard_tool_call() returns trigger
language plpgsql set search_path = '' as $$
begin
  if old.status = 'done' and new is distinct from old then
    raise exception 'a recorded tool output does not change' using errcode = '55000';
  end if;
  return new;
end $$;

create trigger guard_tool_call before update on public.chat_tool_calls
  for each row execute function chat_internal.guard_tool_call();
