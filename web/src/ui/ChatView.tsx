import { useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { Agents, nameOf } from "../agents";
import type { Conversation } from "../chat/conversation";
import { timelineOf } from "../chat/timeline";
import { Composer } from "./Composer";
import { type Actions, MessageList } from "./MessageList";

export function ChatView({ conversation }: { conversation: Conversation }) {
  const state = useSyncExternalStore(conversation.subscribe, conversation.snapshot);
  const items = useMemo(() => timelineOf(state), [state]);
  const box = useRef<HTMLTextAreaElement>(null);
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => box.current?.focus({ preventScroll: true }), [conversation]);
  useEffect(() => {
    const noted = () => setOnline(navigator.onLine);
    addEventListener("online", noted);
    addEventListener("offline", noted);
    return () => {
      removeEventListener("online", noted);
      removeEventListener("offline", noted);
    };
  }, []);
  const actions = useMemo<Actions>(
    () => ({
      onCancel: (turn) => {
        void conversation.cancel(turn);
        box.current?.focus();
      },
      onDiscard: (item) => {
        conversation.discard(item.key);
        box.current?.focus();
      },
      onAgain: (text) => {
        conversation.send(text, "enqueue", null);
        box.current?.focus();
      },
    }),
    [conversation],
  );
  const active = state.open.find((turn) => turn.position === 0);
  const stoppable = active && !active.cancel_requested && !state.cancelling.has(active.turn_id) ? active : null;
  const busy = state.open.length > 0 || state.outbox.length > 0;
  return (
    <section className="chat" aria-label="Conversation">
      <div className="scroller" tabIndex={-1}>
        {!items.length && state.loaded && <Empty />}
        <MessageList items={items} actions={actions} />
      </div>
      <div className="foot">
        {(!online || state.unreachable) && (
          <p className="offline" role="status">
            {online
              ? "The server does not answer. Trying again; what you write is kept."
              : "You are offline. What you write is kept and sent when the connection is back."}
          </p>
        )}
        {state.notice && (
          <p className="notice" role="alert">
            {state.notice}
            <button type="button" className="text" onClick={() => conversation.dismiss()}>
              Close<span className="hidden"> this notice</span>
            </button>
          </p>
        )}
        <Composer
          conversation={conversation.id}
          busy={busy}
          onStop={stoppable && (() => actions.onCancel(stoppable))}
          onSend={(text, strategy, agent) => conversation.send(text, strategy, agent)}
          box={box}
        />
      </div>
      <Announcer lines={state.loaded ? state.lines : null} />
    </section>
  );
}

function Empty() {
  const agents = useContext(Agents);
  return (
    <div className="empty">
      <h2>What shall we make?</h2>
      <p>Write as many messages as you like, as fast as you like. They are answered in order.</p>
      {agents.length > 0 && <p className="team">Here for you: {agents.map((agent) => agent.name).join(", ")}.</p>}
    </div>
  );
}

type Lines = ReturnType<Conversation["snapshot"]>["lines"];

/** Tells a screen reader of each whole answer, once; never of words as they trickle in. */
function Announcer({ lines }: { lines: Lines | null }) {
  const agents = useContext(Agents);
  const heard = useRef<number | null>(null);
  const [words, setWords] = useState("");
  useEffect(() => {
    if (!lines) return;
    const last = lines.at(-1);
    const seq = last?.seq ?? 0;
    if (heard.current !== null && last?.role === "assistant" && seq > heard.current) {
      setWords(`${nameOf(agents, last.agent)} answers: ${last.text.slice(0, 300)}`);
    }
    heard.current = seq;
  }, [lines, agents]);
  return (
    <p className="hidden" role="status" aria-live="polite">
      {words}
    </p>
  );
}
