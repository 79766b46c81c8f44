// Hears of changes where the project has Realtime: the database broadcasts on a private topic of each user which
// conversation has changed, and never what was said. Where nothing is heard, the page asks now and then.
import { useEffect, useRef, useState } from "react";
import type { Config } from "../account/config";
import type { Change, TokenSource } from "../client";

const FIRST_MS = 2000;
const LAST_MS = 300_000; // between two attempts at a project that has no Realtime

/** Whether the page is told of changes at present. */
export function useLive(config: Config, token: TokenSource, user: string, onChange: (change: Change) => void): boolean {
  const [live, setLive] = useState(false);
  const latest = useRef(onChange);
  latest.current = onChange;
  const { supabaseUrl, publishableKey, realtime } = config;
  useEffect(() => {
    if (realtime === false) return;
    let left = false;
    let leave = () => {
      left = true;
    };
    const listen = async () => {
      const { RealtimeClient } = await import("@supabase/realtime-js");
      if (left) return;
      const client = new RealtimeClient(`${supabaseUrl.replace(/^http/, "ws").replace(/\/+$/, "")}/realtime/v1`, {
        params: { apikey: publishableKey },
        accessToken: () => token(false).catch(() => null),
        reconnectAfterMs: (tries) => Math.min(LAST_MS, FIRST_MS * 2 ** (tries - 1)),
      });
      await client.setAuth(); // joining a private topic takes it
      if (left) return;
      const channel = client.channel(`chat:${user}`, { config: { private: true } });
      channel.on("broadcast", { event: "changed" }, ({ payload }) => latest.current(payload as Change));
      channel.subscribe((status) => setLive(status === "SUBSCRIBED"));
      leave = () => void client.disconnect();
    };
    void listen().catch(() => undefined); // the page asks instead
    return () => {
      leave();
      setLive(false);
    };
  }, [supabaseUrl, publishableKey, realtime, token, user]);
  return live;
}
