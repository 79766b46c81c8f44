-- The queue. One row holds one user message, how far it has come and how it ended; accepting a message is inserting it.

create table public.chat_turns (
  id               uuid        primary key,
  user_id          uuid        not null,
  conversation_id  uuid        not null,
  seq              int         not null check (seq > 0),
  place            numeric     not null,  -- the order of service: seq, unless the turn went before others
  status           text        not null default 'queued' check (
    status in ('queued', 'starting', 'running', 'requires_action', 'waiting', 'completed', 'failed', 'cancelled')),
  text             text        not null check (length(text) <= 32000),
  agent            text        not null,
  agent_named      boolean     not null,  -- false: the agent that is active when the turn starts answers
  strategy         text        not null constraint chat_turns_strategy check (
    strategy in ('enqueue', 'reject', 'interrupt', 'rollback', 'steer', 'coalesce')),
  metadata         jsonb       not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  idempotency_key  text        check (length(idempotency_key) between 1 and 255),
  request_hash     text        not null check (request_hash ~ '^[0-9a-f]{64}$'),
  attempt          int         not null default 0,
  failures         int         not null default 0,
  conflicts        int         not null default 0,
  run_key          text,                  -- '<turn id>.<attempt>', committed before the provider is called
  run_id           text,
  blocked_by       text,                  -- the run in its way, as the provider's last refusal named it
  held_up_by       text,                  -- the code for which the last attempt came to nothing
  fallback         int         not null default 0,  -- which of its agent's fallbacks is at work; 0: the row itself
  runs             jsonb       not null default '[]' check (jsonb_typeof(runs) = 'array'),
  handoffs         jsonb       not null default '[]' check (jsonb_typeof(handoffs) = 'array'),
  -- the runs that asked for tools, in order: what they had said, what they called; the outputs stand in the ledger
  steps            jsonb       not null default '[]' check (jsonb_typeof(steps) = 'array'),
  draft            text,                  -- what the present run has said so far, heard only by the lease's holder
  input_tokens     bigint      not null default 0,
  output_tokens    bigint      not null default 0,
  cancel_requested boolean     not null default false,
  cancel_requested_at timestamptz,        -- how long a run has ignored it is counted from here, across holders
  superseded_by    uuid,                  -- the turn that displaces, or displaced, this one
  superseded_how   text        check (superseded_how in ('interrupt', 'rollback', 'edit')),
  replaced         uuid,                  -- the turn in whose place this one was sent
  client_message_id text      check (length(client_message_id) between 1 and 200),  -- what its sender's chat calls it
  joined_to        uuid,                  -- the turn whose run answers this one too; always the head of the queue
  steered_step     int,                   -- with strategy steer: it was told behind so many steps of that turn,
  steered_runs     int,                   -- so many of its runs
  steered_handoffs int,                   -- and so many of its handoffs, without the one that it was told with
  webhook          boolean     not null default false,  -- its end is told to another service
  reply            text,
  structured_at    int         check (structured_at >= 0),  -- where in the reply the JSON begins that was asked for
  error            jsonb,
  ops              text[]      not null default '{}',  -- the newest few writes, newest first: a repeated one is known
  not_before       timestamptz,
  deadline_at      timestamptz not null,
  starting_at      timestamptz,
  running_at       timestamptz,
  first_started_at timestamptz,
  waiting_at       timestamptz,           -- since when it waits for a person, and until when
  waiting_until    timestamptz,
  person_ms        bigint      not null default 0,  -- how long it has waited for persons before
  created_at       timestamptz not null,
  updated_at       timestamptz not null,
  finished_at      timestamptz,
  foreign key (user_id, conversation_id) references public.chat_conversations (user_id, id) on delete cascade,
  unique (user_id, conversation_id, seq),
  check ((status in ('completed', 'failed', 'cancelled')) = (finished_at is not null)),
  check ((status = 'completed') = (reply is not null)),
  check (case when status = 'failed' then error is not null
              when status = 'cancelled' then true else error is null end),
  check ((superseded_by is null) = (superseded_how is null)),
  check (cancel_requested = (cancel_requested_at is not null)),
  check ((strategy = 'steer' and joined_to is not null) = (steered_step is not null)),
  check ((steered_step is null) = (steered_runs is null) and (steered_step is null) = (steered_handoffs is null)),
  check ((status = 'waiting') = (waiting_at is not null)),
  check ((waiting_at is null) = (waiting_until is null)),
  check (status <> 'starting' or (run_key is not null and starting_at is not null))
);

-- Two turns of one conversation can never be under way at once, even if the functions are wrong.
create unique index chat_turns_one_active on public.chat_turns (user_id, conversation_id)
  where status in ('starting', 'running', 'requires_action', 'waiting');
create unique index chat_turns_one_per_key on public.chat_turns (user_id, idempotency_key)
  where idempotency_key is not null;
create index chat_turns_by_client_message on public.chat_turns (user_id, conversation_id, client_message_id)
  where client_message_id is not null;
create index chat_turns_open on public.chat_turns (user_id, conversation_id, place, seq) where finished_at is null;
create index chat_turns_joined on public.chat_turns (user_id, joined_to) where joined_to is not null;
create index chat_turns_interrupted on public.chat_turns (user_id, conversation_id, finished_at)
  where superseded_how = 'interrupt';
-- Ids that servers choose may be longer than a tree's pages take.
create index chat_turns_by_run on public.chat_turns using hash (run_id) where finished_at is null;
create index chat_turns_by_age on public.chat_turns (user_id, created_at);
