// The page that publishes a room from a browser.
//
// Query, each the start value of a field: `room`, `source` (camera, screen, test, none), `sound` (mic, test, none),
// `size` (1280x720), `fps`, `bitrate` (kbit/s), `codec` (VP8), `simulcast=1`, `music=1`; `go=1` starts at once, but
// neither camera, microphone nor screen: a link must not put anybody on the air.
// Fragment: `#token=…`.
//
// `window.rillcast`: `state`, `detail`, `room`, `sessions`, `stats` (see `summariseOutbound`), `pc`, `publisher`,
// `source` (its `video` and `audio` are the tracks that are sent).

import { ROOM_NAME, ROOM_RULE, watchUrl, whipUrl } from "./api.js";
import { captureAllowed, devices, screenAllowed } from "./capture.js";
import { LevelMeter } from "./level.js";
import { Source } from "./publisher-source.js";
import { figuresOf, limitationText } from "./publisher-figures.js";
import { WhipPublisher, sendCodecs } from "./whip.js";
import {
  $, copyButton, el, fillList, formatDuration, fragmentToken, keepAwake, linkPages, rememberToken,
  rememberedToken, setText, settings, takeFragmentToken,
} from "./ui.js";

const query = new URLSearchParams(location.search);
const form = $("#settings");
const preview = $("#preview");
const meter = new LevelMeter($("#level"));

let publisher = null;
let liveSince = 0;
// Nothing is captured before somebody asked for it, even where it was allowed earlier: a camera's lamp that goes on by
// itself frightens people.
let opened = false;
let muted = false;
let hidden = false;

const source = new Source({
  ontrack(kind, track) {
    if (track) track.enabled = !(kind === "audio" ? muted : hidden);
    if (kind === "audio") meter.show(track);
    else preview.srcObject = track ? new MediaStream([track]) : null;
    publisher?.setTrack(kind, track).catch((error) => trouble(`The track could not be changed: ${error.message}`));
    showPreview();
  },
  ontrouble: trouble,
  onended(kind, from) {
    if (from === "screen" && kind === "video") {
      stop();
      trouble("The screen is not shared any more.");
    } else trouble(kind === "video" ? "The camera is gone. Is it unplugged?" : "The microphone is gone. Is it unplugged?");
  },
});

window.rillcast = {
  source,
  get room() { return publisher ? publisher.room : $("#room").value; },
  get state() { return publisher?.state ?? "idle"; },
  get detail() { return publisher?.detail ?? ""; },
  get sessions() { return publisher?.sessions ?? 0; },
  get stats() { return publisher?.stats ?? null; },
  get pc() { return publisher?.pc ?? null; },
  get publisher() { return publisher; },
};

// --- settings ---

const FIELDS = ["room", "size", "fps", "bitrate", "codec", "simulcast", "music", "source", "sound", "camera"];

function read() {
  const [width, height] = $("#size").value.split("x").map(Number);
  return {
    room: $("#room").value.trim(),
    token: $("#token").value.trim(),
    source: form.elements.source.value,
    camera: $("#camera").value,
    sound: $("#sound").value,
    width,
    height,
    fps: Number($("#fps").value),
    bitrate: Number($("#bitrate").value) * 1000,
    codec: $("#codec").value,
    simulcast: $("#simulcast").checked,
    music: $("#music").checked,
  };
}

function save() {
  const values = Object.fromEntries(FIELDS.map((name) => {
    const field = form.elements[name];
    return [name, field.type === "checkbox" ? field.checked : field.value];
  }));
  settings.set("publish", values);
}

function restore() {
  const stored = { ...settings.get("publish", {}) };
  for (const name of FIELDS) if (query.has(name)) stored[name] = query.get(name);
  for (const name of ["simulcast", "music"]) form.elements[name].checked = [true, "1", "true"].includes(stored[name]);
  for (const name of ["room", "size", "fps", "bitrate", "codec", "source", "sound"]) setField(name, stored[name]);
  const token = fragmentToken();
  // Who shares a screen shares the address, too.
  takeFragmentToken($("#room").value);
  $("#token").value = token || rememberedToken($("#room").value);
  if (!captureAllowed && form.elements.source.value !== "none") form.elements.source.value = "test";
  if (!captureAllowed && $("#sound").value !== "none") $("#sound").value = "test";
  return stored;
}

