import { useState } from "react";
import type { Api } from "../client";
import { brief, duration } from "./format";
import type { WatchedTurn } from "./types";
import { useAnswer } from "./useAnswer";

const STATES = { open: "Open now", failed: "Failed", slow: "Slow" } as const;
const STUCK_MS = 300_000;

/** Turns that are worth a look, each with a way to its timeline. */
export function Queue({ api, onExpired }: { api: Api; onExpired: () => void }) {
  const [state, setState] = useState<keyof typeof STATES>("open");
  const { value, wrong } = useAnswer<{ turns: WatchedTurn[] }>(api, `/stats/turns?state=${state}`, onExpired);
  return (
    <section aria-label="Turns">
      <div className="head">
        <h2>Turns</h2>
        <div role="group" aria-label="Which turns">
          {(Object.keys(STATES) as (keyof typeof STATES)[]).map((one) => (
            <button key={one} type="button" aria-pressed={one === state} onClick={() => setState(one)}>
              {STATES[one]}
            </button>
          ))}
        </div>
      </div>
      {wrong && <p role="alert">{wrong}</p>}
      {value?.turns.length === 0 && <p>None.</p>}
      {value && value.turns.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="The turns">
          <table className="turns">
            <thead>
              <tr>
                <th>Turn</th>
                <th>Conversation</th>
                <th>Status</th>
                <th>{state === "open" ? "Open for" : "Took"}</th>
                <th>Waited</th>
                <th>Why</th>
              </tr>
            </thead>
            <tbody>
              {value.turns.map((turn) => (
                <tr key={turn.turn_id} className={state === "open" && turn.age_ms > STUCK_MS ? "bad" : undefined}>
                  <th scope="row">
                    <a href={`#operators/turns/${turn.turn_id}`}>{brief(turn.turn_id)}</a>
                  </th>
                  <td title={turn.conversation_id}>
                    {brief(turn.conversation_id)}, {turn.seq}
                  </td>
                  <td>{turn.status}</td>
                  <td>{duration(turn.age_ms)}</td>
                  <td>{duration(turn.waited_ms)}</td>
                  <td>{why(turn)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** What keeps it, or what became of it, in a few words. */
export function why(turn: WatchedTurn): string {
  if (turn.code) return turn.code;
  if (turn.head_turn_id && turn.head_turn_id !== turn.turn_id) return `behind turn ${brief(turn.head_turn_id)}`;
  if (turn.blocked_by) return `blocked by run ${turn.blocked_by}`;
  if (turn.held_up_by) return turn.held_up_by;
  if (turn.lease === "lapsed" || (turn.lease === "free" && turn.status !== "completed")) return "no instance serves it";
  if (turn.conflicts === 0) return "";
  return turn.conflicts === 1 ? "one conflict" : `${turn.conflicts} conflicts`;
}
