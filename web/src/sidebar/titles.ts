// Titles of conversations whose server gives none: their first words. They never change, so each is asked for once in a
// browser, and not at all where the page has seen them.
import { useCallback, useEffect, useRef, useState } from "react";
import type { Api, ConversationRow, UserStorage } from "../client";

const NAME = "titles";
const MOST = 500;
const LONGEST = 60;
const AT_ONCE = 3;

export function useTitles(
  api: Api,
  storage: UserStorage,
  rows: ConversationRow[] | null,
): [ReadonlyMap<string, string>, (id: string, text: string) => void] {
  const [titles, setTitles] = useState<ReadonlyMap<string, string>>(
    () => new Map(storage.read<[string, string][]>("browser", NAME) ?? []),
  );
  const asked = useRef(new Set<string>());

  const learn = useCallback(
    (id: string, text: string) => {
      const title = text.trim().split("\n")[0]!.slice(0, LONGEST);
      if (!title) return;
      asked.current.add(id);
      setTitles((before) => {
        if (before.get(id) === title) return before;
        const all = [...new Map(before).set(id, title)].slice(-MOST);
        storage.write("browser", NAME, all);
        return new Map(all);
      });
    },
    [storage],
  );

  useEffect(() => {
    const missing = (rows ?? []).filter(
      (row) => !row.title && !titles.has(row.conversation_id) && !asked.current.has(row.conversation_id),
    );
    const ids = missing.map((row) => row.conversation_id);
    for (const id of ids) asked.current.add(id);
    const ask = async () => {
      for (let id = ids.shift(); id; id = ids.shift()) {
        try {
          learn(id, await api.firstWords(id));
        } catch {
          asked.current.delete(id); // with the next reading of the list
        }
      }
    };
    for (let number = 0; number < AT_ONCE; number += 1) void ask();
  }, [api, rows, titles, learn]);
  return [titles, learn];
}
