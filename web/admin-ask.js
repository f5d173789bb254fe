// Questions before something ends, and short news at the edge of the page.

import { ROOM_NAME, ROOM_RULE } from "./api.js";
import { $, setText } from "./ui.js";

const NOTICE_MS = 6000;
let noticeTimer = 0;

/** Says what came of something. */
export function notice(text) {
  setText($("#notice"), text);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => setText($("#notice"), ""), NOTICE_MS);
}

let current = null;

/**
 * Asks, and does it. The dialog stays open, with the error, when that fails.
 *
 * @param {object} question
 * @param {string} question.title what is going to happen, and to whom
 * @param {string} question.text what it means
 * @param {string} question.yes the button's word
 * @param {boolean} [question.danger] whether something ends
 * @param {boolean} [question.time] ask for how long
 * @param {boolean} [question.room] ask which room
 * @param {(answer: {seconds: number, close: boolean, room: string}) => Promise<void>} question.act
 */
export function ask(question) {
  current = question;
  setText($("#ask-title"), question.title);
  setText($("#ask-text"), question.text);
  setText($("#ask-yes"), question.yes);
  $("#ask-yes").className = question.danger ? "danger" : "primary";
  $("#ask-time-field").hidden = !question.time;
  $("#ask-close-field").hidden = !question.time;
  $("#ask-room-field").hidden = !question.room;
  $("#ask-room").value = "";
  $("#ask-room").removeAttribute("aria-invalid");
  busy(false);
  setText($("#ask-error"), "");
  $("#ask").showModal();
  // What ends something is never the first thing that Enter hits.
  (question.room ? $("#ask-room") : $("#ask-no")).focus();
}

/** Takes the question back: whoever asked has logged out. */
export function dropQuestion() {
  current = null;
  $("#ask").close();
}

function busy(on) {
  $("#ask-yes").disabled = on;
  $("#ask-form").setAttribute("aria-busy", String(on));
}

async function answer(event) {
  event.preventDefault();
  const question = current;
  if (!question || $("#ask-yes").disabled) return;
  const room = $("#ask-room").value.trim();
  if (question.room && !ROOM_NAME.test(room)) {
    $("#ask-room").setAttribute("aria-invalid", "true");
    setText($("#ask-error"), `A room’s name has ${ROOM_RULE}.`);
    return $("#ask-room").focus();
  }
  busy(true);
  setText($("#ask-error"), "");
  try {
    await question.act({ seconds: Number($("#ask-time").value), close: $("#ask-close").checked, room });
    if (current === question) $("#ask").close();
  } catch (error) {
    if (current === question) setText($("#ask-error"), error.message);
  } finally {
    if (current === question) busy(false);
  }
}

$("#ask-form").addEventListener("submit", answer);
$("#ask-no").addEventListener("click", () => $("#ask").close());
$("#ask").addEventListener("close", () => (current = null));
