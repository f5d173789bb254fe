// Clips of the test picture whose time code is the time in the clip, coded by ffmpeg: VP8, VP9 and AV1 in IVF, H264 in
// Annex B. And a tone as Opus in Ogg.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { drawI420 } from '../browser/pages/timecode.js';

const FFMPEG = process.env.FFMPEG_BIN ?? 'ffmpeg';

const FAST = ['-cpu-used', '8', '-lag-in-frames', '0'];
// libvpx spends what it likes on the first key frame, unless it is told what share of a frame's bits it may have.
const BOUNDED = ['-max-intra-rate', '500'];
const CODERS = {
  VP8: { extension: 'ivf', bounded: BOUNDED, flags: ['-c:v', 'libvpx', '-deadline', 'realtime', '-auto-alt-ref', '0', ...FAST] },
  VP9: { extension: 'ivf', bounded: BOUNDED, flags: ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-auto-alt-ref', '0', ...FAST] },
  AV1: { extension: 'ivf', flags: ['-c:v', 'libaom-av1', '-usage', 'realtime', ...FAST] },
  // Baseline without B-frames, as live senders send it; scenecut=0 so that no key frame comes before its time.
  H264: { extension: 'h264', flags: ['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'baseline', '-tune', 'zerolatency', '-x264-params', 'scenecut=0', '-pix_fmt', 'yuv420p'] },
};

/**
 * Makes a clip with a key frame every `gop` frames and nowhere else; frame n shows the time code n * 1000 / fps. With
 * `noise` (ffmpeg's strength, 20 is much) the picture needs its bit rate, of which a key frame does not get too much:
 * a player that is still loading its decoder must hold it in its socket.
 */
export async function makeClip({ codec, folder, width = 320, height = 180, fps = 30, seconds = 10, gop = 300, bitrate = 250_000, noise = 0 }) {
  const { extension, flags, bounded = [] } = CODERS[codec];
  const buffer = noise ? bitrate / 5 : bitrate;
  const file = path.join(folder, `clip-${codec}.${extension}`);
  const ffmpeg = start([
    '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', `${width}x${height}`, '-r', String(fps), '-i', '-',
    ...flags, ...(noise ? ['-vf', `noise=alls=${noise}:allf=t`, ...bounded] : []),
    '-g', String(gop), '-keyint_min', String(gop), '-b:v', String(bitrate), '-maxrate', String(bitrate), '-bufsize', String(buffer),
    file,
  ]);
  for (let n = 0; n < seconds * fps && ffmpeg.exitCode === null; n += 1) {
    if (!ffmpeg.stdin.write(drawI420(width, height, Math.round((n * 1000) / fps)))) {
      await Promise.race([once(ffmpeg.stdin, 'drain'), ffmpeg.exited]);
    }
  }
  await ffmpeg.done();
  return file;
}

/** Makes a tone, coded as Opus with packets of `milliseconds`, whose lengths differ. */
export async function makeTone({ folder, seconds, milliseconds = 20 }) {
  const file = path.join(folder, 'tone.ogg');
  const tone = `sine=frequency=440:sample_rate=48000:duration=${seconds},tremolo=f=3`;
  await start(['-f', 'lavfi', '-i', tone, '-c:a', 'libopus', '-b:a', '48k', '-vbr', 'on', '-frame_duration', String(milliseconds), file]).done();
  return file;
}

/** Starts ffmpeg; `done` closes its input and fails where it did. */
function start(flags) {
  const ffmpeg = spawn(FFMPEG, ['-v', 'error', '-y', ...flags], { stdio: ['pipe', 'ignore', 'pipe'] });
  let complaint = '';
  ffmpeg.stderr.on('data', (chunk) => { complaint += chunk; });
  ffmpeg.stdin.on('error', () => {});
  ffmpeg.exited = once(ffmpeg, 'exit');
  ffmpeg.done = async () => {
    ffmpeg.stdin.end();
    const [code] = await ffmpeg.exited;
    if (code !== 0) throw new Error(`ffmpeg: ${code} ${complaint}`);
  };
  return ffmpeg;
}

/** The frames of a clip, each `{ key, parts }`: the NAL units of an access unit, or the one VP8 frame. */
export async function readClip(file) {
  const bytes = await readFile(file);
  return file.endsWith('.ivf') ? readIvf(bytes) : readAnnexB(bytes);
}

function readIvf(bytes) {
  const frames = [];
  for (let at = bytes.readUInt16LE(6); at + 12 <= bytes.length;) {
    const size = bytes.readUInt32LE(at);
    const data = bytes.subarray(at + 12, at + 12 + size);
    frames.push({ key: (data[0] & 1) === 0, parts: [data] });
    at += 12 + size;
  }
  return frames;
}

function readAnnexB(bytes) {
  const units = [];
  const starts = [];
  for (let at = bytes.indexOf('000001', 0, 'hex'); at >= 0; at = bytes.indexOf('000001', at + 3, 'hex')) starts.push(at);
  starts.forEach((start, i) => {
    let end = starts[i + 1] ?? bytes.length;
    while (end > start && bytes[end - 1] === 0) end -= 1; // the next start code may have four bytes
    units.push(bytes.subarray(start + 3, end));
  });
  const frames = [];
  let frame = null;
  let coded = false;
  for (const unit of units) {
    const type = unit[0] & 0x1f;
    const slice = type === 1 || type === 5;
    const first = slice && (unit[1] & 0x80) !== 0; // first_mb_in_slice is 0
    if (frame === null || (coded && (!slice || first))) {
      frame = { key: false, parts: [] };
      frames.push(frame);
      coded = false;
    }
    frame.parts.push(unit);
    frame.key ||= type === 5;
    coded ||= slice;
  }
  return frames;
}

/** The key frames' numbers of a clip: proof that it has the GOP that was asked for. */
export async function keyFrames(file) {
  const frames = await readClip(file);
  return frames.flatMap((frame, n) => (frame.key ? [n] : []));
}
