// One stream of the function, read by the AI SDK: opened with a message, or attached to the turn that is active.
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import type { Api } from "../api";
import type { TurnMessage, TurnNews } from "../types";

export class TurnStream {
  readonly chat: Chat<TurnMessage>;
  /** Resolves once the server has said which turn this is, or has ended the stream without. */
  readonly named: Promise<void>;
  turnId: string | null = null;
  ended = false;
  /** Why it broke, where it did not end by itself. */
  failure: unknown = null;
  /** Resolves at the end, however it came; never rejects. */
  done: Promise<void> = Promise.resolve();
  private readonly name: () => void;

  constructor(api: Api, conversation: string, onNews: (news: TurnNews) => void) {
    let name = () => {};
    this.named = new Promise((resolve) => (name = resolve));
    this.name = name;
    this.chat = new Chat<TurnMessage>({
      id: conversation,
      transport: new DefaultChatTransport<TurnMessage>({
        api: `${api.base}/`,
        fetch: api.fetch,
        headers: { Accept: "text/event-stream" },
        prepareSendMessagesRequest: ({ body, headers }) => ({ body: body ?? {}, headers }),
        prepareReconnectToStreamRequest: ({ headers }) => ({
          api: `${api.base}/conversations/${conversation}/stream`,
          headers,
        }),
      }),
      onData: (part) => {
        if (part.type !== "data-turn") return;
        this.turnId = part.data.turn_id;
        this.name();
        onNews(part.data);
      },
      onError: (error) => (this.failure = error),
    });
  }

  /** Sends a message and reads its answer. */
  send(text: string, body: Record<string, unknown>, key: string): this {
    return this.run(this.chat.sendMessage({ text }, { body, headers: { "Idempotency-Key": key } }));
  }

  /** Reads the answer of the turn that is active now, from its beginning. */
  attach(): this {
    return this.run(this.chat.resumeStream());
  }

  /** Stops reading. The turn goes on. */
  leave(): void {
    void this.chat.stop();
  }

  /** What the assistant has said so far. */
  get message(): TurnMessage | null {
    const last = this.chat.lastMessage;
    return last?.role === "assistant" ? last : null;
  }

  private run(request: Promise<void>): this {
    this.done = request
      .catch((error: unknown) => void (this.failure = error))
      .then(() => {
        this.ended = true;
        this.name();
      });
    return this;
  }
}
