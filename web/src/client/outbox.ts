// Messages on their way: kept over a reload of the tab until the server has them, each with the key it was given first.
import type { Strategy } from "./types";
import type { UserStorage } from "./user-storage";

const NAME = "outbox";

export interface OutboxMessage {
  key: string;
  conversation: string;
  text: string;
  strategy: Strategy;
  agent: string | null;
  /** The turn that waits and that this message is to be added to. */
  joins: string | null;
  /** The turn whose place it takes: with this text instead, or with the same text once more. */
  place?: { turn: string; again: boolean };
  /** Known once the server has accepted it. */
  turnId: string | null;
  /** Whether the last attempt reached no server. */
  undelivered: boolean;
}

/** A message as its writer sends it. */
export type NewMessage = Pick<OutboxMessage, "key" | "text" | "strategy" | "agent" | "place">;

export class Outbox {
  messages: OutboxMessage[];
  private readonly storage: UserStorage;
  private readonly conversation: string;

  constructor(storage: UserStorage, conversation: string) {
    this.storage = storage;
    this.conversation = conversation;
    this.messages = this.all().filter((message) => message.conversation === conversation);
  }

  get next(): OutboxMessage | undefined {
    return this.messages.find((message) => !message.turnId);
  }

  add(message: OutboxMessage): void {
    this.messages.push(message);
    this.keep();
  }

  remove(unwanted: (message: OutboxMessage) => boolean): void {
    if (!this.messages.some(unwanted)) return;
    this.messages = this.messages.filter((message) => !unwanted(message));
    this.keep();
  }

  keep(): void {
    const others = this.all().filter((message) => message.conversation !== this.conversation);
    const unsent = this.messages.filter((message) => !message.turnId);
    this.storage.write("tab", NAME, others.length + unsent.length ? [...others, ...unsent] : null);
  }

  private all(): OutboxMessage[] {
    return this.storage.read<OutboxMessage[]>("tab", NAME) ?? [];
  }
}

/** As the function wants it. The key stands in it too, so that this page knows its own message again in the queue. */
export function bodyOf(message: OutboxMessage): Record<string, unknown> {
  const { text, conversation, strategy, key, agent, place } = message;
  return {
    ...(place?.again ? { regenerate: place.turn } : { message: text }),
    ...(place && !place.again ? { replaces: place.turn } : {}),
    ...(place ? {} : { multitask_strategy: strategy }),
    conversation_id: conversation,
    metadata: { client_key: key },
    ...(agent ? { agent } : {}),
  };
}
