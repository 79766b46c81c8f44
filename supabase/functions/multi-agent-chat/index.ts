// A Supabase Edge Function in front of the function, so that an unchanged supabase-js reaches it:
//
//     supabase.functions.invoke("multi-agent-chat", { body: { message: "Hello" } })
//
// It hands each request on and each answer back, streams piece by piece, and judges nothing: the function behind it
// verifies tokens and knows which origins may read. Preflights carry no token, hence `verify_jwt = false` in config.toml.

// Where the function is deployed: supabase secrets set MULTI_AGENT_CHAT_URL=https://...
const upstream = (Deno.env.get("MULTI_AGENT_CHAT_URL") ?? "").trim().replace(/\/+$/, "");
if (!/^https?:\/\//.test(upstream)) throw new Error("MULTI_AGENT_CHAT_URL must be the https address of the function.");

// The function answers to this name at any address, and writes it into the addresses that it hands out.
const MOUNT = "/functions/v1/multi-agent-chat";
const OWN_PATH = /^(\/functions\/v1)?\/multi-agent-chat(?=\/|$)/;

// The platform ends a request that has sent nothing for 150 s. A turn that takes longer is answered with 202 before.
const LONGEST_WAIT_SECONDS = 140;

// What belongs to one connection and not to the request (RFC 9110 7.6.1), and what fetch decides by itself.
const PER_CONNECTION = "connection content-length host keep-alive te trailer transfer-encoding upgrade".split(" ");

Deno.serve(async (request) => {
  const { pathname, search } = new URL(request.url);
  const headers = new Headers(request.headers);
  for (const name of PER_CONNECTION) headers.delete(name);
  headers.set("accept-encoding", "identity"); // fetch would unpack the body and leave its header
  headers.append("prefer", `wait=${LONGEST_WAIT_SECONDS}`);
  try {
    const answer = await fetch(upstream + MOUNT + pathname.replace(OWN_PATH, "") + search, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
      signal: request.signal, // a caller that leaves frees the connection behind it; the turn goes on
    });
    return new Response(answer.body, { status: answer.status, headers: answer.headers });
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 }); // the caller has left
    console.error(JSON.stringify({ message: "function.unreachable", type: (error as Error).name }));
    return unreachable(request);
  }
});

/** Any page may read this: which origins are allowed is known behind, and there is nothing in it to protect. */
function unreachable(request: Request): Response {
  const headers = new Headers({ "access-control-allow-origin": "*", "cache-control": "no-store" });
  if (request.method === "OPTIONS" && request.headers.has("access-control-request-method")) {
    headers.set("access-control-allow-methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST");
    headers.set("access-control-allow-headers", request.headers.get("access-control-request-headers") ?? "");
    return new Response(null, { status: 204, headers });
  }
  headers.set("access-control-expose-headers", "retry-after, x-request-id");
  headers.set("retry-after", "1");
  const request_id = crypto.randomUUID().replaceAll("-", "");
  headers.set("x-request-id", request_id);
  const message = "The function cannot be reached.";
  const body = { code: "function_unavailable", message, request_id, retryable: true };
  return Response.json(body, { status: 503, headers });
}
