// What can go wrong, in words that a person understands.

/** The function said no. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryable: boolean;
  readonly details: Record<string, unknown>;

  constructor(status: number, body: Record<string, unknown>) {
    super(typeof body.message === "string" ? body.message : "The server did not answer as expected.");
    this.status = status;
    this.code = typeof body.code === "string" ? body.code : "unexpected_answer";
    this.retryable = typeof body.retryable === "boolean" ? body.retryable : status >= 500;
    this.details = (body.details ?? {}) as Record<string, unknown>;
  }

  /** The turn that the answer is about: it was accepted, and this is its end. */
  get turnId(): string | null {
    const turn = this.details.turn as { turn_id?: unknown } | undefined;
    const id = turn?.turn_id ?? this.details.turn_id;
    return typeof id === "string" ? id : null;
  }
}

/** No answer came. */
export class Unreachable extends Error {}

/** The session is over and cannot be renewed. */
export class SignedOut extends Error {}

/** A no that stands. It may invite to try again, but when to do so is for the person to say. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && (error.status < 500 || !error.retryable) && error.status !== 408;
}

const WORDS: Record<string, string> = {
  run_in_progress: "The assistant is still working. Your message is back in the box.",
  rate_limited: "That was a lot of messages in one minute. Wait a moment, then send it again.",
  queue_full: "Too many messages wait in this conversation. Send it again when one of them has been answered.",
  too_many_open: "Too many of your messages wait to be answered. Send it again in a while.",
  context_too_long: "This conversation has become too long for the assistant. Please start a new one.",
  body_too_large: "This message is too long.",
  no_agents: "No assistant is set up here yet. Please tell the people who run this page.",
  unknown_agent: "This assistant is no longer there. Choose another one.",
  cancelled: "Stopped.",
  superseded: "Interrupted by a later message.",
  run_incomplete: "The answer was cut off.",
  empty_reply: "The assistant ended without an answer.",
  run_timeout: "The assistant took too long and was stopped.",
  run_expired: "The assistant took too long and was stopped.",
  turn_expired: "This message could not be answered in time.",
  provider_quota: "The AI service's quota is used up. Please tell the people who run this page.",
  provider_auth: "The AI service refuses this page's key. Please tell the people who run this page.",
  provider_model: "The AI service does not know this assistant's model. Please tell the people who run this page.",
  provider_rate_limited: "The AI service has too much to do. Try again in a moment.",
  provider_unavailable: "The AI service cannot be reached. Try again in a moment.",
  provider_unreachable: "The AI service cannot be reached. Try again in a moment.",
  store_unavailable: "The server has trouble with its database. Try again in a moment.",
  overloaded: "The server has too much to do. Try again in a moment.",
};

/** One sentence for an error code; `message` is the server's own, for codes that need none of ours. */
export function sentence(code: string, message = ""): string {
  const generic = /^(run|provider|thread|unknown_tool|unanswered|conversation|internal)/.test(code);
  return WORDS[code] ?? (generic || !message ? "The assistant could not answer this message." : message);
}

export function wordsFor(error: unknown): string {
  if (error instanceof ApiError) return sentence(error.code, error.message);
  if (error instanceof Unreachable) return "The server cannot be reached. Check your connection and try again.";
  if (error instanceof SignedOut) return "Your session is over. Please sign in again.";
  return error instanceof Error && error.message ? error.message : "Something went wrong.";
}
