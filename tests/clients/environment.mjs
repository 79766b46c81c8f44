// Where the stack under test is, and which user to sign in as: the caller of these scripts says so in the environment.
import { createHmac, randomUUID } from "node:crypto";

export const FUNCTION_URL = needed("FUNCTION_URL");
export const OTHER_FUNCTION_URL = needed("OTHER_FUNCTION_URL"); // another instance on the same database
export const SUPABASE_URL = needed("SUPABASE_URL");
export const PUBLISHABLE_KEY = needed("PUBLISHABLE_KEY");
export const SECRET_KEY = needed("SECRET_KEY");
export const DEMO = { email: needed("DEMO_EMAIL"), password: needed("DEMO_PASSWORD") };

/** A token as Supabase issues them to a signed-in user; a new user unless one is named. */
export function token(userId = randomUUID()) {
  const claims = {
    sub: userId,
    role: "authenticated",
    aud: "authenticated",
    iss: `${SUPABASE_URL}/auth/v1`,
    exp: Math.floor(Date.now() / 1000) + 3600,
  };
  const head = [{ alg: "HS256", typ: "JWT" }, claims].map((part) => encoded(JSON.stringify(part))).join(".");
  const signature = createHmac("sha256", needed("JWT_SECRET")).update(head).digest("base64url");
  return `${head}.${signature}`;
}

/** Resolves once `condition` gives something. */
export async function until(condition, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function encoded(text) {
  return Buffer.from(text).toString("base64url");
}

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}
