// Hands messages in, one after the other: the order of typing is the order of arrival, and each is sent again with the key
// it was given first until the server has it or refuses it.
import type { Api } from "./api";
import { backoff, pause } from "./backoff";
import { ApiError, SignedOut, Unreachable, isRefusal } from "./errors";
import type { Follower } from "./follower";
import { type Outbox, type OutboxMessage, bodyOf } from "./outbox";
import type { Synchroniser } from "./synchroniser";
import { TurnStream } from "./turn-stream";

const BETWEEN_JOINED = "\n\n";

interface Hooks {
  onChange: () => void;
  onAccepted: () => void;
  onRefused: (message: OutboxMessage, why: unknown) => void;
  onSignedOut: () => void;
}

export class Delivery {
  private failures = 0;
  private running: Promise<void> | null = null;
  private readonly api: Api;
  private readonly outbox: Outbox;
  private readonly sync: Synchroniser;
  private readonly follower: Follower;
  private readonly hooks: Hooks;

  constructor(api: Api, outbox: Outbox, sync: Synchroniser, follower: Follower, hooks: Hooks) {
    this.api = api;
    this.outbox = outbox;
    this.sync = sync;
    this.follower = follower;
    this.hooks = hooks;
  }

  /** Hands in what waits. Calling it again changes nothing. */
  start(): void {
    this.running ??= this.run().finally(() => (this.running = null));
  }

  /** Resolves when nothing is on its way any more, and the server has told of what has arrived. */
  async done(): Promise<void> {
    if (!this.outbox.messages.length) return;
    await this.running;
    await this.sync.now();
  }

  /** Notes that a message has become a turn, whichever answer says so first. */
  accepted(message: OutboxMessage, turnId: string): void {
    if (message.turnId) return;
    message.turnId = turnId;
    message.undelivered = false;
    this.sync.mine.add(turnId);
    this.outbox.keep();
    this.hooks.onChange();
    this.hooks.onAccepted();
    void this.sync.now();
  }

  private async run(): Promise<void> {
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
      const last = this.sync.waiting.at(-1); // one that was sent to be added joins by itself
      message.joins = last?.multitask_strategy === "enqueue" ? last.turn_id : null;
      this.outbox.keep();
    }
    if (message.joins) return this.join(message, message.joins);
    const idle = !this.sync.open.length && !this.follower.busy;
    const alone = idle || message.strategy === "reject" || message.place !== undefined;
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

  private async refused(message: OutboxMessage, error: unknown): Promise<void> {
    if (error instanceof ApiError && error.turnId) return this.accepted(message, error.turnId); // this is how it ended
    if (isRefusal(error)) return this.hooks.onRefused(message, error);
    message.undelivered = true;
    this.failures += 1;
    this.hooks.onChange();
    await pause(backoff(this.failures));
  }
}

/** Null for a no that stands; other errors go on. */
function passed(error: unknown): null {
  if (isRefusal(error)) return null;
  throw error;
}
