import { draw } from './timecode.js';
import { allStats, connected, negotiate, relayOnly, transportOf, wallClock } from './signalling.js';

/** Publishes the test picture (a canvas) and a 440 Hz tone. One object, any number of connections one after the other. */
export class Publisher {
  #canvas = null;
  #timer = null;
  #audio = null;
  #options = null;
  pc = null;
  resource = null;

  /**
   * Starts drawing and sounding. `width`, `height`, `fps`; `codec` (VP8, H264, VP9, AV1), `bitrate` in bit/s,
   * `simulcast` for three layers, `audio: false` for none, `url` of the WHIP endpoint, `token`, `via` for another exchange,
   * `relay` to use nothing but the server's TURN servers.
   */
  async start(options) {
    this.#options = { width: 640, height: 360, fps: 30, codec: 'VP8', bitrate: 700_000, audio: true, ...options };
    const { width, height, fps } = this.#options;
    this.#canvas = document.createElement('canvas');
    Object.assign(this.#canvas, { width, height });
    document.body.append(this.#canvas);
    const context = this.#canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    const paint = () => draw(context, width, height, Math.round(wallClock()));
    paint();
    this.#timer = setInterval(paint, 1000 / fps);
    if (this.#options.audio) {
      this.#audio = new AudioContext();
      await this.#audio.resume();
    }
    return this.connect();
  }

  /** A new connection (after `abandon` or `leave`), with the same picture. */
  async connect(changes = {}) {
    Object.assign(this.#options, changes);
    const { codec, bitrate, simulcast, url, token, via, relay } = this.#options;
    const pc = new RTCPeerConnection(relay ? await relayOnly(url, token) : {});
    this.pc = pc;
    const stream = this.#canvas.captureStream(); // every painting; a rate given here would beat with the timer's
    const [track] = stream.getVideoTracks();
    const sendEncodings = simulcast
      ? [
          { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 120_000 },
          { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 350_000 },
          { rid: 'f', maxBitrate: 1_000_000 },
        ]
      : [{ maxBitrate: bitrate }];
    const video = pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings });
    video.setCodecPreferences(codecs(codec));
    if (this.#audio) {
      const sink = this.#audio.createMediaStreamDestination();
      const tone = new OscillatorNode(this.#audio, { frequency: 440 });
      tone.connect(new GainNode(this.#audio, { gain: 0.4 })).connect(sink);
      tone.start();
      pc.addTransceiver(sink.stream.getAudioTracks()[0], { direction: 'sendonly', streams: [stream] });
    }
    const started = wallClock();
    try {
      const { answer, resource } = await negotiate(pc, url, token, via);
      this.resource = resource;
      const at = await connected(pc);
      return { answer, connectedMs: at - started };
    } catch (error) {
      pc.close();
      if (error.status) return { status: error.status, error: error.message };
      throw error;
    }
  }

  /** Closes the connection without telling the server by HTTP, as a page that is closed does. */
  abandon() {
    this.pc.close();
  }

  /** DELETE, then close. Resolves to the status. */
  async leave() {
    const { status } = await fetch(this.resource, { method: 'DELETE' });
    this.pc.close();
    return status;
  }

  async snapshot() {
    const stats = await allStats(this.pc);
    const codecOf = new Map(stats.filter((s) => s.type === 'codec').map((s) => [s.id, s.mimeType]));
    const layers = stats
      .filter((s) => s.type === 'outbound-rtp' && s.kind === 'video')
      .map((s) => ({
        rid: s.rid,
        active: s.active,
        codec: codecOf.get(s.codecId),
        width: s.frameWidth,
        height: s.frameHeight,
        framesEncoded: s.framesEncoded ?? 0,
        keyFramesEncoded: s.keyFramesEncoded ?? 0,
        bytesSent: s.bytesSent,
        pliCount: s.pliCount,
        nackCount: s.nackCount,
        qualityLimitationReason: s.qualityLimitationReason,
      }));
    const pair = stats.find((s) => s.type === 'candidate-pair' && s.nominated);
    return { state: this.pc.connectionState, transport: transportOf(stats), estimate: pair?.availableOutgoingBitrate, layers };
  }

  stop() {
    clearInterval(this.#timer);
    this.pc?.close();
    this.#audio?.close();
  }
}

/** The wanted codec first (H264: constrained baseline, non-interleaved first), its RTX after it, nothing else. */
function codecs(name) {
  const all = RTCRtpSender.getCapabilities('video').codecs;
  const rank = (codec) => {
    const fmtp = codec.sdpFmtpLine ?? '';
    return (/profile-level-id=42e0/.test(fmtp) ? 0 : 2) + (/packetization-mode=0/.test(fmtp) ? 1 : 0) + (/profile(-id)?=[1-9]/.test(fmtp) ? 4 : 0);
  };
  const wanted = all.filter((codec) => codec.mimeType.toLowerCase() === `video/${name.toLowerCase()}`);
  if (wanted.length === 0) throw new Error(`this browser sends no ${name}`);
  wanted.sort((a, b) => rank(a) - rank(b));
  return [...wanted, ...all.filter((codec) => codec.mimeType === 'video/rtx')];
}
