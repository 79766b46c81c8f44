import type { User } from "@supabase/auth-js";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Config } from "../account/config";
import { type AuthClient, accessToken } from "../account/session";
import { Api, Conversation, UserStorage } from "../client";
import { ConversationView } from "../conversation/ConversationView";
import { Drafts } from "../conversation/drafts";
import { preloadMarkdown } from "../markdown/Markdown";
import { Sidebar } from "../sidebar/Sidebar";
import { useConversations } from "../sidebar/conversation-list";
import { Shortcuts, useShortcuts } from "./Shortcuts";
import { useAddress } from "./address";
import { Agents, useAgents } from "./agents";

interface Properties {
  config: Config;
  auth: AuthClient;
  user: User;
  onLeave: () => void;
  onExpired: () => void;
}

export default function SignedIn({ config, auth, user, onLeave, onExpired }: Properties) {
  const api = useMemo(
    () => new Api(config.functionUrl, (renewed) => accessToken(auth, renewed)),
    [config.functionUrl, auth],
  );
  const storage = useMemo(() => new UserStorage(user.id), [user.id]);
  const drafts = useMemo(() => new Drafts(storage), [storage]);
  const [id, go] = useAddress(user.id);
  const list = useConversations(api, storage);
  const agents = useAgents(api);
  const [drawn, setDrawn] = useState(false);
  const drawer = useRef<HTMLDialogElement>(null);
  const shortcuts = useRef<HTMLDialogElement>(null);
  const conversation = useConversation(api, storage, drafts, id, list.refresh, onExpired);
  useEffect(preloadMarkdown, []);

  const open = useCallback(
    (to: string) => {
      drawer.current?.close();
      go(to);
    },
    [go],
  );
  const fresh = () => open(crypto.randomUUID());
  const showShortcuts = () => {
    drawer.current?.close();
    shortcuts.current?.showModal();
  };
  useShortcuts({ onNew: fresh, onShortcuts: showShortcuts });

  const sidebar = (
    <Sidebar
      list={list}
      current={id}
      email={user.email ?? ""}
      onOpen={open}
      onNew={fresh}
      onShortcuts={showShortcuts}
      onSignOut={onLeave}
    />
  );
  return (
    <Agents value={agents}>
      <div className="page">
        <header>
          <button
            type="button"
            className="menu"
            aria-haspopup="dialog"
            onClick={() => {
              setDrawn(true);
              drawer.current?.showModal();
            }}
          >
            Conversations
          </button>
          <h1>Multi-agent chat</h1>
        </header>
        <aside aria-label="Conversations and account">{sidebar}</aside>
        <dialog
          ref={drawer}
          className="drawer"
          aria-label="Conversations and account"
          onClick={closeOutside}
          onClose={() => setDrawn(false)}
        >
          {drawn && sidebar}
          <button type="button" className="text" onClick={() => drawer.current?.close()}>
            Close
          </button>
        </dialog>
        <main>
          {conversation && (
            <ConversationView
              key={conversation.id}
              conversation={conversation}
              drafts={drafts}
              starters={config.starters}
              onTitle={list.learnTitle}
            />
          )}
        </main>
        <Shortcuts dialog={shortcuts} />
      </div>
    </Agents>
  );
}

/** A click beside the drawer closes it. */
function closeOutside(event: React.MouseEvent<HTMLDialogElement>): void {
  if (event.target === event.currentTarget) event.currentTarget.close();
}

function useConversation(
  api: Api,
  storage: UserStorage,
  drafts: Drafts,
  id: string,
  onChanged: () => void,
  onExpired: () => void,
): Conversation | null {
  const [conversation, setConversation] = useState<Conversation | null>(null);
  const expired = useRef(onExpired);
  expired.current = onExpired;
  useEffect(() => {
    const opened = new Conversation(api, id, storage, {
      onChanged,
      onSignedOut: () => expired.current(),
      onReturned: (text) => drafts.giveBack(id, text),
    });
    opened.open();
    setConversation(opened);
    return () => opened.close();
  }, [api, storage, drafts, id, onChanged]);
  return conversation?.id === id ? conversation : null;
}
