// Chromium to Chromium through the server: every codec, simulcast, and a publisher that leaves and returns.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { REPOSITORY, assertGcm, assertKeepsUp, decoded, play, publish, rightPicture, scenario, snapshot, summary, until, watch } from './harness.mjs';
import { COLOUR_TOLERANCE } from './pages/timecode.js';

for (const codec of ['VP8', 'H264', 'VP9', 'AV1']) {
  scenario(`Chromium to Chromium, ${codec} and Opus`, {}, async (rig) => {
    const server = await rig.server();
    const publisher = await publish(rig, server.whip('codec'), { codec });
    const player = await play(rig, server.whep('codec'));
    await decoded(player, 60);
    // Chromium sends a smaller picture while it does not trust the bandwidth yet; the feedback must take it to the full one.
    const picture = await until('the picture at its full size', async () => {
      const now = await rightPicture(player, { tolerance: COLOUR_TOLERANCE });
      return now.width === 640 && now.height === 360 && now;
    }, { timeout: 20_000, every: 200 });
    const seen = await watch(player, 3000, publisher);
    const { video, audio } = seen.after;

    assert.equal(video.codec, `video/${codec}`);
    assert.equal(audio.codec, 'audio/opus');
    assertKeepsUp(seen);
    assert.ok(seen.read > 0.9 * seen.presented, `time code read in ${seen.read} of ${seen.presented} frames`);
    assert.ok(seen.pause < 500, `the picture stood for ${seen.pause.toFixed(0)} ms`);
    assert.equal(video.packetsLost, 0, 'nothing is lost on loopback');
    assert.equal(video.nackCount, 0, 'no gap in the sequence numbers');
    soundIsThere(seen);

    // Both ends offer GCM; the server chooses it though Chromium puts AES-CM first.
    assertGcm(seen.after);
    const sent = await snapshot(publisher);
    assertGcm(sent);

    const { times } = seen.after;
    rig.figure(`${codec} glass-to-glass latency ms`, summary(seen.latencies));
    rig.figure(`${codec} frames/s`, seen.rate.toFixed(1));
    rig.figure(`${codec} POST to connected / to first frame ms`, `${(times.connected - times.post).toFixed(0)} / ${(times.firstFrame - times.post).toFixed(0)}`);
    rig.figure(`${codec} largest colour difference`, picture.worst);
    rig.figure(`${codec} publisher's bandwidth estimate kbit/s`, Math.round(sent.estimate / 1000));
    rig.figure(`${codec} key frames sent, asked for by PLI`, `${sent.layers[0].keyFramesEncoded}, ${sent.layers[0].pliCount}`);
    assert.ok(percentileBelow(seen.latencies, 0.95, 400), `latency ${summary(seen.latencies)}`);

    assert.equal(await player.evaluate(() => window.player.leave()), 200);
    assert.equal(await publisher.evaluate(() => window.publisher.leave()), 200);
  });
}

scenario('a simulcast publisher: the player gets one layer, continuously', {}, async (rig) => {
  const server = await rig.server();
  const publisher = await publish(rig, server.whip('simulcast'), { simulcast: true, width: 960, height: 540 });
  const answer = await publisher.evaluate(() => window.publisher.pc.remoteDescription.sdp);
  assert.match(answer, /a=simulcast:recv (q;h;f|f;h;q)/, 'all three layers accepted');
  const layers = await until('three layers to be sent', async () => {
    const { layers: sending } = await snapshot(publisher);
    return sending.length === 3 && sending.every((layer) => layer.framesEncoded > 30) && sending;
  }, { timeout: 20_000, every: 200 });
  rig.figure('layers sent', layers.map((layer) => `${layer.rid} ${layer.width}x${layer.height}`).join(', '));

  const player = await play(rig, server.whep('simulcast'));
  await decoded(player, 60);
  // What the layer is may settle in the first seconds; then it must stay.
  const settled = await until('a layer at its full rate', async () => {
    const seen = await watch(player, 1000, publisher);
    return seen.sizes.length === 1 && seen.share > 0.9 && seen.after.video;
  }, { timeout: 10_000 });
  const seen = await watch(player, 4000, publisher);
  rig.figure('layer received', seen.sizes.join(', '));
  rig.figure('simulcast glass-to-glass latency ms', summary(seen.latencies));
  rig.figure('simulcast frames/s', seen.rate.toFixed(1));
  assert.equal(seen.sizes.length, 1, `one size, saw ${seen.sizes}`);
  assert.ok(layers.some((layer) => `${layer.width}x${layer.height}` === seen.sizes[0]), `${seen.sizes} is one of the layers`);
  assertKeepsUp(seen);
  assert.equal(seen.after.video.freezeCount, settled.freezeCount, 'no freeze');
  assert.equal(seen.after.video.ssrc, settled.ssrc);
  assert.equal(seen.after.video.packetsLost, 0, 'a layer that is not forwarded is no loss');
  await rightPicture(player, { tolerance: COLOUR_TOLERANCE });
});

