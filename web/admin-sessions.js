// The sessions of a room, or all of them. They come in pages: at first one after the other, then one page each few
// seconds, round and round. So the server is asked for a bounded answer whatever the room's size.

import { path } from "./admin-api.js";
import { LongTable, Order, line } from "./admin-list.js";
import { $, counted, el, fillList, formatBitrate, formatDuration, formatMs, formatPercent, setText } from "./ui.js";

const PAGE = 500;
const DETAIL_MS = 2000;
const SHOW_MS = 200;

const COLUMNS = [
  { id: "role", title: "Role" },
  { id: "room", title: "Room" },
  { id: "address", title: "Address" },
  { id: "client", title: "Client" },
  { id: "transport", title: "Path" },
  { id: "srtp", title: "SRTP" },
  { id: "bitrate", title: "Bit rate", number: true },
  { id: "loss", title: "Loss", number: true },
  { id: "roundTripTime", title: "Round trip", number: true },
  { id: "layer", title: "Layer" },
  { id: "since", title: "For", number: true },
  { id: "orders", title: "Orders", sorts: false },
];

const SRTP = { AEAD_AES_128_GCM: "AES-GCM", AES128_CM_HMAC_SHA1_80: "AES-CM", AES_CM_128_HMAC_SHA1_80: "AES-CM" };
const OBSTACLES = {
  no_handshake: "No handshake yet",
  no_publisher: "Waits for a publisher",
  no_codec: "Lacks the codec",
  no_keyframe: "Waits for a key frame",
  congested: "Congested",
};
const BROWSERS = [[/Edg\/(\d+)/, "Edge"], [/OPR\/(\d+)/, "Opera"], [/Firefox\/(\d+)/, "Firefox"], [/Chrom(?:e|ium)\/(\d+)/, "Chromium"], [/Version\/(\d+).*Safari/, "Safari"]];

