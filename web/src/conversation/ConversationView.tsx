import { useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Conversation, ConversationState, Line, StreamPart, Turn } from "../client";
import { LoadMore } from "../page/LoadMore";
import { MessagesSkeleton } from "../page/Skeleton";
import { Agents, nameOf } from "../page/agents";
import { announce } from "../page/attention";
import { useOnline } from "../page/online";
import { wordsFor } from "../page/words";
import { CallCards } from "./CallCards";
import { Composer, type Editing } from "./Composer";
import { EmptyConversation } from "./EmptyConversation";
import { type MessageActions, MessageList } from "./MessageList";
import { QueueStack } from "./QueueStack";
import { RatingsOf } from "./RateButtons";
import type { Drafts } from "./drafts";
import type { Ratings } from "./ratings";
import { useNewestFirst, useScrolling } from "./scrolling";
import { type UserMessage, queueOf, timelineOf } from "./timeline";

interface Properties {
  conversation: Conversation;
  drafts: Drafts;
  ratings: Ratings;
  starters: string[] | undefined;
}

export function ConversationView({ conversation, drafts, ratings, starters }: Properties) {
  const state = useSyncExternalStore(conversation.subscribe, conversation.snapshot);
  const streamed = useStreamed(state);
  const online = useOnline();
  const items = useMemo(() => timelineOf(state, streamed), [state, streamed, online]);
  const queue = useMemo(() => queueOf(state), [state, online]);
  const shown = useNewestFirst(items);
  const box = useRef<HTMLTextAreaElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const scrolling = useScrolling(scroller, items.at(-1)?.id);
  const [editing, setEditing] = useState<Editing | null>(null);
  const focusBox = useCallback(() => box.current?.focus({ preventScroll: true }), []);
  useEffect(focusBox, [conversation, focusBox]);

  const answered = state.lines.some((line) => line.role === "assistant");
  useEffect(() => {
    if (answered) void ratings.load();
  }, [answered, ratings]);
  useReading(conversation, state.loaded ? (state.detail?.unread ?? 0) : 0);

  const actions = useMemo<MessageActions>(
    () => ({
      onDiscard: (message) => {
        conversation.discard(message.key);
        focusBox();
      },
      onRetry: ({ text, retry }) => {
        if (retry) conversation.retry(retry.turn, text, retry.agent);
        focusBox();
      },
      onEdit: ({ turn, text }) => turn && setEditing({ turn, text, waits: false }),
      onAgain: ({ turn, asked }, agent) => {
        conversation.regenerate(turn, asked ?? "", agent);
        focusBox();
      },
    }),
    [conversation, focusBox],
  );
  const active = state.open.find((turn) => turn.position === 0);
  const stoppable = active && !active.cancel_requested && !state.cancelling.has(active.turn_id) ? active : null;
  const stop = () => {
    if (stoppable) void conversation.cancel(stoppable);
    focusBox();
  };
  useEscape(() => {
    if (editing) setEditing(null);
    else if (stoppable) stop();
  });

  async function saveEdit(text: string): Promise<void> {
    const { turn, waits } = editing!;
    setEditing(null);
    if (!waits) {
      conversation.replace(turn, text);
      scrolling.toEnd();
    } else if (!(await conversation.queue.edit(turn, text))) drafts.giveBack(conversation.id, text);
  }

  /** The last message of the reader's own: one that waits, else the one that was sent last. */
  async function editLast(): Promise<void> {
    const waiting = await conversation.queue.last();
    const now = timelineOf(conversation.snapshot(), NOTHING); // the wait for what was on its way may have changed it
    const sent = now.findLast((item): item is UserMessage => item.kind === "message" && item.turn !== null);
    if (waiting) setEditing(editingOf(waiting));
    else if (sent) setEditing({ turn: sent.turn!, text: sent.text, waits: false });
  }

  const empty = !items.length && !queue.length;
  return (
    <section className="chat" aria-label="Conversation">
      <div className="reading">
        <div className="scroller" ref={scroller} tabIndex={0} role="group" aria-label="Conversation so far">
          <div className="content">
            {empty && state.deleted && <p className="gone">This conversation has been deleted.</p>}
            {empty && state.loaded && !state.deleted && (
              <EmptyConversation
                starters={starters}
                onStart={(text) => {
                  drafts.set(conversation.id, text);
                  focusBox();
                }}
              />
            )}
            {empty && !state.loaded && <MessagesSkeleton />}
            {state.earlier && shown.length === items.length && (
              <LoadMore label="Earlier messages" count={items.length} onReached={() => conversation.readEarlier()} />
            )}
            <RatingsOf value={ratings}>
              <MessageList items={shown} actions={actions} />
            </RatingsOf>
            {stoppable?.status === "waiting" && (
              <CallCards
                turn={stoppable}
                onAnswer={async ({ call_id }, answer) => {
                  await conversation.answer(stoppable.turn_id, call_id, answer);
                  focusBox();
                }}
              />
            )}
          </div>
        </div>
        {scrolling.away && (
          <button type="button" className={scrolling.fresh ? "to-end fresh" : "to-end"} onClick={scrolling.toEnd}>
            {scrolling.fresh ? "Something new below" : "To the end"} <span aria-hidden="true">↓</span>
          </button>
        )}
      </div>
      <div className="foot">
        {(!online || !state.reachable) && (
          <p className="offline" role="status">
            {online
              ? "The server does not answer. Trying again; what you write is kept."
              : "You are offline. What you write is kept and sent when the connection is back."}
          </p>
        )}
        {state.refusal !== null && (
          <p className="notice" role="alert">
            {wordsFor(state.refusal)}
            <button
              type="button"
              className="text"
              onClick={() => {
                conversation.dismiss();
                focusBox();
              }}
            >
              Close<span className="hidden"> this notice</span>
            </button>
          </p>
        )}
        <QueueStack
          queue={queue}
          conversation={conversation}
          cancelling={state.cancelling}
          editing={editing?.turn ?? null}
          onEdit={(turn) => setEditing(editingOf(turn))}
          onDone={focusBox}
        />
        <Composer
          conversation={conversation.id}
          drafts={drafts}
          busy={online && (state.open.length > 0 || state.outbox.length > 0)}
          inCharge={state.agent}
          onStop={stoppable && stop}
          onSend={(text, strategy, agent) => {
            conversation.send(text, strategy, agent);
            scrolling.toEnd();
          }}
          editing={editing}
          onEdited={(text) => void saveEdit(text)}
          onLeaveEditing={() => setEditing(null)}
          onEditLast={() => void editLast()}
          box={box}
        />
      </div>
      <Announcer conversation={conversation.id} lines={state.loaded ? state.lines : null} />
    </section>
  );
}

