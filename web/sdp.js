// The few changes that are made to session descriptions. Text in, text out.

/** Codec name and clock rate of Opus in `a=rtpmap`. */
export const OPUS = /^opus\/48000/i;

/** Those of the video codecs themselves, without retransmission and error correction. */
export const VIDEO = /^(VP8|VP9|H264|H265|AV1)\/90000/i;

/**
 * Sets parameters in the `a=fmtp` line of every payload type whose `a=rtpmap` matches, adding the line where there is none.
 *
 * @param {string} sdp
 * @param {RegExp} codec
 * @param {Record<string, string|number>} parameters
 */
export function withParameters(sdp, codec, parameters) {
  const lines = sdp.split("\r\n");
  const maps = lines.map((line) => /^a=rtpmap:(\d+) (.*)$/.exec(line)).filter(Boolean);
  const payloadTypes = maps.filter(([, , name]) => codec.test(name)).map(([, payloadType]) => payloadType);
  for (const payloadType of payloadTypes) {
    const head = `a=fmtp:${payloadType} `;
    const at = lines.findIndex((line) => line.startsWith(head));
    const set = new Map();
    const old = at < 0 ? [] : lines[at].slice(head.length).split(";");
    for (const part of old) {
      const [name, ...value] = part.trim().split("=");
      if (name) set.set(name, value.join("="));
    }
    for (const [name, value] of Object.entries(parameters)) set.set(name, String(value));
    const line = head + [...set].map(([name, value]) => (value ? `${name}=${value}` : name)).join(";");
    if (at >= 0) lines[at] = line;
    else lines.splice(lines.findIndex((l) => l.startsWith(`a=rtpmap:${payloadType} `)) + 1, 0, line);
  }
  return lines.join("\r\n");
}

/**
 * The fragment that asks for an ICE restart (RFC 9725, section 4.4; RFC 8840): the new credentials of an offer,
 * under its first m-line. No candidates: the server is ICE-lite and learns them from the checks.
 */
export function restartFragment(sdp) {
  const find = (pattern) => pattern.exec(sdp)?.[0] ?? "";
  const lines = [
    find(/^a=group:BUNDLE .*$/m),
    find(/^m=.*$/m),
    find(/^a=mid:.*$/m),
    find(/^a=ice-ufrag:.*$/m),
    find(/^a=ice-pwd:.*$/m),
  ];
  return lines.filter(Boolean).map((line) => `${line.trim()}\r\n`).join("");
}

/**
 * The answer that stands after an ICE restart: the old one with the credentials and candidates of the
 * server's fragment. Null where the fragment brings no credentials.
 */
export function afterRestart(answer, fragment) {
  const ufrag = /^a=ice-ufrag:.*$/m.exec(fragment)?.[0].trim();
  const password = /^a=ice-pwd:.*$/m.exec(fragment)?.[0].trim();
  if (!ufrag || !password) return null;
  const candidates = (fragment.match(/^a=(?:candidate:.*|end-of-candidates)\s*$/gm) ?? []).map((c) => c.trim());
  const lines = [];
  let placed = false;
  let inMedia = false;
  for (const line of answer.split("\r\n")) {
    if (line.startsWith("m=")) inMedia = true;
    if (line.startsWith("a=ice-ufrag:")) lines.push(ufrag);
    else if (line.startsWith("a=ice-pwd:")) {
      lines.push(password);
      // All m-lines are one bundle: the candidates belong to the first of them only.
      if (inMedia && !placed && candidates.length > 0) {
        lines.push(...candidates);
        placed = true;
      }
    } else if (candidates.length === 0 || !/^a=(candidate:|end-of-candidates)/.test(line)) lines.push(line);
  }
  return lines.join("\r\n");
}
