// One conversation: what the server says of it, what is on its way there, and what streams back.
import type { Api } from "./api";
import { Delivery } from "./delivery";
import { ApiError } from "./errors";
import { Follower } from "./follower";
import { Outbox, type OutboxMessage } from "./outbox";
import { Synchroniser } from "./synchroniser";
import { Tabs } from "./tabs";
import { type TurnRecord, TurnRecords } from "./turn-records";
import type { TurnStream } from "./turn-stream";
import type { Line, Strategy, Turn } from "./types";
import type { UserStorage } from "./user-storage";

/** Everything there is to show, never changed in place. */
export interface ConversationState {
  loaded: boolean;
  /** The agent in charge, where the server has said so. */
  agent: string | null;
  lines: Line[];
  /** Turns that have not ended, the one that is being answered first. */
  open: Turn[];
  /** Turns that are to be cancelled, as far as the server has not yet said so itself. */
  cancelling: ReadonlySet<string>;
  outbox: OutboxMessage[];
  stream: TurnStream | null;
  records: ReadonlyMap<string, TurnRecord>;
  /** Whether the server answers, as far as is known. */
  reachable: boolean;
  /** Why the last thing that was asked for was not done. */
  refusal: unknown;
}

export interface Hooks {
  onSignedOut: () => void;
  /** Something was accepted or has ended: lists may want to know. */
  onChanged: () => void;
  /** A message comes back to its writer. */
  onReturned: (text: string) => void;
}

export class Conversation {
  readonly id: string;
  private readonly outbox: Outbox;
  private readonly records: TurnRecords;
  private refusal: unknown = null;
  private state: ConversationState | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly api: Api;
  private readonly hooks: Hooks;
  private readonly tabs: Tabs;
  private readonly sync: Synchroniser;
  private readonly follower: Follower;
  private readonly delivery: Delivery;

  constructor(api: Api, id: string, storage: UserStorage, hooks: Hooks) {
    this.api = api;
    this.id = id;
    this.hooks = hooks;
    this.outbox = new Outbox(storage, id);
    this.records = new TurnRecords(storage);
    this.tabs = new Tabs((changed) => changed === id && void this.sync.now());
    this.sync = new Synchroniser(api, id, this.records, {
      onChange: () => this.synchronised(),
      onEnded: () => this.changed(),
      onSignedOut: hooks.onSignedOut,
    });
    this.follower = new Follower(api, id, this.sync, this.records, () => this.changedHere());
    this.delivery = new Delivery(api, this.outbox, this.sync, this.follower, {
      onChange: () => this.changedHere(),
      onAccepted: () => this.changed(),
      onRefused: (message, why) => this.giveBack(message, why),
      onSignedOut: hooks.onSignedOut,
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): ConversationState => (this.state ??= this.compose());

  open(): void {
    this.sync.start();
    this.delivery.start();
  }

  /** Ends the reading. What waits is handed in all the same. */
  close(): void {
    this.sync.stop();
    this.follower.leave();
    this.tabs.close();
  }

  send(text: string, strategy: Strategy = "enqueue", agent: string | null = null): void {
    this.post({ key: crypto.randomUUID(), text, strategy, agent });
  }

  /** Asks once more what a turn that failed had asked. However often it is pressed, in whichever tab, it is one turn. */
  retry(turn: string, text: string, agent: string | null): void {
    const key = `retry-${turn}`;
    if (this.outbox.messages.some((message) => message.key === key)) return;
    this.records.add(turn, { retried: true });
    this.post({ key, text, strategy: "enqueue", agent });
  }

  /** Takes a message back that the server has not got. */
  discard(key: string): void {
    const message = this.outbox.messages.find((one) => one.key === key);
    if (message && !message.turnId) this.giveBack(message, null);
  }

  dismiss(): void {
    this.refusal = null;
    this.changedHere();
  }

  /** Stops an answer, or takes a message out of the line. False where its answer came first, or it could not be done. */
  async cancel(turn: Turn): Promise<boolean> {
    this.sync.expectCancel(turn.turn_id);
    let cancelled = true;
    try {
      cancelled = (await this.api.cancel(turn.turn_id)).status === "cancelled";
    } catch (error) {
      cancelled = error instanceof ApiError && error.code === "superseded"; // then it is stopped as well
      if (!cancelled) this.refusal = error;
    }
    await this.sync.now();
    this.changed();
    return cancelled;
  }

  /** Takes a message out of the line and gives it back to its writer. */
  async takeBack(turn: Turn): Promise<void> {
    this.hooks.onReturned(turn.message);
    await this.cancel(turn);
  }

  /** Changes a message that waits. False where that is too late, or could not be done. */
  async edit(turn: string, text: string): Promise<boolean> {
    this.refusal = null;
    try {
      await this.api.edit(turn, text);
    } catch (error) {
      this.refusal = error;
    }
    await this.sync.now();
    this.changed();
    return this.refusal === null;
  }

  /** Has a message that waits answered now, in the place of what is being answered. */
  async sendNow(turn: Turn): Promise<void> {
    if (!(await this.cancel(turn))) return; // it has been answered by now
    this.post({ key: `now-${turn.turn_id}`, text: turn.message, strategy: "interrupt", agent: turn.agent });
  }

  /** The last message that waits, once the server has all that is on its way there. */
  async lastWaiting(): Promise<Turn | null> {
    await this.delivery.done();
    return this.sync.waiting.at(-1) ?? null;
  }

  /** Takes every message out of the line, those on their way included. */
  async clear(): Promise<void> {
    for (const message of this.outbox.messages.filter((one) => one.undelivered)) this.discard(message.key);
    await this.delivery.done();
    await Promise.all(this.sync.waiting.map((turn) => this.cancel(turn)));
  }

  private post(message: Pick<OutboxMessage, "key" | "text" | "strategy" | "agent">): void {
    this.refusal = null;
    this.outbox.add({ ...message, conversation: this.id, joins: null, turnId: null, undelivered: false });
    this.changedHere();
    this.delivery.start();
  }

  private giveBack(message: OutboxMessage, why: unknown): void {
    this.outbox.remove((one) => one === message);
    this.refusal = why;
    this.hooks.onReturned(message.text);
    this.changedHere();
    void this.sync.now();
  }

  private changed(): void {
    this.tabs.tell(this.id);
    this.hooks.onChanged();
  }

  private synchronised(): void {
    for (const turn of this.sync.open) {
      // What the queue shows has been accepted, also where the answer that said so was lost.
      const message = this.outbox.messages.find((one) => !one.turnId && one.key === turn.metadata.client_key);
      if (message) this.delivery.accepted(message, turn.turn_id);
    }
    this.outbox.remove((message) => message.turnId !== null && this.sync.knows(message.turnId));
    // That the assistant is still working is true only as long as something is being answered.
    const working = this.refusal instanceof ApiError && this.refusal.code === "run_in_progress";
    if (working && !this.sync.open.length) this.refusal = null;
    this.follower.follow();
    this.changedHere();
  }

  private changedHere(): void {
    this.state = null;
    for (const listener of this.listeners) listener();
  }

  private compose(): ConversationState {
    const silent = this.sync.failures > 1 || this.follower.failures > 0;
    const undelivered = this.outbox.messages.some((message) => message.undelivered);
    return {
      loaded: this.sync.loaded,
      agent: this.sync.agent,
      lines: this.sync.lines,
      open: this.sync.open,
      cancelling: this.sync.cancelling,
      outbox: [...this.outbox.messages],
      stream: this.follower.stream,
      records: this.records.all,
      reachable: !undelivered && (!silent || this.follower.connected),
      refusal: this.refusal,
    };
  }
}
