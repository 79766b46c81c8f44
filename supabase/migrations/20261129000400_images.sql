-- Images that runs make. What a turn says of one stands in its runs ({image_id, media_type, size}); the bytes stand here,
-- are read only when they are asked for, and go with their turn.

create table public.chat_images (
  user_id    uuid        not null,
  id         uuid        not null,  -- made of the turn and of what was drawn: so an image is kept once
  turn_id    uuid        not null references public.chat_turns (id) on delete cascade,
  media_type text        not null check (media_type in ('image/png', 'image/jpeg', 'image/gif', 'image/webp')),
  bytes      bytea       not null check (octet_length(bytes) between 1 and 8388608),
  created_at timestamptz not null,
  primary key (user_id, id)
);

create index chat_images_of_turn on public.chat_images (turn_id);
-- they are compressed already, and a piece of one is read without the rest
alter table public.chat_images alter column bytes set storage external;

alter table public.chat_images enable row level security;
revoke all on public.chat_images from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.chat_images to service_role;
grant select (user_id, id, turn_id, media_type, created_at) on public.chat_images to authenticated;

create policy "one's own" on public.chat_images for select to authenticated
  using ((select auth.uid()) = user_id);

create function chat_internal.guard_image() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'an image does not change' using errcode = '55000';
end $$;

create trigger guard_image before update on public.chat_images
  for each row execute function chat_internal.guard_image();

-- Before the write that names it, fenced as that is. Sent again, it changes nothing.
create function public.chat_keep_image(
  p_user uuid, p_conversation uuid, p_turn uuid, p_epoch bigint, p_image uuid, p_media_type text, p_data text)
returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  t public.chat_turns;
begin
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  select * into t from public.chat_turns where id = p_turn;
  if not found or t.user_id <> p_user or t.conversation_id <> p_conversation then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if c.lease_epoch <> p_epoch then
    return jsonb_build_object('outcome', 'fenced');
  end if;
  if t.finished_at is not null then
    return jsonb_build_object('outcome', 'final');
  end if;
  insert into public.chat_images (id, user_id, turn_id, media_type, bytes, created_at)
  values (p_image, p_user, p_turn, p_media_type, decode(p_data, 'base64'), chat_internal.now())
  on conflict do nothing;
  return jsonb_build_object('outcome', 'ok');
end $$;

-- A piece of an image, from a byte on: of three-byte groups, so that the pieces' base64 can be put together.
create function public.chat_read_image(p_user uuid, p_image uuid, p_start int) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  answer jsonb;
begin
  select jsonb_build_object(
    'outcome', 'ok', 'media_type', i.media_type, 'size', octet_length(i.bytes), 'start', p_start,
    'data', translate(encode(substring(i.bytes from p_start + 1 for 786432), 'base64'), E'\n', ''))
  into answer from public.chat_images i where i.user_id = p_user and i.id = p_image;
  return coalesce(answer, jsonb_build_object('outcome', 'not_found'));
end $$;

-- What the runs of an agent in this turn have drawn, at the agent's last line there; at the asking agent's for one that
-- was asked.
create function chat_internal.images_json(m public.chat_messages) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(i.value order by r.ordinality, i.ordinality), '[]')
  from public.chat_turns t
  cross join lateral jsonb_array_elements(t.runs) with ordinality r
  cross join lateral jsonb_array_elements(r.value -> 'images') with ordinality i
  where m.role = 'assistant' and t.id = m.turn_id and coalesce(r.value ->> 'asked_by', r.value ->> 'agent') = m.agent
    and not exists (
      select 1 from public.chat_messages l where l.turn_id = m.turn_id and l.agent = m.agent and l.part > m.part)
$$;

create or replace function chat_internal.message_json(m public.chat_messages) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', m.id, 'seq', m.seq, 'turn_id', m.turn_id, 'turn_seq', m.turn_seq, 'role', m.role, 'agent', m.agent,
    'text', m.text, 'partial', m.partial, 'handoff_to', m.handoff_to, 'created_at', chat_internal.iso(m.created_at),
    'calls', chat_internal.calls_json(m), 'sources', chat_internal.sources_json(m),
    'images', chat_internal.images_json(m),
    'steered_into', (select w.joined_to from public.chat_turns w where w.id = m.turn_id and w.steered_step is not null),
    'answers_turn_id', (
      select w.id from public.chat_turns w join public.chat_messages told on told.turn_id = w.id
      where m.role = 'assistant' and w.user_id = m.user_id and w.joined_to = m.turn_id
        and w.steered_step is not null and told.seq < m.seq
      order by told.seq desc limit 1),
    'client_message_id', case when m.role = 'user' then (
      select t.client_message_id from public.chat_turns t where t.id = m.turn_id) end)
$$;

create or replace function public.chat_schema_version() returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'version', '20261129000400')
$$;

select chat_internal.restrict_to_service_role('public.chat_keep_image', 'public.chat_read_image');
