// GStreamer's webrtcbin to webrtcbin: mids such as video0, AES-CM alone, ICE-TCP candidates, VP8 and Opus.
import assert from 'node:assert/strict';
import { decoded, play, rightPicture, scenario } from '../browser/harness.mjs';
import { COLOUR_TOLERANCE } from '../browser/pages/timecode.js';
import { farewell, profiles, reports, webrtcbin } from './clients.mjs';
import { makeClip } from './clip.mjs';

// libnice sends no UDP from an interface's address to 127.0.0.1. So a server that names its interfaces is reached by UDP,
// and one that names 127.0.0.1 alone by TCP.
const WAYS = {
  UDP: { MEDIA_PUBLIC_IPS: undefined, MEDIA_TCP_PORT: 'off' },
  TCP: {},
};

for (const [way, env] of Object.entries(WAYS)) {
  scenario(`webrtcbin publishes VP8 and Opus over ${way}, webrtcbin and Chromium play`, {}, (rig) => publishAndPlay(rig, way, env));
}

async function publishAndPlay(rig, way, env) {
  const clip = await makeClip({ codec: 'VP8', folder: await rig.folder(), seconds: 40 });
  const server = await rig.server(env);
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
  rig.figure(`webrtcbin over ${way}: start to first frame ms`, player.json().find((line) => line.first_frame_ms).first_frame_ms);

  const chromium = await play(rig, server.whep('gst'));
  const { audio } = await decoded(chromium, 60);
  // webrtcbin 1.22 offers AES-CM alone; the mix in one room is no trouble.
  const used = await profiles(server);
  rig.figure(`sessions with AES-GCM and AES-CM`, [used.gcm, used.cm]);
  assert.deepEqual(used, { gcm: 1, cm: 2 });
  await rightPicture(chromium, { tolerance: COLOUR_TOLERANCE });
  assert.ok(audio.totalAudioEnergy > 0, 'the tone is heard');
  assert.equal(await farewell(player), 200);
  assert.equal(await farewell(publisher), 200);
}
