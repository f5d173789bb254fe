// A picture and a sound that are made in this page: for trying things out without a camera, a microphone or HTTPS.

/**
 * A moving picture with a clock. Ends when its track is stopped.
 */
export function testPicture(width, height, fps) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  const { track, push } = outlet(canvas, fps);
  // Timers of a page run once a second while its tab is hidden, as it is when one watches in the next tab: a worker's do not.
  const ticker = new Worker(new URL("ticker.js", import.meta.url), { type: "module" });
  ticker.onmessage = () => {
    if (track.readyState === "ended") return ticker.terminate();
    draw(context, { width, height, fps });
    push();
  };
  draw(context, { width, height, fps });
  push();
  ticker.postMessage(1000 / fps);
  return track;
}

// A canvas gives its stream no frames while the tab is hidden; a generator (Chromium) is given them by hand.
function outlet(canvas, fps) {
  if (!globalThis.MediaStreamTrackGenerator || !globalThis.VideoFrame) {
    return { track: canvas.captureStream(fps).getVideoTracks()[0], push() {} };
  }
  const track = new MediaStreamTrackGenerator({ kind: "video" });
  const writer = track.writable.getWriter();
  let busy = false;
  const push = async () => {
    // A frame that nobody took yet is not followed by another: late frames are worth nothing.
    if (busy) return;
    busy = true;
    const frame = new VideoFrame(canvas, { timestamp: performance.now() * 1000 });
    await writer.write(frame).catch(() => frame.close());
    busy = false;
  };
  return { track, push };
}

const COLOURS = ["#e6e6e6", "#d8c23a", "#3fb8c4", "#3da35a", "#b04fb5", "#c8433c", "#3a55c0"];

function draw(context, { width, height, fps }) {
  const now = new Date();
  const unit = height / 12;
  const turn = (performance.now() % 4000) / 4000;
  COLOURS.forEach((colour, i) => {
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
  const clock = now.toTimeString().slice(0, 8) + (now.getMilliseconds() / 1000).toFixed(3).slice(1, 4);
  context.fillText(clock, width / 2, height * 0.86);
  context.font = `${unit * 0.6}px monospace`;
  context.fillText(`${width} × ${height}, ${fps} fps`, width / 2, height * 0.95);
}

/** A soft chord, one tone left and one right. Ends when its track is stopped. */
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
