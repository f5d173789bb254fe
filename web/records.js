// The page of recordings: what there is, or why there is nothing. Fragment: `#token=…`.

import { bootstrap, records } from "./api.js";
import { $, el, formatSizeOnDisk, linkPages, rememberToken, rememberedToken, setText, takeFragmentToken } from "./ui.js";

// Rows that are drawn: a list of a year's recordings is shown in part.
const SHOWN = 1000;
// The token of this list, apart from those of rooms: no room is called so.
const LIST = "*";

async function show() {
  for (const id of ["#table", "#token-form", "#retry"]) $(id).hidden = true;
  const token = rememberedToken(LIST);
  try {
    const { recordEnabled } = await bootstrap({ token });
    if (!recordEnabled) return setText($("#summary"), "This server does not record. Its operator can turn recording on.");
    list(await records({ token }));
  } catch (error) {
    if (error.status === 401) {
      $("#token-form").hidden = false;
      setText($("#summary"), token ? "That token was not accepted." : "");
    } else if (error.status === 404) {
      setText($("#summary"), "This server does not list its recordings.");
    } else {
      $("#retry").hidden = false;
      setText($("#summary"), error.message);
    }
  }
}

function list(found) {
  const total = found.length.toLocaleString("en");
  const some = found.length > SHOWN ? `, the first ${SHOWN.toLocaleString("en")} of which are shown` : "";
  setText($("#summary"), found.length === 0 ? "There is no recording yet." : found.length === 1 ? "One recording." : `${total} recordings${some}.`);
  $("#table").hidden = found.length === 0;
  $("#records").replaceChildren(...found.slice(0, SHOWN).map(({ name, size, modTime }) => el(
    "tr", {},
    el("td", {}, String(name)),
    el("td", {}, formatSizeOnDisk(size)),
    el("td", {}, Number.isNaN(Date.parse(modTime)) ? "–" : new Date(modTime).toLocaleString()),
  )));
}

$("#token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  rememberToken(LIST, $("#token").value.trim());
  show();
});
$("#retry").addEventListener("click", show);

takeFragmentToken(LIST);
linkPages();
show();
