// A real browser is recorded, and what is on the disk then: with `RECORD_SECONDS` longer, with `RECORD_ALL` in each format
// that fits the codec.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { makeClip, makeTone } from '../clients/clip.mjs';
import { publish, scenario, sleep, snapshot, until } from './harness.mjs';
import { complaints, probe, recordings, sheet, written } from './recording.mjs';

const SECONDS = Number(process.env.RECORD_SECONDS ?? 5);
const ALL = process.env.RECORD_ALL !== undefined;

// The first one is in every run.
const FORMATS = {
  VP8: { tracks: ['ivf', 'ogg'], webm: ['webm'] },
  H264: { tracks: ['mp4'] },
  VP9: { mp4: ['mp4'], webm: ['webm'], tracks: ['ivf', 'ogg'] },
  AV1: { webm: ['webm'], mp4: ['mp4'], tracks: ['ivf', 'ogg'] },
};

for (const [codec, formats] of Object.entries(FORMATS)) {
  for (const [format, endings] of Object.entries(formats).slice(0, ALL ? 9 : 1)) {
    scenario(`Chromium's ${codec} and Opus are recorded, ${format}`, { timeout: 45_000 + 3_000 * SECONDS }, async (rig) => {
      const folder = await rig.folder();
      const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: format });
      const publisher = await publish(rig, server.whip('studio'), { codec });
      await sleep(SECONDS * 1000);
      // Chromium encodes a last frame or two while it leaves.
      const { layers } = await snapshot(publisher);
      await publisher.evaluate(() => window.publisher.leave());
      const names = await written(folder);

      let frames = 0;
      let sound = 0;
      const lengths = {};
      for (const name of names) {
        const file = path.join(folder, name);
        assert.equal(await complaints(file), '', name);
        const beside = await sheet(folder, name);
        assert.equal(beside.state, 'complete');
        assert.deepEqual(beside.gaps ?? [], [], `${name}: nothing is lost on loopback`);
        for (const stream of await probe(file)) {
          const length = stream.duration;
          assert.ok(Math.abs(beside.duration / 1000 - length) < 0.05, `${name}: ${beside.duration} ms, and ${length} s`);
          lengths[stream.kind] = (lengths[stream.kind] ?? 0) + length;
          if (stream.kind === 'video') frames += stream.frames;
          else sound += stream.frames;
          // What is left of the last interval of a picture, or of a packet.
          assert.ok(length - stream.last < 0.25, `${name} ends ${length - stream.last} s after its last ${stream.kind}`);
        }
      }
      assert.deepEqual([...new Set(names.map((name) => path.extname(name).slice(1)))].sort(), [...endings].sort());
      const sent = layers[0].framesEncoded;
      assert.ok(frames >= 0.999 * sent - 1, `${frames} of ${sent} frames`);
      assert.ok(Math.abs(lengths.audio - lengths.video) < 0.3, JSON.stringify(lengths));
      assert.ok(sound > 0.95 * 50 * lengths.audio, `${sound} packets of sound in ${lengths.audio} s`);
      rig.figure(`${codec} ${format}`, `${frames} frames (${sent} encoded before the end), ${sound} packets of sound, ${lengths.video.toFixed(3)} s, in ${names.length} files`);
    });
  }
}

// A room begins with the first key frame that comes, and goes over to the best layer at that one's next.
scenario('of a simulcast publisher the best layer is recorded', { timeout: 60_000 }, async (rig) => {
  const folder = await rig.folder();
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: 'webm' });
  const publisher = await publish(rig, server.whip('studio'), { simulcast: true, width: 960, height: 540 });
  const best = async () => (await snapshot(publisher)).layers.find(({ rid }) => rid === 'f')?.framesEncoded ?? 0;
  await until('the best layer is sent', async () => (await best()) > 0, { timeout: 15_000, every: 20 });
  const began = Date.now();
  await sleep(8000);
  const sent = await best();
  await publisher.evaluate(() => window.publisher.leave());
  const seconds = (Date.now() - began) / 1000;
  const streams = [];
  for (const name of await written(folder)) streams.push(...(await probe(path.join(folder, name))).filter(({ kind }) => kind === 'video'));
  const large = streams.filter(({ width }) => width === 960);
  const frames = large.reduce((sum, stream) => sum + stream.frames, 0);
  rig.figure('files of a simulcast publisher', streams.map(({ width, height, frames }) => `${width}x${height}: ${frames}`).join(', '));
  rig.figure('best layer: frames recorded of those encoded', `${frames} of ${sent} in ${seconds.toFixed(1)} s`);
  assert.equal(large.length, 1, 'it stays with the best one');
  assert.ok(frames > sent - 60, `${frames} of ${sent} frames`);
  assert.ok(streams.length <= 3, JSON.stringify(streams));
});

