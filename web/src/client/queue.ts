// The messages that wait in line, and what their writer can do with them.
import type { Delivery } from "./delivery";
import type { NewMessage, Outbox } from "./outbox";
import type { Synchroniser } from "./synchroniser";
import type { Turn } from "./types";

interface Hooks {
  onReturned: (text: string) => void;
  /** False where the answer came first, or it could not be done. */
  cancel: (turn: Turn) => Promise<boolean>;
  /** False where the server refused. */
  edit: (turn: string, text: string) => Promise<boolean>;
  post: (message: NewMessage) => void;
  discard: (key: string) => void;
}

export class Queue {
  private readonly outbox: Outbox;
  private readonly sync: Synchroniser;
  private readonly delivery: Delivery;
  private readonly hooks: Hooks;

  constructor(outbox: Outbox, sync: Synchroniser, delivery: Delivery, hooks: Hooks) {
    this.outbox = outbox;
    this.sync = sync;
    this.delivery = delivery;
    this.hooks = hooks;
  }

  /** The last message that waits, once the server has all that is on its way there. */
  async last(): Promise<Turn | null> {
    await this.delivery.done();
    return this.sync.waiting.at(-1) ?? null;
  }

  /** Changes a message. False where that is too late, or could not be done. */
  edit(turn: string, text: string): Promise<boolean> {
    return this.hooks.edit(turn, text);
  }

  /** Takes a message out of the line and gives it back to its writer. */
  async takeBack(turn: Turn): Promise<void> {
    this.hooks.onReturned(turn.message);
    await this.hooks.cancel(turn);
  }

  /** Has a message answered now, in the place of what is being answered. */
  async sendNow(turn: Turn): Promise<void> {
    if (!(await this.hooks.cancel(turn))) return; // it has been answered by now
    this.hooks.post({ key: `now-${turn.turn_id}`, text: turn.message, strategy: "interrupt", agent: turn.agent });
  }

  /** Takes every message out of the line, those on their way included. */
  async clear(): Promise<void> {
    for (const message of this.outbox.messages.filter((one) => one.undelivered)) this.hooks.discard(message.key);
    await this.delivery.done();
    await Promise.all(this.sync.waiting.map((turn) => this.hooks.cancel(turn)));
  }
}
