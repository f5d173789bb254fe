// libdatachannel, the library inside OBS, publishes: no candidates in its offer, no trickling, no answer to key frame
// requests. Chromium must decode nevertheless, also when it comes in the middle of a long group of pictures.
import assert from 'node:assert/strict';
import { assertGcm, decoded, play, rightPicture, scenario, sleep, snapshot, summary, until, watch } from '../browser/harness.mjs';
import { COLOUR_TOLERANCE } from '../browser/pages/timecode.js';
import { farewell, libdatachannelPublish, profiles } from './clients.mjs';
import { keyFrames, makeClip } from './clip.mjs';

for (const codec of ['H264', 'VP8']) {
  scenario(`libdatachannel publishes ${codec}, Chromium plays`, {}, async (rig) => {
    const clip = await makeClip({ codec, folder: await rig.folder(), seconds: 20, gop: 300 });
    assert.deepEqual(await keyFrames(clip), [0, 300], 'key frames 10 s apart');
    const server = await rig.server();
    const publisher = libdatachannelPublish(rig, server.whip('obs'), clip, '--audio');
    await publisher.says(/"frames":60/, 15_000);

    const player = await play(rig, server.whep('obs'));
    const first = await decoded(player, 10, { timeout: 4000 });
    rig.figure(`${codec} from libdatachannel: connected to first frame ms`, (first.times.firstFrame - first.times.connected).toFixed(0));
    assert.ok(publisher.json().every((line) => !line.frames || line.frames < 300), 'before the next key frame');
    await rightPicture(player, { tolerance: COLOUR_TOLERANCE });
    await sleep(1000); // the group so far is sent faster than it was filmed; then the pace must be even
    const seen = await watch(player, 3000);
    assert.equal(seen.after.video.codec, `video/${codec}`);
    assert.ok(seen.rate > 25, `${seen.rate.toFixed(1)} frames/s`);
    assert.equal(seen.after.video.packetsLost, 0);
    assertGcm(seen.after);
    assert.deepEqual(await profiles(server), { gcm: 2, cm: 0 });
    assert.ok(seen.after.audio.packetsReceived - seen.before.audio.packetsReceived > 100, 'audio packets are carried');
    // The time code is the time in the clip: it must run at the pace of the clock.
    const [slowest, fastest] = [Math.min(...seen.latencies), Math.max(...seen.latencies)];
    assert.ok(fastest - slowest < 300, `the clip's time runs evenly: ${summary(seen.latencies.map((latency) => latency - slowest))}`);

    // Closed first: close_notify may have ended the session before the DELETE came.
    const deleted = await farewell(publisher);
    assert.ok([200, 404].includes(deleted), `DELETE after close: ${deleted}`);
    rig.figure(`${codec} DELETE after the connection was closed`, deleted);
    await until('the room to be empty', async () => (await fetch(server.whep('obs'), { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: await offer(player) })).status === 404, { timeout: 3000 });
    assert.equal((await snapshot(player)).state, 'connected', 'the player waits for the publisher to return');
  });
}

const offer = (player) => player.evaluate(() => window.player.pc.localDescription.sdp);
