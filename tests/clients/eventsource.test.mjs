// The raw bytes, read as the standard says that server-sent events are read, and by no library.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { FUNCTION_URL, token } from "./environment.mjs";

const headers = { Authorization: `Bearer ${token()}`, "Content-Type": "application/json", Accept: "text/event-stream" };

function ask(body) {
  return fetch(FUNCTION_URL, { method: "POST", headers, body: JSON.stringify(body) });
}

/** The data of each event, and when it came. */
async function eventsOf(response) {
  const events = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let buffer = "";
  let data = null;
  for await (const chunk of response.body) {
    buffer += decoder.decode(chunk, { stream: true });
    const lines = buffer.split(/\r\n|\r|\n/);
    buffer = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data !== null) events.push({ data, at: Date.now() });
        data = null;
      } else if (line.startsWith("data:")) {
        const value = line.slice(5).replace(/^ /, "");
        data = data === null ? value : `${data}\n${value}`;
      } else assert.ok(line.startsWith(":"), `neither data nor comment: ${line}`);
    }
  }
  assert.equal(buffer, "");
  assert.equal(data, null);
  return events;
}

test("every event is one JSON document, and the last says that it is the last", async () => {
  const response = await ask({ message: "hello", conversation_id: randomUUID() });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(response.headers.get("x-vercel-ai-ui-message-stream"), "v1");
  assert.match(response.headers.get("cache-control"), /no-store|no-cache/);
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  const events = await eventsOf(response);
  assert.equal(events.pop().data, "[DONE]");
  const parts = events.map((event) => JSON.parse(event.data));
  assert.equal(parts[0].type, "start");
  assert.equal(parts.at(-1).type, "finish");
  const text = parts.filter((part) => part.type === "text-delta").map((part) => part.delta).join("");
  assert.equal(text, "Emulated reply 1 to: hello");
});

test("what happens is told while it happens", async () => {
  const asked = Date.now();
  const events = await eventsOf(await ask({ message: "[[slow 2]] hello", conversation_id: randomUUID() }));
  assert.ok(events[0].at - asked < 1500, "the start comes at once");
  assert.ok(events.at(-1).at - asked > 1900, "the end does not");
});

test("an idle conversation has nothing to follow, and one that does not exist is not found", async () => {
  const conversation_id = randomUUID();
  await eventsOf(await ask({ message: "hello", conversation_id }));
  const idle = await fetch(`${FUNCTION_URL}/conversations/${conversation_id}/stream`, { headers });
  assert.equal(idle.status, 204);
  const none = await fetch(`${FUNCTION_URL}/conversations/${randomUUID()}/stream`, { headers });
  assert.equal(none.status, 404);
  assert.equal((await none.json()).code, "not_found");
});
