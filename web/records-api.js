// What the records page asks of the server.

import { ApiError, authorization, base, request } from "./api.js";

/** What a recording's file can be in a browser. */
export const PLAYED = { mp4: "video", webm: "video", m4a: "audio", wav: "audio", ogg: "audio", ivf: "pair" };

/** The ending of a recording's name. */
export const ending = (name) => name.slice(name.lastIndexOf(".") + 1);

// How long a link holds by which this page fetches a file.
const BYTES_SECONDS = 600;

const of = (name, rest = "") => new URL(`api/records/${encodeURIComponent(name)}${rest}`, base).href;

/** The server, with a token. */
export class Server {
  constructor(token) {
    this.token = token;
  }

  async #json(url, { method = "GET", body } = {}) {
    const answer = await request(url, {
      method,
      headers: { Accept: "application/json", ...authorization(this.token), ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
    });
    return { headers: answer.headers, json: JSON.parse(answer.body || "null") };
  }

  /** A page of what fits: `{found, total}`. */
  async find({ text, room, from, to, state, page, perPage }) {
    const url = new URL("api/records", base);
    for (const [name, value] of Object.entries({ text, room, from, to, state, page, per_page: perPage })) {
      if (value) url.searchParams.set(name, value);
    }
    const { headers, json } = await this.#json(url.href);
    const found = Array.isArray(json) ? json : [];
    return { found, total: Number(headers.get("X-Total-Count") ?? found.length) };
  }

  /** Whether the token is an administrator's. */
  async isAdmin() {
    try {
      await this.#json(new URL("api/admin/status", base).href);
      return true;
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return false;
      throw error;
    }
  }

  change = async (name, body) => (await this.#json(of(name), { method: "PATCH", body })).json;

  mark = async (name, at, text) => (await this.#json(of(name, "/markers"), { method: "POST", body: { at, text } })).json;

  /** Tries an upload again, now. */
  upload = async (name) => (await this.#json(of(name, "/upload"), { method: "POST" })).json;

  remove = async (name) => void (await this.#json(of(name), { method: "DELETE" }));

  /** A link that needs no token: `{url, expires}`, the URL absolute. */
  async link(name, seconds) {
    const { json } = await this.#json(of(name, "/link"), { method: "POST", body: { seconds } });
    // The server knows nothing of a prefix that a proxy took away.
    return { ...json, url: new URL(json.url.replace(/^\//, ""), base).href };
  }

  /** Records what is published in a room, or no longer. */
  async record(room, on) {
    await this.#json(new URL(`api/admin/rooms/${encodeURIComponent(room)}/record`, base).href, { method: on ? "POST" : "DELETE" });
  }

  /** The rooms that somebody publishes in, for an administrator. */
  async publishing() {
    const { json } = await this.#json(new URL("api/admin/overview", base).href);
    return json.rooms.filter(({ hasPublisher }) => hasPublisher).map(({ name }) => name);
  }

  /** Bytes of a file: all of it, or the first ones. `null` where there is no such file. */
  async bytes(name, { first, progress = () => {}, signal } = {}) {
    // By a link: the file may be in a store, which is not to get the token.
    const link = await this.link(name, BYTES_SECONDS).catch((error) => {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    });
    const headers = first ? { Range: `bytes=0-${first - 1}` } : {};
    const response = link && (await fetch(link.url, { headers, signal, cache: "no-store" }));
    if (!response || response.status === 404) return null;
    if (!response.ok) throw new ApiError(response.status, `The file cannot be read (HTTP ${response.status}).`);
    const total = Number(response.headers.get("Content-Length")) || 0;
    const chunks = [];
    let read = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      read += value.length;
      progress(total ? read / total : 0);
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  }
}
