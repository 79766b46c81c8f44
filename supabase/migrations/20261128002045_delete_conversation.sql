-- The deletion of a conversation by its user.

create function chat_internal.key_hash(p_user uuid, p_key text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return encode(sha256(convert_to(p_user::text || ' ' || p_key, 'UTF8')), 'hex');
end $$;

-- Whether a message is for a conversation that was deleted, or repeats one that was in such.
create function chat_internal.was_deleted(p_user uuid, p_conversations uuid[], p_key text) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select 1 from public.chat_deleted_conversations d where d.user_id = p_user and d.id = any (p_conversations))
  or (p_key is not null and exists (
    select 1 from public.chat_deleted_keys k
    where k.key_hash = chat_internal.key_hash(p_user, p_key)
      and k.deleted_at > chat_internal.now() - interval '1 day'));
end $$;

-- Its open turns end, and all of it is gone with this transaction. Answers with the runs that are still to be ended. The
-- caller holds its user's lock and the conversation's row lock.
create function chat_internal.delete_conversation(c public.chat_conversations) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v timestamptz := chat_internal.now();
  runs jsonb := chat_internal.leave_runs(c, null);
begin
  insert into public.chat_deleted_conversations (user_id, id) values (c.user_id, c.id) on conflict do nothing;
  insert into public.chat_deleted_keys (user_id, key_hash, deleted_at)
  select t.user_id, chat_internal.key_hash(t.user_id, t.idempotency_key), v from public.chat_turns t
  where t.user_id = c.user_id and t.conversation_id = c.id and t.idempotency_key is not null
    and t.created_at > v - interval '1 day'
  on conflict do nothing;
  update public.chat_turns set
    status = 'cancelled', error = '{"code": "conversation_deleted"}', waiting_at = null, waiting_until = null,
    finished_at = v, updated_at = v
  where user_id = c.user_id and conversation_id = c.id and finished_at is null;
  delete from public.chat_conversations where user_id = c.user_id and id = c.id;
  return runs;
end $$;

-- A second deletion of the same one is answered as the first, whose answer may have been lost.
create function public.chat_delete_conversation(p_user uuid, p_conversation uuid) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
begin
  -- as a message does: one that is just being accepted comes before the deletion or after it
  perform pg_advisory_xact_lock(hashtextextended('chat_submit_turn ' || p_user::text, 0));
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation for update;
  if found then
    return jsonb_build_object('outcome', 'ok', 'runs', chat_internal.delete_conversation(c));
  end if;
  if chat_internal.was_deleted(p_user, array[p_conversation], null) then
    return jsonb_build_object('outcome', 'ok', 'runs', '[]'::jsonb);
  end if;
  return jsonb_build_object('outcome', 'not_found');
end $$;

-- All that a user has, agents and conversations, some of it with each call: `left` says how many are still there.
create function public.chat_delete_conversations(p_user uuid, p_limit int) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  runs jsonb := '[]'::jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended('chat_submit_turn ' || p_user::text, 0));
  delete from public.chat_agents where owner_id = p_user;
  for c in
    select o.* from public.chat_conversations o where o.user_id = p_user
    order by o.id limit least(greatest(p_limit, 1), 1000) for update
  loop
    runs := runs || chat_internal.delete_conversation(c);
  end loop;
  return jsonb_build_object('outcome', 'ok', 'runs', runs, 'left', (
    select count(*) from public.chat_conversations l where l.user_id = p_user));
end $$;

-- For a request that waits there, whose turn is gone.
create function public.chat_was_deleted(p_user uuid, p_conversation uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'deleted', chat_internal.was_deleted(p_user, array[p_conversation], null))
$$;
