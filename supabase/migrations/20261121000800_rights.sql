-- Who may see what. Signed-in users read their own rows, and of those only the columns that are theirs to know: no
-- leases, keys, hashes, prompts or tool outputs. They write nothing. Hosted projects grant nothing by themselves, others
-- grant everything: so both directions are spelled out.

alter table public.agents enable row level security;
alter table public.conversations enable row level security;
alter table public.turns enable row level security;
alter table public.messages enable row level security;
alter table public.tool_calls enable row level security;
alter table public.scratch_threads enable row level security;

revoke all on public.agents, public.conversations, public.turns, public.messages, public.tool_calls,
  public.scratch_threads from public, anon, authenticated, service_role;
grant select, insert, update, delete
  on public.agents, public.conversations, public.turns, public.messages, public.tool_calls,
  public.scratch_threads to service_role;

grant select (id, owner_id, slug, name, description, handoffs, as_tool, is_default, created_at)
  on public.agents to authenticated;
grant select (user_id, id, scope_kind, scope_key, active_agent, created_at, updated_at)
  on public.conversations to authenticated;
grant select (id, user_id, conversation_id, seq, status, text, agent, strategy, metadata, conflicts, runs, handoffs,
    input_tokens, output_tokens, cancel_requested, superseded_by, joined_to, reply, error, first_started_at, created_at, updated_at, finished_at)
  on public.turns to authenticated;
grant select (id, user_id, conversation_id, seq, turn_id, turn_seq, role, agent, part, handoff_to, text, partial, created_at)
  on public.messages to authenticated;
grant select (turn_id, call_id, user_id, name, status, begun_at, done_at)
  on public.tool_calls to authenticated;

create policy "everybody's and one's own" on public.agents for select to authenticated
  using (owner_id is null or (select auth.uid()) = owner_id);
create policy "one's own" on public.conversations for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.turns for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.messages for select to authenticated
  using ((select auth.uid()) = user_id);
create policy "one's own" on public.tool_calls for select to authenticated
  using ((select auth.uid()) = user_id);
