// Recording where the network loses, and where the disk is slow.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { makeClip, makeTone } from '../clients/clip.mjs';
import { REPOSITORY, publish, rillcastBinary, scenario, sleep, snapshot } from './harness.mjs';
import { Host, cable, unavailable } from './namespaces.mjs';
import { complaints, probe, sheet, written } from './recording.mjs';
import { roughLine } from './rough-line.mjs';

const SECONDS = Number(process.env.LOSS_SECONDS ?? 10);

scenario('2 % loss on the way in: what is missing in the recording is what is lost for good', { skip: unavailable, timeout: 60_000 + 2_000 * SECONDS }, async (rig) => {
  const folder = await rig.folder();
  const media = await rig.folder();
  const clip = await makeClip({ codec: 'VP8', folder: media, gop: 60, seconds: SECONDS, bitrate: 2_000_000, noise: 20 });
  const tone = await makeTone({ folder: media, seconds: SECONDS });
  const [host, client] = await Promise.all([Host.boot(rig), Host.boot(rig)]);
  await cable([host, 'eth0', '10.0.0.2/24'], [client, 'eth0', '10.0.0.1/24']);
  const env = { ...process.env, HTTP_ADDR: '10.0.0.2:8080', MEDIA_UDP_PORT: '9000', MEDIA_TCP_PORT: 'off', MEDIA_PUBLIC_IPS: '10.0.0.2', MEDIA_WORKERS: '1', LOG: 'info', RECORD_ENABLED: 'true', RECORD_DIR: folder };
  const server = rig.process(...host.command(rillcastBinary(), 'serve'), { env });
  await server.says(/listening/);
  await host.firewall('table inet loss { chain in { type filter hook input priority 0; udp dport 9000 numgen random mod 100 < 2 drop; }; }');
  const publisher = rig.process(...client.command(rillcastBinary(), 'publish', clip, tone, 'http://10.0.0.2:8080/whip/studio'), { env });
  assert.equal(await publisher.exited, 0, publisher.output);
  await server.says(/role="publisher".*session ended|session ended.*role="publisher"/);
  const names = await written(folder);
  const [, lost] = server.output.match(/session ended.*role="publisher".* lost=(\d+)/);
  const [, repaired] = server.output.match(/session ended.*role="publisher".* repaired=(\d+)/);
  let frames = 0;
  let gaps = 0;
  for (const name of names) {
    const file = path.join(folder, name);
    const said = await complaints(file);
    gaps += (await sheet(folder, name)).gaps?.length ?? 0;
    assert.equal(said, '', name);
    frames += name.includes('_video_') ? (await probe(file))[0].frames : 0;
  }
  rig.figure('2 % loss', `${repaired} packets repaired, ${lost} lost for good; ${frames} of ${SECONDS * 30} frames recorded, ${gaps} gaps`);
  assert.ok(Number(repaired) > 10, 'the network did lose');
  assert.ok(SECONDS * 30 - frames <= Number(lost) + 1, `${frames} frames, ${lost} packets lost`);
});

const clients = {
  Chromium: async (rig, line) => {
    const publisher = await publish(rig, line.whip('studio'), { codec: 'VP8' });
    await sleep(SECONDS * 1000);
    const { layers } = await snapshot(publisher);
    await publisher.evaluate(() => window.publisher.leave());
    return layers[0].framesEncoded;
  },
  'rillcast publish': async (rig, line) => {
    const media = await rig.folder();
    const clip = await makeClip({ codec: 'VP8', folder: media, gop: 60, seconds: SECONDS, bitrate: 2_000_000, noise: 20 });
    const tone = await makeTone({ folder: media, seconds: SECONDS });
    const publisher = rig.rillcast(['publish', clip, tone, line.whip('studio')]);
    assert.equal(await publisher.exited, 0, publisher.output);
    return SECONDS * 30;
  },
};

for (const [client, send] of Object.entries(clients)) {
  scenario(`${client} by a line that loses 2 % and delays 5 %: no frame is missing but for what was lost for good`, { timeout: 60_000 + 2_000 * SECONDS }, async (rig) => {
    const folder = await rig.folder();
    const server = await rig.server({ MEDIA_TCP_PORT: 'off', MEDIA_WORKERS: '1', RECORD_ENABLED: 'true', RECORD_DIR: folder });
    const line = await roughLine(rig, server);
    const sent = await send(rig, line);
    const [ended] = await server.process.says(/session ended.*role="publisher".*|.*role="publisher".*session ended.*/);
    const number = (name) => Number(ended.match(new RegExp(` ${name}=(\\d+)`))[1]);
    let frames = 0;
    for (const name of await written(folder)) {
      assert.equal(await complaints(path.join(folder, name)), '', name);
      if (name.includes('_video_')) frames += (await probe(path.join(folder, name)))[0].frames;
    }
    const { packets, dropped, late } = line.counts;
    const [repaired, lost] = [number('repaired'), number('lost')];
    rig.figure(`${client} by a rough line`, `${packets} packets, ${dropped} dropped, ${late} late; ${repaired} repaired, ${lost} lost for good; ${frames} of ${sent} frames recorded`);
    assert.ok(dropped > 5 && late > 20 && repaired > 5, 'the line was rough');
    assert.ok(sent - frames <= lost + 1, `${frames} of ${sent} frames, ${lost} packets lost`);
  });
}

// What each is slowed to, and whether a gap of ten seconds is to be there.
const disks = {
  'a disk that stands still for 16 s': [{}, true],
  'a disk that takes 50 kB/s for 16 s': [{ DISK_BYTES_PER_SECOND: '50000' }, false],
};

for (const [disk, [env, still]] of Object.entries(disks)) {
  scenario(`${disk}: the recording has gaps, who watches has none`, { timeout: 90_000 }, async (rig) => {
    const folder = await rig.folder();
    const library = path.join(await rig.folder(), 'slow.so');
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, path.join(REPOSITORY, 'tests/browser/slow-disk.c'), '-ldl']);
    const clip = await makeClip({ codec: 'VP8', folder: await rig.folder(), gop: 60, seconds: 30, bitrate: 2_000_000, noise: 20 });
    const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: 'webm', LD_PRELOAD: library, ...env });
    const publisher = rig.rillcast(['publish', clip, server.whip('studio')]);
    const player = rig.rillcast(['play', server.whep('studio'), '--json', '--duration', '22', '--wait', '5']);
    assert.equal(await player.exited, 0, player.output);
    const report = JSON.parse(player.output.slice(player.output.indexOf('{'), player.output.lastIndexOf('}') + 1));
    assert.equal(report.video.lost, 0, 'who watches notices nothing');
    assert.ok(report.video.frames > 500, `${report.video.frames} frames`);
    await publisher.stop();
    const names = await written(folder, { timeout: 20_000 });
    let frames = 0;
    const gaps = [];
    for (const name of names) {
      assert.equal(await complaints(path.join(folder, name)), '', name);
      frames += (await probe(path.join(folder, name)))[0].frames;
      gaps.push(...((await sheet(folder, name)).gaps ?? []));
    }
    rig.figure(disk, `${frames} frames recorded, ${report.video.frames} watched, gaps of ${gaps.map(({ length }) => (length / 1000).toFixed(1)).join(', ')} s`);
    assert.ok(gaps.length > 0 && frames > 30);
    assert.equal(gaps.some(({ length }) => length > 10_000), still, 'what the disk takes is written');
  });
}
