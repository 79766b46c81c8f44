// What the reader thinks of answers: rows of `chat_feedback`, which people read and write with their own token, each
// their own alone.
import type { TokenSource } from "../client";

const ANSWER_MS = 20_000;

export interface Rating {
  good: boolean;
  comment: string | null;
}

interface Row extends Rating {
  turn_id: string;
}

/** The ratings of one conversation. */
export class Ratings {
  private known: ReadonlyMap<string, Rating> = new Map();
  private readonly listeners = new Set<() => void>();
  private readonly table: string;
  private readonly apikey: string;
  private readonly token: TokenSource;
  private readonly conversation: string;

  constructor(supabaseUrl: string, apikey: string, token: TokenSource, conversation: string) {
    this.table = `${supabaseUrl.replace(/\/+$/, "")}/rest/v1/chat_feedback`;
    this.apikey = apikey;
    this.token = token;
    this.conversation = conversation;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  of(turn: string): Rating | undefined {
    return this.known.get(turn);
  }

  /** Reads them. Where that fails, what one says next is written all the same. */
  async load(): Promise<void> {
    const query = `select=turn_id,good,comment&conversation_id=eq.${this.conversation}`;
    const answer = await this.call("GET", query).catch(() => null);
    if (!answer) return;
    const rows = (await answer.json()) as Row[];
    this.show(new Map([...rows.map(({ turn_id, ...rating }) => [turn_id, rating] as const), ...this.known]));
  }

  /** Shows a rating at once and writes it; null takes it back. Throws where it could not be written, and shows what was. */
  async rate(turn: string, rating: Rating | null): Promise<void> {
    const before = this.known.get(turn) ?? null;
    this.put(turn, rating);
    try {
      const row = { turn_id: turn, conversation_id: this.conversation, ...rating };
      await (rating ? this.call("POST", "on_conflict=turn_id", row) : this.call("DELETE", `turn_id=eq.${turn}`));
    } catch (error) {
      this.put(turn, before);
      throw error;
    }
  }

  private put(turn: string, rating: Rating | null): void {
    const now = new Map(this.known);
    if (rating) now.set(turn, rating);
    else now.delete(turn);
    this.show(now);
  }

  private show(ratings: ReadonlyMap<string, Rating>): void {
    this.known = ratings;
    for (const listener of this.listeners) listener();
  }

  private async call(method: string, query: string, row?: object): Promise<Response> {
    const headers = new Headers({ apikey: this.apikey, Authorization: `Bearer ${await this.token(false)}` });
    if (row) headers.set("Content-Type", "application/json");
    if (row) headers.set("Prefer", "resolution=merge-duplicates");
    const body = row ? JSON.stringify(row) : undefined;
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetch(`${this.table}?${query}`, { method, headers, body, signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`The rating was not taken: ${answer.status}.`);
    return answer;
  }
}
