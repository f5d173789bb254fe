// A publisher's process dies without a word: its room stays taken while it may be alive, is free after 5 s of silence,
// and the subscribers see the next publisher without a new negotiation.
import assert from 'node:assert/strict';
import { libdatachannelPublish } from '../clients/clients.mjs';
import { makeClip } from '../clients/clip.mjs';
import { assertKeepsUp, decoded, play, rightPicture, scenario, summary, until, watch } from './harness.mjs';
import { COLOUR_TOLERANCE } from './pages/timecode.js';

const SILENCE_MS = 5000;

scenario('a publisher is killed: 409 for 5 s, then the next one has the room and the player sees it', {}, async (rig) => {
  const clip = await makeClip({ codec: 'H264', folder: await rig.folder(), seconds: 30 });
  const server = await rig.server();
  const first = libdatachannelPublish(rig, server.whip('kill'), clip);
  await first.says(/"first":true/, 15_000);
  const player = await play(rig, server.whep('kill'), { audio: false });
  const before = await decoded(player, 30);
  assert.ok((await player.evaluate(() => window.player.look().shown)) < 30_000, 'the clip is shown');

  // Alive: refused at once, however often.
  const second = await rig.page('publish');
  const asked = Date.now();
  const refusal = await second.evaluate((o) => window.publisher.start(o), { url: server.whip('kill'), codec: 'H264', audio: false });
  assert.equal(refusal.status, 409);
  assert.match(refusal.error, /publisher already exists in this room/);
  const refusedAfter = Date.now() - asked;
  assert.ok(refusedAfter < 1500, `refused at once, not after ${refusedAfter} ms`);

  await first.kill('SIGKILL');
  const killed = Date.now();
  let refusals = 0;
  let last;
  await until(() => `the room; the last answer was ${JSON.stringify(last)}`, async () => {
    last = await second.evaluate(() => window.publisher.connect());
    if (last.status) {
      assert.equal(last.status, 409);
      refusals += 1;
    }
    return !last.status;
  }, { timeout: 10_000, every: 200 });
  const takenAfter = Date.now() - killed;
  rig.figure('room taken ms after the kill, refusals before', `${takenAfter}, ${refusals}`);
  assert.ok(takenAfter >= SILENCE_MS - 300, `a publisher silent for ${takenAfter} ms only may be alive`);
  assert.ok(takenAfter <= SILENCE_MS + 2500, `taken ${takenAfter} ms after the kill`);
  assert.ok(refusals > 5);

  await until('the new picture', async () => (await player.evaluate(() => window.player.look().shown)) > killed, { timeout: 4000 });
  rig.figure('new picture ms after the room was taken', Date.now() - killed - takenAfter);
  await decoded(player, 30, { since: before.video.framesDecoded });
  const seen = await watch(player, 3000, second);
  assertKeepsUp(seen);
  assert.equal(seen.after.video.freezeCount, seen.before.video.freezeCount, 'no freeze in the end');
  assert.equal(seen.after.video.ssrc, before.video.ssrc, 'the same stream, as nothing was negotiated');
  await rightPicture(player, { tolerance: COLOUR_TOLERANCE });
  rig.figure('latency after the return ms', summary(seen.latencies));
});