for (const farewell of ['close', 'DELETE']) {
  for (const again of ['VP8', 'H264']) {
    scenario(`a VP8 publisher leaves by ${farewell} and returns with ${again}: the player goes on`, {}, async (rig) => {
      const server = await rig.server();
      const publisher = await publish(rig, server.whip('return'), { codec: 'VP8' });
      const player = await play(rig, server.whep('return'));
      const before = await decoded(player, 30);

      if (farewell === 'close') await publisher.evaluate(() => window.publisher.abandon());
      else assert.equal(await publisher.evaluate(() => window.publisher.leave()), 200);
      const left = Date.now();
      // close_notify ends the session at once, so that the room is free at once (a moment for the datagram).
      const refusals = [];
      await until(() => `the room to be free again; refused with ${refusals}`, async () => {
        const result = await publisher.evaluate((codec) => window.publisher.connect({ codec }), again);
        if (result.status) refusals.push(result.status);
        return !result.status;
      }, { timeout: 3000 });
      const back = Date.now();
      await until('a fresh picture', async () => {
        const picture = await player.evaluate(() => window.player.look());
        return picture.shown !== null && picture.shown > back;
      }, { timeout: 5000 });
      rig.figure(`return (${farewell}, ${again}): room free after ms`, `${back - left}, refusals ${refusals.length}`);
      rig.figure(`return (${farewell}, ${again}): fresh picture after ms`, Date.now() - back);

      await decoded(player, 30, { since: before.video.framesDecoded });
      const seen = await watch(player, 3000, publisher);
      assert.ok(refusals.every((status) => status === 409));
      assert.equal(seen.after.state, 'connected');
      assertKeepsUp(seen);
      assert.equal(seen.after.video.freezeCount, seen.before.video.freezeCount, 'no freeze in the end');
      assert.ok(percentileBelow(seen.latencies, 0.95, 400), `latency after the return ${summary(seen.latencies)}`);
      assert.equal(seen.after.video.codec, `video/${again}`);
      soundIsThere(seen);
      await rightPicture(player, { tolerance: COLOUR_TOLERANCE });
      rig.figure(`return (${farewell}, ${again}): latency ms`, summary(seen.latencies));
    });
  }
}

scenario('nobody publishes: 404 with Retry-After', {}, async (rig) => {
  const server = await rig.server();
  const player = await rig.page('play');
  const result = await player.evaluate((url) => window.player.start({ url }), server.whep('nobody'));
  assert.equal(result.status, 404);
  assert.match(result.error, /no active publisher in room/);
  const body = await readFile(path.join(REPOSITORY, 'tests/data/offers/chromium-VP9-whep.sdp'));
  const response = await fetch(server.whep('nobody'), { method: 'POST', body, headers: { 'Content-Type': 'application/sdp' } });
  assert.equal(response.status, 404);
  assert.match(response.headers.get('Retry-After') ?? '', /^\d+$/);
});

function percentileBelow(numbers, share, limit) {
  return numbers.filter((number) => number < limit).length >= share * numbers.length && numbers.length > 0;
}

/** Sound arrives at 48 kHz, is heard, and is not made up by the receiver. */
function soundIsThere({ before, after, seconds }) {
  const samples = after.audio.totalSamplesReceived - before.audio.totalSamplesReceived;
  const concealed = after.audio.concealedSamples - before.audio.concealedSamples;
  assert.ok(samples > 0.8 * 48_000 * seconds, `${samples} samples in ${seconds} s`);
  assert.ok(after.audio.totalAudioEnergy > before.audio.totalAudioEnergy + 0.001 * seconds, 'sound not silent');
  assert.ok(after.audio.audioLevel > 0.01, `level ${after.audio.audioLevel}`);
  assert.ok(concealed < 0.1 * samples, `${concealed} of ${samples} samples concealed`);
}
