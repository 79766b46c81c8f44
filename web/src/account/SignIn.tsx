import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { choosePassword, forgot, signIn, signUp, type AuthClient, type Outcome } from "./session";
import type { Config } from "./config";

type Mode = "in" | "up" | "forgot";

const TITLES: Record<Mode, [name: string, button: string, working: string]> = {
  in: ["Sign in", "Sign in", "Signing in …"],
  up: ["Create an account", "Create the account", "Creating the account …"],
  forgot: ["Reset your password", "Send me a link", "Sending …"],
};

export function SignIn({ auth, config, notice }: { auth: AuthClient; config: Config; notice: string }) {
  const [mode, setMode] = useState<Mode>("in");
  const [name, button, working] = TITLES[mode];
  const attempt = (email: string, password: string) => {
    if (mode === "forgot") return forgot(auth, email);
    return (mode === "up" ? signUp : signIn)(auth, email, password);
  };
  return (
    <Door lead="One conversation, a whole team that answers. Write as fast as you think.">
      <CredentialsForm key={mode} name={name} button={button} working={working} notice={notice} attempt={attempt}>
        <label>
          Email
          <input name="email" type="email" autoComplete="username" required autoFocus />
        </label>
        {mode !== "forgot" && <Password fresh={mode === "up"} />}
      </CredentialsForm>
      <p className="other">
        <span>{mode === "in" ? "No account yet?" : "You have an account?"}</span>
        <button type="button" className="text" onClick={() => setMode(mode === "in" ? "up" : "in")}>
          {mode === "in" ? "Create an account" : "Sign in"}
        </button>
      </p>
      {mode === "in" && (
        <p className="other">
          <button type="button" className="text" onClick={() => setMode("forgot")}>
            Forgot your password?
          </button>
        </p>
      )}
      {config.demo && <Demo auth={auth} demo={config.demo} />}
    </Door>
  );
}

/** Where a link for people who forgot their password leads. */
export function NewPassword({ auth, onDone }: { auth: AuthClient; onDone: () => void }) {
  const attempt = async (_: string, password: string) => {
    const outcome = await choosePassword(auth, password);
    if (!outcome.wrong) onDone();
    return outcome;
  };
  return (
    <Door lead="Choose a new password.">
      <CredentialsForm name="Choose a new password" button="Save the password" working="Saving …" notice="" attempt={attempt}>
        <Password fresh autoFocus />
      </CredentialsForm>
      <p className="other">
        <button type="button" className="text" onClick={onDone}>
          Keep the old one
        </button>
      </p>
    </Door>
  );
}

function Door({ lead, children }: { lead: string; children: ReactNode }) {
  return (
    <main className="sign-in">
      <h1>Multi-agent chat</h1>
      <p className="lead">{lead}</p>
      {children}
    </main>
  );
}

interface Properties {
  name: string;
  button: string;
  working: string;
  notice: string;
  attempt: (email: string, password: string) => Promise<Outcome>;
  children: ReactNode;
}

function CredentialsForm({ name, button, working, notice, attempt, children }: Properties) {
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>(notice ? { wrong: notice } : {});
  const form = useRef<HTMLFormElement>(null);
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => void (alive.current = false);
  }, []);

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (busy) return;
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    setOutcome({});
    const result = await attempt(String(fields.get("email")), String(fields.get("password")))
      .catch((): Outcome => ({ wrong: "The server cannot be reached. Check your connection and try again." }));
    if (!alive.current) return; // the page is open
    setBusy(false);
    setOutcome(result);
    if (!result.wrong) return;
    const field = [...(form.current?.querySelectorAll("input") ?? [])].at(-1); // the password, where one is asked for
    field?.focus(); // where the next attempt begins
    field?.select();
  }

  return (
    <form ref={form} onSubmit={(event) => void submit(event)} aria-label={name}>
      {children}
      {outcome.wrong && (
        <p className="notice" role="alert">
          {outcome.wrong}
        </p>
      )}
      {outcome.next && (
        <p className="notice" role="status">
          {outcome.next}
        </p>
      )}
      {/* Not disabled while it works: a disabled button drops the focus. */}
      <button className="primary" aria-disabled={busy}>
        {busy ? working : button}
      </button>
    </form>
  );
}

function Password({ fresh, autoFocus }: { fresh: boolean; autoFocus?: boolean }) {
  return (
    <>
      <label>
        Password
        <input
          name="password"
          type="password"
          autoComplete={fresh ? "new-password" : "current-password"}
          minLength={6}
          required
          autoFocus={autoFocus}
          aria-describedby={fresh ? "password-hint" : undefined}
        />
      </label>
      {fresh && (
        <p id="password-hint" className="hint">
          Six characters or more.
        </p>
      )}
    </>
  );
}

function Demo({ auth, demo }: { auth: AuthClient; demo: { email: string; password: string } }) {
  const [state, setState] = useState<Outcome | "busy">({});
  const enter = async () => {
    setState("busy");
    setState(await signIn(auth, demo.email, demo.password).catch((): Outcome => ({ wrong: "The server cannot be reached." })));
  };
  return (
    <>
      <p className="other">
        <span>Just looking?</span>
        <button type="button" className="text" aria-disabled={state === "busy"} onClick={() => void enter()}>
          {state === "busy" ? "Signing in …" : "Use the demo account"}
        </button>
      </p>
      {state !== "busy" && state.wrong && <p role="alert">{state.wrong}</p>}
    </>
  );
}
