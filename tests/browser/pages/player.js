import { judge, read, statistics } from './timecode.js';
import { allStats, connected, negotiate, relayOnly, transportOf, wallClock } from './signalling.js';

/** The last readings only: a test looks at some seconds. */
const KEPT = 3000;

/** Plays a room and looks at what it sees: every frame that is presented is read back and its time code logged. */
export class Player {
  #canvas = new OffscreenCanvas(2, 2);
  #context = this.#canvas.getContext('2d', { willReadFrequently: true });
  #reading = true;
  video = document.createElement('video');
  pc = null;
  resource = null;
  /** Per presented frame: `shown` (its time code or null), `now` (this machine's clock), `width`, `height`. */
  frames = [];
  times = {};

  /**
   * `url` of the WHEP endpoint; `audio: false` for none; `reading: false` reads no frame but on demand (`look`);
   * `relay` to use nothing but the server's TURN servers.
   */
  async start({ url, token, via, relay = false, audio = true, reading = true, displayWidth = 0 }) {
    this.#reading = reading;
    this.pc = new RTCPeerConnection(relay ? await relayOnly(url, token) : {});
    const stream = new MediaStream();
    this.pc.ontrack = ({ track }) => stream.addTrack(track);
    this.pc.addTransceiver('video', { direction: 'recvonly' });
    if (audio) this.pc.addTransceiver('audio', { direction: 'recvonly' });
    Object.assign(this.video, { autoplay: true, playsInline: true, muted: false, srcObject: stream });
    if (displayWidth) this.video.width = displayWidth;
    document.body.append(this.video);
    this.video.requestVideoFrameCallback(this.#onFrame);

    this.times.post = wallClock();
    try {
      const { answer, resource } = await negotiate(this.pc, url, token, via);
      this.times.answered = wallClock();
      this.resource = resource;
      this.times.connected = await connected(this.pc);
      return { answer };
    } catch (error) {
      this.pc.close();
      if (error.status) return { status: error.status, error: error.message };
      throw error;
    }
  }

  #onFrame = (now, { width, height }) => {
    const at = wallClock();
    this.times.firstFrame ??= at;
    if (this.#reading || this.frames.length === 0) {
      const { shown } = this.look();
      this.frames.push({ shown, now: at, width, height });
    } else {
      this.frames.push({ shown: null, now: at, width, height });
    }
    if (this.frames.length > KEPT) this.frames.shift();
    this.video.requestVideoFrameCallback(this.#onFrame);
  };

  #pixels() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#context.drawImage(this.video, 0, 0, width, height);
    return { width, height, data: this.#context.getImageData(0, 0, width, height).data };
  }

  /** Reads the time code of the picture that is shown now, without any judgement. */
  look() {
    if (!this.video.videoWidth) return { shown: null, now: wallClock() };
    const { width, height, data } = this.#pixels();
    return { shown: read(data, width, height), now: wallClock(), width, height };
  }

  /** The picture that is shown now: time code, mean, variance, and the difference to what was drawn at that time. */
  inspect() {
    if (!this.video.videoWidth) return null;
    const { width, height, data } = this.#pixels();
    const shown = read(data, width, height);
    const difference = shown === null ? { worst: 255, where: 'no time code' } : judge(data, width, height, shown);
    return { shown, width, height, ...statistics(data), ...difference };
  }

  /** The frames presented since `since` (wall clock), with the sizes seen and the largest pause between two of them. */
  window(since) {
    const frames = this.frames.filter((frame) => frame.now >= since);
    let pause = 0;
    for (let i = 1; i < frames.length; i += 1) pause = Math.max(pause, frames[i].now - frames[i - 1].now);
    const sizes = [...new Set(frames.map((frame) => `${frame.width}x${frame.height}`))];
    const latencies = frames.filter((frame) => frame.shown !== null).map((frame) => frame.now - frame.shown);
    return { presented: frames.length, read: latencies.length, pause, sizes, latencies };
  }

  async snapshot() {
    const stats = await allStats(this.pc);
    const codecOf = new Map(stats.filter((s) => s.type === 'codec').map((s) => [s.id, s.mimeType]));
    const inbound = (kind) => stats.find((s) => s.type === 'inbound-rtp' && s.kind === kind);
    const [video, audio] = [inbound('video'), inbound('audio')];
    return {
      now: wallClock(),
      state: this.pc.connectionState,
      transport: transportOf(stats),
      times: this.times,
      video: video && {
        codec: codecOf.get(video.codecId),
        ssrc: video.ssrc,
        packetsReceived: video.packetsReceived,
        packetsLost: video.packetsLost,
        bytesReceived: video.bytesReceived,
        headerBytesReceived: video.headerBytesReceived, // with padding
        framesReceived: video.framesReceived ?? 0,
        framesDecoded: video.framesDecoded ?? 0,
        framesDropped: video.framesDropped ?? 0,
        keyFramesDecoded: video.keyFramesDecoded ?? 0,
        freezeCount: video.freezeCount ?? 0,
        totalFreezesDuration: video.totalFreezesDuration ?? 0,
        pliCount: video.pliCount ?? 0,
        firCount: video.firCount ?? 0,
        nackCount: video.nackCount ?? 0,
        width: video.frameWidth,
        height: video.frameHeight,
        jitterBufferDelay: video.jitterBufferDelay,
        jitterBufferEmittedCount: video.jitterBufferEmittedCount,
      },
      audio: audio && {
        codec: codecOf.get(audio.codecId),
        packetsReceived: audio.packetsReceived,
        packetsLost: audio.packetsLost,
        bytesReceived: audio.bytesReceived,
        headerBytesReceived: audio.headerBytesReceived,
        totalSamplesReceived: audio.totalSamplesReceived ?? 0,
        concealedSamples: audio.concealedSamples ?? 0,
        silentConcealedSamples: audio.silentConcealedSamples ?? 0,
        audioLevel: audio.audioLevel ?? 0,
        totalAudioEnergy: audio.totalAudioEnergy ?? 0,
      },
    };
  }

  async leave() {
    const { status } = await fetch(this.resource, { method: 'DELETE' });
    this.pc.close();
    return status;
  }

  stop() {
    this.pc?.close();
    this.video.remove();
  }
}
