// Asks the server. Every error has one form: {error: {kind, message, …}}.

/** What the server refused, and why. */
export class Refused extends Error {
  /** @param {number} status @param {{kind: string, message: string, proposal?: any}} trouble */
  constructor(status, trouble) {
    super(trouble.message);
    this.status = status;
    this.kind = trouble.kind;
    this.proposal = trouble.proposal;
  }
}

/** Where this run is served: several may be, each under its own path. */
export const BASE = new URL(".", location.href).pathname;

/** @param {string} path @param {Record<string, any>} [query] */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `${BASE}api/${path}${given.length ? `?${text}` : ""}`;
}

/** @param {string} url @param {RequestInit} [how] */
async function request(url, how) {
  let answer;
  try {
    answer = await fetch(url, how);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, { kind: "away", message: "The server does not respond: is shoal explore still running?" });
  }
  if (answer.ok) return answer.json();
  let trouble = { kind: "fault", message: `the server answered ${answer.status}` };
  try {
    trouble = (await answer.json()).error;
  } catch { /* not JSON: keep what is said above */ }
  throw new Refused(answer.status, trouble);
}

/** @param {string} path @param {Record<string, any>} [query] @param {AbortSignal} [signal] */
export const get = (path, query, signal) => request(address(path, query), { signal });

/** @param {string} path @param {any} body @param {Record<string, any>} [query] @param {AbortSignal} [signal] */
export const post = (path, body, query, signal) =>
  request(address(path, query), {
    method: "POST",
    signal,
    headers: { "content-type": "application/json", "x-shoal": "1" },
    body: body instanceof Blob ? body : JSON.stringify(body),
  });
