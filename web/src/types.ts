// What the function says, as far as this page reads it.
import type { UIMessage } from "ai";

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
  handoff_to?: string | null;
}

export interface Handoff {
  from: string;
  to: string;
  reason?: string;
  task?: string;
}

/** A turn as its owner reads it. */
export interface Turn {
  turn_id: string;
  seq: number;
  status: "queued" | "starting" | "running" | "completed" | "failed" | "cancelled";
  agent: string | null;
  message: string;
  multitask_strategy: string;
  position: number;
  cancel_requested: boolean;
  superseded_by: string | null;
  reply: { text: string } | null;
  error: { code: string; message: string; retryable: boolean } | null;
  handoffs: Handoff[];
  metadata: Record<string, string>;
}

/** How a turn ended, as far as this page tells of it. */
export type Ending = Pick<Turn, "status" | "superseded_by" | "error" | "handoffs">;

export interface ConversationRow {
  conversation_id: string;
  status: "idle" | "busy";
  turns: number;
  updated_at: string;
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

export interface StreamError {
  code: string;
  message: string;
  retryable: boolean;
}

export type TurnMessage = UIMessage<unknown, { turn: TurnNews; handoff: Handoff; error: StreamError }>;
