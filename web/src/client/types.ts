// What the function says, as far as this page reads it.

export type Strategy = "enqueue" | "interrupt" | "coalesce" | "reject";

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
  metadata: Record<string, string>;
  created_at: string;
  finished_at: string | null;
}

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
  title?: string | null;
}

export interface ConversationDetail extends ConversationRow {
  open_turns: Turn[];
}

/** What a stream says of its turn, again and again. */
export interface TurnNews {
  turn_id: string;
  state: "accepted" | "queued" | "conflict" | "running" | "completed" | "failed" | "cancelled" | "open";
  position?: number;
  agent?: string;
}

/** A call of a function or of another agent. */
export interface ToolCall {
  id: string;
  name: string;
  input: unknown;
  state: "running" | "done" | "failed";
  /** What came of it: the output, or why it failed. */
  output?: unknown;
}
