// Reads along with the turn that is being answered. That also keeps the queue moving: a turn goes on while a client asks for it.
import type { Api } from "../api";
import { ApiError, SignedOut, Unreachable } from "../errors";
import type { TurnMessage } from "../types";
import { TurnStream } from "./turn-stream";
import type { Synchroniser } from "./synchroniser";
import { backoff, pause } from "./backoff";

const WAIT_SECONDS = 15;
const BREATH_MS = 400; // between two streams, however fast they end

export class Follower {
  stream: TurnStream | null = null;
  /** Whether the server streams. One that does not is asked for its turns instead. */
  streams = true;
  failures = 0;
  /** What streams said of turns that are over; tool calls stand in no transcript. */
  streamed: ReadonlyMap<string, TurnMessage> = new Map();
  private following = false;
  private left = false;
  private readonly api: Api;
  private readonly id: string;
  private readonly sync: Synchroniser;
  private readonly onChange: () => void;

  constructor(api: Api, id: string, sync: Synchroniser, onChange: () => void) {
    this.api = api;
    this.id = id;
    this.sync = sync;
    this.onChange = onChange;
  }

  get busy(): boolean {
    return this.stream !== null && !this.stream.ended;
  }

  /** Goes on with a stream that a message was sent with. */
  take(stream: TurnStream): void {
    this.show(stream);
    this.follow();
  }

  /** Reads along until nothing is open any more. Calling it again changes nothing. */
  follow(): void {
    if (!this.following && !this.left && this.wanted()) void this.run();
  }

  leave(): void {
    this.left = true;
    this.stream?.leave();
  }

  private wanted(): boolean {
    if (this.busy) return true;
    const open = this.sync.open;
    return open.length > 0 && (document.visibilityState === "visible" || open.some((turn) => this.sync.mine.has(turn.turn_id)));
  }

  private async run(): Promise<void> {
    this.following = true;
    let stumbles = 0;
    while (!this.left && this.wanted()) {
      const failure = this.streams ? await this.readStream() : await this.waitForHead();
      if (this.left || failure instanceof SignedOut) break;
      const broken = failure instanceof Unreachable || failure instanceof TypeError;
      this.failures = broken ? this.failures + 1 : 0;
      await this.sync.now();
      const unfinished = failure && this.stream && this.isOpen(this.stream); // told of an error, yet not over
      stumbles = broken || unfinished ? stumbles + 1 : 0;
      this.forgetEnded();
      if (!this.left && this.wanted()) await pause(stumbles ? backoff(stumbles) : BREATH_MS);
    }
    if (!this.left) this.failures = 0;
    this.following = false;
    this.onChange();
  }

  private async readStream(): Promise<unknown> {
    if (!this.busy) this.show(new TurnStream(this.api, this.id, () => this.sync.soon()).attach());
    const stream = this.stream!;
    await stream.done;
    this.keep(stream);
    if (stream.failure instanceof ApiError && [404, 405, 406].includes(stream.failure.status)) this.streams = false;
    return stream.failure;
  }

  private async waitForHead(): Promise<unknown> {
    const head = this.sync.open[0];
    try {
      if (head) await this.api.turn(head.turn_id, WAIT_SECONDS);
      return null;
    } catch (error) {
      return error;
    }
  }

  private show(stream: TurnStream): void {
    if (this.left) return stream.leave();
    if (this.stream && !this.stream.ended) this.stream.leave();
    this.stream = stream;
    void stream.named.then(this.onChange);
    this.onChange();
  }

  private keep(stream: TurnStream): void {
    if (stream.turnId && stream.message) this.streamed = new Map(this.streamed).set(stream.turnId, stream.message);
  }

  /** What a stream said is shown until the transcript has it. */
  private forgetEnded(): void {
    const stream = this.stream;
    if (!stream?.ended) return;
    if (!this.isOpen(stream)) this.stream = null;
    this.onChange();
  }

  private isOpen(stream: TurnStream): boolean {
    return this.sync.open.some((turn) => turn.turn_id === stream.turnId);
  }
}
