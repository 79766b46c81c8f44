// Who is signed in. supabase-js keeps the session, renews it and shares it between tabs.
import { createClient, type Session, type SupabaseClient } from "@supabase/supabase-js";
import { useEffect, useState } from "react";
import type { Config } from "./config";
import { SignedOut, Unreachable } from "./errors";

export function connect(config: Config): SupabaseClient {
  return createClient(config.supabaseUrl, config.publishableKey);
}

/** `undefined` while it is not known yet. */
export function useSession(supabase: SupabaseClient): Session | null | undefined {
  const [session, setSession] = useState<Session | null>();
  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange((_event, now) => {
      // A renewed token is no other session: the page keeps what it shows.
      setSession((before) => (before && now && before.user.id === now.user.id ? before : now));
    });
    return () => data.subscription.unsubscribe();
  }, [supabase]);
  return session;
}

export async function accessToken(supabase: SupabaseClient, renewed: boolean): Promise<string> {
  const { data, error } = renewed ? await supabase.auth.refreshSession() : await supabase.auth.getSession();
  if (data.session) return data.session.access_token;
  if (error && (error.status === undefined || error.status === 0 || error.status >= 500)) throw new Unreachable();
  throw new SignedOut();
}

const WORDS: [RegExp, string][] = [
  [/invalid login/i, "The email or the password is wrong."],
  [/already (been )?registered|already exists/i, "There is an account with this email already. Sign in instead."],
  [/password.*(characters|weak|short)/i, "The password is too short: use six characters or more."],
  [/email.*(invalid|valid)|unable to validate email/i, "This is not an email address."],
  [/not confirmed/i, "Confirm your email first: the link is in your inbox."],
  [/rate limit|too many/i, "Too many attempts. Wait a minute, then try again."],
  [/fetch|network/i, "The server cannot be reached. Check your connection and try again."],
];

/** Signs in or up; returns what to tell the person, nothing where it worked. */
export async function enter(supabase: SupabaseClient, create: boolean, email: string, password: string): Promise<string> {
  const { data, error } = create
    ? await supabase.auth.signUp({ email, password })
    : await supabase.auth.signInWithPassword({ email, password });
  if (error) return WORDS.find(([pattern]) => pattern.test(error.message))?.[1] ?? error.message;
  return data.session ? "" : "Your account is made. Confirm it with the link in your inbox, then sign in.";
}