// A value that the list does not have (an old setting, a hand-written query) is passed over or, for numbers, added.
function setField(name, value) {
  if (value === undefined || value === null || value === "") return;
  const field = form.elements[name];
  if (name === "codec" && !String(value).includes("/")) value = `video/${value}`;
  if (name === "sound" && value === "mic") value = "mic:";
  if (field instanceof HTMLSelectElement) {
    const option = [...field.options].find((o) => o.value.toLowerCase() === String(value).toLowerCase());
    if (option) option.selected = true;
    else if (["fps", "bitrate"].includes(name) && /^\d{1,5}$/.test(value)) {
      field.append(new Option(`${value} ${name === "bitrate" ? "kbit/s" : "fps"}`, value, false, true));
    }
  } else if (field instanceof RadioNodeList) {
    if ([...field].some((radio) => radio.value === value && !radio.disabled)) field.value = value;
  } else field.value = value;
}

function fillOptions(select, options) {
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

async function listDevices() {
  const { cameras, microphones } = await devices();
  const named = ({ id }) => id !== "default";
  fillOptions($("#camera"), [["", "Default camera"], ...cameras.filter(named).map(({ id, label }) => [id, label])]);
  fillOptions($("#sound"), [
    ...(captureAllowed ? [["mic:", "Default microphone"]] : []),
    ...microphones.filter(named).map(({ id, label }) => [`mic:${id}`, label]),
    ...(form.elements.source.value === "screen" ? [["screen", "Sound of the screen"]] : []),
    ["test", "Test tone"],
    ["none", "None"],
  ]);
}

// --- preview ---

async function openSource() {
  opened = true;
  trouble("");
  meter.wake();
  await source.update(read());
  // Names of devices come with the first permission.
  await listDevices();
  showPreview();
}

function showPreview() {
  const { source: kind } = read();
  $("#camera-field").hidden = kind !== "camera";
  preview.classList.toggle("mirror", kind === "camera");
  $("#blank").hidden = Boolean(source.video) && !hidden;
  const labels = { camera: "Turn the camera on", screen: "Choose a screen", test: "Show the test picture", none: "Turn the sound on" };
  setText($("#open"), labels[kind]);
  $("#open").hidden = Boolean(source.video) || (kind === "none" && Boolean(source.audio));
  let text = "The preview appears here. Nobody sees it before you go live.";
  if (source.video && hidden) text = "The picture is hidden: the room sees black.";
  else if (kind === "none") text = "Sound only.";
  setText($("#blank-text"), text);
}

function trouble(text) {
  setText($("#trouble"), text);
  $("#trouble").hidden = !text;
}

// --- on the air ---

async function go() {
  const wanted = read();
  const valid = ROOM_NAME.test(wanted.room);
  $("#room").setAttribute("aria-invalid", String(!valid));
  if (!valid) {
    trouble(`The room needs a name: ${ROOM_RULE}.`);
    $("#room").focus();
    return;
  }
  $("#go").disabled = true;
  await openSource();
  $("#go").disabled = false;
  if (!source.video && !source.audio) {
    if (wanted.source === "none" && wanted.sound === "none") trouble("There is neither picture nor sound to send.");
    return;
  }
  rememberToken(wanted.room, wanted.token);
  save();
  publisher = new WhipPublisher({
    url: whipUrl(wanted.room),
    token: wanted.token,
    tracks: source,
    codec: wanted.codec,
    bitrate: wanted.bitrate,
    simulcast: wanted.simulcast,
    music: wanted.music,
    detail: wanted.source === "screen" && wanted.fps <= 30,
    onstate: showState,
    onstats: showStats,
  });
  publisher.room = wanted.room;
  publisher.start();
  $("#stop").focus();
}

function stop() {
  publisher?.stop();
}

const BADGES = {
  idle: ["Off the air", "idle"],
  connecting: ["Connecting", "busy"],
  live: ["Live", "live"],
  waiting: ["Waiting", "busy"],
  reconnecting: ["Connecting again", "busy"],
  failed: ["Off the air", "idle"],
  closed: ["Off the air", "idle"],
};

function showState() {
  const { state, detail, room } = publisher;
  const running = !["idle", "failed", "closed"].includes(state);
  const [label, look] = BADGES[state];
  setText($("#badge"), label);
  $("#badge").className = `badge ${look}`;
  const hadFocus = document.activeElement === (running ? $("#go") : $("#stop"));
  $("#go").hidden = running;
  $("#stop").hidden = !running;
  if (hadFocus) (running ? $("#stop") : $("#go")).focus();
  for (const name of ["room", "token", "codec", "simulcast"]) form.elements[name].disabled = running;
  $("#next-time").hidden = !running;
  $("#share").hidden = !running;
  $("#figures").hidden = !running;
  $("#watch").href = watchUrl(room);
  setText($("#link"), watchUrl(room));
  keepAwake(running);
  if (state === "live") liveSince ||= Date.now();
  else if (!running) liveSince = 0;
  const texts = { live: `You are live in “${room}”.`, connecting: "Connecting …", closed: "You are off the air.", failed: "" };
  setText($("#status"), texts[state] ?? detail);
  if (state === "failed") trouble(detail);
  else if (state === "live") trouble("");
}

function showStats(stats) {
  if (!stats) return;
  if (publisher.state === "live") setText($("#badge"), `Live ${formatDuration(Date.now() - liveSince)}`);
  fillList($("#stats"), figuresOf(stats));
  const limited = publisher.state === "live" ? limitationText(stats) : "";
  if (publisher.state === "live") setText($("#status"), limited || `You are live in “${publisher.room}”.`);
}

// --- wiring ---

function toggle(button, on, kind, texts) {
  button.setAttribute("aria-pressed", String(on));
  setText(button, texts[on ? 1 : 0]);
  if (source[kind]) source[kind].enabled = !on;
  showPreview();
}

$("#stop").addEventListener("click", stop);
$("#open").addEventListener("click", openSource);
$("#mute").addEventListener("click", () => toggle($("#mute"), (muted = !muted), "audio", ["Mute", "Muted"]));
$("#hide").addEventListener("click", () => toggle($("#hide"), (hidden = !hidden), "video", ["Hide picture", "Picture hidden"]));
copyButton($("#copy"), () => watchUrl(publisher.room));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  // Enter in a field comes here too, also while live.
  if (!$("#go").hidden) go();
});
form.addEventListener("change", async (event) => {
  const { id, name } = event.target;
  if (["room", "token", "codec", "simulcast"].includes(id)) {
    if (id === "room") {
      $("#room").setAttribute("aria-invalid", String(!ROOM_NAME.test($("#room").value.trim())));
      $("#token").value ||= rememberedToken($("#room").value.trim());
    }
  } else if (id === "bitrate") publisher?.setBitrate(read().bitrate);
  else {
    if (name === "source") {
      opened = true;
      await listDevices();
    }
    if (opened) await openSource();
    else showPreview();
  }
  save();
});
navigator.mediaDevices?.addEventListener?.("devicechange", listDevices);
document.addEventListener("visibilitychange", () => !document.hidden && publisher?.wake());
window.addEventListener("online", () => publisher?.wake());
// The room is free at once, and not only when the server misses us.
window.addEventListener("pagehide", stop);

