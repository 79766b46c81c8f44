// What can go wrong between this page and the function, as types.

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

/** No answer came, or one broke off. */
export class Unreachable extends Error {}

/** The session is over and cannot be renewed. */
export class SignedOut extends Error {}

/** A no that stands. It may invite to try again, but when to do so is for the person to say. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ApiError && (error.status < 500 || !error.retryable) && error.status !== 408;
}
