import { memo, useEffect, useLayoutEffect, useRef, type ReactNode } from "react";
import type { Outgoing } from "../chat/outbox";
import type { Asked, Item } from "../chat/view";
import type { Turn } from "../types";
import { LiveReply } from "./LiveReply";
import { HandoffLine, Said, Thinking } from "./Said";
import { ToolLine } from "./ToolLine";

export interface Actions {
  onCancel: (turn: Turn) => void;
  onDiscard: (item: Outgoing) => void;
  onAgain: (text: string) => void;
}

const NEAR_PX = 120;

export function MessageList({ items, actions }: { items: Item[]; actions: Actions }) {
  const list = useRef<HTMLOListElement>(null);
  const near = useRef(true);
  const end = items.at(-1)?.id;
  // A new message is scrolled to; a growing answer only for somebody who is at its end already.
  useLayoutEffect(() => {
    const box = list.current?.parentElement;
    if (box) box.scrollTop = box.scrollHeight;
  }, [end]);
  useEffect(() => {
    const box = list.current?.parentElement;
    if (!box || !list.current) return;
    const noted = () => (near.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX);
    const grown = new ResizeObserver(() => near.current && (box.scrollTop = box.scrollHeight));
    box.addEventListener("scroll", noted, { passive: true });
    grown.observe(list.current);
    return () => {
      box.removeEventListener("scroll", noted);
      grown.disconnect();
    };
  }, []);
  return (
    <ol className="messages" aria-label="Messages" ref={list}>
      {items.map((item) => (
        <li key={item.id} className={item.kind}>
          {shown(item, actions)}
        </li>
      ))}
    </ol>
  );
}

function shown(item: Item, actions: Actions): ReactNode {
  switch (item.kind) {
    case "asked":
      return <AskedMessage asked={item} actions={actions} />;
    case "said":
      return <SaidOnce agent={item.agent} text={item.text} partial={item.partial} />;
    case "handoff":
      return <HandoffLine handoff={item.handoff} />;
    case "tools":
      return item.calls.map((part) => <ToolLine key={part.toolCallId} part={part} />);
    case "live":
      return <LiveReply live={item.live} agent={item.agent} cancelling={item.cancelling} />;
    case "thinking":
      return <Thinking agent={item.agent} cancelling={item.cancelling} />;
  }
}

const SaidOnce = memo(Said);

function AskedMessage({ asked, actions }: { asked: Asked; actions: Actions }) {
  const { turn, unsent, again } = asked;
  const queued = turn !== null && turn.position > 0 && !turn.cancel_requested;
  return (
    <>
      <p className="bubble">
        <span className="hidden">You: </span>
        {asked.text}
      </p>
      {(asked.words || queued || unsent || again) && (
        <p className={`state ${asked.tone}`}>
          {asked.words}
          {queued && <TextButton onClick={() => actions.onCancel(turn)} label="Remove" of={asked.text} />}
          {unsent && <TextButton onClick={() => actions.onDiscard(unsent)} label="Take back" of={asked.text} />}
          {again && <TextButton onClick={() => actions.onAgain(again)} label="Try again" of={asked.text} />}
        </p>
      )}
    </>
  );
}

function TextButton({ onClick, label, of }: { onClick: () => void; label: string; of: string }) {
  return (
    <button type="button" className="text" onClick={onClick} aria-label={`${label}: ${of.slice(0, 60)}`}>
      {label}
    </button>
  );
}
