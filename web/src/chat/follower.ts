// Reads along with the turn that is being answered. That also keeps the queue moving: somebody has to ask for a turn.
import type { Api } from "../api";
import { ApiError, SignedOut, Unreachable } from "../errors";
import type { TurnMessage } from "../types";
import { Live } from "./live";
import type { Synchroniser } from "./synchroniser";
import { backoff, pause } from "./waiting";

const WAIT_SECONDS = 15;
const BREATH_MS = 400; // between two streams, however fast they end

export class Follower {
  live: Live | null = null;
  /** Whether the server streams. One that does not is asked for its turns instead. */
  streams = true;
  failures = 0;
  /** What streams said of turns that are over; tool calls stand in no transcript. */
  told: ReadonlyMap<string, TurnMessage> = new Map();
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
    return this.live !== null && !this.live.ended;
  }

  /** Goes on with a stream that a message was sent with. */
  take(live: Live): void {
    this.show(live);
    this.follow();
  }

  /** Reads along until nothing is open any more. Calling it again changes nothing. */
  follow(): void {
    if (!this.following && !this.left && this.wanted()) void this.run();
  }

  leave(): void {
    this.left = true;
    this.live?.leave();
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
      const unfinished = failure && this.live && this.isOpen(this.live); // told of an error, yet not over
      stumbles = broken || unfinished ? stumbles + 1 : 0;
      this.forgetEnded();
      if (!this.left && this.wanted()) await pause(stumbles ? backoff(stumbles) : BREATH_MS);
    }
    if (!this.left) this.failures = 0;
    this.following = false;
    this.onChange();
  }

  private async readStream(): Promise<unknown> {
    if (!this.busy) this.show(new Live(this.api, this.id, () => this.sync.soon()).attach());
    const live = this.live!;
    await live.done;
    this.keep(live);
    if (live.failure instanceof ApiError && [404, 405, 406].includes(live.failure.status)) this.streams = false;
    return live.failure;
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

  private show(live: Live): void {
    if (this.left) return live.leave();
    if (this.live && !this.live.ended) this.live.leave();
    this.live = live;
    void live.named.then(this.onChange);
    this.onChange();
  }

  private keep(live: Live): void {
    if (live.turnId && live.message) this.told = new Map(this.told).set(live.turnId, live.message);
  }

  /** What a stream said is shown until the transcript has it. */
  private forgetEnded(): void {
    const live = this.live;
    if (!live?.ended) return;
    if (!this.isOpen(live)) this.live = null;
    this.onChange();
  }

  private isOpen(live: Live): boolean {
    return this.sync.open.some((turn) => turn.turn_id === live.turnId);
  }
}
