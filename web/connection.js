// A peer connection that comes back by itself: what publishing and playing have in common.
//
// States: "idle" → "connecting" → "live" → … → "closed". On the way back to "live": "reconnecting" (the connection
// went), "waiting" (the server said: later), "stalled" (players: connected, but nothing comes). "failed" is the end
// until `start()` is called again: trying once more by itself could not help.

import { ApiError } from "./api.js";
import { Resource } from "./resource.js";
import { afterRestart, restartFragment } from "./sdp.js";

// ICE over TCP and TURN come after UDP was tried: shorter than this would cut them off.
const CONNECT_MS = 12_000;
// Chromium reports "disconnected" after a few lost checks: most of these heal by themselves.
const HEAL_MS = 1000;
const RESTART_MS = 5000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
const LONGEST_RETRY_AFTER_S = 120;
// A session that lived this long was a good one: the next trouble is a new one and starts at the short delays.
const GOOD_SESSION_MS = 5000;
const STATS_MS = 1000;
/** Milliseconds without a packet after which something is amiss; longer than any wait for a key frame should be. */
export const SILENT_MS = 2500;

/** Wait in milliseconds before try `n` (from 0): doubled each time, with jitter so that a crowd does not return as one. */
export function backoff(n, random = Math.random()) {
  const full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(n, 10));
  return full * (0.5 + random / 2);
}

/**
 * Base of `WhipPublisher` and `WhepPlayer`. Subclasses give `prepare`, `judge` and `summarise`.
 */
export class Connection {
  /** "idle", "connecting", "live", "stalled", "waiting", "reconnecting", "failed" or "closed". */
  state = "idle";
  /** The reason for the state, in plain words; may be empty. */
  detail = "";
  /** The error behind the state, if there is one. @type {ApiError|Error|null} */
  error = null;
  /** The present peer connection. @type {RTCPeerConnection|null} */
  pc = null;
  /** The last summary of the connection's statistics. */
  stats = null;
  /** How many sessions came about since `start()`. */
  sessions = 0;
  /** When the present session's offer was sent, on the clock of `performance.now()`. */
  postedAt = 0;

  #resource = null;
  #abort = null;
  #timer = 0;
  #statsTimer = 0;
  #tries = 0;
  #restarting = false;
  #liveSince = 0;
  #notBefore = 0;
  #askAfterMs = 0;

  /**
   * @param {object} options
   * @param {string} options.url the endpoint, absolute
   * @param {string} [options.token] bearer token
   * @param {(connection: Connection) => void} [options.onstate] after each change of `state` or `detail`
   * @param {(stats: object) => void} [options.onstats] each second while connected
   */
  constructor({ url, token = "", onstate, onstats }) {
    this.url = new URL(url, location.href).href;
    this.token = token;
    this.onstate = onstate;
    this.onstats = onstats;
  }

