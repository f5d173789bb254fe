// Play, sound, full screen, picture in picture and keys of the player page, and the browsers' rules on autoplay:
// with sound first; where the browser wants a click before any sound, silent with a button for the sound; where it
// wants one before any picture (a phone that saves power), with a button to begin.

import { $, settings } from "./ui.js";

const IDLE_MS = 2600;

/**
 * @param {{stage: HTMLElement, video: HTMLVideoElement, startMuted: boolean, showStats: boolean}} page
 * @returns {{play: () => Promise<void>}} `play` is called for each new stream
 */
export function installControls({ stage, video, startMuted, showStats }) {
  const unmute = $("#unmute");
  const begin = $("#begin");
  let paused = false;
  // Silent because the browser wanted it so, not because somebody chose it.
  let forcedMute = false;

  video.muted = startMuted;
  video.volume = Math.min(1, Math.max(0, Number(settings.get("volume", 1)) || 0)) || 1;

  async function play() {
    if (paused) return;
    begin.hidden = true;
    try {
      await video.play();
    } catch (error) {
      // AbortError: a newer stream took this one's place, and plays by its own call.
      if (error.name !== "NotAllowedError") return;
      if (video.muted) {
        begin.hidden = false;
        return;
      }
      forcedMute = true;
      video.muted = true;
      await play();
    }
    show();
  }

  function show() {
    const silent = video.muted || video.volume === 0;
    unmute.hidden = !(forcedMute && video.muted);
    mark($("#play"), !video.paused, "Play (space)", "Pause (space)");
    mark($("#mute"), !silent, "Unmute (m)", "Mute (m)");
    mark($("#fullscreen"), Boolean(document.fullscreenElement), "Full screen (f)", "Leave full screen (f)");
    $("#volume").value = String(silent ? 0 : Math.round(video.volume * 100));
  }

  function togglePlay() {
    paused = !video.paused;
    // A live stream has no place to go on from: play shows what is now.
    if (paused) video.pause();
    else play();
  }

  function setMuted(muted) {
    forcedMute = false;
    video.muted = muted;
    if (!muted && video.volume === 0) video.volume = 0.5;
    if (!muted && !paused) play();
    show();
  }

  function toggleStats(on = $("#stats").hidden) {
    $("#stats").hidden = !on;
    $("#info").setAttribute("aria-pressed", String(on));
  }

  async function toggleFullscreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else if (stage.requestFullscreen) await stage.requestFullscreen();
      // iPhones know full screen for the video alone.
      else video.webkitEnterFullscreen?.();
    } catch {
      // Not allowed in this frame.
    }
  }

  $("#play").addEventListener("click", togglePlay);
  $("#mute").addEventListener("click", () => setMuted(!video.muted));
  $("#info").addEventListener("click", () => toggleStats());
  $("#fullscreen").addEventListener("click", toggleFullscreen);
  video.addEventListener("dblclick", toggleFullscreen);
  unmute.addEventListener("click", () => setMuted(false));
  begin.addEventListener("click", () => {
    if (forcedMute) setMuted(false);
    else play();
  });
  $("#volume").addEventListener("input", (event) => {
    forcedMute = false;
    video.volume = Number(event.target.value) / 100;
    video.muted = video.volume === 0;
    settings.set("volume", video.volume);
  });
  for (const name of ["play", "pause", "volumechange"]) video.addEventListener(name, show);
  document.addEventListener("fullscreenchange", show);

  if (document.pictureInPictureEnabled) {
    $("#pip").hidden = false;
    $("#pip").addEventListener("click", async () => {
      try {
        if (document.pictureInPictureElement) await document.exitPictureInPicture();
        else await video.requestPictureInPicture();
      } catch {
        // No picture yet.
      }
    });
  }

  installKeys({ " ": togglePlay, k: togglePlay, m: () => setMuted(!video.muted), f: toggleFullscreen, i: () => toggleStats() });
  installFading(stage);
  if (showStats) toggleStats(true);
  show();
  return { play };
}

function installKeys(keys) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    // Whoever types, types; a focused button takes the space for itself.
    if (event.target.closest("input:not([type=range]), textarea, select")) return;
    if (event.key === " " && event.target.closest("button, a")) return;
    const action = keys[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

// The bars fade out over a running picture; movement, touch and keys bring them back (focus does so in the CSS).
function installFading(stage) {
  let timer = 0;
  const stir = () => {
    stage.classList.remove("quiet");
    clearTimeout(timer);
    timer = setTimeout(() => stage.classList.add("quiet"), IDLE_MS);
  };
  for (const name of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(name, stir);
  stir();
}

function mark(button, on, whenOff, whenOn) {
  button.classList.toggle("is-on", on);
  const title = on ? whenOn : whenOff;
  button.title = title;
  // The key in brackets is for the eye: a screen reader has `aria-keyshortcuts` for it.
  button.setAttribute("aria-label", title.replace(/ \((.*)\)$/, ""));
  button.setAttribute("aria-keyshortcuts", / \((.*)\)$/.exec(title)[1].replace("space", "Space"));
}
