// What is being recorded now, and what could be.

import { notice } from "./records-ask.js";
import { $, el, formatDuration, formatSizeOnDisk } from "./ui.js";

const EVERY_MS = 2000;

export class Live {
  #server = null;
  #isAdmin = false;
  #timer = 0;
  #before = new Set();
  #ended;

  /** `ended` is called where something that was being recorded is no longer. */
  constructor(ended) {
    this.#ended = ended;
    $("#start").addEventListener("submit", (event) => {
      event.preventDefault();
      if ($("#start-room").value) this.#order($("#start-room").value, true);
    });
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  use(server, isAdmin) {
    this.#server = server;
    this.#isAdmin = isAdmin;
    this.look();
  }

  stop() {
    this.#server = null;
    clearTimeout(this.#timer);
    $("#live").hidden = true;
  }

  async look() {
    clearTimeout(this.#timer);
    const server = this.#server;
    if (!server || document.hidden) return;
    try {
      const { found } = await server.find({ state: "recording" });
      const publishing = this.#isAdmin ? await server.publishing() : [];
      if (server !== this.#server) return;
      this.#show(found, publishing);
    } catch {
      // The list says it where the server is away; the next look may do.
    }
    this.#timer = setTimeout(() => this.look(), EVERY_MS);
  }

  #show(found, publishing) {
    const recorded = new Set(found.map(({ room }) => room));
    const free = publishing.filter((room) => !recorded.has(room));
    $("#live").hidden = found.length === 0 && free.length === 0;
    $("#start").hidden = free.length === 0;
    const chosen = $("#start-room").value;
    if (document.activeElement !== $("#start-room")) {
      $("#start-room").replaceChildren(...free.map((room) => el("option", { value: room, selected: room === chosen }, room)));
    }
    $("#growing").replaceChildren(...found.map((record) => this.#row(record)));
    const names = new Set(found.map(({ name }) => name));
    if ([...this.#before].some((name) => !names.has(name))) this.#ended();
    this.#before = names;
  }

  #row({ name, room, start, size }) {
    const row = el("li", {},
      el("span", { class: "badge live" }, "Rec"),
      el("strong", {}, room),
      el("span", {}, formatDuration(Date.now() - Date.parse(start))),
      el("span", { class: "soft" }, formatSizeOnDisk(size)),
      el("span", { class: "soft small" }, name));
    if (this.#isAdmin) {
      const stop = el("button", { type: "button", class: "slim", "aria-label": `Stop recording ${room}` }, "Stop");
      stop.addEventListener("click", () => this.#order(room, false));
      row.append(el("span", { class: "spacer" }), stop);
    }
    return row;
  }

  async #order(room, on) {
    try {
      await this.#server.record(room, on);
      notice(on ? `${room} is being recorded.` : `${room} is not recorded any longer.`);
    } catch (error) {
      notice(error.message);
    }
    this.look();
  }
}
