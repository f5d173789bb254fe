// `rillcast publish` and `rillcast play`, the product's own client, against a browser at the other end.
import assert from 'node:assert/strict';
import { assertGcm, decoded, play, publish, rightPicture, scenario, sleep, snapshot, summary, watch } from '../browser/harness.mjs';
import { COLOUR_TOLERANCE } from '../browser/pages/timecode.js';
import { makeClip } from './clip.mjs';

for (const codec of ['VP8', 'H264']) {
  scenario(`rillcast publish sends ${codec}, Chromium plays`, {}, async (rig) => {
    const clip = await makeClip({ codec, folder: await rig.folder(), seconds: 20, gop: 300 });
    const server = await rig.server();
    const publisher = rig.rillcast(['publish', clip, server.whip('file'), '--wait', '5']);
    const player = await rig.page('play');
    // The room is empty until the publisher's first packet; the page asks once, so it must come after that.
    await roomHasPublisher(server, 'file');
    await sleep(2000); // into the group, so that the cache is needed: a file answers no key frame request
    const result = await player.evaluate((o) => window.player.start(o), { url: server.whep('file'), audio: false });
    assert.equal(result.status, undefined, result.error);
    const first = await decoded(player, 10, { timeout: 4000 });
    await rightPicture(player, { tolerance: COLOUR_TOLERANCE });
    await sleep(1000); // the group so far is sent faster than it was filmed; then the pace must be even
    const seen = await watch(player, 3000);
    assert.equal(seen.after.video.codec, `video/${codec}`);
    assert.ok(seen.rate > 25 && seen.rate < 35, `${seen.rate.toFixed(1)} frames/s`);
    assert.equal(seen.after.video.packetsLost, 0);
    assertGcm(seen.after);
    const earliest = Math.min(...seen.latencies);
    assert.ok(Math.max(...seen.latencies) - earliest < 300, `the clip's time runs evenly: ${summary(seen.latencies.map((one) => one - earliest))}`);
    rig.figure(`rillcast publish, ${codec}: POST to first frame ms`, (first.times.firstFrame - first.times.post).toFixed(0));
    assert.equal(await publisher.stop(), 0, publisher.output);
  });

  scenario(`Chromium sends ${codec}, rillcast play receives`, {}, async (rig) => {
    const server = await rig.server();
    const publisher = await publish(rig, server.whip('live'), { codec });
    const before = await snapshot(publisher);
    const player = rig.rillcast(['play', server.whep('live'), '--json', '--duration', '5']);
    assert.equal(await player.exited, 0, player.output);
    const after = await snapshot(publisher);
    const report = JSON.parse(player.output.slice(player.output.indexOf('{'), player.output.lastIndexOf('}') + 1));
    const { video, audio } = report;
    const sent = after.layers[0].framesEncoded - before.layers[0].framesEncoded;
    assert.equal(video.codec.toUpperCase().replace('.', ''), codec);
    assert.ok(video.frames > 0.8 * sent && video.frames > 60, `${video.frames} of ${sent} frames`);
    assert.ok(video.key_frames >= 1);
    assert.deepEqual([video.lost, video.broken_frames, video.out_of_order], [0, 0, 0]);
    assert.ok(audio.packets > 200, `${audio.packets} packets of sound in 5 s`);
    assert.equal(audio.lost, 0);
    assert.equal(report.disconnected, false);
    rig.figure(`rillcast play, ${codec}: offer to connected / first key frame ms`, `${report.connected_ms.toFixed(0)} / ${report.first_key_frame_ms.toFixed(0)}`);
    rig.figure(`rillcast play, ${codec}: frames, key frames, packets`, `${video.frames}, ${video.key_frames}, ${video.packets}`);
  });
}

async function roomHasPublisher(server, name) {
  for (let tries = 0; tries < 200; tries += 1) {
    const rooms = await (await fetch(`${server.url}/api/rooms`)).json();
    if (rooms.some((room) => room.name === name && room.hasPublisher && room.tracks > 0)) return;
    await sleep(50);
  }
  throw new Error('no publisher came');
}
