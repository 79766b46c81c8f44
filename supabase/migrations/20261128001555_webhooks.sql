-- The ends of turns that another service is to be told of, and that one waits for a person: written in the transaction
-- in which that happens, kept until they were taken there or three days have passed. Ids only.

create table public.chat_webhooks (
  id              uuid        primary key default gen_random_uuid(),  -- the same with every attempt
  turn_id         uuid        not null,
  conversation_id uuid        not null,
  name            text        not null,
  made_at         timestamptz not null,
  attempts        int         not null default 0,
  not_before      timestamptz not null
);

create index chat_webhooks_due on public.chat_webhooks (not_before);

alter table public.chat_webhooks enable row level security;
revoke all on public.chat_webhooks from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.chat_webhooks to service_role;

create function chat_internal.note_webhook() returns trigger
language plpgsql volatile set search_path = '' as $$
begin
  insert into public.chat_webhooks (turn_id, conversation_id, name, made_at, not_before)
  values (new.id, new.conversation_id, 'turn.' || new.status, new.updated_at, new.updated_at);
  return null;
end $$;

-- A message that was taken back was never sent.
create trigger note_webhook after update on public.chat_turns
  for each row when (new.webhook and new.text <> '' and old.finished_at is null and (
    new.finished_at is not null or (new.status = 'waiting' and old.status <> 'waiting')))
  execute function chat_internal.note_webhook();

-- Those that are due, of one conversation or of all; who takes one has half a minute to send it before it is due again,
-- then a minute, and so on to six hours.
create function public.chat_take_webhooks(p_conversation uuid, p_limit int) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
  taken jsonb;
begin
  delete from public.chat_webhooks w where w.made_at < v - interval '72 hours';
  with due as (
    select w.id from public.chat_webhooks w
    where w.not_before <= v and (p_conversation is null or w.conversation_id = p_conversation)
    order by w.not_before, w.id limit least(greatest(p_limit, 1), 1000) for update skip locked),
  put_off as (
    update public.chat_webhooks w set
      attempts = w.attempts + 1,
      not_before = v + least(interval '30 seconds' * 2 ^ least(w.attempts, 20), interval '6 hours')
    from due where w.id = due.id returning w.*)
  select jsonb_agg(jsonb_build_object(
    'id', p.id, 'name', p.name, 'turn_id', p.turn_id, 'conversation_id', p.conversation_id,
    'made_at', chat_internal.iso(p.made_at)) order by p.made_at, p.id) into taken
  from put_off p;
  return jsonb_build_object('outcome', 'ok', 'webhooks', coalesce(taken, '[]'));
end $$;

-- It has arrived.
create function public.chat_drop_webhook(p_id uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.chat_webhooks where id = p_id;
  return jsonb_build_object('outcome', 'ok');
end $$;
