// One recording: played, marked, shared, changed, deleted.

import { ask, notice } from "./records-ask.js";
import { PLAYED, ending } from "./records-api.js";
import { began, titleOf } from "./records-list.js";
import { soundOf, source } from "./records-source.js";
import { $, copyText, counted, el, fillList, formatDuration, formatSizeOnDisk, setText } from "./ui.js";

const DOWNLOAD_SECONDS = 3600;
const HOLDS = [["86400", "A day"], ["604800", "A week"], ["2592000", "30 days"]];
const HOLDS_OF_READERS = [["3600", "An hour"], ["21600", "Six hours"]];

export class Player {
  #server = null;
  #isAdmin = false;
  #record = null;
  #source = null;
  #loading = null;
  #changed;

  /** `changed(record)` is told what became of a recording, `changed(null, name)` that it is gone, `changed()` that the player is closed. */
  constructor(changed) {
    this.#changed = changed;
    const orders = { download: this.#download, share: this.#share, edit: this.#edit, mark: this.#mark, keep: this.#keep, upload: this.#upload, remove: this.#remove };
    for (const [id, order] of Object.entries(orders)) {
      $(`#${id}`).addEventListener("click", () => this.#record && order.call(this).catch((error) => notice(error.message)));
    }
    $("#player-close").addEventListener("click", () => this.close());
    $("#video").addEventListener("loadedmetadata", () => this.#line());
    $("#video").addEventListener("error", () => {
      if (this.#source) setText($("#player-state"), "This browser cannot play it. It can be downloaded.");
    });
  }

  use(server, isAdmin) {
    this.#server = server;
    this.#isAdmin = isAdmin;
    $("#orders").hidden = !isAdmin;
  }

  /** Loads a recording; it plays from `at` seconds on where that is said. */
  async open(record, { at = 0, play = true } = {}) {
    this.#stop();
    this.#record = record;
    $("#player").hidden = false;
    this.#describe();
    const isSound = PLAYED[ending(record.name)] === "audio" || /_audio_/.test(record.name);
    $("#video").classList.toggle("sound", isSound);
    $("#player").scrollIntoView({ behavior: "smooth", block: "nearest" });
    $("#player-title").focus({ preventScroll: true });
    if (!record.available || !PLAYED[ending(record.name)]) {
      return setText($("#player-state"), record.available ? "Browsers do not play such a file. It can be downloaded." : "Its media was uploaded, and is not here.");
    }
    const loading = (this.#loading = new AbortController());
    setText($("#player-state"), "Loading …");
    try {
      const progress = (part) => setText($("#player-state"), `Loading ${Math.round(100 * part)} % …`);
      const found = await source(this.#server, record, { progress, signal: loading.signal });
      if (loading.signal.aborted) return found.close();
      this.#source = found;
      setText($("#player-state"), "");
      $("#video").src = found.url;
      if (at) $("#video").currentTime = at;
      if (play) $("#video").play().catch(() => {});
    } catch (error) {
      if (!loading.signal.aborted) setText($("#player-state"), error.message);
    }
  }

  close() {
    this.#stop();
    this.#record = null;
    $("#player").hidden = true;
    this.#changed();
  }

  #stop() {
    this.#loading?.abort();
    const old = this.#source;
    this.#source = null;
    $("#video").removeAttribute("src");
    $("#video").load();
    old?.close();
  }

  #describe() {
    const { name, room, size, state, duration, codecs, gaps, markers, keep, client, upload } = this.#record;
    setText($("#player-title"), titleOf(this.#record));
    fillList($("#facts"), [
      ["Room", room],
      ["Began", began(this.#record)],
      ["Length", duration == null ? "–" : formatDuration(duration)],
      ["Size", formatSizeOnDisk(size)],
      ["Codecs", codecs.join(", ") || "–"],
      ...(gaps.length ? [["Missing", `${formatDuration(gaps.reduce((sum, gap) => sum + gap.length, 0))} in ${counted(gaps.length, "place")}`]] : []),
      ...(client ? [["Published by", client]] : []),
      ...(state === "recovered" ? [["Recovered", "The server had died while it was recorded"]] : []),
      ...(upload?.error ? [["Upload failed", upload.error]] : upload?.url ? [["Uploaded to", upload.url]] : []),
      ["File", name],
    ]);
    $("#upload").hidden = !upload?.error;
    $("#keep").setAttribute("aria-pressed", String(keep));
    setText($("#keep"), keep ? "Kept" : "Keep");
    $("#markers").replaceChildren(...markers.map(({ at, text }) => {
      const button = el("button", { type: "button", class: "slim" }, `${formatDuration(at)} ${text}`);
      button.addEventListener("click", () => {
        $("#video").currentTime = at / 1000;
        $("#video").focus();
      });
      return el("li", {}, button);
    }));
    this.#line();
  }

  /** Where media is missing, and what is marked. */
  #line() {
    const { gaps = [], markers = [], duration } = this.#record ?? {};
    const all = duration || 1000 * $("#video").duration;
    const has = Number.isFinite(all) && all > 0 && gaps.length + markers.length > 0;
    $("#timeline").hidden = !has;
    if (!has) return;
    const span = (at, length, kind, title) => {
      const element = el("span", { class: kind, title });
      element.style.left = `${(100 * at) / all}%`;
      if (length) element.style.width = `${(100 * length) / all}%`;
      return element;
    };
    $("#timeline").replaceChildren(
      ...gaps.map(({ at, length }) => span(at, length, "gap", `${formatDuration(at)}: ${(length / 1000).toFixed(1)} s are missing`)),
      ...markers.map(({ at, text }) => span(at, 0, "marker", text)));
  }

  #take(record) {
    this.#record = record;
    this.#describe();
    this.#changed(record);
  }

  async #download() {
    for (const name of await this.#files()) {
      const { url } = await this.#server.link(name, DOWNLOAD_SECONDS);
      const link = el("a", { href: `${url}${url.includes("?") ? "&" : "?"}download=1`, download: name });
      document.body.append(link);
      link.click();
      link.remove();
    }
  }

  /** Its file, and the one of its sound where that is another one. */
  async #files() {
    const { name } = this.#record;
    const sound = soundOf(name);
    const is = async (name) => (await this.#server.bytes(name, { first: 1 }).catch(() => null)) !== null;
    return sound && (await is(sound)) ? [name, sound] : [name];
  }

  async #share() {
    const record = this.#record;
    const files = await this.#files();
    const pair = files.length > 1;
    ask({
      title: `Share ${titleOf(record)}`,
      text: pair
        ? "Picture and sound are two files, each with a link of its own. Who has the links gets them without a token, until the links end. They cannot be called back."
        : "Who has the link gets this recording without a token, until the link ends. It cannot be called back.",
      yes: pair ? "Copy both links" : "Copy the link",
      fields: [{ name: "seconds", label: "It ends after", options: this.#isAdmin ? HOLDS : HOLDS_OF_READERS }],
      act: async ({ seconds }) => {
        const links = await Promise.all(files.map((name) => this.#server.link(name, Number(seconds))));
        const urls = links.map(({ url }) => url).join("\n");
        const end = new Date(links[0].expires).toLocaleString();
        // The dialog stays open, with the links to be copied by hand.
        if (!(await copyText(urls))) throw new Error(`Not copied. ${urls}`);
        notice(pair ? `Copied: two links, first to the picture, then to its sound. They end on ${end}.` : `Copied. The link ends on ${end}.`);
      },
    });
  }

  async #edit() {
    const { name, title, tags } = this.#record;
    ask({
      title: "Title and tags",
      text: "They are what it is found by.",
      yes: "Save",
      fields: [{ name: "title", label: "Title", value: title }, { name: "tags", label: "Tags, with commas between them", value: tags.join(", "), most: 1000 }],
      act: async ({ title, tags }) => {
        this.#take(await this.#server.change(name, { title, tags: tags.split(",").map((tag) => tag.trim()).filter(Boolean) }));
      },
    });
  }

  async #mark() {
    const at = Math.round(1000 * $("#video").currentTime);
    const { name } = this.#record;
    ask({
      title: `Mark ${formatDuration(at)}`,
      text: "Whoever plays it can jump there.",
      yes: "Mark",
      fields: [{ name: "text", label: "What is there" }],
      act: async ({ text }) => this.#take(await this.#server.mark(name, at, text)),
    });
  }

  async #keep() {
    this.#take(await this.#server.change(this.#record.name, { keep: !this.#record.keep }));
    notice(this.#record.keep ? "No rule deletes it." : "Rules may delete it again.");
  }

  async #upload() {
    this.#take(await this.#server.upload(this.#record.name));
    notice("It is tried again.");
  }

  async #remove() {
    const files = await this.#files();
    const record = this.#record;
    ask({
      title: `Delete ${titleOf(record)}?`,
      text: `${files.join(" and ")}, ${formatSizeOnDisk(record.size)}, with title, tags and markers. It cannot be undone.`,
      yes: "Delete",
      danger: true,
      act: async () => {
        for (const name of files) await this.#server.remove(name);
        this.close();
        notice(`${titleOf(record)} is deleted.`);
        this.#changed(null, record.name);
      },
    });
  }
}
