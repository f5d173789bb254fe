// Summaries of WebRTC statistics reports: the figures that people look at, in plain units.
// A figure that the browser does not give is null, never 0.

/** Differences between successive reports, per entry. */
export class Meter {
  #last = new Map();

  /**
   * Rates of the counters in `entry` since this entry was last seen, per second; null the first time.
   * @param {object} entry @param {string[]} fields
   */
  rates(entry, fields) {
    const before = this.#last.get(entry.id);
    this.#last.set(entry.id, entry);
    const seconds = before ? (entry.timestamp - before.timestamp) / 1000 : 0;
    if (!(seconds > 0)) return null;
    const rates = {};
    for (const field of fields) {
      const grown = (entry[field] ?? NaN) - (before[field] ?? NaN);
      rates[field] = Number.isFinite(grown) ? Math.max(0, grown) / seconds : null;
    }
    return rates;
  }
}

/** What a player receives. See `window.rillcast.stats` in player.js for the fields. */
export function summariseInbound(report, meter) {
  const all = [...report.values()];
  const video = all.find((s) => s.type === "inbound-rtp" && s.kind === "video" && s.bytesReceived > 0);
  const audio = all.find((s) => s.type === "inbound-rtp" && s.kind === "audio" && s.bytesReceived > 0);
  const summary = { ...pathOf(report), videoBytes: 0, audioBytes: 0, videoBitrate: 0, audioBitrate: 0 };
  for (const [kind, entry] of [["video", video], ["audio", audio]]) {
    if (!entry) continue;
    const rates = meter.rates(entry, [
      "bytesReceived", "packetsReceived", "packetsLost", "jitterBufferDelay", "jitterBufferEmittedCount",
    ]);
    summary[`${kind}Bytes`] = entry.bytesReceived;
    summary[`${kind}Bitrate`] = bits(rates?.bytesReceived);
    summary[`${kind}Codec`] = codecOf(report, entry);
    summary[`${kind}Loss`] = ratio(rates?.packetsLost, rates?.packetsReceived);
    summary[`${kind}PacketsLost`] = entry.packetsLost ?? null;
    summary[`${kind}JitterMs`] = milliseconds(entry.jitter);
    const emitted = rates?.jitterBufferEmittedCount;
    summary[`${kind}BufferMs`] = emitted ? milliseconds(rates.jitterBufferDelay / emitted) : null;
  }
  if (video) {
    summary.width = video.frameWidth ?? null;
    summary.height = video.frameHeight ?? null;
    summary.fps = video.framesPerSecond ?? null;
    summary.framesDecoded = video.framesDecoded ?? null;
    summary.framesDropped = video.framesDropped ?? null;
    summary.freezes = video.freezeCount ?? null;
    summary.keyFramesDecoded = video.keyFramesDecoded ?? null;
    summary.decoder = video.decoderImplementation ?? null;
  }
  return summary;
}

/** What a publisher sends. Layers of simulcast are summed; the picture is that of the largest one. */
export function summariseOutbound(report, meter) {
  const all = [...report.values()];
  const summary = { ...pathOf(report), videoBitrate: 0, audioBitrate: 0, layers: 0 };
  for (const entry of all.filter((s) => s.type === "outbound-rtp")) {
    const rates = meter.rates(entry, ["bytesSent"]);
    summary[`${entry.kind}Bitrate`] += bits(rates?.bytesSent) ?? 0;
    summary[`${entry.kind}Codec`] ??= codecOf(report, entry);
    if (entry.kind !== "video" || !(entry.bytesSent > 0)) continue;
    if (entry.active !== false) summary.layers += 1;
    if ((entry.frameWidth ?? 0) < (summary.width ?? 0)) continue;
    summary.width = entry.frameWidth ?? null;
    summary.height = entry.frameHeight ?? null;
    summary.fps = entry.framesPerSecond ?? null;
    summary.limitation = entry.qualityLimitationReason ?? null;
    summary.encoder = entry.encoderImplementation ?? null;
    summary.keyFrames = entry.keyFramesEncoded ?? null;
    summary.framesEncoded = entry.framesEncoded ?? null;
  }
  const remotes = all.filter((s) => s.type === "remote-inbound-rtp");
  const worst = (values) => values.reduce((a, b) => (b === null ? a : Math.max(a ?? 0, b)), null);
  summary.loss = worst(remotes.map((s) => s.fractionLost ?? null));
  // Receiver reports know the way to the server itself; the pair's figure is that of connectivity checks.
  summary.rttMs = worst(remotes.map((s) => milliseconds(s.roundTripTime))) ?? summary.rttMs;
  return summary;
}

/** The transport: round trip, protocol and kinds of candidates of the pair in use. */
function pathOf(report) {
  const all = [...report.values()];
  const transport = all.find((s) => s.type === "transport");
  const pair = report.get(transport?.selectedCandidatePairId)
    ?? all.find((s) => s.type === "candidate-pair" && (s.selected || (s.nominated && s.state === "succeeded")));
  const local = report.get(pair?.localCandidateId);
  const protocol = local?.relayProtocol ? `relay over ${local.relayProtocol}` : local?.protocol ?? null;
  return {
    rttMs: milliseconds(pair?.currentRoundTripTime),
    protocol,
    srtpCipher: cipherOf(transport?.srtpCipher),
    bytesIn: pair?.bytesReceived ?? null,
    availableBitrate: pair?.availableOutgoingBitrate ?? null,
  };
}

/** "AES-128-GCM" of AEAD_AES_128_GCM, "AES-128-CM" of SRTP_AES128_CM_HMAC_SHA1_80. */
function cipherOf(name) {
  const parts = /AES_?(\d+)_(GCM|CM)/.exec(name ?? "");
  return parts ? `AES-${parts[1]}-${parts[2]}` : name ?? null;
}

function codecOf(report, entry) {
  const codec = report.get(entry.codecId);
  if (!codec) return null;
  const name = codec.mimeType.split("/")[1];
  const stereo = codec.channels === 2 && /(^|;)\s*stereo=1/.test(codec.sdpFmtpLine ?? "") ? " stereo" : "";
  return name + stereo;
}

const bits = (bytesPerSecond) => (bytesPerSecond == null ? null : bytesPerSecond * 8);
const milliseconds = (seconds) => (Number.isFinite(seconds) ? seconds * 1000 : null);

function ratio(lost, received) {
  if (lost == null || received == null || lost + received === 0) return null;
  return lost / (lost + received);
}
