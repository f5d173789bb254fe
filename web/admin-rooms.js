// The rooms: what is known of each, and the table of them.

import { LongTable, Order, line } from "./admin-list.js";
import { paint, plot } from "./admin-plot.js";
import { $, el, formatBitrate, formatPercent, setText } from "./ui.js";

/** Points that the plots show; the server has one each few seconds. */
export const POINTS = 60;

const COLUMNS = [
  { id: "name", title: "Room" },
  { id: "state", title: "State" },
  { id: "codecs", title: "Codecs" },
  { id: "bitrate", title: "Bit rate in", number: true },
  { id: "subscribers", title: "Subscribers", number: true },
  { id: "bitrateOut", title: "Bit rate out", number: true },
  { id: "loss", title: "Loss", number: true },
  { id: "orders", title: "Orders", sorts: false },
];

const count = (number) => number.toLocaleString("en");
// stage2 before stage10.
const byNumber = new Intl.Collator("en", { numeric: true });
const timeOfDay = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** What is known of the rooms: the last sample of the server, and the events since. */
export class Rooms {
  #rooms = new Map();
  #gone = new Map();
  #sample = 0;
  #blocks = [];

  /** What the next question is to say, so that only what is new comes. */
  get query() {
    return `overview?points=${POINTS}&since=${this.#sample}`;
  }

  get(name) {
    return this.#rooms.get(name) ?? null;
  }

