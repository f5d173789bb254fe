// Playing a room by WHEP. For integrators: this module and its imports have no dependency but the browser.
//
//   import { WhepPlayer } from "https://media.example/web/whep.js";
//   const player = new WhepPlayer({ url: "https://media.example/api/whep/play/lobby", video, onstate: console.log });
//   player.start();

import { Connection, SILENT_MS } from "./connection.js";
import { Meter, summariseInbound } from "./stats.js";
import { OPUS, withParameters } from "./sdp.js";

// Connected and silent for this long: the session itself may be the trouble (a server that restarted behind a
// proxy, a path that only works one way), so a new one is made. It answers 404 and waits where nobody publishes.
const RENEW_MS = 20_000;
const LONGEST_RENEW_MS = 160_000;

/**
 * Plays a room and comes back by itself when the connection or the publisher goes.
 *
 * State "live" means that media arrives; "stalled" that the connection stands but nothing comes (the publisher is
 * away; it goes on by itself when it returns); "waiting" that nobody publishes yet. See `Connection` for the others.
 */
export class WhepPlayer extends Connection {
  /** Milliseconds from sending the offer to the first frame on the screen; null until then, and in hidden tabs. */
  firstFrameMs = null;
  /** What is received. @type {MediaStream|null} */
  stream = null;

  #video;
  #latency;
  #stereo;
  #meter = new Meter();
  #bytes = 0;
  #movedAt = 0;
  #renewMs = RENEW_MS;

  /**
   * @param {object} options those of `Connection`, and:
   * @param {HTMLVideoElement} [options.video] shows the stream and measures the first frame
   * @param {(stream: MediaStream) => void} [options.onstream] a session's stream begins to arrive
   * @param {() => void} [options.onfirstframe] `firstFrameMs` is known
   * @param {number|null} [options.latency] target of the jitter buffer in milliseconds; null leaves it to the browser
   * @param {boolean} [options.stereo] ask for stereo sound (default)
   */
  constructor({ video = null, onstream, onfirstframe, latency = 0, stereo = true, ...options }) {
    super(options);
    this.onstream = onstream;
    this.onfirstframe = onfirstframe;
    this.#video = video;
    this.#latency = latency;
    this.#stereo = stereo;
  }

  async prepare(pc) {
    this.#meter = new Meter();
    this.#bytes = 0;
    this.firstFrameMs = null;
    const stream = new MediaStream();
    for (const kind of ["audio", "video"]) {
      const { receiver } = pc.addTransceiver(kind, { direction: "recvonly" });
      setBuffer(receiver, this.#latency);
    }
    pc.addEventListener("track", ({ track }) => {
      if (this.pc !== pc) return;
      stream.addTrack(track);
      track.addEventListener("unmute", () => this.pc === pc && this.#moved());
      if (this.stream !== stream) this.#show(pc, stream);
    });
  }

  // A receiver that does not say `stereo=1` gets mono from Chromium's decoder, whatever was sent (RFC 7587, section 6.1);
  // no API sets it, so it is written into the offer.
  editOffer(sdp) {
    return this.#stereo ? withParameters(sdp, OPUS, { stereo: 1 }) : sdp;
  }

  connected() {
    this.#movedAt = performance.now();
    // "live" comes with the first media, see `summarise` and `unmute`.
    if (this.state === "reconnecting" && this.#bytes > 0) this.setState("live");
  }

  judge(error, tries) {
    // A 404 that is not the server's own comes from a proxy or another site: waiting would be for nothing.
    if (error.status === 404 && error.known) return { state: "waiting", detail: "Nobody is publishing here yet." };
    if (error.status === 403) return { state: "waiting", detail: "The room is full at the moment." };
    return super.judge(error, tries);
  }

  summarise(report) {
    const stats = summariseInbound(report, this.#meter);
    const bytes = stats.videoBytes + stats.audioBytes;
    const now = performance.now();
    if (bytes > this.#bytes) {
      this.#bytes = bytes;
      this.#renewMs = RENEW_MS;
      this.#moved();
    } else if (this.pc.connectionState === "connected") {
      const silent = now - this.#movedAt;
      if (silent > this.#renewMs) {
        // Seldomer each time: a room that stays empty is no reason for a stream of sessions.
        this.#renewMs = Math.min(LONGEST_RENEW_MS, this.#renewMs * 2);
        this.lost("The publisher is away.", null, "waiting");
      } else if (silent > SILENT_MS) {
        this.setState("stalled", "The publisher is away.");
        this.verify(silent);
      }
    }
    return stats;
  }

  #moved() {
    this.heard();
    this.#movedAt = performance.now();
    if (this.pc?.connectionState === "connected") this.setState("live");
  }

  #show(pc, stream) {
    this.stream = stream;
    const video = this.#video;
    if (video) {
      video.srcObject = stream;
      this.#timeFirstFrame(pc, video);
    }
    this.onstream?.(stream);
  }

  #timeFirstFrame(pc, video) {
    // A hidden tab shows no frame: what would be measured is how long it was hidden.
    if (document.hidden) return;
    const shown = () => {
      if (this.pc !== pc || this.firstFrameMs !== null) return;
      this.firstFrameMs = performance.now() - this.postedAt;
      this.onfirstframe?.();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(shown);
    else video.addEventListener("loadeddata", shown, { once: true });
  }
}

function setBuffer(receiver, milliseconds) {
  if (milliseconds === null) return;
  try {
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = milliseconds;
    // Chromium before 124 knows the same thing by another name, in seconds.
    else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = milliseconds / 1000;
  } catch {
    // Out of the browser's range: its own choice stands.
  }
}
