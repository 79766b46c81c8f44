// An image that an agent draws, in a chat of the AI SDK: as a file of the message, live, at another instance and later.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { validateUIMessages } from "ai";

import { FUNCTION_URL, OTHER_FUNCTION_URL, token, until } from "./environment.mjs";
import { openPage } from "./page.mjs";

const filesOf = ({ parts }) => parts.filter(({ type }) => type === "file");

test("an image is a file of the answer, whose bytes are its user's alone and gone with the conversation", async () => {
  const user = token();
  const headers = { Authorization: `Bearer ${user}` };
  const get = (path, at = FUNCTION_URL, as = headers) => fetch(at + path, { headers: as });
  const them = { token: user, conversation: randomUUID() };
  const page = await openPage(them);
  const sent = page.chat.sendMessage({ text: "[[slow 1]] [[image a red fox]] [[say Here it is.]]" });
  await until(() => page.states().includes("running"));
  const other = await openPage({ ...them, at: OTHER_FUNCTION_URL });
  await other.chat.resumeStream();
  await Promise.all([sent, page.settled(), other.settled()]);
  assert.deepEqual([page.errors, other.errors], [[], []]);

  const shown = (await (await get(`/conversations/${page.chat.id}/messages?format=ui`)).json()).messages;
  await validateUIMessages({ messages: shown });
  const [file] = filesOf(page.reply());
  assert.deepEqual(filesOf(page.reply()), filesOf(shown.at(-1)), "the same, live and later");
  assert.deepEqual(filesOf(page.reply()), filesOf(other.reply()), "and at the other instance");
  assert.equal(file.mediaType, "image/png");
  assert.equal(file.providerMetadata["multi-agent-chat"].description, "a red fox");
  assert.equal(page.text(), "Here it is.");

  const image = await get(file.url, OTHER_FUNCTION_URL);
  assert.equal(image.headers.get("content-type"), "image/png");
  const bytes = Buffer.from(await image.arrayBuffer());
  assert.equal(bytes.length, file.providerMetadata["multi-agent-chat"].bytes);
  assert.equal(bytes.toString("latin1", 1, 4), "PNG");
  const [exported] = (await (await get("/me/export")).json()).conversations;
  assert.equal(exported.images[0].base64, bytes.toString("base64"));
  assert.equal((await get(file.url, FUNCTION_URL, { Authorization: `Bearer ${token()}` })).status, 404);
  const path = `${OTHER_FUNCTION_URL}/conversations/${page.chat.id}`;
  assert.equal((await fetch(path, { method: "DELETE", headers })).status, 204);
  assert.equal((await get(file.url)).status, 404);
});
