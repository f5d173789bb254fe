// Small helpers of the pages. Text from outside goes through `textContent` only.

import { pageUrl } from "./api.js";

/** The one element that `selector` names; a missing one is a mistake in the page. */
export function $(selector, root = document) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`no ${selector} in this page`);
  return element;
}

/**
 * Makes an element. Properties are set as properties, `class`, `aria-*`, `role` and `for` as attributes.
 * Children that are strings become text.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/^(class|for|role|aria-.*|data-.*)$/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Writes text only where it changed, so that a live region does not speak twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Points the links marked `data-page` to the pages, wherever the base path is. */
export function linkPages() {
  for (const link of document.querySelectorAll("a[data-page]")) link.href = pageUrl(link.dataset.page);
}

/** Copies text; works on pages without HTTPS too, where there is no clipboard API. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without HTTPS. What is behind an open dialog cannot be selected.
    const area = el("textarea", { value: text, readOnly: true, class: "offscreen" });
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Makes `button` copy what `text()` gives, and say so. */
export function copyButton(button, text) {
  const label = button.textContent;
  let timer = 0;
  button.addEventListener("click", async () => {
    const done = await copyText(text());
    button.focus();
    button.textContent = done ? "Copied" : "Not copied";
    button.classList.toggle("done", done);
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = label;
      button.classList.remove("done");
    }, 1600);
  });
}

/** "1.8 Mbit/s". */
export function formatBitrate(bitsPerSecond) {
  if (bitsPerSecond == null || !Number.isFinite(bitsPerSecond)) return "–";
  if (bitsPerSecond >= 999_500) return `${(bitsPerSecond / 1e6).toFixed(bitsPerSecond < 9.95e6 ? 1 : 0)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1000)} kbit/s`;
}

/** "12 ms". */
export const formatMs = (value) => (value == null ? "–" : `${value < 9.5 && value > 0 ? value.toFixed(1) : Math.round(value)} ms`);

/** "0.4 %" of a ratio. */
export function formatPercent(ratio) {
  if (ratio == null) return "–";
  const percent = ratio * 100;
  return `${percent === 0 ? "0" : percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** "1280 × 720". */
export const formatSize = (width, height) => (width && height ? `${width} × ${height}` : "–");

/** "1.4 GB" of a number of bytes. */
export function formatSizeOnDisk(bytes) {
  if (!Number.isFinite(bytes)) return "–";
  const power = Math.min(4, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power > 0 && value < 99.5 ? value.toFixed(1) : Math.round(value)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** "1 session", "1,200 sessions". */
export const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** "0:42", "12:05", "1:02:03". */
export function formatDuration(milliseconds) {
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Fills a `<dl>` with pairs of term and value; keeps its elements, so that a selection in it survives. */
export function fillList(list, pairs) {
  while (list.children.length > pairs.length) list.lastElementChild.remove();
  pairs.forEach(([term, value], i) => {
    if (!list.children[i]) list.append(el("div", {}, el("dt"), el("dd")));
    const [dt, dd] = list.children[i].children;
    setText(dt, term);
    setText(dd, value);
  });
}

/** The token in the page's fragment (`#token=…`): a fragment is never sent to a server nor written to its log. */
export function fragmentToken() {
  return new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
}

/** Takes that token out of the address, so that nobody reads it there, and remembers it for this tab under `room`. */
export function takeFragmentToken(room) {
  const token = fragmentToken();
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  rememberToken(room, token);
}

const TOKEN_KEY = "rillcast.token";

/** Remembers a token for this tab only, per room. Frames of other sites may have no storage: then it is not kept. */
export function rememberToken(room, token) {
  try {
    if (token) sessionStorage.setItem(`${TOKEN_KEY}:${room}`, token);
    else sessionStorage.removeItem(`${TOKEN_KEY}:${room}`);
  } catch {
    // Not kept.
  }
}

/** The token remembered for a room, or an empty string. */
export function rememberedToken(room) {
  try {
    return sessionStorage.getItem(`${TOKEN_KEY}:${room}`) ?? "";
  } catch {
    return "";
  }
}

/** A setting that survives the tab (volume, chosen codec); never anything secret. */
export const settings = {
  get(name, fallback) {
    try {
      return JSON.parse(localStorage.getItem(`rillcast.${name}`)) ?? fallback;
    } catch {
      return fallback;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`rillcast.${name}`, JSON.stringify(value));
    } catch {
      // Not kept.
    }
  },
};

let wakeLock = null;
let awake = false;

/** Keeps the screen on while `on`; where the browser cannot, nothing happens. */
export async function keepAwake(on) {
  awake = on;
  if (!on) {
    wakeLock?.release().catch(() => {});
    wakeLock = null;
    return;
  }
  if (wakeLock || document.hidden || !navigator.wakeLock) return;
  try {
    const lock = await navigator.wakeLock.request("screen");
    if (!awake) return void lock.release().catch(() => {});
    wakeLock = lock;
    // The browser takes it away with the tab's visibility.
    lock.addEventListener("release", () => (wakeLock = null));
  } catch {
    // Refused (battery, policy): the stream goes on.
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && awake) keepAwake(true);
});
