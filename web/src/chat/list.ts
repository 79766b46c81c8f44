// The list of conversations: asked for now and then, each titled with its first words.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Api } from "../api";

export interface Listed {
  id: string;
  title: string;
  busy: boolean;
}

const EVERY_MS = 15_000;
const TITLE_LENGTH = 60;

/** The list, and how to have it asked for now. */
export function useConversations(api: Api): [Listed[], () => void] {
  const [list, setList] = useState<Listed[]>([]);
  const titles = useRef(new Map<string, string>());
  const asking = useRef(false);

  const refresh = useCallback(async () => {
    if (asking.current) return;
    asking.current = true;
    try {
      const rows = await api.conversations();
      const show = () =>
        setList(
          rows.map((row) => ({
            id: row.conversation_id,
            title: titles.current.get(row.conversation_id) ?? "",
            busy: row.status === "busy",
          })),
        );
      show();
      for (const { conversation_id: id } of rows) {
        if (titles.current.has(id)) continue;
        const words = (await api.firstWords(id)).trim().split("\n")[0]!;
        if (words) titles.current.set(id, words.slice(0, TITLE_LENGTH));
        show();
      }
    } catch {
      // The conversation itself says that the server does not answer.
    } finally {
      asking.current = false;
    }
  }, [api]);

  useEffect(() => {
    const look = () => document.visibilityState === "visible" && void refresh();
    look();
    const timer = setInterval(look, EVERY_MS);
    addEventListener("focus", look);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", look);
    };
  }, [refresh]);
  return [list, useCallback(() => void refresh(), [refresh])];
}

/** The conversation is kept in the address: a reload stays in it, and two tabs can be in the same. */
export function useAddress(): [string, (id: string) => void] {
  const [id, setId] = useState(fromAddress);
  useEffect(() => {
    const moved = () => setId(fromAddress());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const go = useCallback((to: string) => {
    location.hash = to;
    setId(to);
  }, []);
  return [id, go];
}

function fromAddress(): string {
  const id = location.hash.slice(1);
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id;
  const fresh = crypto.randomUUID();
  history.replaceState(null, "", `#${fresh}`);
  return fresh;
}