  /** Connects, and stays connected until `stop()`. */
  start() {
    if (this.#active()) return;
    this.#tries = 0;
    this.sessions = 0;
    this.#open("connecting");
  }

  /** Ends the session. `keepalive` lets the DELETE outlive the page. */
  stop({ keepalive = true } = {}) {
    const ended = this.#teardown({ keepalive });
    if (this.state !== "idle") this.setState("closed");
    return ended;
  }

  /** Tries now what it would try later: for a tab that becomes visible, or a network that comes back. */
  wake() {
    const waiting = this.state === "waiting" || this.state === "reconnecting";
    // What the server asked for (Retry-After) is kept, however often the tab is turned.
    if (waiting && !this.pc && performance.now() >= this.#notBefore) this.#open(this.state);
    else if (this.pc?.connectionState === "failed") this.lost("The connection broke off.");
  }

  /** Gives the present session up and makes a new one after a short wait, in `state` until then. */
  lost(reason, error = null, state = "reconnecting") {
    if (!this.#active()) return;
    if (this.#liveSince && performance.now() - this.#liveSince > GOOD_SESSION_MS) this.#tries = 0;
    const ended = this.#teardown({});
    this.setState(state, reason, error);
    this.#later(backoff(this.#tries++), ended);
  }

  setState(state, detail = "", error = null) {
    if (state === this.state && detail === this.detail) return;
    this.state = state;
    this.detail = detail;
    this.error = error;
    this.onstate?.(this);
  }

  // --- for subclasses ---

  /** Adds tracks or transceivers to a new peer connection. @param {RTCPeerConnection} _pc */
  async prepare(_pc) {}

  /** The offer as it is sent and set. */
  editOffer(sdp) {
    return sdp;
  }

  /** The answer as it is set. */
  editAnswer(sdp) {
    return sdp;
  }

  /** Called when the transport stands; by default this is being live. */
  connected() {
    this.setState("live");
  }

  /** Called before a peer connection is given up. */
  released() {}

  /**
   * What follows from an error of the POST: the next state ("waiting", "reconnecting" or "failed") and why.
   *
   * @param {ApiError} error
   * @param {number} tries how many tries failed before this one
   * @returns {{state: string, detail: string}}
   */
  judge(error, _tries) {
    switch (error.status) {
      case 0:
        return { state: "reconnecting", detail: error.message };
      case 401:
        return { state: "failed", detail: "This room needs a token, or the one given is not right." };
      case 429:
        return { state: "waiting", detail: "The server asks to slow down." };
      case 503:
        return { state: "waiting", detail: "The server is busy at the moment." };
      default:
        if (error.status >= 500) return { state: "reconnecting", detail: `The server failed: ${error.message}.` };
        return { state: "failed", detail: `The server refused: ${error.message}.` };
    }
  }

  /** To be called when something came from the server. */
  heard() {
    this.#askAfterMs = 0;
  }

  /**
   * To be called while nothing comes from the server, with the milliseconds since it did: asks whether it still has
   * this session, and makes a new one if not. So a server that restarted is noticed seconds before ICE gives up.
   */
  async verify(silentMs) {
    // A crowd whose publisher left does not ask all at once, and then less and less often.
    this.#askAfterMs ||= SILENT_MS * (1 + Math.random());
    if (silentMs < this.#askAfterMs) return;
    this.#askAfterMs *= 2;
    const resource = this.#resource;
    if (resource && !(await resource.alive()) && resource === this.#resource) this.lost("The server ended the session.");
  }

  /** A summary of a statistics report. */
  summarise(_report) {
    return null;
  }

  // --- one session ---

  #active() {
    return !["idle", "failed", "closed"].includes(this.state);
  }

  async #open(state) {
    this.#teardown({});
    this.setState(state, this.detail);
    const abort = new AbortController();
    this.#abort = abort;
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });
    this.pc = pc;
    try {
      await this.prepare(pc);
      const { sdp: plain } = await pc.createOffer();
      if (abort.signal.aborted) return;
      const offer = this.editOffer(plain);
      this.postedAt = performance.now();
      const { resource, answer, iceServers } = await Resource.create({
        endpoint: this.url,
        token: this.token,
        offer,
        signal: abort.signal,
      });
      this.#resource = resource;
      this.sessions += 1;
      // The offer is set only now, so that candidates are gathered with the servers of the answer's Link headers:
      // one request is enough, and the server needs no candidates of ours in the offer.
      if (iceServers.length > 0) configure(pc, iceServers);
      await setLocal(pc, offer, plain);
      await pc.setRemoteDescription({ type: "answer", sdp: this.editAnswer(answer) });
      if (abort.signal.aborted) return;
      this.#watch(pc);
    } catch (error) {
      if (!abort.signal.aborted) this.#refused(error);
    }
  }

  #refused(error) {
    const api = error instanceof ApiError ? error : null;
    const verdict = api
      ? this.judge(api, this.#tries)
      : { state: "failed", detail: `The browser could not take the connection up: ${error.message}` };
    this.#teardown({});
    if (verdict.state !== "failed") {
      const asked = Math.min(api?.retryAfter ?? 0, LONGEST_RETRY_AFTER_S) * 1000;
      // Where the server says when, it is then (plus a little jitter), else our own growing wait.
      const wait = asked > 0 ? asked * (1 + Math.random() / 4) : backoff(this.#tries);
      this.#tries += 1;
      this.#notBefore = performance.now() + asked;
      this.#later(wait);
    }
    this.setState(verdict.state, verdict.detail, error);
  }

  #watch(pc) {
    const current = () => this.pc === pc;
    this.#timer = setTimeout(() => {
      if (current() && pc.connectionState !== "connected") {
        this.lost("No media connection came about: a firewall may block UDP and TCP.");
      }
    }, CONNECT_MS);
    const transport = (pc.getTransceivers().find((t) => t.receiver.transport) ?? null)?.receiver.transport;
    // The server's DTLS close_notify: `connectionState` stays "connected" in browsers that follow the letter.
    transport?.addEventListener("statechange", () => {
      if (current() && ["closed", "failed"].includes(transport.state)) this.lost("The server ended the session.");
    });
    pc.addEventListener("connectionstatechange", () => current() && this.#changed(pc));
    this.#statsTimer = setInterval(() => this.#readStats(pc), STATS_MS);
    this.#changed(pc);
  }

  #changed(pc) {
    switch (pc.connectionState) {
      case "connected":
        clearTimeout(this.#timer);
        this.#restarting = false;
        // Long waits were those for a publisher; a session that does not last still counts as two failures.
        this.#tries = Math.min(this.#tries, 2);
        this.#liveSince ||= performance.now();
        this.connected();
        break;
      case "disconnected":
        if (this.#restarting) break;
        this.setState("reconnecting", "The connection is interrupted.");
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#restartIce(pc), HEAL_MS);
        break;
      case "failed":
      case "closed":
        this.lost("The connection broke off.");
        break;
      default:
    }
  }

  // A new path for the same session (another network, a proxy that forgot us) is cheaper than a new session:
  // DTLS and the decoder go on. Where it does not work within seconds, a new session is made.
  async #restartIce(pc) {
    if (this.pc !== pc || pc.connectionState === "connected") return;
    this.#restarting = true;
    this.#timer = setTimeout(() => {
      if (this.pc === pc && pc.connectionState !== "connected") this.lost("The connection broke off.");
    }, RESTART_MS);
    try {
      const { sdp: plain } = await pc.createOffer({ iceRestart: true });
      const offer = this.editOffer(plain);
      await setLocal(pc, offer, plain);
      const fragment = await this.#resource.restart(restartFragment(offer), this.#abort.signal);
      const answer = afterRestart(pc.remoteDescription.sdp, fragment);
      if (!answer) throw new Error("no credentials in the fragment");
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
    } catch (error) {
      if (this.pc === pc && error.name !== "AbortError") this.lost("The connection broke off.", error);
    }
  }

  async #readStats(pc) {
    try {
      const report = await pc.getStats();
      if (this.pc !== pc) return;
      this.stats = this.summarise(report) ?? this.stats;
      this.onstats?.(this.stats);
    } catch {
      // A connection that closes meanwhile has no statistics.
    }
  }

  // `after` lets a publisher's DELETE reach the server before the next POST, which else would meet a 409.
  #later(ms, after = null) {
    const due = performance.now() + ms;
    const abort = new AbortController();
    this.#abort = abort;
    Promise.resolve(after).then(() => {
      if (abort.signal.aborted) return;
      this.#timer = setTimeout(() => this.#open(this.state), Math.max(0, due - performance.now()));
    });
  }

  #teardown({ keepalive = false }) {
    clearTimeout(this.#timer);
    clearInterval(this.#statsTimer);
    this.#abort?.abort();
    this.#liveSince = 0;
    this.#askAfterMs = 0;
    this.#restarting = false;
    if (this.pc) this.released();
    const { pc } = this;
    this.pc = null;
    const ended = this.#resource?.end({ keepalive });
    this.#resource = null;
    // Nothing is sent from here on, but DTLS is closed after the DELETE: its close_notify would be there first, and
    // the DELETE then fail for a session that is gone.
    for (const sender of pc?.getSenders() ?? []) sender.replaceTrack(null).catch(() => {});
    if (ended) ended.then(() => pc?.close());
    else pc?.close();
    return ended;
  }
}

function configure(pc, iceServers) {
  try {
    pc.setConfiguration({ ...pc.getConfiguration(), iceServers });
  } catch {
    // Without setConfiguration the direct path is still tried.
  }
}

// A browser that refuses an edited offer takes its own: mono sound is better than none.
async function setLocal(pc, offer, plain) {
  try {
    await pc.setLocalDescription({ type: "offer", sdp: offer });
  } catch (error) {
    if (offer === plain) throw error;
    await pc.setLocalDescription({ type: "offer", sdp: plain });
  }
}
