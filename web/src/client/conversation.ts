// One conversation: what the server says of it, what is on its way there, and what streams back.
import type { Api } from "./api";
import { type ConversationState, inPlace } from "./conversation-state";
import { Delivery } from "./delivery";
import { ApiError } from "./errors";
import { Follower } from "./follower";
import { type NewMessage, Outbox, type OutboxMessage } from "./outbox";
import { Queue } from "./queue";
import { Synchroniser } from "./synchroniser";
import { Tabs } from "./tabs";
import { TurnRecords } from "./turn-records";
import type { CallAnswer, Change, Strategy, Turn } from "./types";
import type { UserStorage } from "./user-storage";

export interface Hooks {
  onSignedOut: () => void;
  /** Something was accepted or has ended: lists may want to know. */
  onChanged: () => void;
  /** A message comes back to its writer. */
  onReturned: (text: string) => void;
}

export class Conversation {
  readonly id: string;
  /** The messages that wait. */
  readonly queue: Queue;
  private readonly outbox: Outbox;
  private readonly records: TurnRecords;
  private refusal: unknown = null;
  private readSeq = 0;
  private onLeft: (() => void) | null = null;
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
    this.queue = new Queue(this.outbox, this.sync, this.delivery, {
      onReturned: hooks.onReturned,
      cancel: (turn) => this.cancel(turn),
      edit: (turn, text) => this.attempt(() => api.edit(turn, text)),
      post: (message) => this.post(message),
      discard: (key) => this.discard(key),
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): ConversationState => (this.state ??= this.compose());

  open(): void {
    this.onLeft = null;
    this.sync.start();
    this.delivery.start();
  }

  /** Goes on until what was asked here has been answered, as a turn goes on while a client asks for it; then it ends. */
  leave(onClosed: () => void): void {
    this.onLeft = () => {
      this.close();
      onClosed();
    };
    this.endIfLeft();
  }

  private endIfLeft(): void {
    const underWay = this.outbox.messages.length > 0 || this.sync.open.some((turn) => this.sync.mine.has(turn.turn_id));
    if (!underWay) this.onLeft?.();
  }

  /** Ends the reading. What waits is handed in all the same. */
  close(): void {
    this.onLeft = null;
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

  /** Sends an edited message in the place of a turn: that one, and all that came after it, is taken out of view. */
  replace(turn: string, text: string): void {
    this.post({ key: crypto.randomUUID(), text, strategy: "enqueue", agent: null, place: { turn, again: false } });
  }

  /** Has a message answered once more, perhaps by another agent: in the place of its turn and of all that came after it. */
  regenerate(turn: string, text: string, agent: string | null = null): void {
    this.post({ key: crypto.randomUUID(), text, strategy: "enqueue", agent, place: { turn, again: true } });
  }

  /** Reads older lines than those that are here. */
  readonly readEarlier = (): void => this.sync.readEarlier();

  /** Tells the server that all that is here has been read. */
  async read(): Promise<void> {
    const { detail } = this.sync;
    if (!detail?.unread || detail.messages <= this.readSeq) return;
    this.readSeq = detail.messages;
    await this.api.change(this.id, { read_seq: this.readSeq }).then(this.hooks.onChanged, () => (this.readSeq = 0));
  }

  /** Takes in that something has happened, if it is about this conversation and not known yet. */
  hear({ conversation_id, status, seq, messages }: Change): void {
    const { detail } = this.sync;
    const known = detail?.status === status && detail.turns === seq && detail.messages === messages;
    if (conversation_id === this.id && !known) this.sync.soon();
  }

  /** Whether changes are told of at present: then they are asked for only now and then. */
  setLive(live: boolean): void {
    this.sync.setLive(live);
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
    let cancelled: boolean;
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

  /** Answers a call that waits for a person; the turn goes on where it stood. */
  async answer(turn: string, call: string, answer: CallAnswer): Promise<void> {
    await this.attempt(() => this.api.answer(turn, call, answer));
  }

  /** Asks the server for something that it may refuse. False where it did. */
  private async attempt(what: () => Promise<unknown>): Promise<boolean> {
    this.refusal = null;
    try {
      await what();
    } catch (error) {
      this.refusal = error;
    }
    await this.sync.now();
    this.changed();
    return this.refusal === null;
  }

  private post(message: NewMessage): void {
    this.refusal = null;
    this.outbox.add({ ...message, conversation: this.id, joins: null, turnId: null, undelivered: false });
    this.changedHere();
    this.delivery.start();
  }

  private giveBack(message: OutboxMessage, why: unknown): void {
    this.outbox.remove((one) => one === message);
    this.refusal = why;
    if (!message.place?.again) this.hooks.onReturned(message.text); // else it still stands where it was
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
    this.endIfLeft();
  }

  private changedHere(): void {
    this.state = null;
    for (const listener of this.listeners) listener();
  }

  private compose(): ConversationState {
    const silent = this.sync.failures > 1 || this.follower.failures > 0;
    return {
      loaded: this.sync.loaded,
      agent: this.sync.detail?.agent ?? null,
      detail: this.sync.detail,
      deleted: this.sync.deleted,
      earlier: this.sync.hasEarlier,
      ...inPlace(this.sync.lines, this.sync.open, this.outbox.messages),
      cancelling: this.sync.cancelling,
      outbox: [...this.outbox.messages],
      stream: this.follower.stream,
      records: this.records.all,
      reachable: !this.outbox.messages.some((message) => message.undelivered) && (!silent || this.follower.connected),
      refusal: this.refusal,
    };
  }
}
