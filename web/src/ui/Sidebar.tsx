import type { ConversationEntry } from "../chat/conversation-list";

interface Properties {
  conversations: ConversationEntry[];
  current: string;
  email: string;
  onOpen: (id: string) => void;
  onNew: () => void;
  onSignOut: () => void;
}

export function Sidebar({ conversations, current, email, onOpen, onNew, onSignOut }: Properties) {
  return (
    <div className="sidebar">
      <button type="button" className="primary new" onClick={onNew}>
        New conversation
      </button>
      <nav aria-label="Conversations">
        <ul>
          {conversations.map(({ id, title, busy }) => (
            <li key={id}>
              <button type="button" aria-current={id === current ? "page" : undefined} onClick={() => onOpen(id)}>
                <span className="title">{title || "…"}</span>
                {busy && (
                  <span className="busy" title="being answered">
                    <span className="hidden">, being answered</span>
                  </span>
                )}
              </button>
            </li>
          ))}
        </ul>
        {!conversations.length && <p className="hint">Your conversations will be listed here.</p>}
      </nav>
      <div className="account">
        <span className="who">{email}</span>
        <button type="button" className="text" onClick={onSignOut}>
          Sign out
        </button>
      </div>
    </div>
  );
}
