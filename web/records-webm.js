// One WebM of single tracks, made in the page: so what was recorded as IVF and Ogg plays and seeks in an ordinary player.

// A cluster of sound alone has so many ms.
const CLUSTER_MS = 5000;

/**
 * @param {{codec: string, width: number, height: number, frames: {time: number, key: boolean, data: Uint8Array}[]}|null} video
 * @param {{channels: number, packets: {time: number, data: Uint8Array}[]}|null} audio
 * @returns {Blob}
 */
export function webm(video, audio) {
  const clusters = clustersOf(video?.frames ?? [], audio?.packets ?? []);
  const last = Math.max(0, ...clusters.map(({ end }) => end));
  const front = [
    element("1549a966", element("2ad7b1", number(1_000_000)), element("4489", float(last)), element("4d80", ascii("rillcast")), element("5741", ascii("rillcast"))),
    element("1654ae6b", ...tracks(video, audio)),
  ];
  // All positions have eight bytes, so the index has its size before they are known.
  const cues = (base) => element("1c53bb6b", ...clusters.map(({ time, track, at }) =>
    element("bb", element("b3", number(time)), element("b7", element("f7", number(track)), element("f1", eight(base + at))))));
  const base = size(front) + size([cues(0)]);
  const body = [...front, cues(base), ...clusters.flatMap(({ parts }) => parts)];
  const head = element("1a45dfa3", element("4282", ascii("webm")), element("4287", number(4)), element("4285", number(2)));
  return new Blob([head, element("18538067", ...body)].flat(Infinity), { type: "video/webm" });
}

function clustersOf(frames, packets) {
  const blocks = [];
  // Both are in order; at the same time the picture comes first.
  for (let f = 0, p = 0; f < frames.length || p < packets.length; ) {
    if (f < frames.length && (p >= packets.length || frames[f].time <= packets[p].time)) blocks.push({ track: 1, ...frames[f++] });
    else blocks.push({ track: 2, key: true, ...packets[p++] });
  }
  const clusters = [];
  let at = 0;
  let open = [];
  const close = () => {
    if (open.length === 0) return;
    const time = Math.round(Math.min(...open.map((block) => block.time)));
    const parts = element("1f43b675", element("e7", number(time)), ...open.map((block) => simple(block, time)));
    const first = open.find(({ track, key }) => key && (track === 1 || frames.length === 0)) ?? open[0];
    clusters.push({ time: Math.round(first.time), track: first.track, at, parts, end: Math.max(...open.map((block) => block.time)) });
    at += size([parts]);
    open = [];
  };
  for (const block of blocks) {
    const begins = block.track === 1 ? block.key : frames.length === 0;
    const long = open.length > 0 && block.time - open[0].time > CLUSTER_MS;
    if ((begins && block.track === 1) || (long && begins) || (open.length > 0 && block.time - open[0].time > 30_000)) close();
    open.push(block);
  }
  close();
  return clusters;
}

function simple({ track, time, key, data }, base) {
  const at = Math.max(-32768, Math.min(32767, Math.round(time) - base));
  return element("a3", Uint8Array.of(0x80 | track, (at >> 8) & 255, at & 255, key ? 0x80 : 0), data);
}

function tracks(video, audio) {
  const entries = [];
  if (video) {
    entries.push(element("ae", element("d7", number(1)), element("73c5", number(1)), element("83", number(1)), element("9c", number(0)),
      element("86", ascii(video.codec)), element("e0", element("b0", number(video.width)), element("ba", number(video.height)))));
  }
  if (audio) {
    const head = Uint8Array.of(...ascii("OpusHead"), 1, audio.channels, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0);
    entries.push(element("ae", element("d7", number(2)), element("73c5", number(2)), element("83", number(2)), element("9c", number(0)),
      element("86", ascii("A_OPUS")), element("63a2", head), element("56bb", number(80_000_000)), element("e1", element("b5", float(48_000)), element("9f", number(audio.channels)))));
  }
  return entries;
}

// --- EBML: an identifier, a size, a body; parts are joined by the Blob, so that frames are not copied here ---

const size = (parts) => parts.flat(Infinity).reduce((sum, part) => sum + part.length, 0);
const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function element(id, ...parts) {
  return [Uint8Array.from(id.match(/../g), (byte) => parseInt(byte, 16)), eight(size(parts), 1), ...parts.flat(Infinity)];
}

/** A number in eight bytes; with `marker` as a size. */
function eight(value, marker = 0) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  bytes[0] |= marker;
  return bytes;
}

const number = (value) => eight(value);

function float(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}
