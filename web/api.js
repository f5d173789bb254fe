// The server's HTTP API as the pages see it: where it is, how errors look, how a session's URL is found.
//
// Everything here works under a base path behind a proxy (https://host/live/): the base is computed from
// this module's own URL, never from the origin.

/** The server's base URL, always with a slash at its end: this module is `<base>web/api.js`. */
export const base = new URL("../", import.meta.url).href;

/** The server's rule for room names. */
export const ROOM_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** The same rule in words, for forms and errors. */
export const ROOM_RULE = "1 to 64 letters, digits, “-” or “_”";

/** URL of the endpoint that a room is published to (WHIP). */
export const whipUrl = (room) => new URL(`api/whip/publish/${encodeURIComponent(room)}`, base).href;

/** URL of the endpoint that a room is played from (WHEP). */
export const whepUrl = (room) => new URL(`api/whep/play/${encodeURIComponent(room)}`, base).href;

/** URL of the page that plays a room: short, made to be handed on. */
export const watchUrl = (room) => new URL(`watch/${encodeURIComponent(room)}`, base).href;

/** URL of one of the pages: "index", "publisher", "player", "records" or "admin". */
export const pageUrl = (page) => (page === "index" ? base : new URL(`web/${page}.html`, base).href);

/** An answer that is not a success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status, 0 where the server was not reached
   * @param {string} message the server's own text, or ours
   * @param {number|null} retryAfter seconds that the server asks to wait, null where it says nothing
   * @param {boolean} known whether the error came in the server's own form, and so from the server itself
   */
  constructor(status, message, retryAfter = null, known = false) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.retryAfter = retryAfter;
    this.known = known;
  }
}

/** The `Authorization` header for a token; nothing without one, so that open servers need no preflight. */
export function authorization(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * `fetch` with a deadline, whose failures are all `ApiError`.
 *
 * @param {string} url
 * @param {RequestInit & {timeoutMs?: number}} options `signal` ends the request early (throws `AbortError`)
 */
export async function request(url, { timeoutMs = 10_000, signal, ...options } = {}) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  const timer = setTimeout(abort, timeoutMs);
  try {
    const response = await fetch(url, {
      cache: "no-store",
      // The token is the only credential: cookies of the site around us are no business of the server's.
      credentials: "same-origin",
      ...options,
      signal: controller.signal,
    });
    if (!response.ok) throw await errorOf(response);
    // The body is read within the deadline too: a proxy may stall in the middle of it.
    const body = await response.text();
    return { status: response.status, headers: response.headers, body };
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    throw new ApiError(0, "The server cannot be reached.");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function errorOf(response) {
  let message = `HTTP ${response.status}`;
  let known = false;
  try {
    // A proxy answers with a page of HTML: only the server's own form is shown to people.
    const body = JSON.parse(await response.text());
    known = typeof body.error === "string";
    if (known) message = body.error;
    if (typeof body.detail === "string") message += ` (${body.detail})`;
  } catch {
    // Keep the status line.
  }
  return new ApiError(response.status, message, parseRetryAfter(response.headers.get("Retry-After")), known);
}

/** `Retry-After` in seconds, from its two forms (RFC 9110, section 10.2.3); null where absent or senseless. */
export function parseRetryAfter(value, now = Date.now()) {
  if (!value) return null;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

async function getJson(path, { token, signal } = {}) {
  const { body } = await request(new URL(path, base).href, {
    headers: { Accept: "application/json", ...authorization(token) },
    signal,
  });
  try {
    return JSON.parse(body);
  } catch {
    throw new ApiError(0, "The server’s answer makes no sense.");
  }
}

/** What the pages need to know: `{authEnabled, recordEnabled, iceServers, features}`. */
export const bootstrap = (options) => getJson("api/bootstrap", options);

/** The rooms: `[{name, hasPublisher, tracks, subscribers, …}]`. */
export async function rooms(options) {
  const list = await getJson("api/rooms", options);
  return Array.isArray(list) ? list : [];
}

/** The recordings: `[{name, size, modTime, url}]`. */
export async function records(options) {
  const list = await getJson("api/records", options);
  return Array.isArray(list) ? list : [];
}

/** One room. */
export const room = (name, options) => getJson(`api/rooms/${encodeURIComponent(name)}`, options);

// How an endpoint's path ends: what stands before it was put there by a proxy.
const ENDPOINT = /\/(?:api\/(?:whip\/publish|whep\/play)|whip|whep)\/[^/]+\/?$/;

/**
 * The URL of a session from the `Location` of its 201.
 *
 * The server answers with an absolute path and does not know of a prefix that a proxy took away; some proxies
 * put it back, most do not. So the prefix is kept from the endpoint unless it is there already.
 *
 * @param {string} endpoint absolute URL that was posted to
 * @param {string} location the header as it came
 */
export function resolveLocation(endpoint, location) {
  const from = new URL(endpoint);
  if (!location.startsWith("/") || location.startsWith("//")) return new URL(location, from).href;
  const match = ENDPOINT.exec(from.pathname);
  const prefix = match ? from.pathname.slice(0, match.index) : "";
  const kept = prefix === "" || location.startsWith(`${prefix}/`);
  return new URL(kept ? location : prefix + location, from).href;
}
