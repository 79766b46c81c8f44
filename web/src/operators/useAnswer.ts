// An answer of the function, asked for again while it is looked at.
import { useEffect, useState } from "react";
import { type Api, ApiError, SignedOut } from "../client";

export const EVERY_MS = 10_000;

export interface Answered<T> {
  value: T | null;
  wrong: string;
}

/** The newest answer; the last one stays while the next is on its way, and where it fails. */
export function useAnswer<T>(api: Api, path: string, onExpired: () => void): Answered<T> {
  const [answered, setAnswered] = useState<Answered<T>>({ value: null, wrong: "" });
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    setAnswered({ value: null, wrong: "" });
    const ask = async () => {
      try {
        const value = (await (await api.fetch(path, { signal: stop.signal })).json()) as T;
        if (!stop.signal.aborted) setAnswered({ value, wrong: "" });
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof SignedOut) return onExpired();
        setAnswered((before) => ({ ...before, wrong: sentence(error) }));
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) return;
      }
      timer = setTimeout(ask, EVERY_MS);
    };
    void ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [api, path, onExpired]);
  return answered;
}

function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return "The service cannot be reached. Trying again.";
  if (error.code === "operators_only") return "Only operators may see this.";
  return error.status === 404 ? "There is no such turn." : "This cannot be shown right now.";
}
