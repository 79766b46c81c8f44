// Calls of the function with the user's token. Each answer that is no success is thrown as a typed error.
import { ApiError, SignedOut, Unreachable } from "./errors";
import type { Agent, ConversationDetail, ConversationRow, Ending, Line, Turn } from "./types";

const ANSWER_MS = 20_000; // for an answer that waits for nothing
const CANCEL_MS = 40_000; // a cancel is answered when it has taken effect
const PAGE = 100; // the most that the server gives at once

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
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    let answer = await this.attempt(path, init, false);
    if (answer.status === 401) answer = await this.attempt(path, init, true);
    if (answer.status === 401) throw new SignedOut();
    if (answer.ok) return answer;
    throw new ApiError(answer.status, (await answer.json().catch(() => ({}))) as Record<string, unknown>);
  }

  private async attempt(path: string, init: RequestInit, renewed: boolean): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${await this.token(renewed)}`);
    try {
      return await fetch(this.base + path, { ...init, headers, cache: "no-store" });
    } catch (error) {
      if (init.signal?.aborted && !isTimeout(init.signal.reason)) throw error;
      throw new Unreachable();
    }
  }

  private async json<T>(path: string, init: RequestInit = {}, milliseconds = ANSWER_MS): Promise<T> {
    const answer = await this.fetch(path, { ...init, signal: AbortSignal.timeout(milliseconds) });
    try {
      return (await answer.json()) as T;
    } catch {
      throw new Unreachable(); // it broke off
    }
  }

  private send<T>(method: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
    const init = { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
    return this.json(path, init);
  }

  /** Hands a message in and does not wait for its answer. */
  submit(body: Record<string, unknown>, key: string): Promise<{ turn_id: string }> {
    return this.send("POST", "/", { ...body, wait_seconds: 0 }, { "Idempotency-Key": key });
  }

  /** Changes a message that waits. Throws ApiError `already_started` once it is being answered. */
  edit(turn: string, message: string): Promise<Turn> {
    return this.send("PATCH", `/turns/${turn}`, { message });
  }

  cancel(turn: string): Promise<Turn> {
    return this.json(`/turns/${turn}/cancel`, { method: "POST" }, CANCEL_MS);
  }

  turn(id: string, waitSeconds = 0): Promise<Turn> {
    return this.json(`/turns/${id}?wait_seconds=${waitSeconds}`, {}, ANSWER_MS + waitSeconds * 1000);
  }

  /** How a turn ended; null while it has not. One that was displaced is told of as an error. */
  async ending(id: string): Promise<Ending | null> {
    try {
      const turn = await this.turn(id);
      return ["completed", "failed", "cancelled"].includes(turn.status) ? endingOf(turn) : null;
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "superseded")) throw error;
      const turn = (error.details.turn ?? {}) as Partial<Turn>;
      const superseded_by = String(error.details.superseded_by);
      return endingOf({ ...turn, status: "cancelled", superseded_by });
    }
  }

  conversation(id: string): Promise<ConversationDetail> {
    return this.json(`/conversations/${id}`);
  }

  /** A page of the list, the newest first, from behind `before`; and where the next page begins, null at the end. */
  async conversations(limit: number, before: string | null = null): Promise<[ConversationRow[], string | null]> {
    const path = `/conversations?limit=${limit}${before ? `&before=${before}` : ""}`;
    const page = await this.json<{ conversations: ConversationRow[]; next_before: string | null }>(path);
    return [page.conversations, page.next_before];
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

function endingOf(turn: Partial<Turn> & Pick<Turn, "status">): Ending {
  const handoffs = turn.handoffs ?? [];
  const agent = turn.agent ?? null;
  return {
    status: turn.status,
    superseded_by: turn.superseded_by ?? null,
    error: turn.error ?? null,
    partial: turn.partial ?? null,
    finished_at: turn.finished_at ?? null,
    handoffs,
    asked: handoffs[0]?.from ?? turn.runs?.[0]?.agent ?? agent,
    agent,
  };
}
