// The front page: the rooms that live now, and how to publish. Fragment: `#token=…`, where the list needs one.

import { ROOM_NAME, ROOM_RULE, base, bootstrap, pageUrl, rooms, watchUrl, whipUrl } from "./api.js";
import {
  $, copyButton, counted, el, formatBitrate, formatDuration, linkPages, rememberToken, rememberedToken, setText,
  takeFragmentToken,
} from "./ui.js";

const POLL_MS = 3000;
const LONGEST_POLL_MS = 30_000;
// The list's own token is kept apart from those of rooms: no room is called so.
const LIST = "*";

const list = $("#rooms");
const cards = new Map();
let failures = 0;
let timer = 0;
let abort = null;

// --- the list ---

async function poll() {
  clearTimeout(timer);
  abort?.abort();
  if (document.hidden) return;
  const mine = (abort = new AbortController());
  try {
    show(await rooms({ token: rememberedToken(LIST), signal: mine.signal }));
    failures = 0;
  } catch (error) {
    if (mine.signal.aborted) return;
    failures += 1;
    if (error.status === 401) return needToken();
    setText($("#summary"), error.status === 404 ? "This server does not list its rooms." : `${error.message} Trying again …`);
  }
  // A server in trouble is asked less and less often.
  timer = setTimeout(poll, Math.min(LONGEST_POLL_MS, POLL_MS * 2 ** Math.min(failures, 4)));
}

function needToken() {
  $("#token-form").hidden = false;
  setText($("#summary"), rememberedToken(LIST) ? "That token was not accepted." : "");
  list.hidden = true;
  $("#empty").hidden = true;
}

function show(found) {
  $("#token-form").hidden = true;
  const named = found.filter((room) => typeof room?.name === "string");
  const live = named.filter((room) => room.hasPublisher).length;
  setText($("#summary"), live === 0 ? "No room is live." : live === 1 ? "One room is live." : `${live} rooms are live.`);
  document.title = live > 0 ? `(${live}) Rillcast` : "Rillcast";
  $("#empty").hidden = named.length > 0;
  list.hidden = named.length === 0;

  named.sort((a, b) => Boolean(b.hasPublisher) - Boolean(a.hasPublisher) || (a.name < b.name ? -1 : 1));
  const names = new Set(named.map((room) => room.name));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    card.element.remove();
    cards.delete(name);
  }
  // Cards are kept and moved only where their place changed, so that the keyboard's focus stays where it is.
  named.forEach((room, i) => {
    const card = cards.get(room.name) ?? newCard(room.name);
    cards.set(room.name, card);
    card.update(room);
    if (list.children[i] !== card.element) list.insertBefore(card.element, list.children[i] ?? null);
  });
}

function newCard(name) {
  const badge = el("span", { class: "badge" });
  const chips = el("div", { class: "chips" });
  const subscribers = el("b");
  const subscribersWord = el("span");
  const rate = el("b");
  const time = el("b");
  const timeBox = el("div", {}, time, el("span", {}, "on the air"));
  const copy = el("button", { type: "button", class: "copy", "aria-label": `Copy the link to ${name}` }, "Copy link");
  copyButton(copy, () => watchUrl(name));
  const element = el(
    "li",
    { class: "room card" },
    el("div", { class: "head" }, el("h2", {}, name), badge),
    chips,
    el("div", { class: "figures" }, el("div", {}, subscribers, subscribersWord), el("div", {}, rate, el("span", {}, "bit rate")), timeBox),
    el("div", { class: "row" }, el("a", { class: "button primary", href: watchUrl(name), "aria-label": `Watch ${name}` }, "Watch"), copy),
  );
  return {
    element,
    update(room) {
      const live = Boolean(room.hasPublisher);
      element.classList.toggle("away", !live);
      badge.className = live ? "badge live" : "badge idle";
      setText(badge, live ? "Live" : "Waiting");
      const codecs = Array.isArray(room.codecs) ? room.codecs.map(String) : [];
      if (codecs.length === 0 && room.tracks > 0) codecs.push(counted(room.tracks, "track"));
      if (codecs.join() !== [...chips.children].map((chip) => chip.textContent).join()) {
        chips.replaceChildren(...codecs.map((codec) => el("span", { class: "chip" }, codec)));
      }
      setText(subscribers, Number(room.subscribers ?? 0).toLocaleString("en"));
      setText(subscribersWord, "watching");
      setText(rate, live ? formatBitrate(room.bitrate) : "–");
      const since = Date.parse(room.startedAt ?? "");
      timeBox.hidden = !live || Number.isNaN(since);
      if (!timeBox.hidden) setText(time, formatDuration(Date.now() - since));
    },
  };
}

// --- the forms ---

$("#open").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("#room").value.trim();
  const valid = ROOM_NAME.test(name);
  $("#room").setAttribute("aria-invalid", String(!valid));
  setText($("#room-error"), valid ? "" : `A room’s name has ${ROOM_RULE}.`);
  if (!valid) return $("#room").focus();
  if (event.submitter?.value === "publish") location.href = `${pageUrl("publisher")}?room=${encodeURIComponent(name)}`;
  else location.href = watchUrl(name);
});
$("#room").addEventListener("input", () => {
  if (!ROOM_NAME.test($("#room").value.trim())) return;
  $("#room").removeAttribute("aria-invalid");
  setText($("#room-error"), "");
});

$("#token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  rememberToken(LIST, $("#token").value.trim());
  poll();
});

// --- how to publish ---

let authEnabled = true;

function showHowto() {
  const typed = $("#howto-room").value.trim();
  const valid = ROOM_NAME.test(typed);
  $("#howto-room").setAttribute("aria-invalid", String(!valid));
  const room = valid ? typed : "lobby";
  const url = whipUrl(room);
  setText($("#obs-url"), url);
  setText($("#obs-token"), authEnabled ? "the token of the room" : "leave it empty: this server wants none");
  const token = authEnabled ? " -authorization TOKEN" : "";
  setText($("#ffmpeg"), `ffmpeg -re -i input.mp4 -c:v libx264 -profile:v baseline -tune zerolatency -bf 0 -g 60 -b:v 2500k -c:a libopus -ar 48000 -ac 2 -f whip${token} "${url}"`);
  setText($("#embed"), `<iframe src="${watchUrl(room)}?muted=1" width="640" height="360" allow="autoplay; fullscreen; picture-in-picture"></iframe>`);
}

$("#howto-room").addEventListener("input", showHowto);
for (const button of document.querySelectorAll("[data-copy]")) {
  copyButton(button, () => $(`#${button.dataset.copy}`).textContent);
}

async function askBootstrap() {
  try {
    const known = await bootstrap();
    authEnabled = known.authEnabled !== false;
    showHowto();
  } catch {
    // The advice stays the careful one: with a token.
  }
}

takeFragmentToken(LIST);
linkPages();
showHowto();
askBootstrap();
document.addEventListener("visibilitychange", poll);
window.addEventListener("online", poll);
poll();
console.info(`Rillcast at ${base}`);
