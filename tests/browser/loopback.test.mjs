// Proves the measuring itself, without the server: time code, picture comparison, statistics and every codec, by two
// connections inside one page. Where this fails, the browser or the pages are at fault, not the server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoded, rightPicture, scenario, summary, watch } from './harness.mjs';
import { COLOUR_TOLERANCE, decode, drawI420, encode, judge, read } from './pages/timecode.js';

test('the time code reads back, and a damaged one is refused', () => {
  for (const ms of [0, 1, 33, 299_700, 1_795_000_123_456, 2 ** 48 - 1]) {
    const cells = encode(ms);
    assert.equal(decode(cells), ms);
    for (let i = 0; i < cells.length; i += 1) assert.equal(decode(cells.with(i, 1 - cells[i])), null);
  }
});

test('a raw frame holds its time code and its scene', () => {
  const [width, height] = [320, 180];
  for (const ms of [0, 1500, 2400, 9967]) {
    const pixels = rgba(drawI420(width, height, ms), width, height);
    assert.equal(read(pixels, width, height), ms);
    assert.ok(judge(pixels, width, height, ms).worst < 10);
    assert.ok(judge(pixels, width, height, ms + 1000).worst > COLOUR_TOLERANCE, 'a scene of another second is told apart');
  }
  assert.equal(read(new Uint8ClampedArray(width * height * 4), width, height), null, 'black is no code');
});

for (const codec of ['VP8', 'H264', 'VP9', 'AV1']) {
  scenario(`${codec} inside one page`, { timeout: 30_000 }, async (rig) => {
    const page = await rig.page('loopback');
    await page.evaluate((o) => window.startLoopback(o), { codec, width: 320, height: 180, bitrate: 300_000 });
    await decoded(page, 30);
    await rightPicture(page, { tolerance: COLOUR_TOLERANCE });
    const seen = await watch(page, 1500);
    assert.equal(seen.after.video.codec, `video/${codec}`);
    assert.ok(seen.read > 0.9 * seen.presented, `time code read in ${seen.read} of ${seen.presented} frames`);
    assert.ok(seen.after.audio.totalAudioEnergy > seen.before.audio.totalAudioEnergy, 'sound grows');
    rig.figure(`${codec} latency ms, encoded twice inside one page`, summary(seen.latencies));
    rig.figure(`${codec} frames/s`, seen.rate.toFixed(1));
  });
}

function rgba(i420, width, height) {
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const chroma = (y >> 1) * (width / 2) + (x >> 1);
      const luma = 1.164 * (i420[y * width + x] - 16);
      const u = i420[width * height + chroma] - 128;
      const v = i420[width * height * 1.25 + chroma] - 128;
      pixels.set([luma + 1.596 * v, luma - 0.813 * v - 0.392 * u, luma + 2.017 * u, 255], (y * width + x) * 4);
    }
  }
  return pixels;
}
