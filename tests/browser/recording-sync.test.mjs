// A clip of flash and click is published and recorded: in the recording they are as far apart as in the clip.
// `SYNC_SECONDS` sets for how long.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { scenario } from './harness.mjs';
import { written } from './recording.mjs';

const run = promisify(execFile);
const SECONDS = Number(process.env.SYNC_SECONDS ?? 8);
const APART_MS = 40;
const RATE = 48_000;

const ffmpeg = (...words) => run('ffmpeg', ['-v', 'error', '-y', ...words], { maxBuffer: 1 << 30, encoding: 'buffer' });

scenario(`flash and click stay together for ${SECONDS} s`, { timeout: 90_000 + 2_000 * SECONDS }, async (rig) => {
  const media = await rig.folder();
  const file = (name) => path.join(media, name);
  // Each second, from half a second on, two white pictures and ten milliseconds of a tone.
  const flash = ['-f', 'lavfi', '-i', `color=black:size=160x90:rate=30:duration=${SECONDS},drawbox=w=iw:h=ih:color=white:t=fill:enable='between(mod(n,30),15,16)'`];
  await Promise.all([
    ffmpeg(...flash, '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '60', '-pix_fmt', 'yuv420p', file('flash.h264')),
    ffmpeg(...flash, '-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '60', '-pix_fmt', 'yuv420p', file('flash.ivf')),
    ffmpeg('-f', 'lavfi', '-i', `aevalsrc='if(between(mod(t,1),0.5,0.51),sin(2*PI*1000*t),0)':s=${RATE}:d=${SECONDS}`, '-c:a', 'libopus', '-b:a', '48k', file('click.ogg')),
  ]);
  const shows = Object.entries({ tracks: 'flash.ivf', webm: 'flash.ivf', mp4: 'flash.h264' });
  const recorded = await Promise.all(shows.map(async ([format, video]) => {
    const folder = await rig.folder();
    const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: format, MEDIA_WORKERS: '1' });
    const publisher = rig.rillcast(['publish', file(video), file('click.ogg'), server.whip('studio')]);
    assert.equal(await publisher.exited, 0, publisher.output);
    return [format, (await written(folder)).map((name) => path.join(folder, name))];
  }));
  for (const [format, files] of recorded) {
    const flashes = await brightTimes(files.find((name) => !name.endsWith('.ogg')));
    const clicks = await loudTimes(files.find((name) => name.endsWith('.ogg')) ?? files[0]);
    const nearest = (at) => clicks.reduce((best, click) => (Math.abs(click - at) < Math.abs(best - at) ? click : best), Infinity);
    const apart = flashes.map((at) => ({ at, ms: 1000 * (nearest(at) - at) }));
    assert.ok(apart.length >= SECONDS - 1, `${apart.length} flashes`);
    const worst = apart.reduce((worst, one) => (Math.abs(one.ms) > Math.abs(worst.ms) ? one : worst));
    assert.ok(Math.abs(worst.ms) <= APART_MS, `${format}: ${worst.ms.toFixed(1)} ms at ${worst.at.toFixed(1)} s`);
    rig.figure(`${format}: sound after picture, ms`, `first ${apart[0].ms.toFixed(1)}, last ${apart.at(-1).ms.toFixed(1)}, worst ${worst.ms.toFixed(1)} of ${apart.length}`);
  }
});

/** When the picture becomes white, in seconds. */
async function brightTimes(file) {
  const { stdout: pixels } = await ffmpeg('-i', file, '-vf', 'scale=1:1,format=gray', '-vsync', 'passthrough', '-f', 'rawvideo', '-');
  const { stdout } = await run('ffprobe', ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', file], { maxBuffer: 1 << 28 });
  const times = stdout.split('\n').filter(Boolean).map(Number);
  assert.equal(pixels.length, times.length, 'a time for each picture');
  return times.filter((_, n) => pixels[n] > 128 && (n === 0 || pixels[n - 1] <= 128));
}

/** When it becomes loud after a silence, in seconds. */
async function loudTimes(file) {
  const { stdout } = await ffmpeg('-i', file, '-map', '0:a', '-af', 'aresample=async=1:first_pts=0', '-ac', '1', '-ar', String(RATE), '-f', 's16le', '-');
  const samples = new Int16Array(stdout.buffer, stdout.byteOffset, stdout.length >> 1);
  const times = [];
  for (let n = 0, loud = -RATE; n < samples.length; n += 1) {
    if (Math.abs(samples[n]) < 4000) continue;
    if (n - loud > RATE / 2) times.push(n / RATE);
    loud = n;
  }
  return times;
}
