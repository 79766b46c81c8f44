// A client of the function that knows no framework. Copy this folder into an app of your own; it needs one package,
// `eventsource-parser`, and a browser.
//
//   const api = new Api("https://…/multi-agent-chat", async () => token);
//   const hooks = { onSignedOut() {}, onChanged() {}, onReturned(text) { box.value = text; } };
//   const chat = new Conversation(api, crypto.randomUUID(), new UserStorage(userId), hooks);
//   chat.subscribe(() => draw(chat.snapshot()));       // lines, open turns, what is on its way
//   chat.open();                                       // reads, follows, resumes after a reload or a broken line
//   chat.send("Hello");                                // kept and sent again until the server has it, once
//   chat.send("and this", "interrupt");                // or "enqueue", "coalesce", "reject"
//   chat.answer(turnId, callId, { approve: true });    // or { output: "what was asked for" }
//   chat.replace(turnId, "edited"); chat.regenerate(turnId, text, "another_agent");
//   chat.cancel(turn); chat.edit(turn.turn_id, "…"); chat.takeBack(turn); chat.sendNow(turn);
//
// What is being said at the moment is in `snapshot().stream`: a TurnStream, with a subscribe and a snapshot of its own.
export { Api, type TokenSource } from "./api";
export { Conversation, type ConversationState, type Hooks } from "./conversation";
export { ApiError, SignedOut, Unreachable, isRefusal } from "./errors";
export type { OutboxMessage } from "./outbox";
export { type StreamPart, partsOf } from "./parts";
export type { TurnRecord } from "./turn-records";
export { TurnStream } from "./turn-stream";
export type * from "./types";
export { UserStorage } from "./user-storage";
