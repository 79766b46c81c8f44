-- What a team works on in a conversation: one small record that its tools read and write.

create table public.chat_projects (
  user_id         uuid        not null,
  conversation_id uuid        not null,
  title           text        check (length(title) <= 200),
  script          text        check (length(script) <= 32000),
  scenes          jsonb       not null default '[]' check (jsonb_typeof(scenes) = 'array'),
  updated_at      timestamptz not null,
  primary key (user_id, conversation_id),
  foreign key (user_id, conversation_id) references public.chat_conversations (user_id, id) on delete cascade
);
