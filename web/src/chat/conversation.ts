// One conversation on this page: what the server says of it, what is on its way there, and what streams back.
import type { Api } from "../api";
import { ApiError, SignedOut, Unreachable, isRefusal, sentence, wordsFor } from "../errors";
import type { Strategy, Turn } from "../types";
import { drafts } from "./drafts";
import { Follower } from "./follower";
import { TurnStream } from "./turn-stream";
import { type OutboxMessage, bodyOf, readOutbox, writeOutbox } from "./outbox";
import { Synchroniser } from "./synchroniser";
import { Tabs } from "./tabs";
import { backoff, pause } from "./backoff";
import type { ConversationState } from "./timeline";

const wordsWhileBusy = sentence("run_in_progress"); // true only as long as something is being answered

export interface Hooks {
  onSignedOut: () => void;
  /** Something was accepted or has ended: lists may want to know. */
  onChanged: () => void;
}

export class Conversation {
  readonly id: string;
  private outbox: OutboxMessage[];
  private notice = "";
  private failures = 0;
  private pumping = false;
  private state: ConversationState | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly api: Api;
  private readonly hooks: Hooks;
  private readonly tabs: Tabs;
  private readonly sync: Synchroniser;
  private readonly follower: Follower;

  constructor(api: Api, id: string, hooks: Hooks) {
    this.api = api;
    this.id = id;
    this.hooks = hooks;
    this.outbox = readOutbox(id);
    this.tabs = new Tabs((changed) => changed === id && void this.sync.now());
    this.sync = new Synchroniser(api, id, {
      onChange: () => this.synchronised(),
      onEnded: () => this.changed(),
      onSignedOut: hooks.onSignedOut,
    });
    this.follower = new Follower(api, id, this.sync, () => this.render());
  }

  // An arrow each: React takes them as they are.
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): ConversationState => (this.state ??= this.compose());

  open(): void {
    this.sync.start();
    void this.pump();
  }

  /** Ends the reading. What waits is handed in all the same. */
  close(): void {
    this.sync.stop();
    this.follower.leave();
    this.tabs.close();
  }

  send(text: string, strategy: Strategy, agent: string | null): void {
    this.notice = "";
    const key = crypto.randomUUID();
    this.outbox.push({ key, conversation: this.id, text, strategy, agent, turnId: null, undelivered: false });
    this.keep();
    void this.pump();
  }

  /** Takes a message back that the server has not got. */
  discard(key: string): void {
    const item = this.outbox.find((one) => one.key === key);
    if (item && !item.turnId) this.giveBack(item, "");
  }

  dismiss(): void {
    this.notice = "";
    this.render();
  }

  async cancel(turn: Turn): Promise<void> {
    this.sync.expectCancel(turn.turn_id);
    try {
      await this.api.cancel(turn.turn_id);
    } catch (error) {
      const displaced = error instanceof ApiError && error.code === "superseded"; // then it is stopped as well
      if (!displaced) this.notice = wordsFor(error);
    }
    await this.sync.now();
    this.changed();
  }

  /** Hands in what waits, one after the other, so that the order of typing is the order of arrival. */
  private async pump(): Promise<void> {
    if (this.pumping) return;
    this.pumping = true;
    const next = () => this.outbox.find((item) => !item.turnId);
    for (let item = next(); item; item = next()) {
      try {
        this.accepted(item, await this.handIn(item));
        this.failures = 0;
      } catch (error) {
        if (error instanceof SignedOut) {
          this.hooks.onSignedOut();
          break;
        }
        await this.refused(item, error);
      }
    }
    this.pumping = false;
  }

  /** The id of the turn that it has become. An idle conversation answers in the same stream, a busy one is followed. */
  private async handIn(item: OutboxMessage): Promise<string> {
    const alone = item.strategy === "reject" || (!this.sync.open.length && !this.follower.busy);
    if (!alone || !this.follower.streams) return (await this.api.submit(bodyOf(item), item.key)).turn_id;
    const stream = new TurnStream(this.api, this.id, () => this.sync.soon()).send(item.text, bodyOf(item), item.key);
    await stream.named;
    if (stream.turnId) {
      this.follower.take(stream);
      return stream.turnId;
    }
    if (stream.failure instanceof ApiError && stream.failure.status === 406) {
      this.follower.streams = false;
      return this.handIn(item);
    }
    throw stream.failure ?? new Unreachable();
  }

  private accepted(item: OutboxMessage, turnId: string): void {
    if (item.turnId) return;
    item.turnId = turnId;
    item.undelivered = false;
    this.sync.mine.add(turnId);
    this.keep();
    this.changed();
    void this.sync.now();
  }

  private async refused(item: OutboxMessage, error: unknown): Promise<void> {
    if (error instanceof ApiError && error.turnId) return this.accepted(item, error.turnId); // this is how it ended
    if (isRefusal(error)) return this.giveBack(item, wordsFor(error));
    item.undelivered = true;
    this.failures += 1;
    this.render();
    await pause(backoff(this.failures));
  }

  private giveBack(item: OutboxMessage, why: string): void {
    this.outbox = this.outbox.filter((one) => one !== item);
    this.notice = why;
    this.keep();
    drafts.giveBack(this.id, item.text);
    void this.sync.now();
  }

  private keep(): void {
    writeOutbox(this.id, this.outbox);
    this.render();
  }

  private changed(): void {
    this.tabs.tell(this.id);
    this.hooks.onChanged();
  }

  private synchronised(): void {
    for (const turn of this.sync.open) {
      // What the queue shows has been accepted, also where the answer that said so was lost.
      const item = this.outbox.find((one) => !one.turnId && one.key === turn.metadata.client_key);
      if (item) this.accepted(item, turn.turn_id);
    }
    this.outbox = this.outbox.filter((item) => !item.turnId || !this.sync.knows(item.turnId));
    if (this.notice === wordsWhileBusy && !this.sync.open.length) this.notice = "";
    this.follower.follow();
    this.render();
  }

  private render(): void {
    this.state = null;
    for (const listener of this.listeners) listener();
  }

  private compose(): ConversationState {
    return {
      loaded: this.sync.loaded,
      lines: this.sync.lines,
      open: this.sync.open,
      ends: this.sync.ends,
      cancelling: this.sync.cancelling,
      outbox: [...this.outbox],
      stream: this.follower.stream,
      streamed: this.follower.streamed,
      unreachable: this.sync.failures > 1 || this.follower.failures > 0 || this.outbox.some((item) => item.undelivered),
      notice: this.notice,
    };
  }
}
