// The page of recordings: finds, shows, plays. Fragment: `#token=…`. What is looked for is in the address, the token never.

import { bootstrap } from "./api.js";
import { Server } from "./records-api.js";
import { List } from "./records-list.js";
import { Live } from "./records-live.js";
import { Player } from "./records-player.js";
import { $, counted, linkPages, rememberToken, rememberedToken, setText, takeFragmentToken } from "./ui.js";

const PER_PAGE = 48;
// Somebody types still.
const TYPING_MS = 250;
// The token of this list, apart from those of rooms: no room is called so.
const LIST = "*";
const FIELDS = ["text", "room", "from", "to", "state"];

let server = null;
let page = 1;
let asked = 0;

const list = new List((record) => {
  list.select(record.name);
  player.open(record);
});
const player = new Player((record, gone) => {
  if (record) list.replace(record);
  else if (gone) look();
  else list.select(null);
});
const live = new Live(() => look());

/** Begins anew: with another token, or after a failure. */
async function enter() {
  for (const id of ["#token-form", "#trouble", "#retry", "#search", "#pages"]) $(id).hidden = true;
  const token = rememberedToken(LIST);
  server = new Server(token);
  try {
    const { recordEnabled } = await bootstrap({ token }).catch((error) => {
      // The private listener has the recordings, but not this.
      if (error.status === 404) return { recordEnabled: true };
      throw error;
    });
    if (!recordEnabled) return setText($("#summary"), "This server does not record. Its operator can turn recording on.");
    const isAdmin = token !== "" && (await server.isAdmin());
    player.use(server, isAdmin);
    if (!(await look())) return;
    $("#search").hidden = false;
    live.use(server, isAdmin);
  } catch (error) {
    fail(error);
  }
}

/** Looks for what the fields say. False where that failed. */
async function look() {
  const question = (asked += 1);
  const wanted = Object.fromEntries(FIELDS.map((id) => [id, $(`#${id}`).value.trim()]));
  remember(wanted);
  try {
    const { found, total } = await server.find({ ...wanted, page, perPage: PER_PAGE });
    if (question !== asked) return true;
    const pages = Math.max(1, Math.ceil(total / PER_PAGE));
    if (page > pages) {
      page = pages;
      return look();
    }
    $("#trouble").hidden = true;
    $("#retry").hidden = true;
    setText($("#summary"), summary(total, list.show(server, found), FIELDS.some((id) => wanted[id])));
    $("#pages").hidden = pages === 1;
    $("#newer").disabled = page === 1;
    $("#older").disabled = page === pages;
    setText($("#where"), `Page ${page} of ${pages}`);
    return true;
  } catch (error) {
    if (question === asked) fail(error);
    return false;
  }
}

/** The server counts files. What is one recording in two of them is known where all are on this page. */
function summary(total, shown, filtered) {
  if (total === 0) return filtered ? "Nothing fits." : "There is no recording yet.";
  if (total === 1) return "One file.";
  const files = counted(total, "file");
  return total <= PER_PAGE && shown < total ? `${counted(shown, "recording")} in ${files}, newest first.` : `${files}, newest first.`;
}

function fail(error) {
  live.stop();
  if (error.status === 401) {
    $("#token-form").hidden = false;
    $("#records").replaceChildren();
    return setText($("#summary"), rememberedToken(LIST) ? "That token was not accepted." : "");
  }
  setText($("#summary"), "");
  $("#trouble").hidden = false;
  $("#retry").hidden = false;
  setText($("#trouble"), error.status === 404 ? "This server does not list its recordings." : error.message);
}

/** Keeps what is looked for in the address, so that it can be handed on. */
function remember(wanted) {
  const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
  if (page > 1) query.set("page", String(page));
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
}

function restore() {
  const query = new URLSearchParams(location.search);
  for (const id of FIELDS) $(`#${id}`).value = query.get(id) ?? "";
  page = Math.max(1, Number.parseInt(query.get("page") ?? "1", 10) || 1);
}

let typing = 0;
for (const id of FIELDS) {
  $(`#${id}`).addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      page = 1;
      look();
    }, TYPING_MS);
  });
}
$("#search").addEventListener("submit", (event) => event.preventDefault());
for (const [id, step] of [["#newer", -1], ["#older", 1]]) {
  $(id).addEventListener("click", async () => {
    page += step;
    await look();
    $("#search").scrollIntoView({ behavior: "smooth", block: "start" });
  });
}
$("#token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  rememberToken(LIST, $("#token").value.trim());
  enter();
});
$("#retry").addEventListener("click", enter);

takeFragmentToken(LIST);
restore();
linkPages();
enter();
