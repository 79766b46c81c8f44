import { useChat } from "@ai-sdk/react";
import type { ReactNode } from "react";
import type { TurnStream } from "../chat/turn-stream";
import type { Handoff, TurnMessage } from "../types";
import { Markdown } from "./Markdown";
import { HandoffLine, Speech, PendingReply } from "./Reply";
import { ToolLine } from "./ToolLine";

const REDRAW_MS = 60;

type Block = { agent: string | null; parts: ReactNode[] } | { handoff: Handoff };

/** An answer while it is being given. */
export function StreamedReply({ stream, agent, cancelling }: { stream: TurnStream; agent: string | null; cancelling: boolean }) {
  const { messages } = useChat<TurnMessage>({ chat: stream.chat, throttle: REDRAW_MS });
  const last = messages.at(-1);
  const message = last?.role === "assistant" ? last : null;
  const blocks = message ? blocksOf(message, agent) : [];
  const now = message?.parts.find((part) => part.type === "data-turn")?.data.agent;
  const end = blocks.at(-1);
  const speaking = end && !("handoff" in end);
  return (
    <>
      {blocks.map((block, index) =>
        "handoff" in block ? (
          <HandoffLine key={index} handoff={block.handoff} />
        ) : (
          <Speech key={index} agent={block.agent}>
            {block.parts}
            {block === end && cancelling && <p className="cut">Stopping …</p>}
          </Speech>
        ),
      )}
      {!speaking && <PendingReply agent={end && "handoff" in end ? end.handoff.to : (now ?? agent)} cancelling={cancelling} />}
    </>
  );
}

/** The parts of a stream, grouped by who speaks: a handoff is where that changes. */
function blocksOf(message: TurnMessage, agent: string | null): Block[] {
  const blocks: Block[] = [];
  const first = message.parts.find((part) => part.type === "data-handoff")?.data.from;
  const current = message.parts.find((part) => part.type === "data-turn")?.data.agent;
  let speaker = first ?? current ?? agent;
  for (const [index, part] of message.parts.entries()) {
    if (part.type === "data-handoff") {
      blocks.push({ handoff: part.data });
      speaker = part.data.to;
      continue;
    }
    const shown = partOf(part, index);
    if (!shown) continue;
    const last = blocks.at(-1);
    if (last && !("handoff" in last)) last.parts.push(shown);
    else blocks.push({ agent: speaker, parts: [shown] });
  }
  return blocks;
}

function partOf(part: TurnMessage["parts"][number], index: number): ReactNode {
  if (part.type === "text") return part.text ? <Markdown key={index} text={part.text} /> : null;
  if (part.type === "dynamic-tool") return <ToolLine key={index} part={part} />;
  return null;
}
