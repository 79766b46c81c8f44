-- What a team works on in a conversation: one small record that its tools read and write.

create table public.projects (
  user_id         uuid        not null,
  conversation_id uuid        not null,
  title           text        check (length(title) <= 200),
  script          text        check (length(script) <= 32000),
  scenes          jsonb       not null default '[]' check (jsonb_typeof(scenes) = 'array'),
  updated_at      timestamptz not null,
  primary key (user_id, conversation_id),
  foreign key (user_id, conversation_id) references public.conversations (user_id, id) on delete cascade
);

alter table public.projects enable row level security;
revoke all on public.projects from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.projects to service_role;
grant select (user_id, conversation_id, title, script, scenes, updated_at) on public.projects to authenticated;
create policy "one's own" on public.projects for select to authenticated using ((select auth.uid()) = user_id);

create function internal.project_json(p public.projects) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('title', p.title, 'script', p.script, 'scenes', coalesce(p.scenes, '[]'))
$$;

create function public.read_project(p_user uuid, p_conversation uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'project', coalesce((
    select internal.project_json(p) from public.projects p
    where p.user_id = p_user and p.conversation_id = p_conversation), internal.project_json(null)))
$$;

-- Fields that the patch lacks stay as they are.
create function public.write_project(p_user uuid, p_conversation uuid, p_patch text) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  patch jsonb := p_patch::jsonb;
  p public.projects;
begin
  if not exists (select 1 from public.conversations c where c.user_id = p_user and c.id = p_conversation) then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  insert into public.projects as kept (user_id, conversation_id, title, script, scenes, updated_at)
  values (p_user, p_conversation, patch ->> 'title', patch ->> 'script', coalesce(patch -> 'scenes', '[]'), internal.now())
  on conflict (user_id, conversation_id) do update set
    title = case when patch ? 'title' then excluded.title else kept.title end,
    script = case when patch ? 'script' then excluded.script else kept.script end,
    scenes = case when patch ? 'scenes' then excluded.scenes else kept.scenes end,
    updated_at = excluded.updated_at
  returning * into p;
  return jsonb_build_object('outcome', 'ok', 'project', internal.project_json(p));
end $$;

revoke execute on function public.read_project(uuid, uuid) from public, anon, authenticated;
grant execute on function public.read_project(uuid, uuid) to service_role;
revoke execute on function public.write_project(uuid, uuid, text) from public, anon, authenticated;
grant execute on function public.write_project(uuid, uuid, text) to service_role;
