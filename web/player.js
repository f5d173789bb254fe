// The page that plays a room: /watch/{room}, or /web/player.html?room=…
//
// Query: `room`, `muted=1` (start silent, do not ask for sound), `controls=0` (picture only, for embedding),
// `latency=` (target of the jitter buffer in milliseconds, "auto" leaves it to the browser; 0 without it),
// `stereo=0`, `stats=1` (show the statistics from the start), `fit=cover`.
// Fragment: `#token=…`.
//
// `window.rillcast` is the page's state for integrators and tests; see below.

import { ROOM_NAME, ROOM_RULE, base, watchUrl, whepUrl } from "./api.js";
import { WhepPlayer } from "./whep.js";
import { installControls } from "./player-controls.js";
import {
  $, fillList, formatBitrate, formatMs, formatPercent, formatSize, fragmentToken, keepAwake, linkPages,
  rememberToken, rememberedToken, setText,
} from "./ui.js";

const query = new URLSearchParams(location.search);
const stage = $("#stage");
const video = $("#video");
const room = roomOfPage();

function roomOfPage() {
  const path = /\/watch\/([^/]+)\/?$/.exec(location.pathname);
  try {
    return path ? decodeURIComponent(path[1]) : query.get("room") ?? "";
  } catch {
    return path[1];
  }
}

function latencyOfQuery() {
  const text = query.get("latency");
  if (text === null) return 0;
  // 4 s is the largest value that browsers take.
  return /^\d{1,4}$/.test(text) ? Math.min(4000, Number(text)) : null;
}

linkPages();
// The other pages show in no frame.
const isFramed = window.parent !== window;
$(".topbar nav").hidden = isFramed;
if (isFramed) $(".topbar .brand").target = "_blank";
stage.classList.toggle("bare", query.get("controls") === "0");
stage.classList.toggle("cover", query.get("fit") === "cover");
setText($("#room"), room);
if (room) document.title = `${room} · Rillcast`;

const player = new WhepPlayer({
  url: whepUrl(room || "none"),
  token: fragmentToken() || rememberedToken(room),
  video,
  latency: latencyOfQuery(),
  stereo: query.get("stereo") !== "0",
  onstate: showState,
  onstats: showStats,
  onstream() {
    stage.classList.add("seen");
    controls.play();
  },
});

const controls = installControls({
  stage,
  video,
  startMuted: query.get("muted") === "1",
  showStats: query.get("stats") === "1",
});

/**
 * The page's state, always the present one:
 * `room`, `state` and `detail` (see `Connection`), `firstFrameMs` (from sending the POST to the first frame on the
 * screen, of the present session; null before), `sessions` (made since the start), `stats` (see `summariseInbound`;
 * null before the first second is over), `pc` (the RTCPeerConnection or null), `video`, `player` (the `WhepPlayer`).
 */
window.rillcast = {
  room,
  video,
  player,
  get state() { return player.state; },
  get detail() { return player.detail; },
  get firstFrameMs() { return player.firstFrameMs; },
  get sessions() { return player.sessions; },
  get stats() { return player.stats; },
  get pc() { return player.pc; },
};

const MESSAGES = {
  connecting: "Connecting …",
  waiting: "Waiting for the publisher",
  stalled: "Waiting for the publisher",
  reconnecting: "Connecting again …",
  failed: "This cannot be played",
  closed: "Ended",
};
// A connection that comes within this time is not worth a message that flashes up.
const QUIET_MS = 400;
let noticeTimer = 0;

function showState() {
  stage.dataset.state = player.state;
  $("#badge").hidden = player.state !== "live";
  keepAwake(player.state === "live");
  clearTimeout(noticeTimer);
  if (player.state === "live") hideNotice();
  else if (player.state === "connecting") noticeTimer = setTimeout(showNotice, QUIET_MS);
  else showNotice();
}

function hideNotice() {
  $("#notice").hidden = true;
  setText($("#message"), "");
}

