import type { Handoff, StreamPart } from "../client";
import { Markdown } from "../markdown/Markdown";
import { CopyButton } from "../page/CopyButton";
import { colourOf, useAgentName } from "../page/agents";
import { AgainMenu } from "./AgainMenu";
import { ImageItem } from "./Images";
import type { MessageActions } from "./MessageList";
import { RateButtons } from "./RateButtons";
import { Sources } from "./Sources";
import { Time } from "./Time";
import { ToolLine } from "./ToolLine";
import type { Reply } from "./timeline";

/** What an agent says, under its name and in its colour: the same while it is being said, at its end and ever after. */
export function ReplyItem({ reply, actions }: { reply: Reply; actions: MessageActions }) {
  const { agent, parts, state, at, turn, asked, last } = reply;
  const name = useAgentName(agent);
  const initials = name.split(" ").map((word) => word[0]?.toUpperCase() ?? "").slice(0, 2).join("");
  const busy = state !== "whole" && state !== "cut";
  const text = parts.flatMap((part) => (part.kind === "text" ? [part.text] : [])).join("\n\n");
  return (
    <div className="speech" style={colourOf(agent ?? "")}>
      <span className="badge" aria-hidden="true">
        {initials}
      </span>
      <div className="words">
        <p className="speaker">{name}</p>
        {parts.map((part, at) => (
          <Part key={at} part={part} over={!busy} />
        ))}
        <Sources parts={parts} />
        {state === "waiting" && <p className="thinking">Waiting for you</p>}
        {busy && state !== "waiting" && <Progress stopping={state === "stopping"} silent={isSpeaking(parts)} />}
        {state === "cut" && <p className="cut">Cut off here: this answer was not finished.</p>}
        {!busy && (text || parts.some((part) => part.kind === "image")) && (
          <div className="under">
            {text && <CopyButton text={text} of={`the answer of ${name}`} />}
            {asked !== null && <AgainMenu name={name} last={last} onAgain={(other) => actions.onAgain(reply, other)} />}
            {asked !== null && <RateButtons turn={turn} name={name} />}
            <Time at={at} />
          </div>
        )}
      </div>
    </div>
  );
}

function Part({ part, over }: { part: StreamPart; over: boolean }) {
  if (part.kind === "text") return <Markdown text={part.text} />;
  if (part.kind === "image") return <ImageItem image={part.image} />;
  return part.kind === "tool" ? <ToolLine call={part.call} over={over} /> : null;
}

const isSpeaking = (parts: StreamPart[]) => parts.at(-1)?.kind === "text";

function Progress({ stopping, silent }: { stopping: boolean; silent: boolean }) {
  if (silent && !stopping) return <p className="thinking" aria-hidden="true" />;
  return (
    <p className="thinking">
      {stopping ? "Stopping" : "Thinking"}
      <span className="dots" aria-hidden="true">
        <i /> <i /> <i />
      </span>
    </p>
  );
}

export function HandoffLine({ handoff }: { handoff: Handoff }) {
  const from = useAgentName(handoff.from);
  const to = useAgentName(handoff.to);
  return (
    <p className="handed" dir="auto">
      <span className="agent" style={colourOf(handoff.from)}>
        {from}
      </span>
      <span className="hidden"> hands over to </span>
      <span aria-hidden="true"> → </span>
      <span className="agent" style={colourOf(handoff.to)}>
        {to}
      </span>
      {handoff.reason && <span>: {handoff.reason}</span>}
    </p>
  );
}
