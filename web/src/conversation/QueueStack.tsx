import type { Conversation, Turn } from "../client";
import { TextButton } from "./MessageList";
import { noteOf, type QueuedMessage } from "./timeline";

interface Properties {
  queue: QueuedMessage[];
  conversation: Conversation;
  cancelling: ReadonlySet<string>;
  editing: string | null;
  onEdit: (turn: Turn) => void;
  /** After a button that goes away with its message: the focus needs a place. */
  onDone: () => void;
}

/** The messages that wait, in the order in which they will be answered. */
export function QueueStack({ queue, conversation, cancelling, editing, onEdit, onDone }: Properties) {
  if (!queue.length) return null;
  const act = (what: () => unknown) => () => {
    void what();
    onDone();
  };
  return (
    <section className="queue" aria-label="Messages that wait">
      <div className="head">
        <p role="status">
          Waiting in line: {queue.length === 1 ? "one message" : `${queue.length} messages`}
        </p>
        {queue.length > 1 && (
          <button type="button" className="text" onClick={act(() => conversation.queue.clear())}>
            Clear
          </button>
        )}
      </div>
      <ol tabIndex={0} aria-label="Queue">
        {queue.map(({ id, text, turn, unsent, joins }) => (
          <li key={id} className={joins ? "joins" : undefined}>
            <p className="text" dir="auto">
              {joins && <span className="hint">+ </span>}
              {text}
            </p>
            <p className="state">
              {turn && (turn.cancel_requested || cancelling.has(id)) && "Taking it out of the line …"}
              {turn && editing === id && "You are editing this message."}
              {joins && <span className="hidden">Joined with the message before it. </span>}
              {unsent && !unsent.turnId && noteOf(unsent)}
              {turn && !turn.cancel_requested && !cancelling.has(id) && (
                <>
                  <TextButton label="Edit" of={text} onClick={() => onEdit(turn)} />
                  <TextButton label="Answer now" of={text} onClick={act(() => conversation.queue.sendNow(turn))} />
                  <TextButton label="Take back" of={text} onClick={act(() => conversation.queue.takeBack(turn))} />
                </>
              )}
              {unsent?.undelivered && (
                <TextButton label="Take back" of={text} onClick={act(() => conversation.discard(unsent.key))} />
              )}
            </p>
          </li>
        ))}
      </ol>
    </section>
  );
}
