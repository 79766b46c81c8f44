import { type FormEvent, useState } from "react";
import type { CallAnswer, PersonCall, Turn } from "../client";
import { useAgentName } from "../page/agents";

interface Properties {
  turn: Turn;
  onAnswer: (call: PersonCall, answer: CallAnswer) => Promise<void>;
}

/** What an answer waits for: things to allow, and questions. */
export function CallCards({ turn, onAnswer }: Properties) {
  const name = useAgentName(turn.agent);
  return (
    <div className="calls" role="group" aria-label={`${name} waits for you`}>
      {(turn.calls ?? []).map((call) => (
        <Card key={call.call_id} name={name} call={call} onAnswer={(answer) => onAnswer(call, answer)} />
      ))}
    </div>
  );
}

interface CardProperties {
  name: string;
  call: PersonCall;
  onAnswer: (answer: CallAnswer) => Promise<void>;
}

function Card({ name, call, onAnswer }: CardProperties) {
  const [sending, setSending] = useState(false);
  const answer = (said: CallAnswer) => {
    if (sending) return;
    setSending(true);
    void onAnswer(said).finally(() => setSending(false));
  };
  const tool = call.name.replaceAll("_", " ");
  if (call.kind === "question") return <Question name={name} given={call.arguments} busy={sending} onAnswer={answer} />;
  return (
    <section className="call">
      <h3>{call.kind === "approval" ? `${name} wants to use “${tool}”.` : `${name} asks this page for “${tool}”.`}</h3>
      {call.kind === "client" && <p className="hint">This page cannot do that.</p>}
      <details>
        <summary>What with</summary>
        <pre tabIndex={0}>{JSON.stringify(call.arguments, null, 2)}</pre>
      </details>
      <form
        onSubmit={(event: FormEvent<HTMLFormElement>) => {
          event.preventDefault();
          const reason = String(new FormData(event.currentTarget).get("reason")).trim();
          answer({ approve: false, ...(reason && { reason }) });
        }}
      >
        {call.kind === "approval" && (
          <button type="button" className="primary" aria-disabled={sending} onClick={() => answer({ approve: true })}>
            Allow
          </button>
        )}
        <input name="reason" dir="auto" maxLength={2000} aria-label="Why not" placeholder="Why not, if you like" />
        <button aria-disabled={sending}>Do not allow</button>
      </form>
    </section>
  );
}

interface QuestionProperties {
  name: string;
  given: unknown;
  busy: boolean;
  onAnswer: (answer: CallAnswer) => void;
}

function Question({ name, given, busy, onAnswer }: QuestionProperties) {
  const { question, choices } = (given ?? {}) as { question?: string; choices?: string[] };
  return (
    <section className="call">
      <h3>{name} asks:</h3>
      <p dir="auto">{question}</p>
      {choices && choices.length > 0 && (
        <ul className="choices" aria-label="Answers to choose from">
          {choices.map((choice) => (
            <li key={choice}>
              <button type="button" dir="auto" aria-disabled={busy} onClick={() => onAnswer({ output: choice })}>
                {choice}
              </button>
            </li>
          ))}
        </ul>
      )}
      <form
        onSubmit={(event: FormEvent<HTMLFormElement>) => {
          event.preventDefault();
          const said = String(new FormData(event.currentTarget).get("answer")).trim();
          if (said) onAnswer({ output: said });
        }}
      >
        <input name="answer" dir="auto" maxLength={32000} aria-label={`Answer ${name}`} placeholder="Your answer" />
        <button className="primary" aria-disabled={busy}>
          Answer
        </button>
        <button type="button" aria-disabled={busy} onClick={() => onAnswer({ approve: false })}>
          Leave it open
        </button>
      </form>
    </section>
  );
}
