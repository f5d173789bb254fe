// aiortc to aiortc, and aiortc as a passive offerer, which makes the server the DTLS client (as FFmpeg's muxer does).
import assert from 'node:assert/strict';
import { decoded, play, rightPicture, scenario } from '../browser/harness.mjs';
import { COLOUR_TOLERANCE } from '../browser/pages/timecode.js';
import { aiortc, farewell, profiles, reports } from './clients.mjs';
import { makeClip } from './clip.mjs';

for (const { codec, flags } of [{ codec: 'VP8', flags: [] }, { codec: 'H264', flags: [] }, { codec: 'VP8', flags: ['--passive'] }]) {
  scenario(`aiortc publishes ${codec} ${flags.join(' ')}, aiortc plays`, {}, async (rig) => {
    const clip = await makeClip({ codec: 'VP8', folder: await rig.folder(), seconds: 30 });
    const server = await rig.server();
    const publisher = aiortc(rig, 'aiortc_publish', server.whip('aiortc'), clip, '--codec', codec, ...flags);
    const [, setup] = await publisher.says(/"setup": "(a=setup:\w+)"/, 15_000);
    assert.equal(setup, flags.length ? 'a=setup:active' : 'a=setup:passive');
    await publisher.says(/"state": "connected"/);

    const player = aiortc(rig, 'aiortc_play', server.whep('aiortc'));
    const seen = await reports(player, 90);
    // aiortc's jitter buffer may skip at the start; from the second report on the picture must be read.
    for (const report of seen.slice(1)) {
      assert.deepEqual([report.width, report.height], [320, 180]);
      assert.ok(report.variance > 500, `not black: variance ${report.variance}`);
      assert.notEqual(report.shown, null, 'time code readable');
    }
    assert.deepEqual(await profiles(server), { gcm: 2, cm: 0 });
    const [before, after] = [seen[1], seen.at(-1)];
    const expected = ((after.frames - before.frames) * 1000) / 30;
    assert.ok(Math.abs(after.shown - before.shown - expected) < 250, `${after.shown - before.shown} ms of the clip in ${expected} ms of frames`);
    rig.figure(`aiortc ${codec} ${flags.join(' ')}: start to first frame ms`, seen.length && player.json().find((line) => line.first_frame_ms).first_frame_ms);
    assert.equal(await farewell(player), 200);
    assert.equal(await farewell(publisher), 200);
  });
}

scenario('aiortc publishes as the passive side, Chromium plays', {}, async (rig) => {
  const clip = await makeClip({ codec: 'VP8', folder: await rig.folder(), seconds: 20 });
  const server = await rig.server();
  const publisher = aiortc(rig, 'aiortc_publish', server.whip('passive'), clip, '--passive');
  await publisher.says(/"state": "connected"/, 15_000);
  const player = await play(rig, server.whep('passive'), { audio: false });
  await decoded(player, 60);
  await rightPicture(player, { tolerance: COLOUR_TOLERANCE });
});
