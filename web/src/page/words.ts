// What went wrong, in words that a person understands.
import { ApiError, SignedOut, Unreachable } from "../client";

const WORDS: Record<string, string> = {
  run_in_progress: "The assistant is still working. Your message is back in the box.",
  already_started: "This message is being answered already. Your change is in the box.",
  rate_limited: "That was a lot of messages in one minute. Wait a moment, then send it again.",
  queue_full: "Too many messages wait in this conversation. Send it again when one of them has been answered.",
  too_many_open: "Too many of your messages wait to be answered. Send it again in a while.",
  context_too_long: "This conversation has become too long for the assistant. Please start a new one.",
  body_too_large: "This message is too long. Shorten it, or send it in parts.",
  invalid_request: "This message cannot be sent as it is. It may be too long, or hold unusual characters.",
  content_flagged: "The provider's rules do not allow what was said. Please put it differently.",
  unsupported_reply: "The assistant answered with something that is no text, such as an image, which is not shown here.",
  no_agents: "No assistant is set up here yet. Please tell the people who run this page.",
  unknown_agent: "This assistant is no longer there. Choose another one.",
  handoff_limit: "The assistants handed the message on too often.",
  handoff_loop: "The assistants handed the message round in a circle.",
  tool_limit: "The assistant used too many tools.",
  already_answered: "This has been answered already.",
  not_found: "This is no longer there.",
  conversation_archived: "This conversation is closed.",
  conversation_deleted: "This conversation has been deleted. Please start a new one.",
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

/** One sentence for how a turn failed. */
export function sentence(code: string): string {
  return WORDS[code] ?? "The assistant could not answer this message.";
}

/** One sentence for why something that a person asked for was not done. */
export function wordsFor(error: unknown): string {
  if (error instanceof ApiError) return WORDS[error.code] ?? "The server could not do this. Try again in a moment.";
  if (error instanceof Unreachable) return "The server cannot be reached. Check your connection and try again.";
  if (error instanceof SignedOut) return "Your session is over. Please sign in again.";
  return "Something went wrong.";
}
