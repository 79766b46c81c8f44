import { useEffect, useRef } from "react";
import { Popover } from "../page/Popover";
import { ListSkeleton } from "../page/Skeleton";
import { useNotifications } from "../page/attention";
import { useTheme } from "../page/theme";
import { dayGroup } from "../page/time";
import type { ConversationEntry, ConversationList } from "./conversation-list";

interface Properties {
  list: ConversationList;
  current: string;
  email: string;
  onOpen: (id: string) => void;
  onNew: () => void;
  onShortcuts: () => void;
  onSignOut: () => void;
}

export function Sidebar({ list, current, email, onOpen, onNew, onShortcuts, onSignOut }: Properties) {
  return (
    <div className="sidebar">
      <button type="button" className="primary new" onClick={onNew}>
        New conversation
      </button>
      <nav aria-label="Conversations" aria-busy={list.entries === null}>
        {list.entries === null && <ListSkeleton />}
        {list.entries?.length === 0 && <p className="hint">Your conversations will be listed here.</p>}
        {groupsOf(list.entries ?? []).map(([name, entries]) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <ul>
              {entries.map((entry) => (
                <li key={entry.id}>
                  <EntryButton entry={entry} current={entry.id === current} onOpen={onOpen} />
                </li>
              ))}
            </ul>
          </section>
        ))}
        {list.more && <More onReached={list.loadMore} count={list.entries!.length} />}
      </nav>
      <Account email={email} onShortcuts={onShortcuts} onSignOut={onSignOut} />
    </div>
  );
}

interface EntryProperties {
  entry: ConversationEntry;
  current: boolean;
  onOpen: (id: string) => void;
}

function EntryButton({ entry: { id, title, busy }, current, onOpen }: EntryProperties) {
  return (
    <button type="button" aria-current={current ? "page" : undefined} onClick={() => onOpen(id)}>
      <span className="title" dir="auto">
        {title || "…"}
      </span>
      {busy && (
        <span className="busy" title="being answered">
          <span className="hidden">, being answered</span>
        </span>
      )}
    </button>
  );
}

/** The end of what is listed: the next page is fetched when it comes into sight, or when it is pressed. */
function More({ onReached, count }: { onReached: () => void; count: number }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const sight = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && onReached());
    sight.observe(button.current!);
    return () => sight.disconnect();
  }, [onReached, count]);
  return (
    <button type="button" className="text" ref={button} onClick={onReached}>
      Older conversations
    </button>
  );
}

function Account({ email, onShortcuts, onSignOut }: Pick<Properties, "email" | "onShortcuts" | "onSignOut">) {
  const [theme, changeTheme] = useTheme();
  const [notified, changeNotified] = useNotifications();
  return (
    <div className="account">
      <span className="who" title={email}>
        {email}
      </span>
      <Popover label="Settings" className="text" edge="end">
        {(close) => (
          <>
            <button type="button" onClick={changeTheme}>
              Colours: {theme === "system" ? "as the system says" : theme}
            </button>
            {notified !== null && (
              <button type="button" onClick={changeNotified}>
                Notifications: {notified ? "on" : "off"}
              </button>
            )}
            <button
              type="button"
              onClick={() => {
                close();
                onShortcuts();
              }}
            >
              Keyboard shortcuts
            </button>
          </>
        )}
      </Popover>
      <button type="button" className="text" onClick={onSignOut}>
        Sign out
      </button>
    </div>
  );
}

function groupsOf(entries: ConversationEntry[]): [string, ConversationEntry[]][] {
  const groups = new Map<string, ConversationEntry[]>();
  for (const entry of entries) {
    const name = dayGroup(entry.at);
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  return [...groups];
}
