import type { SupabaseClient } from "@supabase/supabase-js";
import { type FormEvent, useState } from "react";
import type { Config } from "../config";
import { enter } from "../session";

export function SignIn({ supabase, config, notice }: { supabase: SupabaseClient; config: Config; notice: string }) {
  const [create, setCreate] = useState(false);
  const [words, setWords] = useState(notice);
  const [working, setWorking] = useState(false);

  async function go(creating: boolean, email: string, password: string): Promise<void> {
    setWorking(true);
    setWords("");
    setWords(await enter(supabase, creating, email, password).catch(() => "The server cannot be reached."));
    setWorking(false);
  }

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    void go(create, String(fields.get("email")), String(fields.get("password")));
  }

  return (
    <main className="sign-in">
      <h1>Multi-agent chat</h1>
      <p className="lead">One conversation, a whole team that answers. Write as fast as you think.</p>
      <form onSubmit={submit} aria-label={create ? "Create an account" : "Sign in"}>
        <label>
          Email
          <input name="email" type="email" autoComplete="username" required autoFocus />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autoComplete={create ? "new-password" : "current-password"}
            minLength={6}
            required
            aria-describedby={create ? "password-hint" : undefined}
          />
        </label>
        {create && (
          <p id="password-hint" className="hint">
            Six characters or more.
          </p>
        )}
        {words && (
          <p className="notice" role="alert">
            {words}
          </p>
        )}
        <button className="primary" disabled={working}>
          {create ? "Create the account" : "Sign in"}
        </button>
      </form>
      <p className="other">
        {create ? "You have an account?" : "No account yet?"}
        <button type="button" className="text" onClick={() => setCreate(!create)}>
          {create ? "Sign in" : "Create an account"}
        </button>
      </p>
      {config.demo && (
        <p className="other">
          Just looking?
          <button
            type="button"
            className="text"
            disabled={working}
            onClick={() => void go(false, config.demo!.email, config.demo!.password)}
          >
            Use the demo account
          </button>
        </p>
      )}
    </main>
  );
}
