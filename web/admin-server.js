// The server as a whole: its figures, and the orders that concern all of it.

import { ask, notice } from "./admin-ask.js";
import { plot } from "./admin-plot.js";
import { POINTS } from "./admin-rooms.js";
import { $, counted, el, fillList, formatBitrate, setText } from "./ui.js";

// More workers than this are shown as their mean: no screen has room for them.
const MOST_WORKERS = 64;

const count = (number) => number.toLocaleString("en");

/** "3 d 4 h", "4 h 12 min", "12 min 5 s". */
export function formatUptime(seconds) {
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  const parts = units.slice(first, first + 2).map(([unit, size], i) => {
    const whole = Math.floor(seconds / size);
    return `${i === 0 ? whole : whole % (units[first][1] / size)} ${unit}`;
  });
  return seconds < 1 ? "0 s" : parts.join(" ");
}

/** The panel of the server. */
export class ServerPanel {
  #api;
  #status = null;
  #changed;

  /** @param {import("./admin-api.js").AdminApi} api @param {() => void} changed asks for a fresh look */
  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
    $("#drain").addEventListener("click", () => this.#askDrain());
    $("#reload").addEventListener("click", () => this.#reload());
    $("#log").addEventListener("submit", (event) => this.#setLog(event));
    $("#reloaded-close").addEventListener("click", () => {
      $("#reloaded").hidden = true;
      $("#reload").focus();
    });
  }

  clear() {
    this.#status = null;
    $("#figures").replaceChildren();
    $("#workers").replaceChildren();
    $("#reloaded").hidden = true;
    $("#log-filter").value = "";
  }

  take(status) {
    this.#status = status;
    fillList($("#figures"), [
      ["Version", status.version],
      ["Up for", formatUptime(status.uptimeSeconds)],
      ["Rooms", count(status.rooms)],
      ["Publishers", count(status.publishers)],
      ["Subscribers", count(status.subscribers)],
      ["Sessions", status.limits?.sessions ? `${count(status.sessions)} of ${count(status.limits.sessions)}` : count(status.sessions)],
      ["Bit rate in", formatBitrate(this.#bitrate)],
    ]);
    this.draining(status.draining);
    this.#showWorkers(status.workers);
  }

  #bitrate = null;

  /** Draws the plots of all rooms together. */
  plot(series) {
    this.#bitrate = series.bitrateIn.at(-1) ?? null;
    plot($("#plot-in"), series.bitrateIn, POINTS);
    plot($("#plot-subscribers"), series.subscribers, POINTS);
  }

  draining(on) {
    $("#draining").hidden = !on;
    setText($("#drain"), on ? "Take sessions again …" : "Drain …");
    if (this.#status) this.#status.draining = on;
  }

  #showWorkers(workers) {
    const list = $("#workers");
    const shown = workers.length <= MOST_WORKERS ? workers : [mean(workers)];
    while (list.children.length > shown.length) list.lastElementChild.remove();
    while (list.children.length < shown.length) {
      list.append(el("li", {}, el("meter", { min: 0, max: 1, high: 0.8, optimum: 0.2 }), el("span")));
    }
    shown.forEach(({ load, sessions }, i) => {
      const [meter, text] = list.children[i].children;
      meter.value = load;
      meter.setAttribute("aria-label", `Worker ${i}`);
      setText(text, `${Math.round(load * 100)} %, ${counted(sessions, "session")}`);
    });
  }

  #askDrain() {
    const on = !this.#status?.draining;
    ask({
      title: on ? "Drain the server?" : "Take new sessions again?",
      text: on
        ? "Nobody new can publish or play from now on. Those that are there go on."
        : "Publishers and subscribers are let in again.",
      yes: on ? "Drain" : "Take sessions again",
      danger: on,
      act: async () => {
        const { draining } = await this.#api.post("drain", { on });
        this.draining(draining);
        notice(draining ? "The server drains." : "The server takes new sessions again.");
        this.#changed();
      },
    });
  }

  async #reload() {
    $("#reload").disabled = true;
    try {
      const { needsRestart } = await this.#api.post("reload");
      if (needsRestart.length === 0) this.#tell([["The configuration has been read again, and all of it is in force.", []]], "fine");
      else this.#tell([["The configuration has been read again. These keep their value until a restart:", needsRestart]], "");
    } catch (error) {
      const text = error.status === 404 ? "This server cannot read its configuration again." : error.message;
      this.#tell([[`Nothing was changed. ${text}`, []]], "bad");
    } finally {
      $("#reload").disabled = false;
    }
  }

  #tell(paragraphs, look) {
    $("#reloaded").className = `banner reloaded ${look}`;
    $("#reloaded-text").replaceChildren(...paragraphs.map(([text, keys]) => el(
      "div", {}, el("p", {}, text), keys.length > 0 ? el("ul", {}, ...keys.map((key) => el("li", {}, el("code", {}, key)))) : null,
    )));
    $("#reloaded").hidden = false;
  }

  async #setLog(event) {
    event.preventDefault();
    const filter = $("#log-filter").value.trim() || "info";
    try {
      notice(`The server logs by “${(await this.#api.post("log", { filter })).filter}” from now on.`);
    } catch (error) {
      notice(error.status === 404 ? "This server cannot change what it logs." : `Not changed: ${error.message}`);
    }
  }
}

function mean(workers) {
  const load = workers.reduce((sum, worker) => sum + worker.load, 0) / workers.length;
  return { load, sessions: workers.reduce((sum, worker) => sum + worker.sessions, 0) };
}
