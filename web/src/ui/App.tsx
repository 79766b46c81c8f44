import type { Session, SupabaseClient } from "@supabase/supabase-js";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Agents } from "../agents";
import { Api } from "../api";
import { Conversation } from "../chat/conversation";
import { drafts } from "../chat/drafts";
import { useAddress } from "../chat/address";
import { useConversations } from "../chat/conversation-list";
import { clearOutbox } from "../chat/outbox";
import type { Config } from "../config";
import { accessToken, useSession } from "../session";
import type { Agent } from "../types";
import { ChatView } from "./ChatView";
import { Sidebar } from "./Sidebar";
import { SignIn } from "./SignIn";

export function App({ config, supabase }: { config: Config; supabase: SupabaseClient }) {
  const session = useSession(supabase);
  const [notice, setNotice] = useState("");
  const signOut = useCallback(
    async (why: string) => {
      setNotice(why);
      clearOutbox();
      drafts.clear();
      history.replaceState(null, "", " ");
      await supabase.auth.signOut({ scope: "local" });
    },
    [supabase],
  );
  if (session === undefined) return null;
  if (!session) return <SignIn supabase={supabase} config={config} notice={notice} />;
  return <SignedIn key={session.user.id} config={config} supabase={supabase} session={session} signOut={signOut} />;
}

interface Properties {
  config: Config;
  supabase: SupabaseClient;
  session: Session;
  signOut: (why: string) => Promise<void>;
}

function SignedIn({ config, supabase, session, signOut }: Properties) {
  const api = useMemo(
    () => new Api(config.functionUrl, (renewed) => accessToken(supabase, renewed)),
    [config.functionUrl, supabase],
  );
  const [id, go] = useAddress();
  const [conversations, refresh] = useConversations(api);
  const agents = useAgents(api);
  const drawer = useRef<HTMLDialogElement>(null);
  const conversation = useConversation(api, id, refresh, signOut);

  const close = () => drawer.current?.close();
  const sidebar = (
    <Sidebar
      conversations={conversations}
      current={id}
      email={session.user.email ?? ""}
      onOpen={(to) => {
        close();
        go(to);
      }}
      onNew={() => {
        close();
        go(crypto.randomUUID());
      }}
      onSignOut={() => void signOut("")}
    />
  );
  return (
    <Agents value={agents}>
      <div className="page">
        <header>
          <button type="button" className="menu" aria-haspopup="dialog" onClick={() => drawer.current?.showModal()}>
            Conversations
          </button>
          <h1>Multi-agent chat</h1>
        </header>
        <aside aria-label="Conversations and account">{sidebar}</aside>
        <dialog ref={drawer} className="drawer" aria-label="Conversations and account" onClick={outside}>
          {sidebar}
          <button type="button" className="text" onClick={close}>
            Close
          </button>
        </dialog>
        <main>{conversation && <ChatView key={conversation.id} conversation={conversation} />}</main>
      </div>
    </Agents>
  );
}

/** A click beside the drawer closes it. */
function outside(event: React.MouseEvent<HTMLDialogElement>): void {
  if (event.target === event.currentTarget) event.currentTarget.close();
}

function useAgents(api: Api): Agent[] {
  const [agents, setAgents] = useState<Agent[]>([]);
  useEffect(() => {
    let timer = 0;
    const ask = () => void api.agents().then(setAgents, () => (timer = window.setTimeout(ask, 3000)));
    ask();
    return () => clearTimeout(timer);
  }, [api]);
  return agents;
}

function useConversation(api: Api, id: string, onChanged: () => void, signOut: (why: string) => Promise<void>) {
  const [conversation, setConversation] = useState<Conversation | null>(null);
  useEffect(() => {
    const onSignedOut = () => void signOut("Your session is over. Please sign in again.");
    const opened = new Conversation(api, id, { onChanged, onSignedOut });
    opened.open();
    setConversation(opened);
    return () => opened.close();
  }, [api, id, onChanged, signOut]);
  return conversation?.id === id ? conversation : null;
}
