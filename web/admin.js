// The administrator's page.
//
// Fragment: `#token=…` logs in and is taken out of the address at once; `#room=…` shows a room, `#sessions` all sessions.
// The token is never in the query, in storage, or in the document.

import { AdminApi, path } from "./admin-api.js";
import { ask, dropQuestion, notice } from "./admin-ask.js";
import { EventList } from "./admin-events.js";
import { Feed } from "./admin-feed.js";
import { plot, watchColours } from "./admin-plot.js";
import { POINTS, RoomTable, Rooms, stateOf } from "./admin-rooms.js";
import { ServerPanel } from "./admin-server.js";
import { SessionTable } from "./admin-sessions.js";
import { ROOM_NAME, watchUrl } from "./api.js";
import { $, fillList, formatBitrate, formatPercent, fragmentToken, linkPages, setText } from "./ui.js";

const POLL_MS = 5000;
const LONGEST_POLL_MS = 20_000;
// After an order or an event: several come together.
const SOON_MS = 300;

const api = new AdminApi(() => logOut("The server does not accept this token any longer."));
const rooms = new Rooms();
const table = new RoomTable(rooms, { open: (name) => go({ room: name }), close: askClose });
const sessions = new SessionTable(api, askEnd);
const server = new ServerPanel(api, () => soon());
const events = new EventList((name) => go({ room: name }));
const feed = new Feed((last, signal) => api.events(last, signal), {
  onevents: hear,
  onstate(state, error) {
    events.state(state, error);
    // Its stream is back, so the server is.
    if (state === "live" && failures > 0) soon();
  },
});

/** What the page shows: the rooms, one of them, or all sessions (`room` null). */
let view = { room: undefined };

// All that is asked before a room or session is chosen is there wherever the API is.
const ELSEWHERE = "The administrator’s API is not at this address. Where METRICS_ADDR is set it is on that private listener alone: open this page there.";
const messageOf = (error) => (error.status === 404 ? ELSEWHERE : error.message);

// --- logging in and out ---

async function logIn(token) {
  setText($("#login-error"), "");
  if (!token) {
    setText($("#login-error"), "The token is missing.");
    return $("#token").focus();
  }
  $("#enter").disabled = true;
  try {
    const status = await api.logIn(token);
    $("#token").value = "";
    $("#login").hidden = true;
    $("#desk").hidden = false;
    $("#logout").hidden = false;
    // The form that had the focus is gone.
    $("#main").focus({ preventScroll: true });
    server.take(status);
    feed.start();
    show(viewOfAddress());
    await poll();
    performance.mark("rillcast-ready");
  } catch (error) {
    const refused = "This token is not accepted. (A server that has no administrator’s token accepts none.)";
    const text = error.status === 401 ? refused : messageOf(error);
    // A link with another token, while one is logged in: that goes on.
    if (api.loggedIn) return notice(text);
    setText($("#login-error"), text);
    $("#token").focus();
  } finally {
    $("#enter").disabled = false;
  }
}

function logOut(reason) {
  api.logOut();
  feed.stop();
  clearTimeout(timer);
  dropQuestion();
  sessions.close();
  for (const part of [rooms, events, server]) part.clear();
  table.show();
  $("#desk").hidden = true;
  $("#logout").hidden = true;
  $("#login").hidden = false;
  setText($("#login-error"), reason);
  document.title = "Rillcast admin";
  $("#token").focus();
}

/** The token in the address, which it leaves before anything else happens. */
function takeToken() {
  const token = fragmentToken();
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

// --- looking ---

let timer = 0;
let failures = 0;
let polling = false;
let again = false;
let lastSeen = null;

/** One look at everything: three small questions, whatever is shown, and one page of sessions where these are. */
async function poll() {
  clearTimeout(timer);
  if (!api.loggedIn || document.hidden) return;
  if (polling) {
    again = true;
    return;
  }
  polling = true;
  try {
    const [overview, status, blocks] = await Promise.all([api.get(rooms.query), api.get("status"), api.get("blocks")]);
    if (api.loggedIn) take(overview, status, blocks);
    failures = 0;
  } catch (error) {
    if (api.loggedIn) missing(error);
  } finally {
    polling = false;
  }
  // A server in trouble is asked less and less often.
  const wait = again ? SOON_MS : Math.min(LONGEST_POLL_MS, POLL_MS * 2 ** Math.max(0, failures - 1));
  again = false;
  clearTimeout(timer);
  if (api.loggedIn) timer = setTimeout(poll, wait);
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(poll, SOON_MS);
}

function take(overview, status, blocks) {
  if (!$("#gone").hidden) {
    $("#gone").hidden = true;
    feed.wake();
  }
  lastSeen = new Date();
  if (!rooms.take(overview)) again = true;
  rooms.block(blocks);
  server.plot(rooms.server);
  server.take(status);
  draw();
  document.title = `(${status.publishers}) Rillcast admin`;
  if (view.room !== undefined) sessions.poll();
}

function missing(error) {
  failures += 1;
  const from = lastSeen ? ` What you see is from ${lastSeen.toLocaleTimeString()}.` : "";
  setText($("#gone"), `${messageOf(error)}${from} Trying again …`);
  $("#gone").hidden = false;
}

/** Events of one piece of the stream. What cannot be read is passed over: a newer server may say more. */
function hear(pieces) {
  const heard = pieces.flatMap(({ type, data }) => {
    try {
      const event = JSON.parse(data);
      return event && typeof event === "object" ? [{ ...event, type: event.type ?? type }] : [];
    } catch {
      return [];
    }
  });
  if (heard.length === 0) return;
  for (const event of heard) {
    rooms.hear(event);
    if (event.type === "drain.started") server.draining(true);
    if (event.type === "drain.stopped") server.draining(false);
    if (view.room !== undefined) sessions.hear(event);
  }
  events.add(heard);
  drawSoon();
}

let frame = 0;
function drawSoon() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

function draw() {
  if (!api.loggedIn) return;
  if (view.room === undefined) table.show();
  else drawRoom();
}

// --- the views ---

function viewOfAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const room = fragment.get("room");
  if (room !== null && ROOM_NAME.test(room)) return { room };
  return { room: fragment.has("sessions") ? null : undefined };
}

