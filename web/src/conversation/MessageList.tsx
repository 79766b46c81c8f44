import { memo } from "react";
import type { OutboxMessage } from "../client";
import { CopyButton } from "../page/CopyButton";
import { HandoffLine, ReplyItem } from "./ReplyItem";
import { Time } from "./Time";
import { isSame } from "./same-item";
import type { Reply, TimelineItem, UserMessage } from "./timeline";

export interface MessageActions {
  onDiscard: (message: OutboxMessage) => void;
  onRetry: (message: UserMessage) => void;
  onEdit: (message: UserMessage) => void;
  onAgain: (reply: Reply, agent: string | null) => void;
}

export function MessageList({ items, actions }: { items: TimelineItem[]; actions: MessageActions }) {
  return (
    <ol className="messages" aria-label="Messages">
      {items.map((item) => (
        <ListItem key={item.id} item={item} actions={actions} />
      ))}
    </ol>
  );
}

const ListItem = memo(
  function ListItem({ item, actions }: { item: TimelineItem; actions: MessageActions }) {
    return (
      <li className={item.kind} data-state={item.kind === "reply" ? item.state : undefined}>
        {item.kind === "message" && <UserMessageItem message={item} actions={actions} />}
        {item.kind === "reply" && <ReplyItem reply={item} actions={actions} />}
        {item.kind === "handoff" && <HandoffLine handoff={item.handoff} />}
      </li>
    );
  },
  (before, after) => before.actions === after.actions && isSame(before.item, after.item),
);

function UserMessageItem({ message, actions }: { message: UserMessage; actions: MessageActions }) {
  const { text, note, tone, turn, unsent, retry, at } = message;
  return (
    <>
      <p className="bubble">
        <span className="hidden">You: </span>
        <span dir="auto">{text}</span>
      </p>
      {(note || unsent || retry) && (
        <p className={`state ${tone}`}>
          {note}
          {unsent && <TextButton onClick={() => actions.onDiscard(unsent)} label="Take back" of={text} />}
          {retry && <TextButton onClick={() => actions.onRetry(message)} label="Try again" of={text} />}
        </p>
      )}
      <div className="under">
        <CopyButton text={text} of="your message" />
        {turn && (
          <button type="button" className="small" onClick={() => actions.onEdit(message)} aria-label="Edit your message">
            Edit
          </button>
        )}
        <Time at={at} />
      </div>
    </>
  );
}

interface TextButtonProperties {
  onClick: () => void;
  label: string;
  of: string;
}

export function TextButton({ onClick, label, of }: TextButtonProperties) {
  return (
    <button type="button" className="text" onClick={onClick} aria-label={`${label}: ${of.slice(0, 60)}`}>
      {label}
    </button>
  );
}