  get all() {
    return [...this.#rooms.values()];
  }

  clear() {
    this.#rooms.clear();
    this.#gone.clear();
    this.#blocks = [];
    this.#sample = 0;
    this.server = empty();
  }

  /** The sum of all rooms. */
  server = empty();

  /** Takes an overview in. Returns false where the server began anew: then it is to be asked for everything. */
  take(overview) {
    if (overview.sample < this.#sample) {
      this.#sample = 0;
      this.server = empty();
      for (const room of this.#rooms.values()) room.series = empty();
      return false;
    }
    const fresh = overview.sample > this.#sample;
    const at = Date.parse(overview.at);
    this.#sample = overview.sample;
    if (fresh) extend(this.server, overview.server);
    const seen = new Set();
    for (const found of overview.rooms) {
      // An event said that it has closed, after this sample was taken.
      if (this.#gone.get(found.name) > at) continue;
      seen.add(found.name);
      const room = this.#at(found.name);
      const { hasPublisher, subscribers, history, ...rest } = found;
      Object.assign(room, rest);
      if (!(room.told > at)) Object.assign(room, { hasPublisher, subscribers });
      if (fresh && history) extend(room.series, history);
      room.live = true;
      room.version += 1;
    }
    for (const [name, room] of this.#rooms) {
      if (!seen.has(name) && room.live && !(room.told > at)) this.#close(name);
    }
    for (const [name, when] of this.#gone) if (when <= at) this.#gone.delete(name);
    return true;
  }

  /** Takes the blocked rooms in: also those that do not live. */
  block(blocks) {
    this.#blocks = blocks;
    const until = new Map(blocks.map((block) => [block.room, block.until]));
    for (const name of until.keys()) this.#at(name);
    for (const [name, room] of this.#rooms) {
      const blocked = until.get(name) ?? null;
      if (room.blocked === blocked) continue;
      room.blocked = blocked;
      room.version += 1;
      if (!blocked && !room.live) this.#rooms.delete(name);
    }
  }

  /** Takes an event in, so that the table does not wait for the next sample. */
  hear({ type, timestamp, data }) {
    const name = data?.room;
    if (typeof name !== "string" || !/^(room|publisher|subscriber)\./.test(type)) return;
    const at = Date.parse(timestamp);
    if (type === "room.closed") {
      this.#gone.set(name, at);
      return this.#close(name);
    }
    this.#gone.delete(name);
    const room = this.#at(name);
    room.live = true;
    room.told = at;
    room.version += 1;
    if (type === "publisher.started") room.hasPublisher = true;
    if (type === "publisher.stopped") Object.assign(room, { hasPublisher: false, bitrate: 0 });
    if (Number.isInteger(data.subscribers)) room.subscribers = data.subscribers;
  }

  #close(name) {
    const room = this.#rooms.get(name);
    if (!room) return;
    if (!room.blocked) return void this.#rooms.delete(name);
    Object.assign(room, { live: false, hasPublisher: false, subscribers: 0, bitrate: 0, codecs: [], series: empty() });
    room.version += 1;
  }

  #at(name) {
    let room = this.#rooms.get(name);
    if (!room) {
      room = {
        name, live: false, hasPublisher: false, subscribers: 0, codecs: [], bitrate: 0, bitrateOut: null, loss: null,
        workers: 0, series: empty(), blocked: null, told: 0, version: 0,
      };
      this.#rooms.set(name, room);
    }
    return room;
  }
}

const empty = () => ({ bitrateIn: [], subscribers: [] });

function extend(series, newer) {
  for (const [name, values] of Object.entries(series)) {
    values.push(...(newer[name] ?? []));
    if (values.length > POINTS) values.splice(0, values.length - POINTS);
  }
}

/** A room's state in a word: `[text, look of the badge]`. */
export function stateOf(room) {
  if (room.blocked) return [`Blocked ${blockedUntil(room)}`, "busy"];
  if (room.hasPublisher) return room.overBitrate ? ["Over its bit rate", "busy"] : ["Live", "live"];
  return ["Waiting", "idle"];
}

function blockedUntil(room) {
  const until = new Date(room.blocked);
  const days = Math.floor((until - Date.now()) / 86_400_000);
  return `${timeOfDay.format(until)}${days > 0 ? ` +${days}d` : ""}`;
}

/** The table of rooms. */
export class RoomTable {
  #table;
  #order;
  #rooms;
  #shown = [];
  #orders;

  /** @param {Rooms} rooms @param {{open: (name: string) => void, close: (name: string) => void}} orders */
  constructor(rooms, orders) {
    this.#rooms = rooms;
    this.#orders = orders;
    this.#order = new Order($("#rooms-sort"), COLUMNS, { by: "name" }, () => this.show());
    this.#table = new LongTable($("#rooms"), {
      label: "Rooms",
      columns: COLUMNS,
      create: () => this.#row(),
      keyOf: (room) => room.name,
      onsort: (id) => this.#order.click(id),
    });
    let waiting = 0;
    $("#search").addEventListener("input", () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => this.show());
    });
  }

  /** Draws the rooms that are looked for, in their order. */
  show() {
    const wanted = $("#search").value.trim().toLowerCase();
    const all = this.#rooms.all;
    const found = wanted ? all.filter((room) => room.name.toLowerCase().includes(wanted)) : all;
    const value = (room, by) => ({ name: 0, state: stateOf(room)[0], codecs: room.codecs.join() })[by] ?? room[by];
    this.#shown = this.#order.sort(found, value, (room) => room.name, byNumber.compare);
    this.#table.sorted(this.#order.by, this.#order.descending);
    // Columns that this server has no figures for are left out.
    for (const name of ["bitrateOut", "loss"]) {
      $("#rooms").classList.toggle(`no-${name}`, !all.some((room) => room[name] !== null && room[name] !== undefined));
    }
    this.#table.show(this.#shown);
    setText($("#rooms-count"), found.length === all.length ? count(all.length) : `${count(found.length)} of ${count(all.length)}`);
    $("#rooms").hidden = found.length === 0;
    $("#rooms-empty").hidden = found.length > 0;
    setText($("#rooms-empty"), all.length === 0 ? "No room is open. One opens with its first publisher." : "No room’s name has that in it.");
  }

  /** Draws again what is in sight. */
  refresh() {
    this.#table.refresh();
  }

  focus(name) {
    this.#table.focus(name);
  }

  #row() {
    const name = el("button", { type: "button", class: "link" });
    const badge = el("span", { class: "badge idle" });
    const close = el("button", { type: "button", class: "slim" }, "Close");
    const plots = [0, 1].map(() => el("canvas", { class: "spark", width: 72, height: 24, "aria-hidden": "true" }));
    const [rate, subscribers] = [el("span"), el("span")];
    const row = line(COLUMNS, { name, state: badge, bitrate: [plots[0], rate], subscribers: [plots[1], subscribers], orders: close });
    let shown = null;
    let drawn = "";
    name.addEventListener("click", () => this.#orders.open(shown.name));
    close.addEventListener("click", () => this.#orders.close(shown.name));
    return {
      element: row.element,
      focus: () => name.focus(),
      update(room) {
        const now = `${room.name}:${room.version}:${paint}`;
        if (shown === room && drawn === now) return;
        shown = room;
        drawn = now;
        setText(name, room.name);
        close.setAttribute("aria-label", `Close room ${room.name}`);
        close.hidden = !room.live;
        const [text, look] = stateOf(room);
        setText(badge, text);
        badge.title = room.blocked ? `Blocked until ${new Date(room.blocked).toLocaleString()}` : "";
        badge.className = `badge ${look}`;
        row.set("codecs", room.codecs.join(", "));
        setText(rate, room.hasPublisher ? formatBitrate(room.bitrate) : "–");
        setText(subscribers, count(room.subscribers));
        row.set("bitrateOut", formatBitrate(room.bitrateOut));
        row.set("loss", formatPercent(room.loss));
        plot(plots[0], room.series.bitrateIn, POINTS);
        plot(plots[1], room.series.subscribers, POINTS);
      },
    };
  }
}
