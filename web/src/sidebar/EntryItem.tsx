import { type FormEvent, useEffect, useRef, useState } from "react";
import type { ConversationChange, ConversationRow } from "../client";
import { Popover } from "../page/Popover";

const MOST = 200; // characters that the server takes for a title

export interface EntryActions {
  onOpen: (id: string) => void;
  onChange: (id: string, patch: ConversationChange) => void;
  onExport: (row: ConversationRow) => void;
  onDelete: (row: ConversationRow) => void;
}

/** A conversation in the list, and what can be done with it. */
export function EntryItem({ row, current, actions }: { row: ConversationRow; current: boolean; actions: EntryActions }) {
  const { conversation_id: id, title, status, unread, archived } = row;
  const [renaming, setRenaming] = useState(false);
  const name = title || "Untitled";
  if (renaming) {
    return (
      <TitleForm
        title={name}
        onDone={(changed) => {
          setRenaming(false);
          if (changed && changed !== title) actions.onChange(id, { title: changed });
        }}
      />
    );
  }
  const fresh = unread > 0 && !current;
  return (
    <div className={fresh ? "entry unread" : "entry"}>
      <button type="button" aria-current={current ? "page" : undefined} onClick={() => actions.onOpen(id)}>
        <span className="title" dir="auto">
          {name}
        </span>
        {status === "busy" && (
          <span className="busy" title="being answered">
            <span className="hidden">, being answered</span>
          </span>
        )}
        {fresh && (
          <span className="news">
            {unread}
            <span className="hidden"> unread</span>
          </span>
        )}
      </button>
      <Popover label={<span aria-hidden="true">⋯</span>} name={`More for ${name}`} className="text do" edge="end">
        {(close) => {
          const act = (what: () => void) => () => {
            close();
            what();
          };
          return (
            <>
              <button type="button" onClick={act(() => setRenaming(true))}>
                Rename
              </button>
              <button type="button" onClick={act(() => actions.onExport(row))}>
                Save as a file
              </button>
              <button type="button" onClick={act(() => actions.onChange(id, { archived: !archived }))}>
                {archived ? "Open again" : "Archive"}
              </button>
              <button type="button" className="wrong" onClick={act(() => actions.onDelete(row))}>
                Delete
              </button>
            </>
          );
        }}
      </Popover>
    </div>
  );
}

function TitleForm({ title, onDone }: { title: string; onDone: (changed: string | null) => void }) {
  const [text, setText] = useState(title);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const save = (event?: FormEvent) => {
    event?.preventDefault();
    onDone(text.trim());
  };
  return (
    <form className="rename" onSubmit={save}>
      <input
        ref={field}
        autoFocus
        dir="auto"
        aria-label="New title"
        maxLength={MOST}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => save()}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          onDone(null);
        }}
      />
    </form>
  );
}