scenario('a folder that goes is missed, told, and made anew', {}, async (rig) => {
  const folder = path.join(await rig.folder(), 'records');
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: 'webm', ADMIN_TOKEN: 'admin' });
  const events = await listen(server);
  rig.rillcast(['publish', '--demo', '--loop', server.whip('studio')]);
  await until('a recording', () => events.some((event) => event.type === 'record.started'));
  await sleep(1500);
  const player = rig.rillcast(['play', server.whep('studio'), '--json', '--duration', '9']);
  await rm(folder, { recursive: true });
  const failed = await until('a word of it', () => events.find((event) => event.type === 'record.failed'), { timeout: 5000 });
  assert.equal(failed.data.reason, 'folder_gone');
  await until('another recording', () => events.filter((event) => event.type === 'record.started').length > 1, { timeout: 15_000 });
  assert.equal(await player.exited, 0, player.output);
  assert.equal(player.json()[0]?.video.lost ?? report(player.output).video.lost, 0, 'who watches notices nothing');
  await sleep(1500);
  assert.equal(await server.process.stop(), 0);
  const names = await written(folder);
  assert.equal(names.length, 1);
  assert.equal(await complaints(path.join(folder, names[0])), '');
  assert.ok((await probe(path.join(folder, names[0])))[0].frames > 30);
  assert.equal(events.filter((event) => event.type === 'record.failed').length, 1, 'told once');
});

scenario('files of a few seconds follow each other, and no frame is lost between them', {}, async (rig) => {
  const folder = await rig.folder();
  const media = await rig.folder();
  const [clip, tone] = [await makeClip({ codec: 'H264', folder: media, gop: 30, seconds: 10 }), await makeTone({ folder: media, seconds: 10 })];
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_MAX_MINUTES: '0.05' });
  const publisher = rig.rillcast(['publish', clip, tone, server.whip('studio')]);
  assert.equal(await publisher.exited, 0, publisher.output);
  const names = await written(folder);
  let [pictures, sounds] = [0, 0];
  for (const name of names) {
    assert.equal(await complaints(path.join(folder, name)), '', name);
    const [video, audio] = await probe(path.join(folder, name));
    assert.ok(video.first === 0 && audio.first < 0.05, `${name} begins with both`);
    pictures += video.frames;
    sounds += audio.frames;
  }
  assert.equal(names.length, 4);
  assert.equal(pictures, 300);
  // What comes before the first picture has no place; the clip's sound has a packet more than its pictures have time.
  assert.ok(sounds >= 495, `${sounds} packets of sound`);
});

scenario('an administrator starts and stops a recording', {}, async (rig) => {
  const folder = await rig.folder();
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_ROOMS: 'some', ADMIN_TOKEN: 'admin' });
  const ask = async (method, room) => (await fetch(`${server.url}/api/admin/rooms/${room}/record`, { method, headers: { Authorization: 'Bearer admin' } })).status;
  assert.equal(await ask('POST', 'studio'), 404, 'nobody publishes');
  rig.rillcast(['publish', '--demo', '--loop', server.whip('studio')]);
  await until('the publisher', async () => (await ask('DELETE', 'studio')) === 404 && (await (await fetch(`${server.url}/api/rooms`)).json()).length > 0);
  await sleep(1000);
  assert.deepEqual(await recordings(folder), [], 'it is not asked for');
  assert.equal(await ask('POST', 'studio'), 200);
  assert.equal(await ask('POST', 'studio'), 409);
  await until('files', async () => (await recordings(folder)).length === 2);
  await sleep(2000);
  assert.equal(await ask('DELETE', 'studio'), 200);
  const names = await written(folder);
  assert.equal(await ask('DELETE', 'studio'), 404);
  for (const name of names) {
    assert.equal(await complaints(path.join(folder, name)), '');
    const [stream] = await probe(path.join(folder, name));
    assert.ok(stream.last > 1.5 && stream.last < 4, `${name}: ${stream.last} s`);
  }
});

/** The events of a server, as they come. */
async function listen(server) {
  const events = [];
  const response = await fetch(`${server.url}/api/events`, { headers: { Authorization: 'Bearer admin' } });
  assert.equal(response.status, 200);
  (async () => {
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop();
      events.push(...lines.filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6))));
    }
  })().catch(() => {});
  return events;
}

const report = (output) => JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1));
