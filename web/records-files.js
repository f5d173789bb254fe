// The files of single tracks, read: IVF (VP8, VP9, AV1) and Ogg with Opus (RFC 7845).

const CODECS = { VP80: "V_VP8", VP90: "V_VP9", AV01: "V_AV1" };
const text = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * The frames of an IVF file, as far as it goes: `{codec, width, height, frames: [{time, key, data}]}`, times in ms.
 *
 * @param {Uint8Array} bytes
 */
export function readIvf(bytes) {
  const codec = bytes.length >= 32 && text(bytes, 0, 4) === "DKIF" ? CODECS[text(bytes, 8, 12)] : undefined;
  if (!codec) throw new Error("This file is damaged: it does not begin as an IVF file does.");
  const head = view(bytes);
  const unit = (1000 * head.getUint32(20, true)) / head.getUint32(16, true);
  const frames = [];
  for (let at = 32; at + 12 <= bytes.length; ) {
    const size = head.getUint32(at, true);
    const data = bytes.subarray(at + 12, at + 12 + size);
    if (size === 0 || data.length < size) break;
    const time = (head.getUint32(at + 4, true) + 2 ** 32 * head.getUint32(at + 8, true)) * unit;
    // In WebM a frame of AV1 has no delimiter in front.
    frames.push({ time, key: isKey(codec, data), data: codec === "V_AV1" && data[0] === 0x12 && data[1] === 0 ? data.subarray(2) : data });
    at += 12 + size;
  }
  return { codec, width: head.getUint16(12, true), height: head.getUint16(14, true), frames };
}

function isKey(codec, data) {
  if (codec === "V_VP8") return (data[0] & 1) === 0;
  // Frame marker, profile, "shows an existing frame", "not a key frame".
  if (codec === "V_VP9") return (data[0] & 0x30) === 0x30 ? (data[0] & 0x06) === 0 : (data[0] & 0x0c) === 0;
  for (let at = 0; at < data.length; ) {
    const [size, length] = leb128(data, at + 1 + ((data[at] >> 2) & 1));
    if (((data[at] >> 3) & 15) === 1) return true;
    at += 1 + ((data[at] >> 2) & 1) + length + size;
  }
  return false;
}

function leb128(data, at) {
  let value = 0;
  for (let n = 0; n < 5; n += 1) {
    value += (data[at + n] & 0x7f) * 2 ** (7 * n);
    if (!(data[at + n] & 0x80)) return [value, n + 1];
  }
  return [value, 5];
}

/**
 * The packets of an Ogg Opus file, as far as it goes: `{channels, packets: [{time, data}]}`, times in ms. Packets that
 * stand for a silence are left out: the times say it.
 *
 * @param {Uint8Array} bytes
 */
export function readOgg(bytes) {
  const packets = [];
  let open = [];
  let time = 0;
  let channels = 2;
  let number = 0;
  for (let at = 0; at + 27 <= bytes.length && text(bytes, at, at + 4) === "OggS"; ) {
    const segments = bytes[at + 26];
    let body = at + 27 + segments;
    for (let n = 0; n < segments; n += 1) {
      const size = bytes[at + 27 + n];
      open.push(bytes.subarray(body, body + size));
      body += size;
      if (size === 255) continue;
      const data = open.length === 1 ? open[0] : join(open);
      open = [];
      number += 1;
      if (number === 1) channels = data[9];
      if (number <= 2 || body > bytes.length) continue;
      if (data.length > 1) packets.push({ time, data });
      time += opusMs(data);
    }
    at = body;
  }
  if (number === 0) throw new Error("This file is damaged: it does not begin as an Ogg file does.");
  return { channels, packets };
}

/** How long an Opus packet sounds (RFC 6716 §3.1). */
function opusMs(packet) {
  const kind = packet[0] >> 3;
  const frame = kind < 12 ? [10, 20, 40, 60][kind & 3] : kind < 16 ? [10, 20][kind & 1] : [2.5, 5, 10, 20][kind & 3];
  const code = packet[0] & 3;
  return frame * (code === 0 ? 1 : code < 3 ? 2 : packet[1] & 0x3f);
}

function join(parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
