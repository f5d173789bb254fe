// The administrator's part of the HTTP API. The token lives in this object alone: no storage, no URL, no element.

import { ApiError, authorization, base, request } from "./api.js";

// A room with thousands of sessions takes the server up to 5 s to close.
const ORDER_MS = 15_000;

export class AdminApi {
  #token = "";
  #refused;

  /** @param {() => void} refused called when the server does not accept the token any more */
  constructor(refused) {
    this.#refused = refused;
  }

  /** Takes the token if the server accepts it, and returns the server's status; else throws `ApiError`. */
  async logIn(token) {
    const status = await ask("status", { token });
    this.#token = token;
    return status;
  }

  logOut() {
    this.#token = "";
  }

  get loggedIn() {
    return this.#token !== "";
  }

  get(path, options) {
    return this.#ask(path, options);
  }

  post(path, body) {
    return this.#ask(path, { method: "POST", body, timeoutMs: ORDER_MS });
  }

  delete(path) {
    return this.#ask(path, { method: "DELETE", timeoutMs: ORDER_MS });
  }

  /** Opens the stream of events, from the one after `last` on where that is known. Throws as `fetch` does, or `ApiError`. */
  async events(last, signal) {
    const token = this.#token;
    const headers = { Accept: "text/event-stream", ...authorization(token) };
    if (last) headers["Last-Event-ID"] = last;
    const url = new URL("api/events", base).href;
    const response = await fetch(url, { headers, signal, cache: "no-store", credentials: "same-origin" });
    if (response.ok && response.body) return response.body;
    response.body?.cancel().catch(() => {});
    if (response.status === 401) this.#refuse(token);
    throw new ApiError(response.status, `HTTP ${response.status}`);
  }

  async #ask(path, options) {
    const token = this.#token;
    try {
      return await ask(path, { ...options, token });
    } catch (error) {
      if (error.status === 401) this.#refuse(token);
      throw error;
    }
  }

  /** An answer to a question of an earlier log-in says nothing of this one. */
  #refuse(token) {
    if (token === this.#token) this.#refused();
  }
}

/** The path of a room's or session's resource. */
export const path = (...parts) => parts.map(encodeURIComponent).join("/");

async function ask(where, { token, body, ...options }) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await request(new URL(`api/admin/${where}`, base).href, {
    headers: { Accept: "application/json", ...json, ...authorization(token) },
    body: body === undefined ? undefined : JSON.stringify(body),
    ...options,
  });
  try {
    return JSON.parse(answer.body);
  } catch {
    throw new ApiError(0, "The server’s answer makes no sense.");
  }
}
