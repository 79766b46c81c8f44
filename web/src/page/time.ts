// Times as people say them, in the language of the browser.

const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const MONTH = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric" });

export function shortTime(at: string): string {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? HOUR.format(date) : DAY.format(date);
}

export const fullTime = (at: string) => FULL.format(new Date(at));

/** The group of a list that this moment belongs to. */
export function dayGroup(at: string): string {
  const date = new Date(at);
  const midnight = new Date().setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight - date.getTime()) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days <= 7 ? "The last seven days" : MONTH.format(date);
}
