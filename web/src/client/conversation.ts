// One conversation: what the server says of it, what is on its way there, and what streams back.
import type { Api } from "./api";
import { backoff, pause } from "./backoff";
import { ApiError, SignedOut, Unreachable, isRefusal } from "./errors";
import { Follower } from "./follower";
import { Outbox, type OutboxMessage, bodyOf } from "./outbox";
import { Synchroniser } from "./synchroniser";
import { Tabs } from "./tabs";
import { type TurnRecord, TurnRecords } from "./turn-records";
import { TurnStream } from "./turn-stream";
import type { Line, Strategy, Turn } from "./types";
import type { UserStorage } from "./user-storage";

const BETWEEN_JOINED = "\n\n";

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
  private failures = 0;
  private delivering: Promise<void> | null = null;
  private state: ConversationState | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly api: Api;
  private readonly hooks: Hooks;
  private readonly tabs: Tabs;
  private readonly sync: Synchroniser;
  private readonly follower: Follower;

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
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): ConversationState => (this.state ??= this.compose());

  open(): void {
    this.sync.start();
    this.deliver();
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

  /** Stops an answer, or takes a message out of the line. */
  async cancel(turn: Turn): Promise<void> {
    this.sync.expectCancel(turn.turn_id);
    try {
      await this.api.cancel(turn.turn_id);
    } catch (error) {
      const displaced = error instanceof ApiError && error.code === "superseded"; // then it is stopped as well
      if (!displaced) this.refusal = error;
    }
    await this.sync.now();
    this.changed();
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
    await this.cancel(turn);
    this.post({ key: `now-${turn.turn_id}`, text: turn.message, strategy: "interrupt", agent: turn.agent });
  }

  /** The last message that waits, once the server has all that is on its way there. */
  async lastWaiting(): Promise<Turn | null> {
    await this.delivered();
    return this.waiting().at(-1) ?? null;
  }

  /** Takes every message out of the line, those on their way included. */
  async clear(): Promise<void> {
    for (const message of this.outbox.messages.filter((one) => one.undelivered)) this.discard(message.key);
    await this.delivered();
    await Promise.all(this.waiting().map((turn) => this.cancel(turn)));
  }

  private waiting(): Turn[] {
    const open = this.sync.open.filter((turn) => turn.position > 0 && !turn.cancel_requested);
    return open.filter((turn) => !this.sync.cancelling.has(turn.turn_id));
  }

  private async delivered(): Promise<void> {
    if (!this.outbox.messages.length) return;
    await this.delivering;
    await this.sync.now();
  }

  private post(message: Pick<OutboxMessage, "key" | "text" | "strategy" | "agent">): void {
    this.refusal = null;
    this.outbox.add({ ...message, conversation: this.id, joins: null, turnId: null, undelivered: false });
    this.changedHere();
    this.deliver();
  }

  /** Hands in what waits, one after the other, so that the order of typing is the order of arrival. */
  private deliver(): void {
    this.delivering ??= this.deliverAll().finally(() => (this.delivering = null));
  }

  private async deliverAll(): Promise<void> {
    for (let message = this.outbox.next; message; message = this.outbox.next) {
      try {
        this.accepted(message, await this.handIn(message));
        this.failures = 0;
      } catch (error) {
        if (error instanceof SignedOut) {
          this.hooks.onSignedOut();
          break;
        }
        await this.refused(message, error);
      }
    }
  }

  /** The id of the turn that it has become. An idle conversation answers in the same stream, a busy one is followed. */
  private async handIn(message: OutboxMessage): Promise<string> {
    if (message.strategy === "coalesce" && !message.joins && !message.agent) {
      await this.sync.now();
      const last = this.waiting().at(-1); // one that was sent to be added joins by itself
      message.joins = last?.multitask_strategy === "enqueue" ? last.turn_id : null;
      this.outbox.keep();
    }
    if (message.joins) return this.join(message, message.joins);
    const alone = message.strategy === "reject" || (!this.sync.open.length && !this.follower.busy);
    if (!alone || !this.follower.streams) return (await this.api.submit(bodyOf(message), message.key)).turn_id;
    const stream = new TurnStream(this.api, () => this.sync.soon()).send(bodyOf(message), message.key);
    await stream.named;
    if (stream.turnId) {
      this.follower.take(stream);
      return stream.turnId;
    }
    if (stream.failure instanceof ApiError && stream.failure.status === 406) {
      this.follower.streams = false;
      return this.handIn(message);
    }
    throw stream.failure ?? new Unreachable();
  }

  /** Adds a message to one that waits. Where that one is being answered by now, it becomes a turn of its own. */
  private async join(message: OutboxMessage, turnId: string): Promise<string> {
    const turn = await this.api.turn(turnId).catch(passed);
    if (turn?.message.endsWith(BETWEEN_JOINED + message.text)) return turnId; // an earlier attempt has arrived
    if (turn?.status === "queued" && !turn.cancel_requested) {
      const edited = await this.api.edit(turnId, turn.message + BETWEEN_JOINED + message.text).catch(passed);
      if (edited) return turnId;
    }
    return (await this.api.submit(bodyOf(message), message.key)).turn_id;
  }

  private accepted(message: OutboxMessage, turnId: string): void {
    if (message.turnId) return;
    message.turnId = turnId;
    message.undelivered = false;
    this.sync.mine.add(turnId);
    this.outbox.keep();
    this.changedHere();
    this.changed();
    void this.sync.now();
  }

  private async refused(message: OutboxMessage, error: unknown): Promise<void> {
    if (error instanceof ApiError && error.turnId) return this.accepted(message, error.turnId); // this is how it ended
    if (isRefusal(error)) return this.giveBack(message, error);
    message.undelivered = true;
    this.failures += 1;
    this.changedHere();
    await pause(backoff(this.failures));
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
      if (message) this.accepted(message, turn.turn_id);
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

/** Null for a no that stands; other errors go on. */
function passed(error: unknown): null {
  if (isRefusal(error)) return null;
  throw error;
}
