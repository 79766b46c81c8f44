// Reads along with the turn that is being answered. That also keeps the queue moving: a turn goes on while a client asks
// for it.
import type { Api } from "./api";
import { backoff, pause } from "./backoff";
import { ApiError, SignedOut, Unreachable } from "./errors";
import type { Synchroniser } from "./synchroniser";
import { type TurnRecords, recordOf } from "./turn-records";
import { TurnStream } from "./turn-stream";

const WAIT_SECONDS = 15;
const BREATH_MS = 400; // between two streams, however fast they end

export class Follower {
  stream: TurnStream | null = null;
  /** Whether the server streams. One that does not is asked for its turns instead. */
  streams = true;
  failures = 0;
  /** The turn that was read last, as far as the server tells of it. */
  private heard: string | null = null;
  private following = false;
  private left = false;
  private readonly api: Api;
  private readonly id: string;
  private readonly sync: Synchroniser;
  private readonly records: TurnRecords;
  private readonly onChange: () => void;

  constructor(api: Api, id: string, sync: Synchroniser, records: TurnRecords, onChange: () => void) {
    this.api = api;
    this.id = id;
    this.sync = sync;
    this.records = records;
    this.onChange = onChange;
  }

  get busy(): boolean {
    return this.stream !== null && !this.stream.ended;
  }

  /** Whether words have come, or the server has at least begun to answer, over a connection that stands. */
  get connected(): boolean {
    return this.busy && this.stream!.turnId !== null;
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
    // One that waits for a person says nothing more: it is read once, for what was said before.
    if (open[0]?.status === "waiting" && (this.heard === open[0].turn_id || !this.streams)) return false;
    return open.length > 0 && (document.visibilityState === "visible" || open.some((turn) => this.sync.mine.has(turn.turn_id)));
  }

  private async run(): Promise<void> {
    this.following = true;
    let stumbles = 0;
    while (!this.left && this.wanted()) {
      const failure = this.streams ? await this.readStream() : await this.waitForHead();
      if (this.left || failure instanceof SignedOut) break;
      const broken = failure instanceof Unreachable;
      this.failures = broken ? this.failures + 1 : 0;
      await this.sync.now();
      const unfinished = failure && this.stream && this.isOpen(this.stream); // told of an error, yet not over
      stumbles = broken || unfinished ? stumbles + 1 : 0;
      this.dropEnded();
      if (!this.left && this.wanted()) await pause(stumbles ? backoff(stumbles) : BREATH_MS);
    }
    if (!this.left) this.failures = 0;
    this.following = false;
    this.onChange();
  }

  private async readStream(): Promise<unknown> {
    if (!this.busy) this.show(new TurnStream(this.api, () => this.sync.soon()).attach(this.id));
    const stream = this.stream!;
    await stream.done;
    if (this.left) return null;
    if (!(stream.failure instanceof Unreachable)) this.heard = stream.turnId ?? this.sync.open[0]?.turn_id ?? null;
    const record = recordOf(stream.parts, stream.news?.state === "completed");
    if (stream.turnId && Object.keys(record).length) this.records.add(stream.turnId, record);
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
    if (this.busy) this.stream!.leave();
    this.stream = stream;
    void stream.named.then(this.onChange);
    this.onChange();
  }

  /** What a stream said is shown until the transcript has it. */
  private dropEnded(): void {
    const stream = this.stream;
    if (!stream?.ended) return;
    if (!this.isOpen(stream) && !this.sync.failures) this.stream = null;
    this.onChange();
  }

  private isOpen(stream: TurnStream): boolean {
    return this.sync.open.some((turn) => turn.turn_id === stream.turnId);
  }
}
