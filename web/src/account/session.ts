// Who is signed in. Supabase's auth client keeps the session, renews it and shares it between tabs.
import { AuthClient as SupabaseAuth, type Session } from "@supabase/auth-js";
import { useEffect, useState } from "react";
import { SignedOut, Unreachable, UserStorage } from "../client";
import type { Config } from "./config";

export type AuthClient = InstanceType<typeof SupabaseAuth>;

/** What a link out of an email brought with it that could not be used; read before the client takes it out of the address. */
const LINK_ERROR = new URLSearchParams(location.hash.slice(1)).get("error_description");

const FORGETTING = "multi-agent-chat-forget"; // the channel on which tabs tell each other which user is to be forgotten

/** The same client as inside supabase-js, with the same storage key, without what else comes with that. */
export function connect(config: Config): AuthClient {
  const url = new URL(config.supabaseUrl);
  return new SupabaseAuth({
    url: `${config.supabaseUrl.replace(/\/+$/, "")}/auth/v1`,
    headers: { apikey: config.publishableKey, Authorization: `Bearer ${config.publishableKey}` },
    storageKey: `sb-${url.hostname.split(".")[0]}-auth-token`,
    persistSession: true,
    autoRefreshToken: true,
    detectSessionInUrl: true,
    flowType: "implicit", // a link out of an email may be opened in another browser
  });
}

export interface SessionState {
  /** Undefined while it is not known yet. */
  session: Session | null | undefined;
  /** Whether it came of a link for people who forgot their password. */
  recovering: boolean;
  onRecovered: () => void;
  /** How often what this browser kept has been forgotten: each time the page begins anew. */
  forgotten: number;
}

export function useSession(auth: AuthClient): SessionState {
  const [session, setSession] = useState<Session | null>();
  const [recovering, setRecovering] = useState(false);
  const [forgotten, setForgotten] = useState(0);
  useEffect(() => {
    const { data } = auth.onAuthStateChange((event, now) => {
      if (event === "PASSWORD_RECOVERY") setRecovering(true);
      if (!now) setRecovering(false);
      // A renewed token is no other session: the page keeps what it shows.
      setSession((before) => (before && now && before.user.id === now.user.id ? before : now));
    });
    return () => data.subscription.unsubscribe();
  }, [auth]);
  useEffect(() => {
    const channel = new BroadcastChannel(FORGETTING);
    channel.onmessage = (event: MessageEvent<string>) => {
      new UserStorage(event.data).clear();
      history.replaceState(null, "", " ");
      setForgotten((times) => times + 1);
    };
    return () => channel.close();
  }, []);
  return { session, recovering, onRecovered: () => setRecovering(false), forgotten };
}

/** Forgets what this browser keeps for a user, in every tab, this one included: each of them begins anew. */
export function forget(user: string): void {
  const channel = new BroadcastChannel(FORGETTING);
  channel.postMessage(user);
  channel.close();
}

/** Signs out. What this browser keeps for the user goes, in every tab. */
export async function leave(auth: AuthClient, user: string): Promise<void> {
  forget(user);
  history.replaceState(null, "", " ");
  await expire(auth);
  new UserStorage(user).clear();
}

/** Ends a session that is over. What the browser keeps waits for the same user. */
export async function expire(auth: AuthClient): Promise<void> {
  await auth.signOut({ scope: "local" });
}

export async function accessToken(auth: AuthClient, renewed: boolean): Promise<string> {
  const { data, error } = renewed ? await auth.refreshSession() : await auth.getSession();
  if (data.session) return data.session.access_token;
  if (error && (error.status === undefined || error.status === 0 || error.status >= 500)) throw new Unreachable();
  throw new SignedOut();
}

const WORDS: [RegExp, string][] = [
  [/expired|link is invalid/i, "This link is not valid any more. Ask for a new one."],
  [/invalid login/i, "The email or the password is wrong."],
  [/already (been )?registered|already exists/i, "There is an account with this email already. Sign in instead."],
  [/different from the old/i, "This is your present password. Choose another one, or go on with it."],
  [/password.*(characters|weak|short)/i, "The password is too short: use six characters or more."],
  [/email.*(invalid|valid)|unable to validate email/i, "This is not an email address."],
  [/not confirmed/i, "Confirm your email first: the link is in your inbox."],
  [/rate limit|too many|security purposes/i, "Too many attempts. Wait a minute, then try again."],
  [/fetch|network/i, "The server cannot be reached. Check your connection and try again."],
];

/** What is wrong with the link that led here, in words; nothing where none did or all is well. */
export const linkTrouble = (): string => (LINK_ERROR === null ? "" : wordsOf({ message: LINK_ERROR }));

const wordsOf = (error: { message: string }) =>
  WORDS.find(([pattern]) => pattern.test(error.message))?.[1] ?? "This did not work. Try again in a moment.";

/** What came of an attempt: what is wrong, or what to do now; neither where the page goes on by itself. */
export interface Outcome {
  wrong?: string;
  next?: string;
}

export async function signIn(auth: AuthClient, email: string, password: string): Promise<Outcome> {
  const { error } = await auth.signInWithPassword({ email, password });
  return error ? { wrong: wordsOf(error) } : {};
}

export async function signUp(auth: AuthClient, email: string, password: string): Promise<Outcome> {
  const { data, error } = await auth.signUp({ email, password });
  if (error) return { wrong: wordsOf(error) };
  return data.session ? {} : { next: "Your account is made. Confirm it with the link in your inbox, then sign in." };
}

/** Whether there is such an account is not told. */
export async function forgot(auth: AuthClient, email: string): Promise<Outcome> {
  const redirectTo = location.href.split(/[?#]/)[0];
  const { error } = await auth.resetPasswordForEmail(email, { redirectTo });
  if (error) return { wrong: wordsOf(error) };
  return { next: "If there is an account with this email, a link to choose a new password is on its way." };
}

export async function choosePassword(auth: AuthClient, password: string): Promise<Outcome> {
  const { error } = await auth.updateUser({ password });
  return error ? { wrong: wordsOf(error) } : {};
}
