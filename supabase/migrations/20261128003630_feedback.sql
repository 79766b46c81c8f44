-- What people think of an answer: the only table that they write themselves. Row level security holds each to the
-- answers of their own; operators read it as numbers and comments.

create table public.chat_feedback (
  turn_id         uuid        primary key references public.chat_turns (id) on delete cascade,
  user_id         uuid        not null default auth.uid(),
  conversation_id uuid        not null,
  good            boolean     not null,
  comment         text        check (length(comment) between 1 and 2000),
  created_at      timestamptz not null default now(),
  foreign key (user_id, conversation_id) references public.chat_conversations (user_id, id) on delete cascade
);

create index chat_feedback_of_conversation on public.chat_feedback (user_id, conversation_id);
create index chat_feedback_newest on public.chat_feedback (created_at desc);

alter table public.chat_feedback enable row level security;
revoke all on public.chat_feedback from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.chat_feedback to service_role;
-- turn and conversation too may be "updated": an upsert sets every column that it names
grant delete on public.chat_feedback to authenticated;
grant select (turn_id, user_id, conversation_id, good, comment, created_at),
  insert (turn_id, conversation_id, good, comment), update (turn_id, conversation_id, good, comment)
  on public.chat_feedback to authenticated;

create policy "read one's own" on public.chat_feedback for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "on answers of one's own" on public.chat_feedback for insert to authenticated
  with check ((select auth.uid()) = user_id and exists (
    select 1 from public.chat_turns t
    where t.id = turn_id and t.user_id = (select auth.uid()) and t.conversation_id = chat_feedback.conversation_id
      and t.finished_at is not null));
create policy "change one's own" on public.chat_feedback for update to authenticated
  using ((select auth.uid()) = user_id)
  with check ((select auth.uid()) = user_id and exists (
    select 1 from public.chat_turns t
    where t.id = turn_id and t.user_id = (select auth.uid()) and t.conversation_id = chat_feedback.conversation_id
      and t.finished_at is not null));
create policy "take back one's own" on public.chat_feedback for delete to authenticated
  using ((select auth.uid()) = user_id);

-- What operators read: how many liked the answers of each agent in the last ninety days, and the newest of what they said.
-- Of agents that are a user's own not even the name is told.
create function public.chat_list_feedback(p_limit int) returns jsonb
language sql stable set search_path = '' as $$
  with rated as materialized (
    select f.*, coalesce(a.slug, 'own') as slug from public.chat_feedback f
    join public.chat_turns t on t.id = f.turn_id
    left join public.chat_agents a on a.slug = t.agent and a.owner_id is null
    where f.created_at > now() - interval '90 days')
  select jsonb_build_object(
    'outcome', 'ok',
    'agents', (
      select coalesce(jsonb_agg(jsonb_build_object('slug', s.slug, 'good', s.good, 'bad', s.bad) order by s.slug), '[]')
      from (select r.slug, count(*) filter (where r.good) as good, count(*) filter (where not r.good) as bad
            from rated r group by r.slug) s),
    'feedback', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'turn_id', n.turn_id, 'agent', n.slug, 'good', n.good, 'comment', n.comment,
        'created_at', chat_internal.iso(n.created_at)) order by n.created_at desc, n.turn_id), '[]')
      from (select r.* from rated r order by r.created_at desc, r.turn_id limit least(greatest(p_limit, 1), 200)) n))
$$;

select chat_internal.restrict_to_service_role('public.chat_list_feedback');

-- What a user thinks of the answers of one conversation.
create function public.chat_read_feedback(p_user uuid, p_conversation uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('outcome', 'ok', 'feedback', coalesce(jsonb_agg(jsonb_build_object(
    'turn_id', f.turn_id, 'good', f.good, 'comment', f.comment, 'created_at', chat_internal.iso(f.created_at))
    order by f.created_at, f.turn_id), '[]'))
  from public.chat_feedback f where f.user_id = p_user and f.conversation_id = p_conversation
$$;

select chat_internal.restrict_to_service_role('public.chat_read_feedback');
