import { useEffect, useRef } from "react";

interface Properties {
  label: string;
  /** How many are here: with each further page the place is looked at anew. */
  count: number;
  onReached: () => void;
}

/** Where what is here ends: the next page is fetched when this comes into sight, or when it is pressed. */
export function LoadMore({ label, count, onReached }: Properties) {
  const button = useRef<HTMLButtonElement>(null);
  const latest = useRef(onReached);
  latest.current = onReached;
  useEffect(() => {
    const sight = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && latest.current());
    sight.observe(button.current!);
    return () => sight.disconnect();
  }, [count]);
  return (
    <button type="button" className="text more" ref={button} onClick={onReached}>
      {label}
    </button>
  );
}
