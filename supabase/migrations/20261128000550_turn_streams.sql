-- Which turns had a stream that broke off, and which of those have been written out to their end since. An undisturbed
-- turn has no row here: its one stream was written to its end, and costs no write.

create table public.chat_turn_streams (
  turn_id         uuid        primary key references public.chat_turns (id) on delete cascade,
  user_id         uuid        not null,
  conversation_id uuid        not null,
  broke_at        timestamptz,  -- when the first one broke; null: none is known to have
  written_at      timestamptz   -- when one had been written to its end; null: none is known to have
);

create index chat_turn_streams_by_conversation on public.chat_turn_streams (user_id, conversation_id);

-- Whether a client may be left with half of this turn's stream, and none is known to have the whole.
create function chat_internal.stream_broken(p_turn uuid) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select 1 from public.chat_turn_streams s
    where s.turn_id = p_turn and s.broke_at is not null and s.written_at is null);
end $$;
