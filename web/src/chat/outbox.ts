// Messages on their way: kept over a reload of the tab until the server has them, each with the key it was given first.
import type { Strategy } from "../types";

export interface OutboxMessage {
  key: string;
  conversation: string;
  text: string;
  strategy: Strategy;
  agent: string | null;
  /** Known once the server has accepted it. */
  turnId: string | null;
  /** Whether the last attempt reached no server. */
  undelivered: boolean;
}

const NAME = "outbox";

export function readOutbox(conversation: string): OutboxMessage[] {
  return all().filter((item) => item.conversation === conversation);
}

export function writeOutbox(conversation: string, items: OutboxMessage[]): void {
  const others = all().filter((item) => item.conversation !== conversation);
  const unsent = items.filter((item) => !item.turnId);
  sessionStorage.setItem(NAME, JSON.stringify([...others, ...unsent]));
}

/** At sign-out: what is left must not be sent by the next user. */
export function clearOutbox(): void {
  sessionStorage.removeItem(NAME);
}

function all(): OutboxMessage[] {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "[]") as OutboxMessage[];
  } catch {
    return [];
  }
}

/** As the function wants it. The key stands in it too, so that this page knows its own message again in the queue. */
export function bodyOf(item: OutboxMessage): Record<string, unknown> {
  return {
    message: item.text,
    conversation_id: item.conversation,
    multitask_strategy: item.strategy,
    metadata: { client_key: item.key },
    ...(item.agent ? { agent: item.agent } : {}),
  };
}
