// What recordings are checked with: FFmpeg looks at them, as whoever edits them will.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { sleep } from './harness.mjs';

const run = promisify(execFile);
const MEDIA = /\.(ivf|ogg|wav|mp4|webm)(\.part)?$/;

/** The recordings in a folder, those that are being written too; in the order of their names. */
export async function recordings(folder) {
  return (await readdir(folder)).filter((name) => MEDIA.test(name)).sort();
}

/** What is beside a recording. */
export const sheet = async (folder, name) => JSON.parse(await readFile(path.join(folder, `${name}.json`), 'utf8'));

/**
 * Decodes all of a file; what FFmpeg complains of, which should be nothing. It counts in the file's own units of time:
 * left alone it takes the average frame rate for them, in which a browser's pictures sometimes come two at a time.
 */
export async function complaints(file) {
  const { stderr } = await run('ffmpeg', ['-v', 'error', '-i', file, '-enc_time_base', '-1', '-f', 'null', '-'], { maxBuffer: 1 << 26 });
  return stderr.trim();
}

/** Of each stream: kind, codec, size, frames that decode, seconds of the first and of the end of the last. */
export async function probe(file) {
  const { stdout } = await run('ffprobe', ['-v', 'error', '-show_streams', '-show_frames', '-show_format', '-of', 'json',
    '-show_entries', 'stream=index,codec_type,codec_name,width,height:frame=stream_index,pts_time,best_effort_timestamp_time,pkt_duration_time:format=duration', file], { maxBuffer: 1 << 28 });
  const { streams, frames = [], format } = JSON.parse(stdout);
  return streams.map((stream) => {
    const own = frames.filter((frame) => frame.stream_index === stream.index);
    const times = own.map((frame) => Number(frame.pts_time ?? frame.best_effort_timestamp_time));
    const [first, last] = [times[0], times.at(-1)];
    return { kind: stream.codec_type, codec: stream.codec_name, width: stream.width, height: stream.height, frames: own.length, first, last, duration: Number(format.duration) };
  });
}

/** Waits until nothing in the folder is being written any longer. */
export async function written(folder, { timeout = 10_000 } = {}) {
  for (const deadline = Date.now() + timeout; ; await sleep(50)) {
    const names = await recordings(folder);
    if (names.length > 0 && !names.some((name) => name.endsWith('.part'))) return names;
    if (Date.now() > deadline) throw new Error(`still being written: ${names}`);
  }
}
