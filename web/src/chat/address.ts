// Which conversation is open: its id stands behind the # of the page's address.
import { useCallback, useEffect, useState } from "react";

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
