// Server-sent events by `fetch`: an EventSource can send no Authorization header, and a token in a URL ends in logs.

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
// The server sends a comment now and then; a connection that is silent for so long is dead.
const SILENCE_MS = 90_000;
// Longer than any event is; what is longer is no stream of events.
const LONGEST_LINE = 64 * 1024;

/** Cuts a stream of text into events (HTML, "Server-sent events"). */
export class EventParser {
  #rest = "";
  #event = "";
  #data = [];
  /** Of the last event that had one. */
  lastId = "";
  /** Milliseconds that the server asks to wait before the next connection; null where it says nothing. */
  retryMs = null;

  /** The events that this piece of text completes: `[{type, data, id}]`. */
  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    if (this.#rest.length > LONGEST_LINE) throw new Error("a line without an end");
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  #dispatch() {
    const event = { type: this.#event || "message", data: this.#data.join("\n"), id: this.lastId };
    const empty = this.#data.length === 0;
    this.#event = "";
    this.#data = [];
    return empty ? null : event;
  }
}

/** Follows the server's events, and comes back by itself, after the last event that it saw. */
export class Feed {
  #open;
  #onevents;
  #onstate;
  #last = "";
  #abort = null;
  #timer = 0;
  #failures = 0;
  #retryMs = FIRST_WAIT_MS;

  /**
   * @param {(last: string, signal: AbortSignal) => Promise<ReadableStream>} open
   * @param {(events: {type: string, data: string, id: string}[]) => void} onevents
   * @param {(state: "off"|"connecting"|"live"|"waiting", error?: Error) => void} onstate
   */
  constructor(open, { onevents, onstate }) {
    this.#open = open;
    this.#onevents = onevents;
    this.#onstate = onstate;
  }

  start() {
    this.stop();
    this.#run();
  }

  /** Ends it and forgets the last event: who logs in next starts anew. */
  stop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
    this.#failures = 0;
    this.#last = "";
    this.#onstate("off");
  }

  /** Connects now if it is waiting: the server is back, or the tab is. */
  wake() {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#run();
  }

  async #run() {
    this.#timer = 0;
    const abort = (this.#abort = new AbortController());
    let silence = 0;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    let problem;
    try {
      this.#onstate("connecting");
      heard();
      await this.#follow(await this.#open(this.#last, abort.signal), abort.signal, heard);
    } catch (error) {
      problem = error;
    }
    clearTimeout(silence);
    if (this.#abort !== abort) return;
    abort.abort();
    this.#failures += 1;
    const wait = Math.min(LONGEST_WAIT_MS, this.#retryMs * 2 ** Math.min(this.#failures - 1, 6));
    this.#onstate("waiting", problem);
    // A server that restarts has many pages to serve: they do not all come at the same moment.
    if (this.#abort === abort) this.#timer = setTimeout(() => this.#run(), wait * (0.75 + Math.random() / 2));
  }

  async #follow(body, signal, heard) {
    const parser = new EventParser();
    parser.lastId = this.#last;
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    signal.addEventListener("abort", () => reader.cancel().catch(() => {}));
    this.#onstate("live");
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      heard();
      this.#failures = 0;
      const events = parser.push(value);
      this.#last = parser.lastId;
      this.#retryMs = Math.max(100, parser.retryMs ?? FIRST_WAIT_MS);
      if (events.length > 0) this.#onevents(events);
    }
  }
}
