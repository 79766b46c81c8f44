// /functions/v1 of the local Supabase: each request goes to the next function instance, streams included.
import { request as httpRequest } from "node:http";

/**
 * @param {string[]} targets base URLs of the function instances
 * @returns a node request handler; an instance that does not listen is passed over, 503 when none does
 */
export function functionsProxy(targets) {
  let next = 0;
  return (incoming, outgoing) => {
    const first = next++;
    const attempt = (number) => {
      if (number >= targets.length) return refuse(outgoing);
      const target = new URL(targets[(first + number) % targets.length]);
      const headers = { ...incoming.headers, "x-forwarded-host": incoming.headers.host ?? "" };
      const upstream = httpRequest(
        { host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers, agent: false },
        (answer) => {
          outgoing.writeHead(answer.statusCode, answer.headers);
          answer.pipe(outgoing);
          answer.on("error", () => outgoing.destroy());
        },
      );
      let connected = false;
      // The body is sent once there is an instance to read it, so that it can still go to the next instance.
      upstream.once("socket", (socket) =>
        socket.once("connect", () => {
          connected = true;
          incoming.pipe(upstream);
        }),
      );
      upstream.once("error", () => {
        if (!connected) return attempt(number + 1);
        if (outgoing.headersSent) return outgoing.destroy();
        return refuse(outgoing);
      });
      outgoing.once("close", () => upstream.destroy());
    };
    attempt(0);
  };
}

function refuse(outgoing) {
  outgoing.writeHead(503, { "content-type": "application/json", "access-control-allow-origin": "*" });
  outgoing.end(JSON.stringify({ code: "function_unavailable", message: "No function instance answers.", retryable: true }));
}
