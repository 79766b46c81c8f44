-- The project of a conversation, as its tools read and write it.

create function chat_internal.project_json(p public.chat_projects) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('title', p.title, 'script', p.script, 'scenes', coalesce(p.scenes, '[]'))
$$;

create function public.chat_read_project(p_user uuid, p_conversation uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'project', coalesce((
    select chat_internal.project_json(p) from public.chat_projects p
    where p.user_id = p_user and p.conversation_id = p_conversation), chat_internal.project_json(null)))
$$;

-- Fields that the patch lacks stay as they are.
create function public.chat_write_project(p_user uuid, p_conversation uuid, p_patch text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  patch jsonb := p_patch::jsonb;
  p public.chat_projects;
begin
  perform 1 from public.chat_conversations c where c.user_id = p_user and c.id = p_conversation for key share;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  insert into public.chat_projects as kept (user_id, conversation_id, title, script, scenes, updated_at)
  values (p_user, p_conversation, patch ->> 'title', patch ->> 'script', coalesce(patch -> 'scenes', '[]'),
          chat_internal.now())
  on conflict (user_id, conversation_id) do update set
    title = case when patch ? 'title' then excluded.title else kept.title end,
    script = case when patch ? 'script' then excluded.script else kept.script end,
    scenes = case when patch ? 'scenes' then excluded.scenes else kept.scenes end,
    updated_at = excluded.updated_at
  returning * into p;
  return jsonb_build_object('outcome', 'ok', 'project', chat_internal.project_json(p));
end $$;
