// Where pictures and sound come from: camera, microphone, screen, or a test picture that needs no permission.

import { testPicture } from "./testsource.js";

/** Whether this page may ask for cameras at all: browsers allow it for https:// and localhost only. */
export const captureAllowed = Boolean(globalThis.isSecureContext && navigator.mediaDevices?.getUserMedia);

/** Whether this browser can share a screen (phones cannot). */
export const screenAllowed = captureAllowed && Boolean(navigator.mediaDevices.getDisplayMedia);

/**
 * Opens a source of pictures.
 *
 * @param {{source: "camera"|"screen"|"test", camera: string, width: number, height: number, fps: number,
 *   screenSound: boolean}} wanted
 * @returns {Promise<{video: MediaStreamTrack, audio: MediaStreamTrack|null}>} `audio` is the sound of a screen
 */
export async function openPicture({ source, camera, width, height, fps, screenSound }) {
  if (source === "test") return { video: testPicture(width, height, fps), audio: null };
  if (source === "screen") {
    const stream = await navigator.mediaDevices.getDisplayMedia({
      // Only shrinks: a screen is never blown up.
      video: { width: { max: width }, height: { max: height }, frameRate: { max: fps } },
      audio: screenSound ? { echoCancellation: false, noiseSuppression: false, autoGainControl: false } : false,
    });
    const [video] = stream.getVideoTracks();
    // Text must stay sharp; at high frame rates it is rather a film or a game.
    video.contentHint = fps > 30 ? "motion" : "detail";
    return { video, audio: stream.getAudioTracks()[0] ?? null };
  }
  const stream = await navigator.mediaDevices.getUserMedia({
    video: {
      ...(camera ? { deviceId: { exact: camera } } : {}),
      width: { ideal: width },
      height: { ideal: height },
      frameRate: { ideal: fps },
    },
  });
  return { video: stream.getVideoTracks()[0], audio: null };
}

/**
 * Opens a microphone. For music the browser's processing is off: it takes everything for noise that is not speech.
 *
 * @param {{microphone: string, music: boolean}} wanted
 */
export async function openMicrophone({ microphone, music }) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: {
      ...(microphone ? { deviceId: { exact: microphone } } : {}),
      echoCancellation: !music,
      noiseSuppression: !music,
      autoGainControl: !music,
      channelCount: { ideal: music ? 2 : 1 },
    },
  });
  const [track] = stream.getAudioTracks();
  track.contentHint = music ? "music" : "speech";
  return track;
}

/** The cameras and microphones: `{cameras, microphones}`, each `[{id, label}]`. Names come with the permission only. */
export async function devices() {
  const list = captureAllowed ? await navigator.mediaDevices.enumerateDevices().catch(() => []) : [];
  const of = (kind, word) => list
    .filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "communications")
    .map((device, i) => ({ id: device.deviceId, label: device.label || `${word} ${i + 1}` }));
  return { cameras: of("videoinput", "Camera"), microphones: of("audioinput", "Microphone") };
}

/** What a failed attempt to capture means, in plain words. `what` is "camera", "microphone" or "screen". */
export function explain(error, what) {
  switch (error.name) {
    case "NotAllowedError":
      return what === "screen"
        ? "No screen was chosen, or the system does not let this browser record it."
        : `The ${what} is not allowed for this page. Allow it beside the address, then try again.`;
    case "NotFoundError":
      return `There is no ${what}. Is it plugged in?`;
    case "NotReadableError":
    case "AbortError":
      return `The ${what} does not start. Another program may be using it.`;
    case "OverconstrainedError":
      return `The chosen ${what} is not there any more. Choose another one.`;
    default:
      return `The ${what} does not start: ${error.message}`;
  }
}
