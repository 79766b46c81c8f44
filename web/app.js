// The chat page: sign in, send as fast as you type, watch every message find its answer.

const WAIT_SECONDS = 20; // how long one question about a turn is kept open
const RETRY_MILLISECONDS = 1500;
const PAUSE_MILLISECONDS = 200; // between two questions, however fast they are answered
const GIVE_UP_AFTER = 20; // failed attempts in a row at one message
const DEADLINE_MILLISECONDS = (WAIT_SECONDS + 160) * 1000; // longer than the function's own wait budget

const element = (id) => document.getElementById(id);
const config = await (await fetch("config.json")).json();
let session = JSON.parse(sessionStorage.getItem("session") ?? "null");
let fresh = ""; // the conversation that was begun here, and holds nothing yet
let handedIn = Promise.resolve(); // the message before has reached the server

// ---- signing in ---------------------------------------------------------------------------------------------------

async function authenticate(path, body) {
  const answer = await fetch(`${config.supabaseUrl}/auth/v1/${path}`, {
    method: "POST",
    headers: { apikey: config.publishableKey, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const result = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(result.msg ?? result.message ?? result.error_description ?? "That did not work.");
  if (!result.access_token) throw new Error("Your account exists. Confirm it with the email you were sent.");
  session = result;
  sessionStorage.setItem("session", JSON.stringify(session));
}

async function accessToken() {
  const nearlyOver = session.expires_at * 1000 - Date.now() < 60_000;
  if (nearlyOver) await authenticate("token?grant_type=refresh_token", { refresh_token: session.refresh_token });
  return session.access_token;
}

async function signIn(path, body) {
  element("notice").textContent = "";
  try {
    await authenticate(path, body);
  } catch (error) {
    element("notice").textContent = error.message;
  }
  show();
}

function signOut(notice = "") {
  session = null;
  element("notice").textContent = notice;
  sessionStorage.removeItem("session");
  startConversation();
}

// ---- one conversation ---------------------------------------------------------------------------------------------

/** The conversation is chosen here and kept in the address: reloading or sharing the tab stays in it. */
function conversationId() {
  const id = location.hash.slice(1);
  if (/^[0-9a-f-]{36}$/.test(id)) return id;
  fresh = crypto.randomUUID();
  history.replaceState(null, "", `#${fresh}`);
  return fresh;
}

function startConversation() {
  history.replaceState(null, "", "#");
  show();
}

async function callFunction(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${await accessToken()}` };
  const signal = AbortSignal.timeout(DEADLINE_MILLISECONDS);
  const answer = await fetch(config.functionUrl + path, { ...options, headers, signal });
  return { status: answer.status, body: await answer.json().catch(() => ({})) };
}

/** What has been said in this conversation before, and what is still being answered. */
async function loadTranscript(id) {
  const { body: conversation } = await callFunction(`/conversations/${id}`);
  const said = [];
  let after = 0;
  while (after !== null) {
    const { status, body } = await callFunction(`/conversations/${id}/messages?limit=100&after_seq=${after}`);
    if (status !== 200) return;
    said.push(...body.messages);
    after = body.next_after_seq;
  }
  if (id !== conversationId() || element("messages").childElementCount) return; // somebody was faster
  const asked = new Map();
  for (const { role, turn_id, text } of said) {
    if (role === "user") {
      asked.set(turn_id, addMessage(text));
      setState(asked.get(turn_id), "done", "");
    } else if (asked.has(turn_id)) addReply(asked.get(turn_id), text);
  }
  for (const { turn_id, message } of conversation.open_turns ?? []) {
    const item = asked.get(turn_id) ?? addMessage(message);
    if (!item.querySelector(".reply")) follow(item, () => askFor(turn_id), turn_id);
  }
}

const askFor = (turn) => callFunction(`/turns/${turn}?wait_seconds=${WAIT_SECONDS}`);

/**
 * Sends one message and follows it to its end. Never throws: what went wrong stands below the message.
 * Messages are handed in one after the other, so that the order of typing is the order of arrival; that takes no
 * time, because handing in does not wait for the answer.
 */
async function send(text) {
  const item = addMessage(text);
  const message = JSON.stringify({ message: text, conversation_id: conversationId(), wait_seconds: 0 });
  const before = handedIn;
  let release;
  handedIn = new Promise((resolve) => (release = resolve));
  await before;
  const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() };
  try {
    await follow(item, () => callFunction("/", { method: "POST", headers, body: message }), null, release);
  } finally {
    release();
  }
}

/** Asks until there is an answer, and says below the message how it stands. */
async function follow(item, ask, turn, accepted = () => {}) {
  let failures = 0;
  // A message that nobody looks at any more still has to be handed in; its answer need not be followed.
  while (failures < GIVE_UP_AFTER && (item.isConnected || !turn)) {
    let result;
    try {
      result = await ask();
    } catch {
      result = { status: 0, body: { retryable: true, message: "No connection." } };
    }
    const { status, body } = result;
    if (status === 401) return signOut("Your session is over. Please sign in again.");
    if (status === 200 && body.reply) {
      addReply(item, body.reply.text);
      return setState(item, "done", body.agent ? `Answered by ${body.agent}` : "Answered");
    }
    if (status === 202 || (status === 200 && !isOver(body.status))) {
      failures = 0;
      setState(item, "waiting", waitingWords(body));
      accepted();
      turn ??= body.turn_id;
      ask = () => askFor(turn);
      await pause(PAUSE_MILLISECONDS);
      continue;
    }
    if (status === 200) return setState(item, "failed", endedWords(body));
    if (!body.retryable || isOver(body.details?.turn?.status)) {
      return setState(item, "failed", body.message ?? "This message could not be answered.");
    }
    failures += 1;
    setState(item, "waiting", `${body.message ?? "The server does not answer."} Trying again …`);
    await pause((body.details?.retry_after ?? 0) * 1000 || RETRY_MILLISECONDS);
  }
  setState(item, "failed", "Given up: the server did not answer. Send the message again.");
}

const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

const isOver = (status) => ["completed", "failed", "cancelled"].includes(status);

function waitingWords({ status, position }) {
  if (position > 0) return position === 1 ? "Waiting: one message is before it" : `Waiting: ${position} messages are before it`;
  return status === "queued" ? "Waiting for its turn" : "Being answered …";
}

function endedWords({ status, error }) {
  if (status === "cancelled") return "Stopped";
  return error?.message ?? "This message could not be answered.";
}

// ---- what is on the page ------------------------------------------------------------------------------------------

function addMessage(text) {
  element("empty").hidden = true;
  const item = document.createElement("li");
  for (const [tag, name] of [["p", "asked"], ["p", "state"]]) {
    const part = document.createElement(tag);
    part.className = name;
    item.append(part);
  }
  item.querySelector(".asked").textContent = text;
  setState(item, "waiting", "Sending …");
  element("messages").append(item);
  item.scrollIntoView({ block: "end" });
  return item;
}

function addReply(item, text) {
  const reply = document.createElement("p");
  reply.className = "reply";
  reply.textContent = text;
  item.append(reply);
  if (item === element("messages").lastElementChild) item.scrollIntoView({ block: "end" });
}

function setState(item, name, words) {
  item.className = name;
  item.querySelector(".state").textContent = words;
}

function show() {
  const signedIn = Boolean(session);
  element("session").hidden = !signedIn;
  element("chat").hidden = !signedIn;
  element("sign-in").hidden = signedIn;
  element("demo").hidden = !config.demo;
  element("messages").replaceChildren();
  element("empty").hidden = false;
  if (!signedIn) return element("sign-in").elements.email.focus();
  element("who").textContent = session.user?.email ?? "";
  element("text").focus();
  const id = conversationId();
  if (id !== fresh) loadTranscript(id).catch(() => {});
}

element("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const credentials = Object.fromEntries(new FormData(event.target));
  signIn(event.submitter?.value === "sign-up" ? "signup" : "token?grant_type=password", credentials);
});
element("demo").addEventListener("click", () => signIn("token?grant_type=password", config.demo));
element("sign-out").addEventListener("click", () => signOut());
element("new").addEventListener("click", startConversation);
addEventListener("hashchange", show);

element("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("text").value.trim();
  if (!text) return;
  element("text").value = "";
  element("text").focus();
  send(text);
});
element("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  element("compose").requestSubmit();
});

show();
