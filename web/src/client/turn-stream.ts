// One event stream of the function: opened with a message, or attached to the turn that is active. The frames are the
// AI SDK's "UI message stream": `data:` lines of JSON, each with a `type`. Types that are not known here are passed over.
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { Api } from "./api";
import { ApiError, Unreachable } from "./errors";
import type { StreamPart } from "./parts";
import type { Handoff, Image, ToolCall, TurnNews } from "./types";

const SILENCE_MS = 45_000; // a stream sends a comment every 15 seconds when it has nothing to say
const REDRAW_MS = 60;

interface Frame {
  type: string;
  id?: string;
  delta?: string;
  data?: unknown;
  toolCallId?: string;
  toolName?: string;
  input?: unknown;
  output?: unknown;
  errorText?: string;
  sourceId?: string;
  url?: string;
  title?: string;
  mediaType?: string;
  providerMetadata?: Record<string, Image>;
}

export class TurnStream {
  /** What has been said, used and handed over, in order. Each change makes a new list. */
  parts: readonly StreamPart[] = [];
  news: TurnNews | null = null;
  turnId: string | null = null;
  ended = false;
  /** Why it broke, or what the server said had gone wrong. */
  failure: unknown = null;
  /** Resolves once the server has said which turn this is, or has ended the stream without. */
  readonly named: Promise<void>;
  /** Resolves at the end, however it came; never rejects. */
  done: Promise<void> = Promise.resolve();
  private name = () => {};
  private timer: ReturnType<typeof setTimeout> | null = null;
  private finished = false;
  private readonly leaving = new AbortController();
  private readonly listeners = new Set<() => void>();
  private readonly api: Api;
  private readonly onNews: (news: TurnNews) => void;

  constructor(api: Api, onNews: (news: TurnNews) => void) {
    this.api = api;
    this.onNews = onNews;
    this.named = new Promise((resolve) => (this.name = resolve));
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): readonly StreamPart[] => this.parts;

  /** Sends a message and reads its answer. */
  send(body: Record<string, unknown>, key: string): this {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
    return this.start("/", { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** Reads the answer of the turn that is active now, from its beginning. */
  attach(conversation: string): this {
    return this.start(`/conversations/${conversation}/stream`, {});
  }

  /** Stops reading. The turn goes on. */
  leave(): void {
    this.leaving.abort();
  }

  private start(path: string, init: RequestInit): this {
    this.done = this.read(path, init)
      .catch((error: unknown) => {
        if (!this.leaving.signal.aborted) this.failure = error instanceof TypeError ? new Unreachable() : error;
      })
      .then(() => {
        this.ended = true;
        this.name();
        this.redraw();
      });
    return this;
  }

  private async read(path: string, init: RequestInit): Promise<void> {
    const headers = { ...(init.headers as Record<string, string>), Accept: "text/event-stream" };
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException("no answer", "TimeoutError")), SILENCE_MS);
    const signal = AbortSignal.any([this.leaving.signal, late.signal]);
    const answer = await this.api.fetch(path, { ...init, headers, signal }).finally(() => clearTimeout(timer));
    if (answer.status === 204 || !answer.body) return; // nothing is being answered
    const events = answer.body
      .pipeThrough(silenceLimit())
      .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
      .pipeThrough(new EventSourceParserStream());
    const reader = events.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (next.value.data !== "[DONE]") this.take(JSON.parse(next.value.data) as Frame);
    }
    if (!this.finished) throw new Unreachable(); // it broke off
  }

  private take(frame: Frame): void {
    switch (frame.type) {
      case "text-start":
        return this.put({ kind: "text", id: frame.id!, text: "" });
      case "text-delta":
        return this.change("text", frame.id!, (part) => ({ ...part, text: part.text + frame.delta! }));
      case "tool-input-available": {
        const call: ToolCall = { call_id: frame.toolCallId!, name: frame.toolName!, input: frame.input, state: "open" };
        return this.put({ kind: "tool", id: call.call_id, call });
      }
      case "tool-output-available":
      case "tool-output-error": {
        const failed = frame.type === "tool-output-error";
        const outcome = { state: failed ? "failed" : "done", output: failed ? frame.errorText : frame.output } as const;
        return this.change("tool", frame.toolCallId!, (part) => ({ ...part, call: { ...part.call, ...outcome } }));
      }
      case "source-url":
      case "source-document": {
        const { url, title } = frame;
        return this.put({ kind: "source", id: frame.sourceId!, source: { url, title } });
      }
      case "file": {
        const image = { ...frame.providerMetadata!["multi-agent-chat"]!, url: frame.url, media_type: frame.mediaType };
        return this.put({ kind: "image", id: image.image_id, image });
      }
      case "data-image":
        return this.put({ kind: "image", id: frame.id!, image: frame.data as Image });
      case "data-handoff":
        return this.put({ kind: "handoff", id: frame.id!, handoff: frame.data as Handoff });
      case "data-steered":
        this.put({ kind: "steered", id: frame.id!, text: (frame.data as { text: string }).text });
        if (this.news) this.onNews(this.news); // it waits no more
        return;
      case "data-turn":
        return this.told(frame.data as TurnNews);
      case "data-error":
        this.failure = new ApiError(500, frame.data as Record<string, unknown>);
        return;
      case "error":
        this.failure ??= new ApiError(500, { message: frame.errorText });
        return;
      case "finish":
        this.finished = true;
    }
  }

  private told(news: TurnNews): void {
    this.news = news;
    this.turnId = news.turn_id;
    this.name();
    this.onNews(news);
    this.redraw();
  }

  private put(part: StreamPart): void {
    this.parts = [...this.parts, part];
    this.redraw();
  }

  private change<K extends StreamPart["kind"]>(
    kind: K,
    id: string,
    changed: (part: Extract<StreamPart, { kind: K }>) => StreamPart,
  ): void {
    const at = this.parts.findLastIndex((part) => part.kind === kind && part.id === id);
    if (at < 0) return;
    const parts = [...this.parts];
    parts[at] = changed(parts[at] as Extract<StreamPart, { kind: K }>);
    this.parts = parts;
    this.redraw();
  }

  /** Tells the listeners, at most once in REDRAW_MS however many frames come. */
  private redraw(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      for (const listener of this.listeners) listener();
    }, this.ended ? 0 : REDRAW_MS);
  }
}

/** Breaks a stream that has been silent for too long: the other end is gone without a word. */
function silenceLimit(): TransformStream<Uint8Array, Uint8Array> {
  let timer: ReturnType<typeof setTimeout>;
  const restart = (controller: TransformStreamDefaultController<Uint8Array>) => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.error(new Unreachable()), SILENCE_MS);
  };
  return new TransformStream({
    start: restart,
    transform(chunk, controller) {
      restart(controller);
      controller.enqueue(chunk);
    },
    flush: () => clearTimeout(timer),
  });
}
