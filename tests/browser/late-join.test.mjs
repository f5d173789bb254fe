// Subscribers who come in the middle of a group of pictures that lasts 10 s, from a publisher that answers no key frame
// request (OBS, a file): each must see a picture at once, not at the next key frame, and then be as live as the others.
import assert from 'node:assert/strict';
import { libdatachannelPublish } from '../clients/clients.mjs';
import { keyFrames, makeClip } from '../clients/clip.mjs';
import { decoded, percentile, play, scenario, sleep, summary } from './harness.mjs';

const SUBSCRIBERS = 20;
const GOP_MS = 10_000;
const FIRST_FRAME_LIMIT_MS = 300;
const LIVE_WITHIN_MS = 100;

for (const codec of ['VP8', 'H264']) {
  scenario(`${SUBSCRIBERS} subscribers join in mid-GOP, ${codec}`, { timeout: 90_000 }, async (rig) => {
    const clip = await makeClip({ codec, folder: await rig.folder(), seconds: 40, gop: 300 });
    assert.deepEqual(await keyFrames(clip), [0, 300, 600, 900], 'key frames 10 s apart');
    const server = await rig.server();
    const publisher = libdatachannelPublish(rig, server.whip('late'), clip);
    await publisher.says(/"first":true/, 15_000);
    const page = await play(rig, server.whep('late'), { audio: false, displayWidth: 160 });
    await decoded(page, 45);

    const joins = [];
    for (let n = 0; n < SUBSCRIBERS; n += 1) {
      joins.push(page.evaluate(join, { url: server.whep('late'), settle: 3000 }).catch((error) => ({ error: error.message })));
      await sleep(750); // the pace of arrivals, so that they fall on different places of the group
    }
    const seen = await Promise.all(joins);
    const refused = seen.filter((one) => one.error);
    assert.deepEqual(refused, []);

    const of = (pick) => seen.map(pick);
    rig.figure(`${codec} place in the GOP at the join, ms`, of((one) => (one.live % GOP_MS).toFixed(0)).join(' '));
    rig.figure(`${codec} POST to connected ms`, summary(of((one) => one.connected)));
    rig.figure(`${codec} POST to first frame ms`, summary(of((one) => one.firstFrame)));
    rig.figure(`${codec} connected to first frame ms`, summary(of((one) => one.firstFrame - one.connected)));
    rig.figure(`${codec} POST to live within ${LIVE_WITHIN_MS} ms, ms`, summary(of((one) => one.caughtUp ?? Infinity)));
    rig.figure(`${codec} behind the first subscriber after 3 s, ms`, of((one) => one.behind.toFixed(0)).join(' '));
    rig.figure(`${codec} freezes per subscriber in 3 s`, of((one) => one.freezes).join(' '));
    rig.figure(`${codec} key frame requests that reached the publisher`, publisher.json().filter((line) => line.pli).length);

    const toFirst = of((one) => one.firstFrame - one.connected);
    assert.ok(percentile(toFirst, 95) <= FIRST_FRAME_LIMIT_MS, `connected to first frame: ${summary(toFirst)}`);
    for (const one of seen) {
      const untilKeyFrame = GOP_MS - (one.live % GOP_MS);
      if (untilKeyFrame > 1500) assert.ok(one.firstFrame < untilKeyFrame - 500, `waited for the key frame: ${JSON.stringify(one)}`);
      assert.ok(Math.abs(one.behind) <= LIVE_WITHIN_MS, `not as live as the first subscriber: ${JSON.stringify(one)}`);
    }
  });
}

/** In the page: one more player; what it saw in its first `settle` ms, against the player that was there before. */
async function join({ url, settle }) {
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const player = new window.Player();
  try {
    const live = window.player.look().shown;
    const result = await player.start({ url, audio: false, displayWidth: 160 });
    if (result.status) return { error: result.error };
    const { times } = player;
    for (let waited = 0; !times.firstFrame && waited < 12_000; waited += 20) await pause(20);
    if (!times.firstFrame) return { error: 'no frame in 12 s' };
    await pause(settle);

    // Frames are 33 ms apart and the two are read one after the other: the median of some looks says who is behind.
    const behinds = [];
    for (let n = 0; n < 9; n += 1) {
      behinds.push(window.player.look().shown - player.look().shown);
      await pause(23);
    }
    const delays = window.player.frames.slice(-90).map((frame) => frame.now - frame.shown).sort((a, b) => a - b);
    const usual = delays[Math.floor(delays.length / 2)];
    const caughtUp = player.frames.find((frame) => frame.shown !== null && frame.now - frame.shown - usual < 100);
    const { video } = await player.snapshot();
    return {
      live,
      connected: times.connected - times.post,
      firstFrame: times.firstFrame - times.post,
      firstShown: player.frames[0].shown,
      caughtUp: caughtUp && caughtUp.now - times.post,
      behind: behinds.sort((a, b) => a - b)[4],
      freezes: video.freezeCount,
      keyFramesDecoded: video.keyFramesDecoded,
    };
  } catch (error) {
    return { error: String(error) };
  } finally {
    if (player.resource) await player.leave();
    player.stop();
  }
}
