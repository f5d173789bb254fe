// GStreamer's webrtcbin to webrtcbin: mids such as video0, AES-CM alone, ICE-TCP candidates, VP8 and Opus.
import assert from 'node:assert/strict';
import { decoded, play, rightPicture, scenario } from '../browser/harness.mjs';
import { COLOUR_TOLERANCE } from '../browser/pages/timecode.js';
import { farewell, reports, webrtcbin } from './clients.mjs';
import { makeClip } from './clip.mjs';

scenario('webrtcbin publishes VP8 and Opus, webrtcbin and Chromium play', {}, async (rig) => {
  const clip = await makeClip({ codec: 'VP8', folder: await rig.folder(), seconds: 40 });
  const server = await rig.server();
  const publisher = webrtcbin(rig, 'webrtcbin_publish', server.whip('gst'), clip);
  const [, mids] = await publisher.says(/"mids": (\[.*?\])/, 15_000);
  assert.deepEqual(JSON.parse(mids), ['video0', 'audio1']);
  await publisher.says(/"state": "connected"/);

  const player = webrtcbin(rig, 'webrtcbin_play', server.whep('gst'));
  const seen = await reports(player, 90);
  for (const report of seen.slice(1)) {
    assert.deepEqual([report.width, report.height], [320, 180]);
    assert.ok(report.variance > 500, `not black: variance ${report.variance}`);
    assert.notEqual(report.shown, null, 'time code readable');
  }
  const [before, after] = [seen[1], seen.at(-1)];
  const expected = ((after.frames - before.frames) * 1000) / 30;
  assert.ok(Math.abs(after.shown - before.shown - expected) < 250, `${after.shown - before.shown} ms of the clip in ${expected} ms of frames`);
  assert.ok(after.sounds - before.sounds > 25, 'audio is decoded');
  rig.figure('webrtcbin: start to first frame ms', player.json().find((line) => line.first_frame_ms).first_frame_ms);

  const chromium = await play(rig, server.whep('gst'));
  const { audio } = await decoded(chromium, 60);
  await rightPicture(chromium, { tolerance: COLOUR_TOLERANCE });
  assert.ok(audio.totalAudioEnergy > 0, 'the tone is heard');
  assert.equal(await farewell(player), 200);
  assert.equal(await farewell(publisher), 200);
});
