// Publishing to a room by WHIP. For integrators: this module and its imports have no dependency but the browser.
//
//   import { WhipPublisher } from "https://media.example/web/whip.js";
//   const publisher = new WhipPublisher({ url: "https://media.example/api/whip/publish/lobby", token, tracks });
//   publisher.start();

import { Connection, SILENT_MS } from "./connection.js";
import { Meter, summariseOutbound } from "./stats.js";
import { OPUS, VIDEO, withParameters } from "./sdp.js";

const VOICE_BITRATE = 48_000;
const MUSIC_BITRATE = 192_000;
const LARGEST_START_KBIT = 1500;
// The server frees a room 5 s after the last sign of a publisher that vanished: the doubled waits of five tries
// last longer than that. A room that is still taken then has somebody else in it.
const TRIES_AT_A_TAKEN_ROOM = 5;
// Once on the air the place is fought for longer: the network that took us away may take the old session's end, too.
const TRIES_TO_RETURN = 12;

/** Sends one video and one audio track, and comes back by itself when the connection goes. */
export class WhipPublisher extends Connection {
  #tracks = { video: null, audio: null };
  #senders = { video: null, audio: null };
  #meter = new Meter();
  #bytesIn = 0;
  #heardAt = 0;

  /**
   * @param {object} options those of `Connection`, and:
   * @param {{video?: MediaStreamTrack|null, audio?: MediaStreamTrack|null}} options.tracks what is sent
   * @param {string} [options.codec] MIME type of the video codec to prefer ("video/VP9"); empty leaves it to the browser
   * @param {number} [options.bitrate] upper bound of the video in bits per second
   * @param {boolean} [options.simulcast] send three sizes of the picture
   * @param {boolean} [options.music] stereo sound at a high bit rate
   * @param {boolean} [options.detail] keep the size of the picture rather than its frame rate (screens)
   */
  constructor({ tracks, codec = "", bitrate = 2_500_000, simulcast = false, music = false, detail = false, ...options }) {
    super(options);
    this.#tracks = { video: tracks.video ?? null, audio: tracks.audio ?? null };
    this.codec = codec;
    this.bitrate = bitrate;
    this.simulcast = simulcast;
    this.music = music;
    // Named apart from the state's `detail`.
    this.keepDetail = detail;
  }

  async prepare(pc) {
    this.#meter = new Meter();
    const { audio, video } = this.#tracks;
    if (!audio && !video) throw new Error("there is neither picture nor sound to send");
    // One stream: players may then keep sound and picture together.
    const streams = [new MediaStream([audio, video].filter(Boolean))];
    if (audio) {
      const sendEncodings = [{ maxBitrate: this.music ? MUSIC_BITRATE : VOICE_BITRATE }];
      this.#senders.audio = pc.addTransceiver(audio, { direction: "sendonly", streams, sendEncodings }).sender;
    }
    if (video) {
      const sendEncodings = this.#encodings();
      const transceiver = pc.addTransceiver(video, { direction: "sendonly", streams, sendEncodings });
      prefer(transceiver, this.codec);
      this.#senders.video = transceiver.sender;
    }
  }

  editOffer(sdp) {
    return this.music ? withParameters(sdp, OPUS, { "sprop-stereo": 1, stereo: 1 }) : sdp;
  }

  editAnswer(sdp) {
    // Chromium starts at 300 kbit/s and shrinks the picture to fit; a quiet picture then never shows that there is room
    // for more. Starting higher is safe: congestion control takes it back within a second where it is too much.
    const start = Math.min(LARGEST_START_KBIT, Math.round(this.bitrate / 2000));
    const started = start > 300 ? withParameters(sdp, VIDEO, { "x-google-start-bitrate": start }) : sdp;
    if (!this.music) return started;
    // What a sender does with Opus is what the other side's description says that it wants (RFC 7587, section 7).
    return withParameters(started, OPUS, { stereo: 1, maxaveragebitrate: MUSIC_BITRATE, usedtx: 0 });
  }

  connected() {
    this.#heardAt = performance.now();
    super.connected();
    this.#applyPreference();
  }

  released() {
    this.#senders = { video: null, audio: null };
  }

