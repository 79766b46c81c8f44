// Calls of the function with the user's token. Each answer that is no success is thrown as a typed error.
import { ApiError, SignedOut, Unreachable } from "./errors";
import type { Agent, CallAnswer, ConversationChange, ConversationDetail, ConversationRow, Ending, Line, Selection, Turn } from "./types";

const ANSWER_MS = 20_000; // for an answer that waits for nothing
const EVERYTHING_MS = 180_000; // for all that a user has: the server works on it as long as on a turn
const CANCEL_MS = 40_000; // a cancel is answered when it has taken effect
const IMAGE_MS = 60_000;
const END = 2 ** 31 - 1; // a line's number behind every line

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

  /** Says what a person says to a call that waits. Throws ApiError `already_answered` the second time. */
  answer(turn: string, call: string, answer: CallAnswer): Promise<Turn> {
    return this.send("POST", `/turns/${turn}/answers`, { call_id: call, ...answer });
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
  async conversations(
    limit: number,
    before: string | null = null,
    { q = "", archived = false }: Selection = {},
  ): Promise<[ConversationRow[], string | null]> {
    const query = new URLSearchParams({ limit: String(limit) });
    if (before) query.set("before", before);
    if (q) query.set("q", q);
    if (archived) query.set("archived", "true");
    const path = `/conversations?${query.toString()}`;
    const page = await this.json<{ conversations: ConversationRow[]; next_before: string | null }>(path);
    return [page.conversations, page.next_before];
  }

  /** Renames a conversation, closes it or opens it again, or says how far it was read. */
  change(conversation: string, patch: ConversationChange): Promise<ConversationRow> {
    return this.send("PATCH", `/conversations/${conversation}`, patch);
  }

  /**
   * Makes ready to delete a conversation. The call that is returned needs nothing more: it is sent also by a page that is
   * being left.
   */
  async removal(conversation: string): Promise<() => Promise<void>> {
    const headers = { Authorization: `Bearer ${await this.token(false)}` };
    const init = { method: "DELETE", headers, keepalive: true };
    return async () => {
      const answer = await fetch(`${this.base}/conversations/${conversation}`, init).catch(() => null);
      if (!answer) throw new Unreachable();
      if (!answer.ok && answer.status !== 404) throw new ApiError(answer.status, {});
    };
  }

  /** All of the user's conversations, as the text of one JSON file. */
  async exported(): Promise<string> {
    return (await this.fetch("/me/export", { signal: AbortSignal.timeout(EVERYTHING_MS) })).text();
  }

  /** Deletes all of the user's conversations, as each of them is deleted. What an attempt left over, the next one deletes. */
  async deleteEverything(): Promise<void> {
    await this.fetch("/me", { method: "DELETE", signal: AbortSignal.timeout(EVERYTHING_MS) });
  }

  /** The bytes of an image, by the address that answers give of it. */
  async image(url: string): Promise<Blob> {
    return (await this.fetch(url, { signal: AbortSignal.timeout(IMAGE_MS) })).blob();
  }

  /** The whole transcript as Markdown. */
  async markdown(conversation: string): Promise<string> {
    const init = { headers: { Accept: "text/markdown" }, signal: AbortSignal.timeout(ANSWER_MS) };
    return (await this.fetch(`/conversations/${conversation}/messages`, init)).text();
  }

  async agents(): Promise<Agent[]> {
    return (await this.json<{ agents: Agent[] }>("/agents")).agents;
  }

  /** Lines of the transcript before a number, the last ones; and before which number there are more, null at its beginning. */
  async lines(conversation: string, limit: number, before = END): Promise<[Line[], number | null]> {
    const path = `/conversations/${conversation}/messages?limit=${limit}&before_seq=${before}`;
    const page = await this.json<{ messages: Line[]; next_before_seq: number | null }>(path);
    return [page.messages, page.next_before_seq];
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
