import { useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Conversation, ConversationState, Line, StreamPart, Turn } from "../client";
import { MessagesSkeleton } from "../page/Skeleton";
import { Agents, nameOf } from "../page/agents";
import { announce } from "../page/attention";
import { useOnline } from "../page/online";
import { wordsFor } from "../page/words";
import { Composer } from "./Composer";
import { EmptyConversation } from "./EmptyConversation";
import { type MessageActions, MessageList } from "./MessageList";
import { QueueStack } from "./QueueStack";
import type { Drafts } from "./drafts";
import { useNewestFirst, useScrolling } from "./scrolling";
import { queueOf, timelineOf } from "./timeline";

interface Properties {
  conversation: Conversation;
  drafts: Drafts;
  starters: string[] | undefined;
  onTitle: (id: string, text: string) => void;
}

export function ConversationView({ conversation, drafts, starters, onTitle }: Properties) {
  const state = useSyncExternalStore(conversation.subscribe, conversation.snapshot);
  const streamed = useStreamed(state);
  const online = useOnline();
  const items = useMemo(() => timelineOf(state, streamed), [state, streamed, online]);
  const queue = useMemo(() => queueOf(state), [state, online]);
  const shown = useNewestFirst(items);
  const box = useRef<HTMLTextAreaElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const scrolling = useScrolling(scroller, items.at(-1)?.id);
  const [editing, setEditing] = useState<Turn | null>(null);
  const focusBox = useCallback(() => box.current?.focus({ preventScroll: true }), []);
  useEffect(focusBox, [conversation, focusBox]);

  const begun = state.open[0]?.message ?? state.outbox[0]?.text;
  const first = state.lines[0]?.text ?? (state.loaded ? begun : undefined);
  useEffect(() => {
    if (first) onTitle(conversation.id, first);
  }, [conversation.id, first, onTitle]);

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
    const turn = editing!;
    setEditing(null);
    if (!(await conversation.edit(turn.turn_id, text))) drafts.giveBack(conversation.id, text);
  }

  const empty = !items.length && !queue.length;
  return (
    <section className="chat" aria-label="Conversation">
      <div className="reading">
        <div className="scroller" ref={scroller} tabIndex={0} role="group" aria-label="Conversation so far">
          <div className="content">
            {empty && state.loaded && (
              <EmptyConversation
                starters={starters}
                onStart={(text) => {
                  drafts.set(conversation.id, text);
                  focusBox();
                }}
              />
            )}
            {empty && !state.loaded && <MessagesSkeleton />}
            <MessageList items={shown} actions={actions} />
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
          editing={editing?.turn_id ?? null}
          onEdit={setEditing}
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
          onEditLast={() => void conversation.lastWaiting().then(setEditing)}
          box={box}
        />
      </div>
      <Announcer lines={state.loaded ? state.lines : null} />
    </section>
  );
}

const NOTHING: readonly StreamPart[] = [];
const subscribeToNothing = () => () => {};

/** What the present stream has said so far. */
function useStreamed({ stream }: ConversationState): readonly StreamPart[] {
  return useSyncExternalStore(stream?.subscribe ?? subscribeToNothing, stream?.snapshot ?? (() => NOTHING));
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
function Announcer({ lines }: { lines: Line[] | null }) {
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
      announce(name, last.text);
    }
    heard.current = seq;
  }, [lines, agents]);
  return (
    <p className="hidden" role="status" aria-live="polite">
      {words}
    </p>
  );
}
