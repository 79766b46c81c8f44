import type { User } from "@supabase/auth-js";
import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Config } from "../account/config";
import { DeleteEverything } from "../account/DeleteEverything";
import { type AuthClient, accessToken } from "../account/session";
import { Api, type Change, Conversation, UserStorage } from "../client";
import { ConversationView } from "../conversation/ConversationView";
import { ImageReader } from "../conversation/Images";
import { Ratings } from "../conversation/ratings";
import { Drafts } from "../conversation/drafts";
import { preloadMarkdown } from "../markdown/Markdown";
import { Sidebar } from "../sidebar/Sidebar";
import { UndoNotice } from "../sidebar/UndoNotice";
import { useConversations } from "../sidebar/conversation-list";
import { useDeletion } from "../sidebar/deletion";
import { Shortcuts, useShortcuts } from "./Shortcuts";
import { useAddress } from "./address";
import { Agents, useAgents } from "./agents";
import { useAttention } from "./attention";
import { useLive } from "./live";

const MOST_FOLLOWED = 4; // a browser opens six connections to one server where that speaks HTTP/1.1

interface Properties {
  config: Config;
  auth: AuthClient;
  user: User;
  onLeave: () => void;
  onExpired: () => void;
  /** Whether all that the user had has just been deleted. */
  deleted: boolean;
  onDeleted: () => void;
}

export default function SignedIn({ config, auth, user, onLeave, onExpired, deleted, onDeleted }: Properties) {
  const token = useCallback((renewed: boolean) => accessToken(auth, renewed), [auth]);
  const api = useMemo(() => new Api(config.functionUrl, token), [config.functionUrl, token]);
  const storage = useMemo(() => new UserStorage(user.id), [user.id]);
  const drafts = useMemo(() => new Drafts(storage), [storage]);
  const [id, go] = useAddress(user.id);
  const heard = useRef<(change: Change) => void>(() => {});
  const live = useLive(config, token, user.id, (change) => heard.current(change));
  const readImage = useCallback((url: string) => api.image(url), [api]);
  const list = useConversations(api, live);
  const deletion = useDeletion(api, list);
  const agents = useAgents(api);
  const [drawn, setDrawn] = useState(false);
  const drawer = useRef<HTMLDialogElement>(null);
  const shortcuts = useRef<HTMLDialogElement>(null);
  const deleting = useRef<HTMLDialogElement>(null);
  const conversation = useConversation(api, storage, drafts, id, list.refresh, onExpired);
  heard.current = (change) => {
    list.soon();
    conversation?.hear(change);
  };
  useEffect(() => conversation?.setLive(live), [conversation, live]);
  const ratings = useMemo(
    () => new Ratings(config.supabaseUrl, config.publishableKey, token, id),
    [config.supabaseUrl, config.publishableKey, token, id],
  );
  useEffect(preloadMarkdown, []);

  const open = useCallback(
    (to: string) => {
      drawer.current?.close();
      go(to);
    },
    [go],
  );
  useAttention(id, list.rows, agents, open);
  const fresh = () => open(crypto.randomUUID());
  const show = (dialog: RefObject<HTMLDialogElement | null>) => {
    drawer.current?.close();
    dialog.current?.showModal();
  };
  const showShortcuts = () => show(shortcuts);
  useShortcuts({ onNew: fresh, onShortcuts: showShortcuts });

  const sidebar = (
    <Sidebar
      api={api}
      list={list}
      onDelete={(row) => {
        deletion.remove(row);
        if (row.conversation_id === id) fresh();
      }}
      current={id}
      email={user.email ?? ""}
      onOpen={open}
      onNew={fresh}
      onShortcuts={showShortcuts}
      onDeleteEverything={() => show(deleting)}
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
            <ImageReader value={readImage}>
              <ConversationView
                key={conversation.id}
                conversation={conversation}
                drafts={drafts}
                ratings={ratings}
                starters={config.starters}
              />
            </ImageReader>
          )}
        </main>
        <Shortcuts dialog={shortcuts} />
        <DeleteEverything dialog={deleting} api={api} onDeleted={onDeleted} />
        <UndoNotice deletion={deletion} everything={deleted} />
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
  const changed = useRef(onChanged);
  changed.current = onChanged;
  const left = useRef(new Map<string, Conversation>()); // the one that is open, and those that are still being answered
  useEffect(() => {
    const hooks = {
      onChanged: () => changed.current(),
      onSignedOut: () => expired.current(),
      onReturned: (text: string) => drafts.giveBack(id, text),
    };
    const opened = left.current.get(id) ?? new Conversation(api, id, storage, hooks);
    opened.open();
    setConversation(opened);
    left.current.delete(id);
    left.current.set(id, opened); // the newest last
    const [oldest] = left.current.values();
    if (left.current.size > MOST_FOLLOWED && oldest) {
      left.current.delete(oldest.id);
      oldest.close();
    }
    return () => opened.leave(() => left.current.delete(id));
  }, [api, storage, drafts, id]);
  useEffect(() => {
    const all = left.current;
    return () => all.forEach((one) => one.close());
  }, []);
  return conversation?.id === id ? conversation : null;
}
