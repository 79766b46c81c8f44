// Messages on their way: kept over a reload of the tab until the server has them, each with the key it was given first.
import type { Strategy } from "../types";

export interface Outgoing {
  key: string;
  conversation: string;
  text: string;
  strategy: Strategy;
  agent: string | null;
  /** Known once the server has accepted it. */
  turnId: string | null;
  /** Whether the last attempt found nobody. */
  waiting: boolean;
}

const NAME = "outbox";

export function stored(conversation: string): Outgoing[] {
  return all().filter((item) => item.conversation === conversation);
}

export function store(conversation: string, items: Outgoing[]): void {
  const others = all().filter((item) => item.conversation !== conversation);
  const unsent = items.filter((item) => !item.turnId);
  sessionStorage.setItem(NAME, JSON.stringify([...others, ...unsent]));
}

/** At sign-out: what is left is nobody else's to send. */
export function forget(): void {
  sessionStorage.removeItem(NAME);
}

function all(): Outgoing[] {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "[]") as Outgoing[];
  } catch {
    return [];
  }
}

/** As the function wants it. The key stands in it too, so that this page knows its own message again in the queue. */
export function bodyOf(item: Outgoing): Record<string, unknown> {
  return {
    message: item.text,
    conversation_id: item.conversation,
    multitask_strategy: item.strategy,
    metadata: { client_key: item.key },
    ...(item.agent ? { agent: item.agent } : {}),
  };
}
