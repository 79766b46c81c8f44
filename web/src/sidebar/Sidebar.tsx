import { useMemo, useState } from "react";
import { AccountMenu } from "../account/AccountMenu";
import type { Api, ConversationRow } from "../client";
import { LoadMore } from "../page/LoadMore";
import { ListSkeleton } from "../page/Skeleton";
import { saveAs } from "../page/save-as";
import { dayGroup } from "../page/time";
import { wordsFor } from "../page/words";
import { type EntryActions, EntryItem } from "./EntryItem";
import type { ConversationList } from "./conversation-list";

interface Properties {
  api: Api;
  list: ConversationList;
  current: string;
  email: string;
  onOpen: (id: string) => void;
  onNew: () => void;
  onDelete: (row: ConversationRow) => void;
  onShortcuts: () => void;
  onDeleteEverything: () => void;
  onSignOut: () => void;
}

export function Sidebar(properties: Properties) {
  const { api, list, current, email, onOpen, onNew, onDelete, onShortcuts, onDeleteEverything, onSignOut } = properties;
  const [refusal, setRefusal] = useState<unknown>(null);
  const { rows, selection, change } = list;
  const { q, archived } = selection;
  const actions = useMemo<EntryActions>(
    () => ({
      onOpen,
      onDelete,
      onChange: (id, patch) => void change(id, patch).then(() => setRefusal(null), setRefusal),
      onExport: (row) =>
        void api
          .markdown(row.conversation_id)
          .then((text) => saveAs(`${row.title || "conversation"}.md`, text))
          .then(() => setRefusal(null), setRefusal),
    }),
    [api, change, onOpen, onDelete],
  );
  return (
    <div className="sidebar">
      <button type="button" className="primary new" onClick={onNew}>
        New conversation
      </button>
      <input
        type="search"
        className="search"
        aria-label="Search conversations"
        placeholder="Search"
        value={q}
        onChange={(event) => list.select({ q: event.target.value })}
      />
      {refusal !== null && (
        <p className="hint wrong" role="alert">
          {wordsFor(refusal)}
        </p>
      )}
      <nav aria-label="Conversations" aria-busy={rows === null}>
        {archived && Boolean(rows?.length) && <p className="hint">These are closed. Opened again, they go on where they ended.</p>}
        {rows === null && <ListSkeleton />}
        {rows?.length === 0 && <p className="hint">{emptyWords(q, archived)}</p>}
        {groupsOf(rows ?? []).map(([name, group]) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <ul>
              {group.map((row) => (
                <li key={row.conversation_id}>
                  <EntryItem row={row} current={row.conversation_id === current} actions={actions} />
                </li>
              ))}
            </ul>
          </section>
        ))}
        {list.more && <LoadMore label="Older conversations" count={rows!.length} onReached={list.loadMore} />}
      </nav>
      <button type="button" className="text small-text" aria-pressed={archived} onClick={() => list.select({ archived: !archived })}>
        {archived ? "Back to the open ones" : "Archived conversations"}
      </button>
      <AccountMenu
        api={api}
        email={email}
        onShortcuts={onShortcuts}
        onDeleteEverything={onDeleteEverything}
        onSignOut={onSignOut}
      />
    </div>
  );
}

function emptyWords(q: string, archived: boolean): string {
  if (q.trim()) return "No conversation has these words.";
  return archived ? "No conversation is archived." : "Your conversations will be listed here.";
}

function groupsOf(rows: ConversationRow[]): [string, ConversationRow[]][] {
  const groups = new Map<string, ConversationRow[]>();
  for (const row of rows) {
    const name = dayGroup(row.updated_at);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups];
}
