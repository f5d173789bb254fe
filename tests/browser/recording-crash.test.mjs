// What is left of a recording when its server dies, and when its disk is full. `KILLS` sets how often.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeClip, makeTone } from '../clients/clip.mjs';
import { scenario, sleep, until } from './harness.mjs';
import { complaints, probe, recordings, sheet, written } from './recording.mjs';

const KILLS = Number(process.env.KILLS ?? 4);
// So much may be missing at most, in seconds.
const LOST = 1.5;
const CASES = [['VP8', 'tracks'], ['H264', 'mp4'], ['VP8', 'webm'], ['AV1', 'mp4']];

scenario(`a server that is killed ${KILLS} times leaves recordings that play`, { timeout: 60_000 + 12_000 * KILLS }, async (rig) => {
  const clips = {};
  const media = await rig.folder();
  const tone = await makeTone({ folder: media, seconds: 10 });
  for (const codec of new Set(CASES.map(([codec]) => codec))) clips[codec] = await makeClip({ codec, folder: media, gop: 60 });
  const missing = [];
  for (let round = 0; round < KILLS; round += 1) {
    const [codec, format] = CASES[round % CASES.length];
    const folder = await rig.folder();
    const env = { RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: format };
    const server = await rig.server(env);
    const publisher = rig.rillcast(['publish', clips[codec], tone, '--loop', server.whip('studio')]);
    await until('a recording', async () => (await recordings(folder)).length > 0, { every: 10 });
    const began = Date.now();
    await sleep(1500 + Math.random() * 4000);
    const length = (Date.now() - began) / 1000;
    await server.process.kill('SIGKILL');
    const left = await recordings(folder);
    const pause = 1500;
    await sleep(pause);
    assert.ok(left.length > 0 && left.every((name) => name.endsWith('.part')), `${left}`);
    for (const name of left) {
      const seen = await probe(path.join(folder, name));
      assert.ok(seen.some((stream) => stream.last > length - LOST), `${codec} ${name}: ${JSON.stringify(seen)} of ${length}`);
      missing.push(length - Math.max(...seen.map((stream) => stream.last)));
    }
    await publisher.kill();
    const again = await rig.server(env);
    const mended = await written(folder);
    assert.equal(mended.length, left.length);
    for (const name of left) {
      const age = Date.now() - (await stat(path.join(folder, name.replace(/\.part$/, '')))).mtimeMs;
      assert.ok(age > pause, `${name} is as old as it was: ${age} ms`);
    }
    for (const name of mended) {
      assert.equal(await complaints(path.join(folder, name)), '', name);
      for (const stream of await probe(path.join(folder, name))) {
        assert.ok(stream.last > length - LOST, `${codec} ${name}: ${JSON.stringify(stream)} of ${length}`);
        assert.ok(stream.duration - stream.last < 0.1, `${codec} ${name}: ${JSON.stringify(stream)}`);
      }
      await until('its sheet', async () => (await sheet(folder, name)).state === 'recovered');
    }
    const listed = await (await fetch(`${again.url}/api/records`)).json();
    assert.deepEqual(listed.map(({ state }) => state), mended.map(() => 'recovered'));
    assert.equal(await again.process.stop(), 0);
  }
  rig.figure('seconds missing of what was live', `most ${Math.max(...missing).toFixed(2)}, least ${Math.min(...missing).toFixed(2)} (${missing.length} files)`);
});

scenario('a full disk stops a recording and nobody else; it goes on when there is room', { timeout: 90_000 }, async (rig) => {
  const folder = path.join(await rig.folder(), 'small');
  await mkdir(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'rillcast-test', folder]);
  rig.adopt(() => execFileSync('umount', ['--lazy', folder]));
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: 'webm', RECORD_RESERVE_MB: '0', ADMIN_TOKEN: 'admin' });
  const ballast = path.join(folder, 'ballast');
  await writeFile(ballast, Buffer.alloc(1_400_000));
  rig.rillcast(['publish', '--demo', '--loop', server.whip('studio')]);
  const player = rig.rillcast(['play', server.whep('studio'), '--json', '--duration', '20', '--wait', '5']);
  await server.process.says(/not recording; it is tried again/, 30_000);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /rillcast_recording_failures_total\{reason="disk_full"\} [1-9]/);
  await rm(ballast);
  await until('the file that was cut off, mended', async () => {
    const records = async (state) => (await fetch(`${server.url}/api/records?state=${state}`, { headers: { Authorization: 'Bearer admin' } })).json();
    return (await records('recovered')).length > 0 && (await records('recording')).length > 0;
  }, { timeout: 20_000, every: 200 });
  await sleep(1500);
  assert.equal(await server.process.stop(), 0);
  const names = await written(folder);
  assert.equal(names.length, 2, `${names}`);
  for (const name of names) {
    assert.equal(await complaints(path.join(folder, name)), '', name);
    assert.ok((await probe(path.join(folder, name)))[0].frames > 20, name);
  }
  await player.exited;
  const report = JSON.parse(player.output.slice(player.output.indexOf('{'), player.output.lastIndexOf('}') + 1));
  assert.equal(report.video.lost, 0, 'who watches notices nothing');
  rig.figure('files', names.join(', '));
});
