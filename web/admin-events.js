// The list of what happened: bounded, and drawn at most once per frame, whatever the rate.

import { $, counted, el, setText } from "./ui.js";

const KEPT = 500;
const SHOWN = 100;
// A voice that reads each of a thousand joins is of no use.
const SPEAK_MS = 4000;

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const REASONS = {
  deleted: "it said so",
  close_notify: "it closed",
  consent_expired: "nothing came from it",
  handshake_timeout: "no handshake in time",
  handshake_failed: "the handshake failed",
  evicted: "another one came",
  taken_over: "taken over",
  codec_mismatch: "lacks the codec",
  room_closed: "closed by an administrator",
  shutdown: "the server stops",
};

const reason = ({ reason: name }) => (name ? `: ${REASONS[name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)] ?? name}` : "");
const TEXTS = {
  "room.opened": () => "opened",
  "room.closed": (data) => `closed${reason(data)}`,
  "publisher.started": () => "publisher started",
  "publisher.stopped": (data) => `publisher stopped${reason(data)}`,
  "subscriber.joined": (data) => `subscriber joined, now ${data.subscribers}`,
  "subscriber.left": (data) => `subscriber left${reason(data)}, now ${data.subscribers}`,
  "limit.hit": (data) => `limit hit: ${data.limit}, ${data.times === 1 ? "once" : `${data.times} times`}`,
  "drain.started": () => "the server drains",
  "drain.stopped": () => "the server takes sessions again",
};
const LOOKS = { "room.closed": "end", "publisher.stopped": "end", "limit.hit": "warn", "drain.started": "warn", "publisher.started": "good" };

/** What an event says, without its room. Types that come later are shown by their name. */
export const textOf = ({ type, data }) => TEXTS[type]?.(data ?? {}) ?? `${type}${reason(data ?? {})}`;

const ofSubscribers = ({ type }) => type.startsWith("subscriber.");

/** The panel of events. */
export class EventList {
  #events = [];
  #fresh = [];
  #frame = 0;
  #speakTimer = 0;
  #unspoken = [];
  #open;
  #list = $("#events");

  /** @param {(room: string) => void} open shows a room */
  constructor(open) {
    this.#open = open;
    $("#events-all").addEventListener("change", () => this.#drawAll());
  }

  add(events) {
    this.#fresh.push(...events);
    if (this.#fresh.length > KEPT) this.#fresh.splice(0, this.#fresh.length - KEPT);
    this.#unspoken.push(...events.filter((event) => !ofSubscribers(event)));
    this.#frame ||= requestAnimationFrame(() => this.#draw());
    if (this.#unspoken.length > 0) this.#speakTimer ||= setTimeout(() => this.#speak(), SPEAK_MS);
  }

  clear() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#speakTimer);
    [this.#frame, this.#speakTimer] = [0, 0];
    [this.#events, this.#fresh, this.#unspoken] = [[], [], []];
    this.#list.replaceChildren();
    setText($("#events-spoken"), "");
    $("#events-empty").hidden = false;
  }

  /** What the stream's connection is at. */
  state(state, error) {
    const [text, look] = {
      off: ["Off", "idle"], connecting: ["Connecting", "busy"], live: ["Live", "live"], waiting: ["Trying again", "busy"],
    }[state];
    const missing = state === "waiting" && error?.status === 404;
    setText($("#feed-state"), missing ? "Not there" : text);
    $("#feed-state").className = `badge ${missing ? "idle" : look}`;
  }

  get #wanted() {
    const all = $("#events-all").checked;
    return (event) => all || !ofSubscribers(event);
  }

  #draw() {
    this.#frame = 0;
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#events.push(...fresh);
    if (this.#events.length > KEPT) this.#events.splice(0, this.#events.length - KEPT);
    const shown = fresh.filter(this.#wanted).slice(-SHOWN).reverse();
    this.#list.prepend(...shown.map((event) => this.#item(event)));
    while (this.#list.children.length > SHOWN) this.#list.lastElementChild.remove();
    $("#events-empty").hidden = this.#list.children.length > 0;
  }

  #drawAll() {
    this.#list.replaceChildren(...this.#events.filter(this.#wanted).slice(-SHOWN).reverse().map((event) => this.#item(event)));
    $("#events-empty").hidden = this.#list.children.length > 0;
  }

  #item(event) {
    const at = new Date(event.timestamp);
    const room = event.data?.room;
    const item = el("li", { class: LOOKS[event.type] ?? "" }, el("time", { dateTime: event.timestamp }, Number.isNaN(+at) ? "–" : clock.format(at)), " ");
    if (room) {
      const link = el("button", { type: "button", class: "link" }, room);
      link.addEventListener("click", () => this.#open(room));
      item.append(link, " ");
    }
    item.append(el("span", {}, textOf(event)));
    return item;
  }

  #speak() {
    this.#speakTimer = 0;
    const last = this.#unspoken.at(-1);
    const others = this.#unspoken.length - 1;
    this.#unspoken = [];
    if (!last) return;
    const text = [last.data?.room, textOf(last)].filter(Boolean).join(" ");
    setText($("#events-spoken"), others > 0 ? `${text}, and ${counted(others, "more event")}` : text);
  }
}