const editingOf = ({ turn_id: turn, message: text }: Turn): Editing => ({ turn, text, waits: true });

const NOTHING: readonly StreamPart[] = [];
const subscribeToNothing = () => () => {};

/** What the present stream has said so far. */
function useStreamed({ stream }: ConversationState): readonly StreamPart[] {
  return useSyncExternalStore(stream?.subscribe ?? subscribeToNothing, stream?.snapshot ?? (() => NOTHING));
}

/** Answers count as read where the page is in sight. */
function useReading(conversation: Conversation, unread: number): void {
  useEffect(() => {
    if (!unread) return;
    const look = () => document.visibilityState === "visible" && void conversation.read();
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [conversation, unread]);
}

/** Escape, unless it closes something that is open above the page. */
function useEscape(onEscape: () => void): void {
  const latest = useRef(onEscape);
  latest.current = onEscape;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open], :popover-open")) return;
      latest.current();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Tells a screen reader, and a reader who is elsewhere, of each whole answer once; never of words as they trickle in. */
function Announcer({ conversation, lines }: { conversation: string; lines: Line[] | null }) {
  const agents = useContext(Agents);
  const heard = useRef<number | null>(null);
  const [words, setWords] = useState("");
  useEffect(() => {
    if (!lines) return;
    const last = lines.at(-1);
    const seq = last?.seq ?? 0;
    if (heard.current !== null && last?.role === "assistant" && last.text && seq > heard.current) {
      const name = nameOf(agents, last.agent);
      setWords(`${name} answers: ${last.text.slice(0, 300)}`);
      announce(conversation, name, last.text);
    }
    heard.current = seq;
  }, [conversation, lines, agents]);
  return (
    <p className="hidden" role="status" aria-live="polite">
      {words}
    </p>
  );
}
