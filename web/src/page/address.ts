// Which conversation is open: its id stands behind the # of the page's address. A reload stays in it, and two tabs can be
// in the same.
import { useCallback, useEffect, useState } from "react";

const OWNER = "multi-agent-chat-address"; // of this tab: the user whose conversation the address names

/** The id of the open conversation, and how to open another one. */
export function useAddress(user: string): [string, (id: string) => void] {
  const [id, setId] = useState(() => opened(user));
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

const OPERATORS = "#operators";

/** What stands behind `#operators` in the address; null where the chat is open. */
export function useOperators(): string | null {
  const [place, setPlace] = useState(operatorsPlace);
  useEffect(() => {
    const moved = () => setPlace(operatorsPlace());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}

function operatorsPlace(): string | null {
  return location.hash.startsWith(OPERATORS) ? location.hash.slice(OPERATORS.length) : null;
}

/** A session that has ended leaves its address behind: the same user goes on there, another one begins anew. */
function opened(user: string): string {
  const owner = sessionStorage.getItem(OWNER);
  sessionStorage.setItem(OWNER, user);
  if (owner && owner !== user) history.replaceState(null, "", " ");
  return fromAddress();
}

function fromAddress(): string {
  const id = location.hash.slice(1);
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id;
  const fresh = crypto.randomUUID();
  history.replaceState(null, "", `#${fresh}`);
  return fresh;
}
