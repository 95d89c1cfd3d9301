// The gateway's API: requests, the login, and errors in plain words.

const KEY = "provd-login";
const WORDS = {
  too_many_requests: "Too many requests in a short time. Wait a minute.",
  too_many_streams: "Too many logs and downloads are open at the same time. Close one of them.",
  quota_exceeded: "Your upload space at this provider is full. Delete uploads that you no longer need.",
  storage_full: "The provider's disk is full. Try again later.",
  results_deleted: "The provider has deleted the files of this job, because their retention time is over.",
  unavailable: "The provider's systems do not answer at the moment. Try again in a minute.",
  internal_error: "The gateway has an internal error. Try again in a minute.",
};

// An answer to HEAD has a status only.
const STATUSES = {
  403: "This cannot be read: it is not yours, or not a regular file.",
  404: "This does not exist, or no longer.",
  410: WORDS.results_deleted,
  429: WORDS.too_many_requests,
  503: WORDS.unavailable,
};

export class ApiError extends Error {
  constructor(status, code, message) {
    super(WORDS[code] || message);
    this.status = status;
    this.code = code;
  }
}

// The login of this tab: {token, address, expires_at, job, rights}. A closed tab forgets it.
let login = JSON.parse(sessionStorage.getItem(KEY) || "null");
const listeners = [];

export const currentLogin = () => login;
export const onLogout = (listener) => listeners.push(listener);
export const may = (right) => Boolean(login && login.rights.includes(right));

export function keepLogin(token) {
  login = { token, ...described(token) };
  sessionStorage.setItem(KEY, JSON.stringify(login));
}

export function logout(reason = "") {
  login = null;
  sessionStorage.removeItem(KEY);
  listeners.forEach((listener) => listener(reason));
}

// What a session or a link says of itself. The gateway checks it with each request; here it only shapes the page.
function described(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { address, expires_at, job, rights } = JSON.parse(atob(payload));
    return { address, expires_at, job, rights };
  } catch {
    throw new Error("This token cannot be read. Is it copied completely?");
  }
}

export async function call(path, { method = "GET", body, headers = {}, signal, anonymous = false } = {}) {
  const sent = { ...headers };
  if (!anonymous && login) sent.Authorization = `Bearer ${login.token}`;
  if (body !== undefined && !(body instanceof Blob)) {
    sent["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, { method, body, headers: sent, signal, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The gateway cannot be reached. Check your connection.");
  }
  if (answer.ok) return answer;
  const failure = await failed(answer);
  if (answer.status === 401 && !anonymous && login) logout("Your login has ended. Log in again.");
  throw failure;
}

async function failed(answer) {
  let found = {};
  try { found = (await answer.json()).error || {}; } catch { /* a proxy's page, or HEAD: no JSON */ }
  return new ApiError(answer.status, found.code || "", found.message || STATUSES[answer.status] || `The gateway answered with status ${answer.status}.`);
}

export const json = async (path, options) => (await call(path, options)).json();
export const jobPath = (id) => `/v1/jobs/${encodeURIComponent(id)}`;
export const filePath = (id, path) => `${jobPath(id)}/files/${path.split("/").map(encoded).join("/")}`;

// A byte of a name that is not UTF-8 comes as a lone surrogate, which encodeURIComponent refuses.
export function encoded(name) {
  return Array.from(name, (character) => {
    const code = character.codePointAt(0);
    return code >= 0xdc80 && code <= 0xdcff ? `%${(code - 0xdc00).toString(16)}` : encodeURIComponent(character);
  }).join("");
}

// Server-sent events by fetch: EventSource cannot send the token in a header.
export async function events(path, offset, signal, receive) {
  const headers = { Accept: "text/event-stream", "Last-Event-ID": String(offset) };
  const answer = await call(path, { headers, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = parsed(part);
      if (event.data !== undefined) receive(event);
    }
  }
}

function parsed(text) {
  const event = { name: "message" };
  for (const line of text.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") event.name = value;
    if (field === "id") event.id = Number(value);
    if (field === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`;
  }
  return event;
}
