// A whole chat without a framework: sends, follows, resumes, stops, answers what is asked, and shows what waits.
import { Api, Conversation, UserStorage, type StreamPart, type TurnStream, partsOf } from "./index";

export function chat(page: HTMLElement, box: HTMLInputElement, functionUrl: string, token: string, user: string): Conversation {
  const api = new Api(functionUrl, async () => token); // called with true when another token than the last is needed
  const id = (location.hash ||= `#${crypto.randomUUID()}`).slice(1); // the same conversation after a reload: it goes on
  const conversation = new Conversation(api, id, new UserStorage(user), {
    onSignedOut: () => location.reload(),
    onChanged: () => {}, // lists of conversations may want to know
    onReturned: (text) => (box.value = text), // a message that was refused or taken back
  });
  const words = (parts: readonly StreamPart[]) => parts.map((part) => (part.kind === "text" ? part.text : `[${part.kind}]`));
  const draw = () => {
    const { lines, open, outbox, stream } = conversation.snapshot();
    const said = lines.map((line) => `${line.agent ?? "you"}: ${words(partsOf(line)).join(" ")}`);
    const growing = stream ? [words(stream.snapshot()).join(" ")] : [];
    const unsent = outbox.filter((message) => !message.turnId);
    const waiting = [...open.slice(1).map((turn) => turn.message), ...unsent.map((message) => message.text)];
    page.innerText = [...said, ...growing, ...waiting.map((text) => `(waits) ${text}`)].join("\n");
    if (stream && stream !== followed) (followed = stream).subscribe(draw);
    for (const { call_id, name } of open[0]?.calls ?? []) {
      if (asked.has(call_id)) continue;
      asked.add(call_id);
      void conversation.answer(open[0]!.turn_id, call_id, { approve: confirm(`May ${name} be called?`) }); // or { output }
    }
  };
  const asked = new Set<string>();
  let followed: TurnStream | null = null;
  conversation.subscribe(draw);
  conversation.open();
  box.onkeydown = ({ key, shiftKey }) => {
    const active = conversation.snapshot().open[0];
    if (key === "Escape" && active) void conversation.cancel(active);
    if (key !== "Enter") return;
    conversation.send(box.value, shiftKey ? "interrupt" : "enqueue"); // behind what is being answered, or in its place
    box.value = "";
  };
  return conversation;
}
