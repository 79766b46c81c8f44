import { memo, useEffect, useLayoutEffect, useRef, type ReactNode } from "react";
import type { OutboxMessage } from "../chat/outbox";
import type { UserMessage, Item } from "../chat/timeline";
import type { Turn } from "../types";
import { StreamedReply } from "./StreamedReply";
import { HandoffLine, Reply, PendingReply } from "./Reply";
import { ToolLine } from "./ToolLine";

export interface Actions {
  onCancel: (turn: Turn) => void;
  onDiscard: (item: OutboxMessage) => void;
  onAgain: (text: string) => void;
}

const NEAR_PX = 120;

export function MessageList({ items, actions }: { items: Item[]; actions: Actions }) {
  const list = useRef<HTMLOListElement>(null);
  const near = useRef(true);
  const end = items.at(-1)?.id;
  // A new message is scrolled to; a growing answer only for a reader who is at its end already.
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
          {renderItem(item, actions)}
        </li>
      ))}
    </ol>
  );
}

function renderItem(item: Item, actions: Actions): ReactNode {
  switch (item.kind) {
    case "message":
      return <UserMessageItem message={item} actions={actions} />;
    case "reply":
      return <SettledReply agent={item.agent} text={item.text} partial={item.partial} />;
    case "handoff":
      return <HandoffLine handoff={item.handoff} />;
    case "tools":
      return item.calls.map((part) => <ToolLine key={part.toolCallId} part={part} />);
    case "streamed":
      return <StreamedReply stream={item.stream} agent={item.agent} cancelling={item.cancelling} />;
    case "pending":
      return <PendingReply agent={item.agent} cancelling={item.cancelling} />;
  }
}

const SettledReply = memo(Reply);

function UserMessageItem({ message, actions }: { message: UserMessage; actions: Actions }) {
  const { turn, unsent, again } = message;
  const queued = turn !== null && turn.position > 0 && !turn.cancel_requested;
  return (
    <>
      <p className="bubble">
        <span className="hidden">You: </span>
        {message.text}
      </p>
      {(message.words || queued || unsent || again) && (
        <p className={`state ${message.tone}`}>
          {message.words}
          {queued && <TextButton onClick={() => actions.onCancel(turn)} label="Remove" of={message.text} />}
          {unsent && <TextButton onClick={() => actions.onDiscard(unsent)} label="Take back" of={message.text} />}
          {again && <TextButton onClick={() => actions.onAgain(again)} label="Try again" of={message.text} />}
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