/** "Firefox 153", "OBS-Studio/32.0" of a User-Agent. */
export function clientName(agent) {
  if (!agent) return "–";
  if (!/^Mozilla\//.test(agent)) return agent.split(/[\s(;]/)[0];
  const found = BROWSERS.map(([pattern, name]) => [pattern.exec(agent), name]).find(([match]) => match);
  return found ? `${found[1]} ${found[0][1]}` : "Browser";
}

const addressOf = (session) => session.remote ?? session.address ?? "–";
const stateOf = (session) => (session.state === "connecting" ? "Connecting" : OBSTACLES[session.obstacle] ?? "");

/** The table of sessions. */
export class SessionTable {
  #api;
  #end;
  #table;
  #order;
  #room = null;
  #sessions = new Map();
  #cursor = null;
  #whole = false;
  #round = 0;
  #run = 0;
  #asking = false;
  #showTimer = 0;
  #detail = null;
  #detailTimer = 0;

  /** @param {import("./admin-api.js").AdminApi} api @param {(session: object) => void} end asks whether to end a session */
  constructor(api, end) {
    this.#api = api;
    this.#end = end;
    this.#order = new Order($("#sessions-sort"), COLUMNS, { by: "role" }, () => this.#show());
    this.#table = new LongTable($("#sessions"), {
      label: "Sessions",
      columns: COLUMNS,
      create: () => this.#row(),
      keyOf: (session) => session.key,
      onsort: (id) => this.#order.click(id),
    });
    $("#sessions-search").addEventListener("input", () => this.#show());
    $("#session-close").addEventListener("click", () => $("#session").close());
    $("#session").addEventListener("close", () => this.#closeDetail());
    $("#session-end").addEventListener("click", () => {
      const session = this.#detail;
      $("#session").close();
      if (session) this.#end(session);
    });
  }

  /** Shows a room's sessions; with null, all. */
  open(room) {
    this.close();
    this.#room = room;
    $("#sessions").classList.toggle("of-room", room !== null);
    $("#sessions-search").value = "";
    $("#sessions").scrollTop = 0;
    this.#show();
    this.poll();
  }

  close() {
    this.#run += 1;
    this.#asking = false;
    clearTimeout(this.#showTimer);
    this.#showTimer = 0;
    this.#sessions.clear();
    this.#cursor = null;
    this.#whole = false;
    $("#session").close();
  }

  /** Asks for the next page; while not all have come, for the one after it at once. */
  async poll() {
    if (this.#asking) return;
    this.#asking = true;
    const run = this.#run;
    try {
      do {
        const page = await this.#api.get(`sessions?${this.#query()}`);
        if (run !== this.#run) return;
        this.#take(page);
        this.#showSoon();
      } while (!this.#whole);
    } catch {
      // The page's own question tells that the server is away; the next round asks again.
    } finally {
      if (run === this.#run) this.#asking = false;
    }
  }

  /** Takes an event in: who has left is not shown any longer, who has joined is asked for. */
  hear({ type, data }) {
    if (/^(subscriber\.left|publisher\.stopped)$/.test(type) && this.#sessions.delete(data?.session)) this.#showSoon();
  }

  /** Takes a session away that was ended. */
  forget(key) {
    this.#sessions.delete(key);
    this.#show();
  }

  #query() {
    const query = new URLSearchParams({ limit: PAGE });
    if (this.#room !== null) query.set("room", this.#room);
    if (this.#cursor !== null) query.set("after", this.#cursor);
    return query;
  }

  // Pages are in the order of keys, so what is known between a page's ends and was not in it has ended.
  #take({ sessions, next }) {
    this.#round += 1;
    const [from, to] = [this.#cursor, next];
    for (const session of sessions) {
      const client = clientName(session.userAgent);
      const since = Date.parse(session.since);
      const text = [session.room, session.role, addressOf(session), session.address, client, session.userAgent, session.transport, stateOf(session)];
      this.#sessions.set(session.key, { ...session, client, since, text: text.join(" ").toLowerCase(), round: this.#round });
    }
    for (const [key, session] of this.#sessions) {
      const inside = (from === null || key > from) && (to === null || key <= to);
      if (inside && session.round !== this.#round) this.#sessions.delete(key);
    }
    this.#cursor = next;
    if (next === null) this.#whole = true;
  }

  // Thousands are sorted each time: not for each of the pages and events that come close together.
  #showSoon() {
    this.#showTimer ||= setTimeout(() => this.#show(), SHOW_MS);
  }

  #show() {
    clearTimeout(this.#showTimer);
    this.#showTimer = 0;
    const wanted = $("#sessions-search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const all = [...this.#sessions.values()];
    const found = wanted.length > 0 ? all.filter(({ text }) => wanted.every((word) => text.includes(word))) : all;
    const value = (session, by) => (by === "since" ? -session.since : by === "address" ? addressOf(session) : session[by]);
    const shown = this.#order.sort(found, value, (session) => session.key);
    this.#table.sorted(this.#order.by, this.#order.descending);
    $("#sessions").classList.toggle("no-layer", !all.some(({ layer }) => layer !== null && layer !== undefined));
    this.#table.show(shown);
    const number = (n) => n.toLocaleString("en");
    const more = this.#whole ? "" : " …";
    setText($("#sessions-count"), (found.length === all.length ? number(all.length) : `${number(found.length)} of ${number(all.length)}`) + more);
    $("#sessions").hidden = found.length === 0;
    $("#sessions-empty").hidden = found.length > 0;
    let nothing = all.length === 0 ? "There is no session." : "No session has that.";
    if (!this.#whole) nothing = "Looking …";
    setText($("#sessions-empty"), nothing);
  }

  #row() {
    const address = el("button", { type: "button", class: "link" });
    const badge = el("span", { class: "badge idle" });
    const end = el("button", { type: "button", class: "slim" }, "End");
    const row = line(COLUMNS, { role: badge, address, orders: end });
    let shown = null;
    address.addEventListener("click", () => this.#inspect(shown));
    end.addEventListener("click", () => this.#end(shown));
    return {
      element: row.element,
      focus: () => address.focus(),
      update(session) {
        // "For" moves on by itself, the rest with each page.
        row.set("since", formatDuration(Date.now() - session.since));
        if (shown === session) return;
        shown = session;
        const publisher = session.role === "publisher";
        setText(badge, publisher ? "Publisher" : stateOf(session) || "Subscriber");
        badge.className = `badge ${publisher ? "live" : stateOf(session) ? "busy" : "idle"}`;
        setText(address, addressOf(session));
        address.title = addressOf(session);
        address.setAttribute("aria-label", `Look at session ${addressOf(session)}`);
        end.setAttribute("aria-label", `End session ${addressOf(session)}`);
        row.set("room", session.room);
        row.set("client", session.client);
        row.cells.client.title = session.userAgent ?? "";
        row.set("transport", session.transport?.toUpperCase() ?? "–");
        row.set("srtp", SRTP[session.srtp] ?? session.srtp ?? "–");
        row.set("bitrate", formatBitrate(session.bitrate));
        row.set("loss", formatPercent(session.loss));
        row.set("roundTripTime", formatMs(session.roundTripTime));
        row.set("layer", session.layer === null || session.layer === undefined ? "–" : String(session.layer));
      },
    };
  }

  // --- one session ---

  #inspect(session) {
    this.#detail = session;
    setText($("#session-title"), `${session.role === "publisher" ? "Publisher" : "Subscriber"} of “${session.room}”`);
    setText($("#session-error"), "");
    fillList($("#session-facts"), facts(session));
    $("#session").showModal();
    this.#lookAgain();
  }

  #closeDetail() {
    clearTimeout(this.#detailTimer);
    this.#detail = null;
  }

  async #lookAgain() {
    const session = this.#detail;
    if (!session) return;
    try {
      const now = await this.#api.get(path("sessions", session.key));
      if (this.#detail?.key !== session.key) return;
      fillList($("#session-facts"), facts({ ...now, since: Date.parse(now.since) }));
      setText($("#session-error"), "");
    } catch (error) {
      if (this.#detail?.key !== session.key) return;
      setText($("#session-error"), error.status === 404 ? "This session has ended." : error.message);
      if (error.status === 404) return;
    }
    this.#detailTimer = setTimeout(() => this.#lookAgain(), DETAIL_MS);
  }
}

function facts(session) {
  const count = (n) => (n === null || n === undefined ? "–" : n.toLocaleString("en"));
  const many = (n, noun) => (n === null || n === undefined ? `– ${noun}s` : counted(n, noun));
  return [
    ["State", stateOf(session) || "Connected"],
    ["Address", session.remote ? `${session.remote} (asked from ${session.address ?? "–"})` : session.address ?? "–"],
    ["Our address", session.local ?? "–"],
    ["Client", session.userAgent ?? "–"],
    ["Path", session.transport?.toUpperCase() ?? "–"],
    ["DTLS", [session.dtls, session.cipher].filter(Boolean).join(", ") || "–"],
    ["SRTP", session.srtp ?? "–"],
    ["Bit rate", formatBitrate(session.bitrate)],
    ...(session.layer ? [["Layer", session.layer]] : []),
    ["Packets", `${count(session.packets)}, of them lost ${count(session.packetsLost)}`],
    ["Loss lately", formatPercent(session.loss)],
    ["Round trip", formatMs(session.roundTripTime)],
    ["Jitter", formatMs(session.jitter)],
    ["Asked for again", `${many(session.nacks, "packet")}, ${many(session.keyframeRequests, "key frame")}`],
    ["Last heard", session.silence === null || session.silence === undefined ? "–" : `${formatMs(session.silence)} ago`],
    ["Since", `${new Date(session.since).toLocaleString()} (${formatDuration(Date.now() - session.since)})`],
    ["Worker", count(session.worker)],
    ["Key", session.key],
  ];
}
