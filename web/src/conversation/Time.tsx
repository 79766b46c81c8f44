import { fullTime, shortTime } from "../page/time";

export function Time({ at }: { at: string | null }) {
  if (!at || Number.isNaN(Date.parse(at))) return null;
  return (
    <time dateTime={at} title={fullTime(at)}>
      {shortTime(at)}
    </time>
  );
}
