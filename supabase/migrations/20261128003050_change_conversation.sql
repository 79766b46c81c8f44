-- What a user may change of a conversation: its title, whether it is archived, and how far it was read. Every key of
-- the patch is optional: title, archived, read_seq.

create function public.chat_change_conversation(
  p_user uuid, p_conversation uuid, p_patch text, p_op text default null) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations;
  patch jsonb := p_patch::jsonb;
begin
  -- as a message does: so a scope that is opened again meets no conversation that is just being made for it
  perform pg_advisory_xact_lock(hashtextextended('chat_submit_turn ' || p_user::text, 0));
  select * into c from public.chat_conversations where user_id = p_user and id = p_conversation for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if p_op = any (c.change_ops) then  -- a repeat, which may come behind the change after this one
    return jsonb_build_object('outcome', 'ok', 'conversation', chat_internal.conversation_detail(c));
  end if;
  if p_op is not null then
    c.change_ops := chat_internal.remember_op(c.change_ops, p_op);
  end if;
  if patch ? 'title' then
    c.title := patch ->> 'title';
    c.renamed := true;
  end if;
  if patch ? 'read_seq' then  -- not beyond the last line: what comes later is unread
    c.read_seq := least((patch ->> 'read_seq')::bigint, c.next_message_seq - 1);
    c.unread := chat_internal.unread(p_user, p_conversation, c.read_seq);
  end if;
  if (patch ->> 'archived')::boolean and c.open_turns = 0 then
    c.thread_id := null;  -- opened again, the conversation goes on in a new one, seeded from the transcript
    c.thread_provider := null;
    c.thread_cursor := null;
  end if;
  if c.archived_at is not null and not (patch ->> 'archived')::boolean then
    c.reopened_at := chat_internal.now();
  end if;
  if patch ? 'archived' then
    c.archived_at := case when (patch ->> 'archived')::boolean then coalesce(c.archived_at, chat_internal.now()) end;
  end if;
  if c.archived_at is null and exists (
      select 1 from public.chat_conversations o
      where o.user_id = p_user and o.id <> c.id and o.scope_kind = c.scope_kind and o.scope_key = c.scope_key
        and o.archived_at is null) then
    -- its scope has gone on in another conversation
    c.scope_kind := null;
    c.scope_key := null;
  end if;
  update public.chat_conversations set
    title = c.title, renamed = c.renamed, read_seq = c.read_seq, unread = c.unread, archived_at = c.archived_at,
    reopened_at = c.reopened_at, scope_kind = c.scope_kind, scope_key = c.scope_key, thread_id = c.thread_id,
    thread_provider = c.thread_provider, thread_cursor = c.thread_cursor, change_ops = c.change_ops
  where user_id = p_user and id = p_conversation;
  return jsonb_build_object('outcome', 'ok', 'conversation', chat_internal.conversation_detail(c));
end $$;
