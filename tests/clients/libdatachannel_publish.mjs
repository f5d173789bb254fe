// A WHIP publisher on libdatachannel, which is what OBS uses, behaving as OBS does: one POST whose offer holds no
// candidates, no trickling, no answer to any key frame request, H264 announced as 42e01f.
//
//   node libdatachannel_publish.mjs URL CLIP [--fps 30] [--audio] [--token TOKEN]
//
// Plays the clip once at its pace and prints JSON lines: {"connected":ms}, {"first":true}, {"frames":n}, {"pli":n}.
import { parseArgs } from 'node:util';
import datachannel from 'node-datachannel';
import { readClip } from './clip.mjs';

const { positionals: [url, clip], values } = parseArgs({
  allowPositionals: true,
  options: { fps: { type: 'string', default: '30' }, audio: { type: 'boolean' }, token: { type: 'string' } },
});
const PAYLOAD = 1180;
const VIDEO_TYPE = 96;
const AUDIO_TYPE = 111;
const [VIDEO_SSRC, AUDIO_SSRC] = [0x10203040, 0x50607080];
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const h264 = !clip.endsWith('.ivf');
const frames = await readClip(clip);
const pc = new datachannel.PeerConnection('publisher', { iceServers: [], disableAutoNegotiation: true });

let audio = null;
if (values.audio) {
  const media = new datachannel.Audio('0', 'SendOnly');
  media.addOpusCodec(AUDIO_TYPE, 'minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1');
  media.addSSRC(AUDIO_SSRC, 'obs', 'obs', 'obs-audio');
  audio = pc.addTrack(media);
}
const media = new datachannel.Video('1', 'SendOnly');
if (h264) media.addH264Codec(VIDEO_TYPE, 'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1');
else media.addVP8Codec(VIDEO_TYPE);
media.addSSRC(VIDEO_SSRC, 'obs', 'obs', 'obs-video');
const video = pc.addTrack(media);

let requests = 0;
video.onMessage((packet) => {
  // RTCP comes here too: payload-specific feedback, PLI (1) or FIR (4). It is counted and nothing else.
  if (packet[1] === 206 && [1, 4].includes(packet[0] & 0x1f)) {
    requests += 1;
    say({ pli: requests });
  }
});

let leaving = false;
let tick = null;
const started = Date.now();
const ended = new Promise((resolve) => {
  pc.onStateChange((state) => {
    say({ state });
    if (state === 'connected') say({ connected: Date.now() - started });
    if (['closed', 'failed', 'disconnected'].includes(state)) resolve();
  });
});
pc.setLocalDescription('offer');
const offer = pc.localDescription().sdp.split('\r\n').filter((line) => !/^a=(candidate|end-of-candidates)/.test(line)).join('\r\n');
const headers = { 'Content-Type': 'application/sdp' };
if (values.token) headers.Authorization = `Bearer ${values.token}`;
const response = await fetch(url, { method: 'POST', headers, body: offer });
const answer = await response.text();
if (response.status !== 201) {
  say({ refused: response.status, answer });
  process.exit(3);
}
const resource = new URL(response.headers.get('Location'), url);
say({ resource: resource.href });
pc.setRemoteDescription(answer, 'answer');

const timer = setInterval(() => {
  if (video.isOpen()) {
    clearInterval(timer);
    stream();
  }
}, 5);
process.on('SIGTERM', leave);
process.stdin.on('end', leave).resume();
await ended;
if (!leaving) process.exit(4);

/** As OBS: closes the connection first, then DELETEs. */
async function leave() {
  if (leaving) return;
  leaving = true;
  clearInterval(tick);
  pc.close();
  const { status } = await fetch(resource, { method: 'DELETE' }).catch(() => ({ status: 0 }));
  say({ deleted: status });
  process.exit(0);
}

function stream() {
  const fps = Number(values.fps);
  const begun = performance.now();
  const sequences = { video: 0, audio: 0 };
  let [sent, sounds] = [0, 0];
  tick = setInterval(() => {
    const elapsed = performance.now() - begun;
    while (sent < frames.length && (sent * 1000) / fps <= elapsed) {
      const timestamp = Math.round((sent * 90_000) / fps) >>> 0;
      const payloads = h264 ? packetizeH264(frames[sent].parts) : packetizeVp8(frames[sent].parts[0]);
      payloads.forEach((payload, i) => {
        const header = rtp(VIDEO_TYPE, i === payloads.length - 1, sequences.video, timestamp, VIDEO_SSRC);
        video.sendMessageBinary(Buffer.concat([header, payload]));
        sequences.video = (sequences.video + 1) & 0xffff;
      });
      if (sent === 0) say({ first: true });
      sent += 1;
      if (sent % 30 === 0) say({ frames: sent });
    }
    // Opus with a 20 ms frame of silence (TOC: CELT, full band, mono), enough to see audio being carried.
    while (audio?.isOpen() && sounds * 20 <= elapsed) {
      audio.sendMessageBinary(Buffer.concat([rtp(AUDIO_TYPE, sounds === 0, sequences.audio, (sounds * 960) >>> 0, AUDIO_SSRC), Buffer.from([0xf8, 0xff, 0xfe])]));
      sequences.audio = (sequences.audio + 1) & 0xffff;
      sounds += 1;
    }
    if (sent === frames.length) {
      clearInterval(tick);
      say({ done: sent });
    }
  }, 5);
}

function rtp(type, marker, sequence, timestamp, ssrc) {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = (marker ? 0x80 : 0) | type;
  header.writeUInt16BE(sequence, 2);
  header.writeUInt32BE(timestamp, 4);
  header.writeUInt32BE(ssrc, 8);
  return header;
}

/** Single NAL unit packets and FU-A (RFC 6184 §5.6, §5.8). */
function packetizeH264(units) {
  return units.flatMap((unit) => {
    if (unit.length <= PAYLOAD) return [unit];
    const pieces = [];
    for (let at = 1; at < unit.length; at += PAYLOAD - 2) {
      const piece = unit.subarray(at, at + PAYLOAD - 2);
      const start = at === 1 ? 0x80 : 0;
      const end = at + PAYLOAD - 2 >= unit.length ? 0x40 : 0;
      pieces.push(Buffer.concat([Buffer.from([(unit[0] & 0xe0) | 28, start | end | (unit[0] & 0x1f)]), piece]));
    }
    return pieces;
  });
}

/** The shortest VP8 payload descriptor (RFC 7741 §4.2): no picture id, partition 0. */
function packetizeVp8(frame) {
  const pieces = [];
  for (let at = 0; at < frame.length; at += PAYLOAD - 1) {
    pieces.push(Buffer.concat([Buffer.from([at === 0 ? 0x10 : 0x00]), frame.subarray(at, at + PAYLOAD - 1)]));
  }
  return pieces;
}
