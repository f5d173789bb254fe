// Questions before something changes, and short news at the edge of the page.

import { $, el, setText } from "./ui.js";

const NOTICE_MS = 6000;
let timer = 0;
let current = null;

/** Says what came of something. */
export function notice(text) {
  setText($("#notice"), text);
  clearTimeout(timer);
  timer = setTimeout(() => setText($("#notice"), ""), NOTICE_MS);
}

/**
 * Asks, and does it. The dialog stays open, with the error, where that fails.
 *
 * @param {{title: string, text: string, yes: string, danger?: boolean, fields?: {name: string, label: string, value?: string,
 *   most?: number, options?: [string, string][]}[], act: (answer: Record<string, string>) => Promise<void>}} question
 */
export function ask(question) {
  current = question;
  setText($("#ask-title"), question.title);
  setText($("#ask-text"), question.text);
  setText($("#ask-yes"), question.yes);
  setText($("#ask-error"), "");
  $("#ask-yes").className = question.danger ? "danger" : "primary";
  $("#ask-yes").disabled = false;
  $("#ask-fields").replaceChildren(...(question.fields ?? []).map(field));
  $("#ask").showModal();
  // What deletes something is never the first thing that Enter hits.
  ($("#ask-fields").querySelector("input, select") ?? $("#ask-no")).focus();
}

function field({ name, label, value = "", most = 200, options }) {
  const control = options
    ? el("select", { name }, ...options.map(([value, text]) => el("option", { value }, text)))
    : el("input", { name, maxLength: most, autocomplete: "off" });
  control.value = value || (options?.[0][0] ?? "");
  return el("label", { class: "field" }, label, control);
}

$("#ask-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = current;
  if (!question || $("#ask-yes").disabled) return;
  $("#ask-yes").disabled = true;
  setText($("#ask-error"), "");
  try {
    await question.act(Object.fromEntries(new FormData($("#ask-form"))));
    if (current === question) $("#ask").close();
  } catch (error) {
    if (current === question) setText($("#ask-error"), error.message);
  } finally {
    if (current === question) $("#ask-yes").disabled = false;
  }
});
$("#ask-no").addEventListener("click", () => $("#ask").close());
$("#ask").addEventListener("close", () => (current = null));
