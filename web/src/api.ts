// Calls of the function with the user's token. Each answer that is no success is thrown as a typed error.
import { ApiError, SignedOut, Unreachable } from "./errors";
import type { Agent, ConversationDetail, ConversationRow, Ending, Line, Turn } from "./types";

const ANSWER_MS = 20_000; // for an answer that waits for nothing
const SILENCE_MS = 45_000; // a stream sends a comment every 15 seconds when it has nothing to say
const PAGE = 100;

/** The token for the next call; `renewed` asks for another one than the last. */
export type TokenSource = (renewed: boolean) => Promise<string>;

export class Api {
  readonly base: string;
  private readonly token: TokenSource;

  constructor(base: string, token: TokenSource) {
    this.base = base;
    this.token = token;
  }

  /** `fetch` with a token. Throws ApiError, Unreachable, SignedOut, and AbortError when told to stop. */
  readonly fetch: typeof fetch = async (input, init) => {
    let answer = await this.attempt(input, init, false);
    if (answer.status === 401) answer = await this.attempt(input, init, true);
    if (answer.status === 401) throw new SignedOut();
    if (answer.ok) return watched(answer);
    throw new ApiError(answer.status, (await answer.json().catch(() => ({}))) as Record<string, unknown>);
  };

  private async attempt(input: RequestInfo | URL, init: RequestInit | undefined, renewed: boolean): Promise<Response> {
    const headers = new Headers(init?.headers);
    headers.set("Authorization", `Bearer ${await this.token(renewed)}`);
    try {
      return await fetch(input, { ...init, headers });
    } catch (error) {
      if (init?.signal?.aborted && !isTimeout(init.signal.reason)) throw error;
      throw new Unreachable();
    }
  }

  private async json<T>(path: string, init: RequestInit = {}, milliseconds = ANSWER_MS): Promise<T> {
    const signal = AbortSignal.timeout(milliseconds);
    const answer = await this.fetch(this.base + path, { ...init, signal, cache: "no-store" });
    try {
      return (await answer.json()) as T;
    } catch {
      throw new Unreachable(); // it broke off
    }
  }

  /** Hands a message in and does not wait for its answer. */
  submit(body: Record<string, unknown>, key: string): Promise<{ turn_id: string }> {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    return this.json("/", { method: "POST", headers, body: JSON.stringify({ ...body, wait_seconds: 0 }) });
  }

  cancel(turn: string): Promise<Turn> {
    return this.json(`/turns/${turn}/cancel`, { method: "POST" }, 40_000);
  }

  turn(id: string, waitSeconds = 0): Promise<Turn> {
    return this.json(`/turns/${id}?wait_seconds=${waitSeconds}`, {}, ANSWER_MS + waitSeconds * 1000);
  }

  /** How a turn ended; null while it has not. One that was displaced is told of as an error. */
  async ending(id: string): Promise<Ending | null> {
    try {
      const turn = await this.turn(id);
      return ["completed", "failed", "cancelled"].includes(turn.status) ? turn : null;
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "superseded")) throw error;
      return { status: "cancelled", superseded_by: String(error.details.superseded_by), error: null, handoffs: [] };
    }
  }

  conversation(id: string): Promise<ConversationDetail> {
    return this.json(`/conversations/${id}`);
  }

  async conversations(): Promise<ConversationRow[]> {
    return (await this.json<{ conversations: ConversationRow[] }>("/conversations?limit=30")).conversations;
  }

  async agents(): Promise<Agent[]> {
    return (await this.json<{ agents: Agent[] }>("/agents")).agents;
  }

  /** The transcript from behind `after` to its end. */
  async lines(conversation: string, after: number): Promise<Line[]> {
    const found: Line[] = [];
    for (let next: number | null = after; next !== null; ) {
      const path = `/conversations/${conversation}/messages?limit=${PAGE}&after_seq=${next}`;
      const page: { messages: Line[]; next_after_seq: number | null } = await this.json(path);
      found.push(...page.messages);
      next = page.next_after_seq;
    }
    return found;
  }

  /** What a conversation began with. */
  async firstWords(conversation: string): Promise<string> {
    const path = `/conversations/${conversation}/messages?limit=1`;
    return (await this.json<{ messages: Line[] }>(path)).messages[0]?.text ?? "";
  }
}

const isTimeout = (reason: unknown) => reason instanceof DOMException && reason.name === "TimeoutError";

/** An event stream that breaks when it has been silent for too long: the other end is gone without a word. */
function watched(answer: Response): Response {
  if (!answer.body || !answer.headers.get("Content-Type")?.startsWith("text/event-stream")) return answer;
  let timer = 0;
  const body = answer.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      start: (controller) => restart(controller),
      transform(chunk, controller) {
        restart(controller);
        controller.enqueue(chunk);
      },
      flush: () => clearTimeout(timer),
    }),
  );
  function restart(controller: TransformStreamDefaultController<Uint8Array>): void {
    clearTimeout(timer);
    timer = window.setTimeout(() => controller.error(new TypeError("network silence")), SILENCE_MS);
  }
  return new Response(body, answer);
}
