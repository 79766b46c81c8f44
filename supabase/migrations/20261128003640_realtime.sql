-- Where the project has Realtime, a change of a conversation is broadcast to its user on a private topic, `chat:` and the
-- user's id: which conversation, whether it is busy, and how far it has come; never a word of it. Pages that listen need
-- not ask. Elsewhere nothing is sent, and pages ask.

create function chat_internal.broadcast_change() returns trigger
language plpgsql volatile set search_path = '' as $$
declare
  c public.chat_conversations := coalesce(new, old);
  send regproc := to_regproc('realtime.send');
begin
  if send is null then
    return null;
  end if;
  begin
    execute format('select %s($1, $2, $3, true)', send) using
      jsonb_build_object(
        'conversation_id', c.id, 'seq', c.next_seq - 1, 'messages', c.next_message_seq - 1,
        'status', case when tg_op = 'DELETE' then 'deleted' when c.open_turns > 0 then 'busy' else 'idle' end),
      'changed', 'chat:' || c.user_id::text;
  exception when others then  -- the page asks now and then all the same, and no message may be lost over this
    raise warning 'chat: a change was not broadcast: %', sqlerrm;
  end;
  return null;
end $$;

create trigger chat_conversations_began after insert or delete on public.chat_conversations
  for each row execute function chat_internal.broadcast_change();
create trigger chat_conversations_changed after update on public.chat_conversations
  for each row when (
    (old.open_turns, old.next_seq, old.next_message_seq, old.title, old.unread, old.archived_at)
    is distinct from (new.open_turns, new.next_seq, new.next_message_seq, new.title, new.unread, new.archived_at))
  execute function chat_internal.broadcast_change();

-- Lets people hear of their own, where Realtime is there. Called again, it changes nothing; a project that gets Realtime
-- later calls it then. Only reading is allowed: a browser cannot send on the topic.
create function chat_internal.join_realtime() returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  messages regclass := to_regclass('realtime.messages');
  named text := 'chat: changes of one''s own';
begin
  if messages is null then
    return false;
  end if;
  execute format('drop policy if exists %I on %s', named, messages);
  execute format(
    'create policy %I on %s for select to authenticated using (
      extension = ''broadcast'' and (select realtime.topic()) = ''chat:'' || (select auth.uid())::text)', named, messages);
  return true;
end $$;

select chat_internal.join_realtime();
