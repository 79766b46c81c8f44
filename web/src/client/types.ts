// What the function says, as far as this page reads it.

export type Strategy = "enqueue" | "steer" | "interrupt" | "coalesce" | "reject";

export interface Agent {
  slug: string;
  name: string;
  description: string;
}

/** A line of the transcript. */
export interface Line {
  id: string;
  seq: number;
  turn_id: string;
  role: "user" | "assistant";
  agent: string | null;
  text: string;
  partial: boolean;
  created_at: string;
  handoff_to?: string | null;
  /** The turn that was being answered as this message joined it. */
  steered_into?: string | null;
  /** What its agent called meanwhile. */
  calls: PlacedCall[];
  /** What it cites. */
  sources?: Source[];
  /** What its agent has drawn. */
  images?: Image[];
}

/** A call of a function or of another agent. */
export interface ToolCall {
  call_id: string;
  name: string;
  input: unknown;
  /** "open" while nothing has come of it. */
  state: "open" | "done" | "failed";
  /** What came of it: the output, or why it failed. */
  output?: unknown;
}

/** A call of a line: so many characters of its text, counted as code points, were said before. */
export interface PlacedCall extends ToolCall {
  at: number;
}

/** Something that an answer cites: a page, or a file of the provider's. */
export interface Source {
  url?: string;
  title?: string;
}

/** An image of an answer: `url` is a route of the function, read with the user's token. */
export interface Image {
  image_id: string;
  url?: string;
  media_type?: string;
  description?: string;
  width?: number;
  height?: number;
  /** Why there is none to be read. */
  error?: { code: string; message: string };
}

export interface Handoff {
  from: string;
  to: string;
  reason?: string;
  task?: string;
}

export type TurnStatus =
  | "queued"
  | "starting"
  | "running"
  | "requires_action"
  | "waiting"
  | "completed"
  | "failed"
  | "cancelled";

/** A turn as its owner reads it. */
export interface Turn {
  turn_id: string;
  seq: number;
  status: TurnStatus;
  agent: string | null;
  message: string;
  multitask_strategy: string;
  position: number;
  cancel_requested: boolean;
  superseded_by: string | null;
  reply: { text: string } | null;
  /** What had been said when the turn ended without a reply. */
  partial: { text: string } | null;
  error: { code: string; message: string; retryable: boolean } | null;
  runs: { agent: string }[];
  handoffs: Handoff[];
  /** What a turn waits for that is "waiting" for a person. */
  calls?: PersonCall[];
  metadata: Record<string, string>;
  created_at: string;
  finished_at: string | null;
}

/** A call that waits for a person: a function to allow, a question, or a function for the browser to carry out. */
export interface PersonCall {
  call_id: string;
  kind: "approval" | "question" | "client";
  name: string;
  arguments: unknown;
  /** From then on it counts as denied. */
  expires_at: string;
}

/** What a person says to it. */
export type CallAnswer = { approve: boolean; reason?: string } | { output: unknown };

/** How a turn ended, as far as this page tells of it. */
export interface Ending extends Pick<Turn, "status" | "superseded_by" | "error" | "handoffs" | "partial" | "finished_at"> {
  /** The agent that the message went to, and the one that spoke last. */
  asked: string | null;
  agent: string | null;
}

export interface ConversationRow {
  conversation_id: string;
  status: "idle" | "busy";
  agent: string | null;
  turns: number;
  created_at: string;
  updated_at: string;
  title: string | null;
  /** The beginning of its last line. */
  preview: string | null;
  /** Answers that its user has not seen. */
  unread: number;
  /** Up to which line its user has read. */
  read_seq: number;
  /** The number of its newest line. */
  messages: number;
  archived: boolean;
}

/** What the database broadcasts of a conversation: that and how far it has come, never what was said. */
export interface Change {
  conversation_id: string;
  status: "idle" | "busy" | "deleted";
  /** The number of its last turn, and of its last line. */
  seq: number;
  messages: number;
}

/** What of a conversation its user may change. */
export type ConversationChange = Partial<Pick<ConversationRow, "archived" | "read_seq">> & { title?: string };

/** Which conversations are wanted: those with these words, and whether the closed ones. */
export interface Selection {
  q?: string;
  archived?: boolean;
}

export interface ConversationDetail extends ConversationRow {
  open_turns: Turn[];
}

/** What a stream says of its turn, again and again. */
export interface TurnNews {
  turn_id: string;
  state: "accepted" | "queued" | "conflict" | "running" | "completed" | "failed" | "cancelled" | "open" | "waiting";
  position?: number;
  agent?: string;
}