function explainInsecure() {
  if (captureAllowed) return;
  $("#insecure").hidden = false;
  const port = location.port || (location.protocol === "https:" ? "443" : "80");
  setText($("#origin"), location.origin);
  setText($("#tunnel"), `ssh -L 8080:localhost:${port} ${location.hostname}`);
  setText($("#tunnel-url"), `http://localhost:8080${location.pathname}`);
}

/** Nothing of whoever looks at the page is sent. */
const isHarmless = () => ["test", "none"].includes(form.elements.source.value) && ["test", "none"].includes($("#sound").value);

async function begin() {
  linkPages();
  explainInsecure();
  const names = { "video/AV1": "AV1", "video/H264": "H.264", "video/H265": "H.265" };
  for (const type of sendCodecs()) $("#codec").append(el("option", { value: type }, names[type] ?? type.split("/")[1]));
  const radios = Object.fromEntries([...form.elements.source].map((radio) => [radio.value, radio]));
  radios.camera.disabled = !captureAllowed;
  radios.screen.disabled = !screenAllowed;
  await listDevices();
  const stored = restore();
  await listDevices();
  if (stored.sound) setField("sound", stored.sound);
  if (stored.camera) setField("camera", stored.camera);
  // A screen is chosen by a click, each time: browsers want it so.
  if (form.elements.source.value === "screen" && !query.has("source")) form.elements.source.value = captureAllowed ? "camera" : "test";
  showPreview();
  $("#fields").disabled = false;
  $("#open").disabled = false;
  if (!globalThis.RTCPeerConnection) return trouble("This browser has no WebRTC.");
  $("#go").disabled = false;
  if (query.get("go") === "1" && isHarmless()) await go();
}

begin();
