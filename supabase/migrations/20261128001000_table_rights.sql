-- Who may see what. Signed-in users read their own rows, and of those only the columns that are theirs to know: no
-- leases, keys, hashes, prompts or tool outputs. They write nothing. Some projects grant every right on a new table by
-- themselves, others none, not even to service_role: so both directions are written out.

alter table public.chat_agents enable row level security;
alter table public.chat_conversations enable row level security;
alter table public.chat_turns enable row level security;
alter table public.chat_messages enable row level security;
alter table public.chat_person_calls enable row level security;
alter table public.chat_tool_calls enable row level security;
alter table public.chat_scratch_threads enable row level security;
alter table public.chat_projects enable row level security;
alter table public.chat_threads enable row level security;
alter table public.chat_turn_streams enable row level security;
alter table public.chat_deleted_conversations enable row level security;
alter table public.chat_deleted_keys enable row level security;
alter table public.chat_left_runs enable row level security;

revoke all on public.chat_agents, public.chat_conversations, public.chat_turns, public.chat_messages,
  public.chat_tool_calls, public.chat_person_calls, public.chat_scratch_threads, public.chat_projects,
  public.chat_threads,
  public.chat_deleted_conversations, public.chat_deleted_keys, public.chat_left_runs,
  public.chat_turn_streams
  from public, anon, authenticated, service_role;
grant select, insert, update, delete
  on public.chat_agents, public.chat_conversations, public.chat_turns, public.chat_messages,
  public.chat_tool_calls, public.chat_person_calls, public.chat_scratch_threads, public.chat_projects,
  public.chat_threads,
  public.chat_deleted_conversations, public.chat_deleted_keys, public.chat_left_runs,
  public.chat_turn_streams to service_role;

grant select (id, owner_id, slug, name, description, handoffs, as_tool, is_default, created_at)
  on public.chat_agents to authenticated;
grant select (user_id, id, title, scope_kind, scope_key, active_agent, preview, read_seq, unread, archived_at,
    last_message_at, created_at, updated_at)
  on public.chat_conversations to authenticated;
grant select (id, user_id, conversation_id, seq, status, text, agent, strategy, metadata, conflicts, runs, handoffs,
    input_tokens, output_tokens, cancel_requested, superseded_by, joined_to, replaced, client_message_id, reply, error,
    first_started_at, created_at, updated_at, finished_at)
  on public.chat_turns to authenticated;
grant select (id, user_id, conversation_id, seq, turn_id, turn_seq, role, agent, part, handoff_to, text, partial,
    created_at)
  on public.chat_messages to authenticated;
grant select (turn_id, call_id, user_id, name, status, begun_at, done_at)
  on public.chat_tool_calls to authenticated;
grant select (turn_id, call_id, user_id, number, kind, name, arguments, status, asked_at, expires_at, answered_at)
  on public.chat_person_calls to authenticated;
grant select (user_id, conversation_id, title, script, scenes, updated_at)
  on public.chat_projects to authenticated;

create policy "global ones and one's own" on public.chat_agents for select to authenticated
  using (owner_id is null or (select auth.uid()) = owner_id);
create policy "one's own" on public.chat_conversations for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.chat_turns for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.chat_messages for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.chat_tool_calls for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.chat_person_calls for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.chat_projects for select to authenticated
  using ((select auth.uid()) = user_id);
