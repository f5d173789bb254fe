// Where pictures and sound come from: camera, microphone, screen, or a test picture that needs no permission.

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

/**
 * A moving picture with a clock, drawn in this page: for trying things out without a camera.
 * Ends when its track is stopped.
 */
export function testPicture(width, height, fps) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  const [track] = canvas.captureStream(fps).getVideoTracks();
  const unit = height / 12;
  const draw = () => {
    if (track.readyState === "ended") return void clearInterval(timer);
    const now = new Date();
    const turn = (performance.now() % 4000) / 4000;
    const colours = ["#e6e6e6", "#d8c23a", "#3fb8c4", "#3da35a", "#b04fb5", "#c8433c", "#3a55c0"];
    colours.forEach((colour, i) => {
      context.fillStyle = colour;
      context.fillRect((i * width) / 7, 0, width / 7 + 1, height);
    });
    context.fillStyle = "#10211f";
    context.fillRect(0, height * 0.68, width, height);
    context.fillStyle = "#4fd1c2";
    context.fillRect(turn * (width + unit) - unit, height * 0.68, unit, unit / 4);
    context.fillStyle = "#eafffb";
    context.font = `600 ${unit * 1.5}px monospace`;
    context.textAlign = "center";
    context.fillText(now.toTimeString().slice(0, 8) + (now.getMilliseconds() / 1000).toFixed(2).slice(1), width / 2, height * 0.86);
    context.font = `${unit * 0.6}px monospace`;
    context.fillText(`${width} × ${height}, ${fps} per second`, width / 2, height * 0.95);
  };
  // A timer and not animation frames: these stop where the tab is hidden.
  const timer = setInterval(draw, 1000 / fps);
  draw();
  return track;
}

/** A soft ticking tone on two channels, for the same purpose. Ends when its track is stopped. */
export function testTone() {
  const context = new AudioContext();
  const merger = context.createChannelMerger(2);
  const sources = [330, 440].map((frequency, channel) => {
    const oscillator = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0.08 });
    oscillator.connect(gain).connect(merger, 0, channel);
    oscillator.start();
    return oscillator;
  });
  const output = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
  merger.connect(output);
  const [track] = output.stream.getAudioTracks();
  const stop = track.stop.bind(track);
  track.stop = () => {
    stop();
    sources.forEach((source) => source.stop());
    context.close();
  };
  context.resume().catch(() => {});
  return track;
}
