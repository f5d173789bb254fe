// The list: a card for each recording, with a picture of its beginning.

import { PLAYED, ending } from "./records-api.js";
import { firstPicture, soundOf } from "./records-source.js";
import { $, counted, el, formatDuration, formatSizeOnDisk } from "./ui.js";

// So many pictures are fetched at a time; each takes a link and a look at a file.
const AT_ONCE = 2;
// Waiting longer for one holds up the others.
const PICTURE_MS = 8000;
const WIDTH = 320;

const STATES = {
  recovered: ["busy", "Recovered"],
  uploading: ["busy", "Uploading"],
  uploaded: ["idle", "Uploaded"],
  failed: ["", "Failed"],
  deleted: ["idle", "Uploaded, not here"],
};
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** When a recording began, for people. */
export const began = ({ start }) => (Number.isNaN(Date.parse(start)) ? "–" : when.format(new Date(start)));

/** What it is called. */
export const titleOf = ({ title, room }) => title || room;

/** Canvases by name and size, because a file that has changed has another picture. The pages' policy takes no images. */
const pictures = new Map();

export class List {
  #server = null;
  #open;
  #records = [];
  #wanted = [];
  #busy = 0;
  #seen;

  /** `open` is called with the recording that is to be played. */
  constructor(open) {
    this.#open = open;
    this.#seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        this.#seen.unobserve(target);
        this.#wanted.push(target);
      }
      this.#work();
    }, { rootMargin: "200px" });
  }

  /** Shows a page of files; says how many recordings that is. */
  show(server, found) {
    this.#server = server;
    const names = new Set(found.map(({ name }) => name));
    // The sound of a picture that is here too is played with it.
    const sounds = new Set([...names].map(soundOf).filter((name) => names.has(name)));
    this.#records = found.filter(({ name }) => !sounds.has(name));
    this.#seen.disconnect();
    this.#wanted = [];
    $("#records").replaceChildren(...this.#records.map((record) => el("li", {}, this.#card(record))));
    return this.#records.length;
  }

  get(name) {
    return this.#records.find((record) => record.name === name) ?? null;
  }

  /** Puts a recording that has changed in the place of what it was. */
  replace(record) {
    const at = this.#records.findIndex(({ name }) => name === record.name);
    if (at < 0) return;
    this.#records[at] = record;
    const card = this.#card(record);
    const old = $("#records").children[at].firstElementChild;
    card.setAttribute("aria-current", old.getAttribute("aria-current") ?? "false");
    old.replaceWith(card);
  }

  /** Marks the one that plays. */
  select(name) {
    for (const card of $("#records").querySelectorAll(".record")) card.setAttribute("aria-current", String(card.dataset.name === name));
  }

  #card(record) {
    const [kind, word] = STATES[record.state] ?? [null, null];
    const picture = el("span", { class: "picture" }, symbol(PLAYED[ending(record.name)] === "audio" || /_audio_/.test(record.name)));
    if (record.duration) picture.append(el("span", { class: "length" }, formatDuration(record.duration)));
    const card = el("button", { type: "button", class: "record", "data-name": record.name, "aria-label": `Play ${titleOf(record)}, ${began(record)}` },
      picture,
      el("span", { class: "name" }, titleOf(record)),
      el("span", { class: "soft small" }, `${began(record)} · ${formatSizeOnDisk(record.size)}`),
      el("span", { class: "soft small" }, record.title ? record.room : ""),
      el("span", { class: "badges" },
        word && el("span", { class: `badge ${kind}` }, word),
        record.keep ? el("span", { class: "chip" }, "kept") : null,
        record.gaps?.length ? el("span", { class: "chip" }, counted(record.gaps.length, "gap")) : null,
        ...record.tags.map((tag) => el("span", { class: "chip" }, tag))));
    card.addEventListener("click", () => this.#open(this.get(record.name) ?? record));
    const known = pictures.get(key(record));
    if (known) put(picture, known);
    else if (hasPicture(record)) this.#seen.observe(card);
    return card;
  }

  async #work() {
    while (this.#busy < AT_ONCE && this.#wanted.length > 0) {
      const card = this.#wanted.shift();
      const record = this.get(card.dataset.name);
      if (!record || !card.isConnected) continue;
      this.#busy += 1;
      draw(this.#server, record).then((canvas) => {
        pictures.set(key(record), canvas);
        put($(".picture", card), canvas);
      }).catch(() => {
        // The placeholder stays.
      }).finally(() => {
        this.#busy -= 1;
        this.#work();
      });
    }
  }
}

const key = ({ name, size }) => `${name} ${size}`;
const hasPicture = ({ name, available }) => ["mp4", "webm", "ivf"].includes(ending(name)) && !/_audio_/.test(name) && available;
const put = (place, canvas) => place.prepend(canvas);

function symbol(isSound) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", isSound ? "M9 18V6l10-2v12M9 18a3 3 0 1 1-3-3 3 3 0 0 1 3 3Zm10-2a3 3 0 1 1-3-3 3 3 0 0 1 3 3Z" : "M8 5v14l11-7Z");
  svg.append(path);
  return svg;
}

/** A picture of a recording's beginning. */
async function draw(server, record) {
  const from = await firstPicture(server, record);
  const video = el("video", { muted: true, preload: "auto", src: from.url });
  try {
    await new Promise((resolve, reject) => {
      video.addEventListener("loadeddata", resolve, { once: true });
      video.addEventListener("error", reject, { once: true });
      setTimeout(reject, PICTURE_MS);
    });
    const height = Math.round((WIDTH * video.videoHeight) / video.videoWidth);
    const canvas = el("canvas", { width: WIDTH, height });
    canvas.setAttribute("aria-hidden", "true");
    canvas.getContext("2d").drawImage(video, 0, 0, WIDTH, height);
    return canvas;
  } finally {
    video.removeAttribute("src");
    video.load();
    from.close();
  }
}
