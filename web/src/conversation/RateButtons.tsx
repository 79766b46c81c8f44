import { type FormEvent, createContext, useContext, useId, useState, useSyncExternalStore } from "react";
import type { Ratings } from "./ratings";

const MOST = 2000; // characters that the database takes

export const RatingsOf = createContext<Ratings | null>(null);

/** Good or not, and why. */
export function RateButtons({ turn, name }: { turn: string; name: string }) {
  const ratings = useContext(RatingsOf)!;
  const rating = useSyncExternalStore(ratings.subscribe, () => ratings.of(turn));
  const [asking, setAsking] = useState(false);
  const [note, setNote] = useState("");
  const hint = useId();

  function say(good: boolean, comment: string | null): void {
    setNote("");
    const taken = rating?.good === good && comment === null;
    setAsking(!taken && comment === null);
    ratings.rate(turn, taken ? null : { good, comment }).then(
      () => comment && setNote("Thank you."),
      () => setNote("That could not be saved."),
    );
  }

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const comment = String(new FormData(event.currentTarget).get("comment")).trim();
    if (comment) say(rating!.good, comment);
    setAsking(false);
  }

  const thumb = (good: boolean) => (
    <button
      type="button"
      className="small thumb"
      aria-pressed={rating?.good === good}
      aria-label={`${good ? "Good" : "Bad"} answer of ${name}`}
      onClick={() => say(good, null)}
    >
      <Thumb up={good} />
    </button>
  );
  return (
    <>
      {thumb(true)}
      {thumb(false)}
      {asking && rating && (
        <form className="why" onSubmit={submit} aria-label="Say why">
          <input
            name="comment"
            autoFocus
            dir="auto"
            maxLength={MOST}
            aria-label={rating.good ? "What was good about it?" : "What was wrong with it?"}
            placeholder={rating.good ? "What was good about it?" : "What was wrong with it?"}
            aria-describedby={hint}
            onKeyDown={(event) => {
              if (event.key !== "Escape") return;
              event.stopPropagation();
              setAsking(false);
            }}
          />
          <button className="small">Send</button>
          <span id={hint} className="hidden">
            Read by the people who run this page.
          </span>
        </form>
      )}
      <span role="status">{note}</span>
    </>
  );
}

function Thumb({ up }: { up: boolean }) {
  return (
    <svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" transform={up ? undefined : "rotate(180)"}>
      <path
        d="M7 11v9H4a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1h3zm0 0 4-8a2.4 2.4 0 0 1 2.3 3L12.5 9H19a2 2 0 0 1 2 2.3l-1.2 7A2 2 0 0 1 17.8 20H7"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.7"
        strokeLinejoin="round"
      />
    </svg>
  );
}
