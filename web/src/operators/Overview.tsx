import { useMemo, useState } from "react";
import type { Api } from "../client";
import { Chart, type Line } from "./Chart";
import { Queue } from "./Queue";
import { count, duration, share } from "./format";
import type { Breaker, Counts, Percentiles, Statistics } from "./types";
import { useAnswer } from "./useAnswer";

const WINDOWS: Record<string, string> = { "1h": "5m", "6h": "5m", "24h": "1h", "7d": "6h", "30d": "1d" };
const COLOURS = ["--chart-1", "--chart-2", "--chart-3"] as const;

/** Rates, percentiles and the live queue of all conversations. */
export function Overview({ api, onExpired }: { api: Api; onExpired: () => void }) {
  const [window, setWindow] = useState("24h");
  const { value, wrong } = useAnswer<Statistics>(api, `/stats?window=${window}&bucket=${WINDOWS[window]}`, onExpired);
  return (
    <>
      <div className="head">
        <h2>What goes on</h2>
        <label>
          Window{" "}
          <select value={window} onChange={(event) => setWindow(event.target.value)}>
            {Object.keys(WINDOWS).map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      </div>
      {wrong && <p role="alert">{wrong}</p>}
      {value ? <Shown told={value} /> : !wrong && <p role="status">Counting…</p>}
      {value && <Queue api={api} onExpired={onExpired} />}
    </>
  );
}

function Shown({ told }: { told: Statistics }) {
  const { totals } = told;
  const at = useMemo(() => told.series.map((part) => Date.parse(part.at) / 1000), [told]);
  const rates = useMemo(() => lines(told, { answered: "completed", failed: "failed", conflicts: "conflicts" }), [told]);
  return (
    <>
      <dl className="tiles">
        <Tile name="Turns" value={count(totals.turns)} more={`${count(told.open)} open now`} />
        <Tile name="Failed" value={share(totals.error_rate)} more={count(totals.failed)} bad={totals.error_rate > 0.001} />
        <Tile name="Met a conflict" value={share(totals.conflict_rate)} more={tries(totals)} />
        <Tile name="Oldest open" value={duration(told.oldest_open_ms)} bad={(told.oldest_open_ms ?? 0) > 300_000} />
        <Tile name="Waited, half of them" value={duration(totals.waited_ms.p50)} more={`99 %: ${duration(totals.waited_ms.p99)}`} />
        <Tile name="Answered, half of them" value={duration(totals.answered_ms.p50)} more={`99 %: ${duration(totals.answered_ms.p99)}`} />
        <Tile name="Provider's 429" value={count(totals.provider_rate_limited)} />
        <Tile name="Handoffs, tools" value={count(totals.handoffs)} more={`${count(totals.tool_calls)} tool calls`} />
      </dl>
      <div className="charts">
        <Chart title="Turns" at={at} lines={rates} show={count} />
        {(["waited_ms", "answered_ms", "handoff_ms"] as const).map((name) => (
          <Percentages key={name} told={told} at={at} name={name} />
        ))}
      </div>
      <div className="tables">
        <div className="scroll" tabIndex={0} role="region" aria-label="The errors">
          <Errors errors={told.errors} />
        </div>
        {told.breakers && told.breakers.length > 0 && (
          <div className="scroll" tabIndex={0} role="region" aria-label="The breakers">
            <Breakers breakers={told.breakers} />
          </div>
        )}
        <div className="scroll" tabIndex={0} role="region" aria-label="The agents">
          <table>
            <caption>Tokens by agent</caption>
            <thead>
              <tr>
                <th>Agent</th>
                <th>Turns</th>
                <th>In</th>
                <th>Out</th>
              </tr>
            </thead>
            <tbody>
              {told.agents.map((agent) => (
                <tr key={agent.slug}>
                  <th scope="row">{agent.slug}</th>
                  <td>{count(agent.turns)}</td>
                  <td>{count(agent.input_tokens)}</td>
                  <td>{count(agent.output_tokens)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </>
  );
}

const TITLES = {
  waited_ms: "Waited before the first run",
  answered_ms: "From the message to its answer",
  handoff_ms: "From an answer to the next message's start",
};

function Percentages({ told, at, name }: { told: Statistics; at: number[]; name: keyof typeof TITLES }) {
  const shown = useMemo(
    () =>
      (["p50", "p95", "p99"] as const).map((which, index): Line => ({
        label: which,
        colour: COLOURS[index]!,
        values: told.series.map((part) => (part[name] as Percentiles)[which]),
      })),
    [told, name],
  );
  return <Chart title={TITLES[name]} at={at} lines={shown} show={duration} />;
}

function Errors({ errors }: { errors: Record<string, number> }) {
  const sorted = Object.entries(errors).sort((one, other) => other[1] - one[1]);
  return (
    <table>
      <caption>Errors by code</caption>
      <tbody>
        {sorted.map(([code, number]) => (
          <tr key={code}>
            <th scope="row">{code}</th>
            <td>{count(number)}</td>
            <td className="bar" aria-hidden="true">
              <meter min={0} max={sorted[0]![1]} value={number} />
            </td>
          </tr>
        ))}
        {sorted.length === 0 && (
          <tr>
            <td>None.</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function Breakers({ breakers }: { breakers: Breaker[] }) {
  return (
    <table>
      <caption>Models that fail</caption>
      <thead>
        <tr>
          <th>Model</th>
          <th>In a row</th>
          <th>Tried again</th>
        </tr>
      </thead>
      <tbody>
        {breakers.map(({ provider, model, failures, code, open_ms }) => (
          <tr key={`${provider} ${model}`}>
            <th scope="row">{model ?? `all of ${provider}`}</th>
            <td>
              {count(failures)}, {code}
            </td>
            <td>{open_ms === null ? "all the time" : open_ms > 0 ? `in ${duration(open_ms)}` : "with the next turn"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Tile({ name, value, more, bad }: { name: string; value: string; more?: string; bad?: boolean }) {
  return (
    <div className={bad ? "bad" : undefined}>
      <dt>{name}</dt>
      <dd>{value}</dd>
      {more && <dd className="more">{more}</dd>}
    </div>
  );
}

function lines(told: Statistics, names: Record<string, keyof Counts>): Line[] {
  return Object.entries(names).map(([label, name], index) => ({
    label,
    colour: COLOURS[index]!,
    values: told.series.map((part) => part[name] as number),
  }));
}

function tries(totals: Counts): string {
  const { 1: first = 0, 2: second = 0, 3: third = 0 } = totals.resolved_after_conflicts;
  return `resolved at try 1, 2, 3: ${count(first)}, ${count(second)}, ${count(third)}`;
}