  judge(error, tries) {
    if (error.status === 409) {
      const limit = this.sessions > 0 ? TRIES_TO_RETURN : TRIES_AT_A_TAKEN_ROOM;
      if (tries < limit) {
        return { state: "waiting", detail: "The room is taken. If that was you a moment ago, it is freed within seconds." };
      }
      return { state: "failed", detail: "Somebody else is publishing in this room. Choose another name, or ask them to stop." };
    }
    if (error.status === 404) return { state: "failed", detail: "There is no media server at this address." };
    if (error.status === 422) {
      return { state: "failed", detail: `The server takes none of the offered codecs: ${error.message}.` };
    }
    return super.judge(error, tries);
  }

  summarise(report) {
    const stats = summariseOutbound(report, this.#meter);
    const now = performance.now();
    // Reports of the server come each second.
    if (stats.bytesIn !== this.#bytesIn) {
      this.#bytesIn = stats.bytesIn;
      this.#heardAt = now;
      this.heard();
    } else if (this.state === "live" && now - this.#heardAt > SILENT_MS) this.verify(now - this.#heardAt);
    return stats;
  }

  /**
   * Sends another track from now on, without a new session where the session has this kind already.
   * @param {"video"|"audio"} kind @param {MediaStreamTrack|null} track
   */
  async setTrack(kind, track) {
    this.#tracks[kind] = track;
    const sender = this.#senders[kind];
    if (sender) await sender.replaceTrack(track);
    // A kind that the offer did not have needs a new one: WHIP knows no renegotiation.
    else if (track && this.pc) this.lost("The kind of stream changes.");
  }

  /** Changes the upper bound of the video, in bits per second, at once. */
  async setBitrate(bitrate) {
    this.bitrate = bitrate;
    await this.#change((parameters) => this.#limit(parameters));
  }

  async #applyPreference() {
    await this.#change((parameters) => {
      parameters.degradationPreference = this.keepDetail ? "maintain-resolution" : "balanced";
      this.#limit(parameters);
    });
  }

  #limit({ encodings }) {
    const wanted = this.#encodings();
    if (encodings.length < wanted.length) {
      // A server that refuses simulcast leaves the first size alone, the smallest: it becomes the whole picture.
      Object.assign(encodings[0], { maxBitrate: this.bitrate, scaleResolutionDownBy: 1 });
      return;
    }
    encodings.forEach((encoding, i) => (encoding.maxBitrate = wanted[i].maxBitrate));
  }

  async #change(edit) {
    const sender = this.#senders.video;
    if (!sender) return;
    const parameters = sender.getParameters();
    // Before the answer is set there are no encodings to change: `prepare` gave them already.
    if (!parameters.encodings?.length) return;
    edit(parameters);
    try {
      await sender.setParameters(parameters);
    } catch {
      // A browser that cannot keeps what it has.
    }
  }

  #encodings() {
    if (!this.simulcast) return [{ maxBitrate: this.bitrate }];
    // Each size has half the sides of the next, so about a quarter of its pixels; a small picture costs more per pixel.
    return [
      { rid: "l", scaleResolutionDownBy: 4, maxBitrate: Math.max(100_000, Math.round(this.bitrate / 10)) },
      { rid: "m", scaleResolutionDownBy: 2, maxBitrate: Math.max(200_000, Math.round(this.bitrate / 3.5)) },
      { rid: "h", maxBitrate: this.bitrate },
    ];
  }
}

/** The video codecs that this browser can send, as MIME types in its own order, without the helpers (RTX, FEC). */
export function sendCodecs() {
  const codecs = globalThis.RTCRtpSender?.getCapabilities?.("video")?.codecs ?? [];
  const names = codecs.map((codec) => codec.mimeType).filter((name) => !/\/(rtx|red|ulpfec|flexfec-03)$/i.test(name));
  return [...new Set(names)];
}

// The preferred codec first, the others after it: the server takes the first that it forwards.
function prefer(transceiver, mimeType) {
  if (!mimeType || !transceiver.setCodecPreferences) return;
  const { codecs } = RTCRtpSender.getCapabilities("video");
  const first = codecs.filter((codec) => codec.mimeType === mimeType);
  if (first.length === 0) return;
  try {
    transceiver.setCodecPreferences([...first, ...codecs.filter((codec) => codec.mimeType !== mimeType)]);
  } catch {
    // The browser's own order stands.
  }
}
