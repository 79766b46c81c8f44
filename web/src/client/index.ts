// A client of the function that knows no framework: README.md beside this file says how to use it, example.ts shows it.
export { Api, type TokenSource } from "./api";
export { Conversation, type Hooks } from "./conversation";
export type { ConversationState } from "./conversation-state";
export { ApiError, SignedOut, Unreachable, isRefusal } from "./errors";
export type { OutboxMessage } from "./outbox";
export { type StreamPart, partsOf } from "./parts";
export type { TurnRecord } from "./turn-records";
export { TurnStream } from "./turn-stream";
export type * from "./types";
export { UserStorage } from "./user-storage";
