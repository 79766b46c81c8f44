// Keeps the end of a conversation in sight for a reader who is there, and leaves one who reads above alone.
import { type RefObject, startTransition, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const NEAR_PX = 120;
const FIRST = 30; // items that are drawn at once
const STEP = 15; // and then, whenever the browser has time

export interface Scrolling {
  /** Whether the end is out of sight. */
  away: boolean;
  /** Whether something has come there since. */
  fresh: boolean;
  toEnd: () => void;
}

/** `last` names what stands at the end; it changes when something new comes. */
export function useScrolling(scroller: RefObject<HTMLElement | null>, last: string | undefined): Scrolling {
  const near = useRef(true);
  const [away, setAway] = useState(false);
  const [fresh, setFresh] = useState(false);

  const toEnd = useCallback(() => {
    const box = scroller.current;
    if (!box) return;
    near.current = true;
    box.scrollTop = box.scrollHeight;
    setAway(false);
    setFresh(false);
  }, [scroller]);

  useLayoutEffect(() => {
    if (near.current) toEnd();
    else setFresh(true);
  }, [last, toEnd]);

  useEffect(() => {
    const box = scroller.current;
    const content = box?.firstElementChild;
    if (!box || !content) return;
    let place = box.scrollTop;
    const noted = () => {
      // Only a reader scrolls up. Where the end moves away by itself, it is followed.
      const up = box.scrollTop < place;
      place = box.scrollTop;
      const end = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
      near.current = end || (near.current && !up);
      setAway(!near.current);
      if (near.current) setFresh(false);
    };
    const resized = () => {
      if (near.current) box.scrollTop = box.scrollHeight;
      else if (box.scrollHeight <= box.clientHeight) toEnd(); // nothing is out of sight any more
    };
    const observer = new ResizeObserver(resized);
    box.addEventListener("scroll", noted, { passive: true });
    observer.observe(content);
    observer.observe(box);
    return () => {
      box.removeEventListener("scroll", noted);
      observer.disconnect();
    };
  }, [scroller, toEnd]);
  return { away, fresh, toEnd };
}

/** The newest items at once, the older ones bit by bit: a long conversation can be read at once, and is whole soon. */
export function useNewestFirst<T>(items: T[]): T[] {
  const [shown, setShown] = useState(FIRST);
  const rest = items.length - shown;
  useEffect(() => {
    if (rest <= 0) return;
    return whenIdle(() => startTransition(() => setShown((before) => before + STEP)));
  }, [rest, shown]);
  useEffect(() => {
    const all = () => setShown(Number.MAX_SAFE_INTEGER);
    addEventListener("beforeprint", all);
    return () => removeEventListener("beforeprint", all);
  }, []);
  return rest > 0 ? items.slice(-shown) : items;
}

function whenIdle(callback: () => void): () => void {
  if (!("requestIdleCallback" in window)) {
    const timer = setTimeout(callback, 30);
    return () => clearTimeout(timer);
  }
  const handle = requestIdleCallback(callback, { timeout: 500 });
  return () => cancelIdleCallback(handle);
}
