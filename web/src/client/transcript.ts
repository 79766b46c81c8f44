// The transcript as the server tells it: its newest part, and what is before that as far as it was asked for.
import type { Line, Turn } from "./types";

const PAGE = 100; // the most that the server gives at once
const TAIL = 30; // enough to meet a line that is known, however much one turn has said

/** Reads the last lines before a number; also tells before which number there are more. */
export type ReadLines = (limit: number, before?: number) => Promise<[Line[], number | null]>;

export class Transcript {
  lines: Line[] = [];
  /** Before which number the server has more lines; null where the first one is here. */
  earlier: number | null = null;

  /**
   * Reads from the end back to a line that is known. A message in another's place takes that one and all behind it out
   * of the transcript, and never anything before a line that is still there: so what is known before it holds.
   */
  async catchUp(read: ReadLines): Promise<void> {
    const known = new Map(this.lines.map((line) => [line.id, line]));
    let newest: Line[] = [];
    let before: number | null = null;
    do {
      const [page, more]: [Line[], number | null] = await read(!known.size || before ? PAGE : TAIL, before ?? undefined);
      newest = [...page.map((line) => unchanged(known.get(line.id), line)), ...newest];
      before = more;
    } while (before !== null && known.size && !known.has(newest[0]!.id));
    const first = newest[0]?.seq ?? 0;
    const kept = before === null ? [] : this.lines.filter((line) => line.seq < first);
    if (before === null || !known.size) this.earlier = before;
    this.lines = [...kept, ...newest];
  }

  async readEarlier(read: ReadLines): Promise<void> {
    const [page, more] = await read(PAGE, this.earlier ?? undefined);
    const first = this.lines[0]?.seq ?? 0;
    this.lines = [...page.filter((line) => line.seq < first), ...this.lines];
    this.earlier = more;
  }

  /** Turns of which a question stands here and no whole answer: how they ended has to be asked. */
  unanswered(open: Turn[]): string[] {
    const openIds = new Set(open.map((turn) => turn.turn_id));
    const whole = new Set(this.lines.filter((line) => line.role === "assistant" && !line.partial).map(turnOf));
    const over = this.lines.filter((line) => !openIds.has(line.turn_id));
    const wanted = over.filter((line) => line.handoff_to || (line.role === "user" && !whole.has(line.turn_id)));
    return [...new Set(wanted.map(turnOf))];
  }
}

const turnOf = (line: Line) => line.turn_id;

/** The line that is known already where nothing of it has changed: what is drawn from it need not be drawn again. */
function unchanged(known: Line | undefined, line: Line): Line {
  const same = known && known.text === line.text && known.partial === line.partial && known.seq === line.seq;
  return same && known.handoff_to === line.handoff_to ? known : line;
}
