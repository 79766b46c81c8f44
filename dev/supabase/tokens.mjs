// What the vendor's local tokens lack next to the hosted ones: who issued them, and the user's metadata.
import { createHmac } from "node:crypto";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The same token with more claims, signed anew with the project's HS256 secret. */
export function withClaims(token, claims, secret) {
  const [header, payload] = token.split(".");
  const known = JSON.parse(Buffer.from(payload, "base64url").toString());
  const body = `${header}.${encode({ ...known, ...claims })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

/** An answer of /auth/v1; where it carries a session, its access token says what a hosted one says. */
export async function completeSession(response, issuer, secret) {
  if (!response.ok || !response.headers.get("content-type")?.startsWith("application/json")) return response;
  const body = await response.json();
  if (typeof body?.access_token === "string") {
    const claims = {
      iss: issuer,
      aal: "aal1",
      is_anonymous: false,
      app_metadata: body.user?.app_metadata ?? {},
      user_metadata: body.user?.user_metadata ?? {},
    };
    body.access_token = withClaims(body.access_token, claims, secret);
  }
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  return new Response(JSON.stringify(body), { status: response.status, headers });
}
