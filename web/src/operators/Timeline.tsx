import type { Api } from "../client";
import { why } from "./Queue";
import { brief, duration, spentOn } from "./format";
import type { Mark, Span, TurnTimeline } from "./types";
import { useAnswer } from "./useAnswer";

/** One turn: a bar for each thing that its time was spent on, and every event below. */
export function Timeline({ api, turn, onExpired }: { api: Api; turn: string; onExpired: () => void }) {
  const { value, wrong } = useAnswer<TurnTimeline>(api, `/stats/turns/${turn}`, onExpired);
  return (
    <>
      <div className="head">
        <h2>Turn {brief(turn)}</h2>
        <a href="#operators">All turns</a>
      </div>
      {wrong && <p role="alert">{wrong}</p>}
      {!value && !wrong && <p role="status">Looking…</p>}
      {value && <Shown told={value} />}
    </>
  );
}

function Shown({ told }: { told: TurnTimeline }) {
  const { turn, spans, marks, events } = told;
  const whole = Math.max(turn.age_ms, ...spans.map((span) => span.to_ms ?? 0), ...marks.map((mark) => mark.at_ms), 1);
  return (
    <>
      <p>
        Conversation {brief(turn.conversation_id)}, message {turn.seq}: <strong>{turn.status}</strong> after{" "}
        {duration(turn.age_ms)}, of which it waited {duration(turn.waited_ms)}
        {why(turn) && ` (${why(turn)})`}.
      </p>
      <ol className="gantt" aria-label="What its time was spent on">
        {spans.map((span, index) => (
          <Bar key={index} span={span} whole={whole} />
        ))}
        {marks.map((mark, index) => (
          <Point key={index} mark={mark} whole={whole} />
        ))}
      </ol>
      <div className="scroll" tabIndex={0} role="region" aria-label="The events">
        <table className="events">
          <caption>Events</caption>
          <thead>
            <tr>
              <th>After</th>
              <th>Event</th>
              <th>Agent</th>
              <th>What</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event, index) => (
              <tr key={index}>
                <td>{duration(event.at_ms)}</td>
                <th scope="row">{event.name}</th>
                <td>{event.agent}</td>
                <td>
                  {[event.run_id, event.tool, event.code, event.other_turn_id && `turn ${brief(event.other_turn_id)}`]
                    .filter(Boolean)
                    .join(", ")}
                  {event.ms !== undefined && ` (${duration(event.ms)})`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Bar({ span, whole }: { span: Span; whole: number }) {
  const to = span.to_ms ?? whole;
  return (
    <li>
      <span className="name">{spentOn(span)}</span>
      <span className="track">
        <i
          className={span.kind}
          style={{ insetInlineStart: `${(100 * span.from_ms) / whole}%`, width: `${(100 * (to - span.from_ms)) / whole}%` }}
        />
      </span>
      <span className="long">{span.to_ms === null ? `${duration(to - span.from_ms)} so far` : duration(to - span.from_ms)}</span>
    </li>
  );
}

function Point({ mark, whole }: { mark: Mark; whole: number }) {
  return (
    <li>
      <span className="name">
        {mark.name}
        {mark.code ? `: ${mark.code}` : ""}
      </span>
      <span className="track">
        <i className="mark" style={{ insetInlineStart: `${(100 * mark.at_ms) / whole}%` }} />
      </span>
      <span className="long">at {duration(mark.at_ms)}</span>
    </li>
  );
}