function go(to) {
  const fragment = to.room === undefined ? "" : to.room === null ? "#sessions" : `#room=${encodeURIComponent(to.room)}`;
  history.pushState(null, "", location.pathname + location.search + fragment);
  show(to);
}

function show(to) {
  const from = view;
  view = to;
  const list = view.room === undefined;
  $("#rooms-view").hidden = !list;
  $("#room-view").hidden = list;
  if (list) {
    sessions.close();
    table.show();
    if (from.room) table.focus(from.room);
  } else {
    setText($("#room-title"), view.room ?? "All sessions");
    for (const id of ["#room-orders", "#room-facts"]) $(id).hidden = view.room === null;
    drawRoom();
    if (from.room !== view.room || from === to) sessions.open(view.room);
    $("#room-title").focus({ preventScroll: true });
  }
}

function drawRoom() {
  if (view.room === null) {
    $("#room-badge").hidden = true;
    return;
  }
  const room = rooms.get(view.room);
  const [text, look] = room ? (room.live || room.blocked ? stateOf(room) : ["Closed", "idle"]) : ["Closed", "idle"];
  $("#room-badge").hidden = false;
  setText($("#room-badge"), text);
  $("#room-badge").className = `badge ${look}`;
  $("#room-close").disabled = !room?.live;
  $("#room-watch").href = watchUrl(view.room);
  setText($("#room-block"), room?.blocked ? "Unblock" : "Block …");
  fillList($("#room-figures"), [
    ["Codecs", room?.codecs.join(", ") || "–"],
    ["Bit rate in", room?.hasPublisher ? formatBitrate(room.bitrate) : "–"],
    ["Subscribers", (room?.subscribers ?? 0).toLocaleString("en")],
    ...(room?.bitrateOut == null ? [] : [["Bit rate out", formatBitrate(room.bitrateOut)]]),
    ...(room?.loss == null ? [] : [["Loss", formatPercent(room.loss)]]),
    ["Workers", String(room?.workers ?? 0)],
  ]);
  plot($("#room-plot-in"), room?.series.bitrateIn ?? [], POINTS);
  plot($("#room-plot-subscribers"), room?.series.subscribers ?? [], POINTS);
}

// --- orders ---

function askClose(name) {
  const room = rooms.get(name);
  const watching = room?.subscribers ?? 0;
  ask({
    title: `Close room “${name}”?`,
    text: `Its publisher and its ${watching === 1 ? "one subscriber" : `${watching.toLocaleString("en")} subscribers`} are cut off at once. They may come again: to keep them out, block the room.`,
    yes: "Close room",
    danger: true,
    act: async () => {
      await api.post(`${path("rooms", name)}/close`);
      notice(`Room “${name}” is closed.`);
      soon();
    },
  });
}

function askBlock(name) {
  ask({
    title: name ? `Block room “${name}”?` : "Block a room?",
    text: "Nobody can publish or play in it until the time is over or you let them in again.",
    yes: "Block",
    danger: true,
    time: true,
    room: !name,
    act: async ({ seconds, close, room }) => {
      const wanted = name ?? room;
      await api.post(`${path("rooms", wanted)}/block`, { seconds, close });
      notice(`Room “${wanted}” is blocked.`);
      await poll();
    },
  });
}

async function unblock(name) {
  try {
    await api.delete(`${path("rooms", name)}/block`);
    notice(`Room “${name}” takes sessions again.`);
  } catch (error) {
    notice(error.status === 404 ? `Room “${name}” was not blocked any longer.` : error.message);
  }
  await poll();
}

function askEnd(session) {
  const who = session.remote ?? session.address ?? session.key;
  ask({
    title: `End the ${session.role} ${who} in room “${session.room}”?`,
    text: "It is cut off at once. It may come again.",
    yes: "End session",
    danger: true,
    act: async () => {
      try {
        await api.delete(path("sessions", session.key));
        notice(`The session of ${who} has ended.`);
      } catch (error) {
        if (error.status !== 404) throw error;
        notice(`The session of ${who} had ended already.`);
      }
      sessions.forget(session.key);
      soon();
    },
  });
}

// --- wiring ---

$("#login").addEventListener("submit", (event) => {
  event.preventDefault();
  logIn($("#token").value.trim());
});
$("#logout").addEventListener("click", () => logOut(""));
$("#back").addEventListener("click", () => go({ room: undefined }));
$("#all-sessions").addEventListener("click", () => go({ room: null }));
$("#block-room").addEventListener("click", () => askBlock(null));
$("#room-close").addEventListener("click", () => askClose(view.room));
$("#room-block").addEventListener("click", () => (rooms.get(view.room)?.blocked ? unblock(view.room) : askBlock(view.room)));

window.addEventListener("popstate", () => {
  const token = takeToken();
  if (token) logIn(token);
  // The link that skips to the rooms changes the fragment, too, but not the view.
  else if (api.loggedIn && location.hash !== "#main") show(viewOfAddress());
});
for (const [target, name] of [[document, "visibilitychange"], [window, "online"]]) {
  target.addEventListener(name, () => {
    if (document.hidden) return;
    poll();
    feed.wake();
  });
}
watchColours(() => {
  server.plot(rooms.server);
  draw();
});

const token = takeToken();
linkPages();
if (token) logIn(token);
else $("#token").focus();