function showNotice() {
  const { state, detail, error } = player;
  const unauthorized = state === "failed" && error?.status === 401;
  const full = state === "waiting" && error?.status === 403;
  const limited = state === "waiting" && [429, 503].includes(error?.status);
  const focusToken = unauthorized && $("#token-form").hidden;
  $("#notice").hidden = false;
  $("#spinner").hidden = state === "failed" || state === "closed";
  let message = MESSAGES[state] ?? "";
  if (unauthorized) message = "This room needs a token";
  else if (full) message = "The room is full";
  else if (limited) message = "The server is busy";
  setText($("#message"), message);
  setText($("#hint"), hintOf({ state, detail, unauthorized, full, limited }));
  $("#token-form").hidden = !unauthorized;
  $("#retry").hidden = unauthorized || !["failed", "closed"].includes(state);
  if (focusToken && !stage.classList.contains("bare")) $("#token").focus();
}

function hintOf({ state, detail, unauthorized, full, limited }) {
  if (unauthorized) return player.token ? "The one given was not accepted." : "";
  if (full || limited) return "You are let in as soon as there is room.";
  if (state === "waiting" || state === "stalled") return "The picture comes by itself as soon as there is one.";
  return detail;
}

function showStats(stats) {
  if (!stats) return;
  const soundOnly = player.state === "live" && stats.audioBytes > 0 && stats.videoBytes === 0;
  stage.classList.toggle("sound-only", soundOnly);
  if ($("#stats").hidden) return;
  const codecs = [stats.videoCodec, stats.audioCodec].filter(Boolean).join(", ");
  fillList($("#stats-list"), [
    ["Picture", formatSize(stats.width, stats.height)],
    ["Frames", stats.fps == null ? "–" : `${Math.round(stats.fps)} per second, ${stats.framesDropped ?? 0} dropped`],
    ["Bit rate", formatBitrate((stats.videoBitrate ?? 0) + (stats.audioBitrate ?? 0))],
    ["Codecs", codecs || "–"],
    ["Loss", formatPercent(stats.videoLoss ?? stats.audioLoss)],
    ["Jitter", formatMs(stats.videoJitterMs ?? stats.audioJitterMs)],
    ["Buffer", `${formatMs(stats.videoBufferMs)} picture, ${formatMs(stats.audioBufferMs)} sound`],
    ["Round trip", formatMs(stats.rttMs)],
    ["Path", [stats.protocol, stats.srtpCipher].filter(Boolean).join(", ") || "–"],
    ["First frame", player.firstFrameMs === null ? "–" : `after ${formatMs(player.firstFrameMs)}`],
    ["Freezes", String(stats.freezes ?? "–")],
    ["Sessions", String(player.sessions)],
  ]);
}

$("#retry").addEventListener("click", () => player.start());

$("#token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  player.token = $("#token").value.trim();
  rememberToken(room, player.token);
  player.start();
});

$("#room-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = watchUrl($("#room-input").value.trim());
});

// A tab that was asleep, or a laptop that was closed, comes back at once and not at the end of its wait.
document.addEventListener("visibilitychange", () => !document.hidden && player.wake());
window.addEventListener("online", () => player.wake());
// The server learns of the end now, not by its timeout; `pageshow` brings a page from the back-forward cache back.
window.addEventListener("pagehide", () => player.stop());
window.addEventListener("pageshow", (event) => event.persisted && player.start());

if (ROOM_NAME.test(room)) {
  player.start();
} else {
  $("#notice").hidden = false;
  $("#spinner").hidden = true;
  $("#room-form").hidden = false;
  setText($("#message"), room ? "This is no name of a room" : "Which room?");
  setText($("#hint"), `Names have ${ROOM_RULE}.`);
  $("#room-input").focus();
}
// For a reader of the console: where this page takes its streams from.
console.info(`Rillcast at ${base}`);
