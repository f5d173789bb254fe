// Recordings to a real S3 server, moto, which runs on while ours is killed in mid-upload and while the line to it is cut.
// The bucket keeps versions, so it tells how often each file arrived. And back: what is there only is played from there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { scenario, sleep, until } from '../browser/harness.mjs';
import { makeClip, makeTone } from './clip.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
// How long the store is not there.
const AWAY_MS = Number(process.env.AWAY_MS ?? 5000);
const MOTO = process.env.MOTO_SERVER ?? path.join(HERE, '.venv/bin/moto_server');
const SECRET = 'swordfish-of-the-store';
const ADMIN = { authorization: 'Bearer administrator' };
// moto wants to know who asks, and does not check it.
const SIGNED = { authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0' };

/** A line to a port that is slow, can be cut, and counts what goes there. */
class Line {
  bytes = 0;
  away = false;
  #sockets = new Set();

  async open(port, bytesPerSecond) {
    this.server = net.createServer((client) => {
      client.on('error', () => {});
      if (this.away) return client.resetAndDestroy();
      const there = net.connect(port, '127.0.0.1').on('error', () => client.destroy());
      for (const socket of [client, there]) {
        this.#sockets.add(socket);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          there.destroy();
        });
      }
      there.pipe(client);
      client.on('data', (piece) => {
        this.bytes += piece.length;
        client.pause();
        there.write(piece, () => setTimeout(() => client.resume(), (1000 * piece.length) / bytesPerSecond));
      });
      client.on('end', () => there.end());
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${this.server.address().port}`;
  }

  cut() {
    this.away = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close() {
    this.cut();
    this.server.close();
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const sum = (bytes) => createHash('sha256').update(bytes).digest('hex');

function start(rig, port, more = []) {
  if (!existsSync(MOTO)) throw new Error(`no ${MOTO}: make deps installs it, or MOTO_SERVER names it`);
  return rig.process(MOTO, ['-H', '127.0.0.1', '-p', String(port), ...more]);
}

/** moto with a bucket that keeps versions, and a line to it. */
async function store(rig, bytesPerSecond) {
  const port = await freePort();
  const moto = start(rig, port);
  const url = `http://127.0.0.1:${port}/recordings`;
  await until('moto', () => fetch(url, { method: 'PUT', headers: SIGNED }).then((answer) => answer.ok, () => false), { timeout: 30_000 });
  const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  assert.equal((await fetch(`${url}?versioning`, { method: 'PUT', headers: SIGNED, body: versioning })).status, 200);
  const line = new Line();
  const endpoint = await line.open(port, bytesPerSecond);
  rig.adopt(() => line.close());
  const keys = async () => {
    const text = await (await fetch(`${url}?versions`, { headers: SIGNED })).text();
    return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key);
  };
  const get = async (key) => Buffer.from(await (await fetch(`${url}/${key}`, { headers: SIGNED })).arrayBuffer());
  return { moto, line, endpoint, keys, get };
}

/** Recordings that ended a minute ago: name to checksum. */
function recordings(folder, sizes) {
  const sums = new Map();
  sizes.forEach((size, number) => {
    const name = `stage_av_${1_767_225_600 + number}.mp4`;
    const bytes = randomBytes(size);
    writeFileSync(path.join(folder, name), bytes);
    utimesSync(path.join(folder, name), Date.now() / 1000 - 60, Date.now() / 1000 - 60);
    sums.set(name, sum(bytes));
  });
  return sums;
}

const environment = (folder, endpoint, more = {}) => ({
  RECORD_ENABLED: 'true',
  RECORD_DIR: folder,
  ADMIN_TOKEN: 'administrator',
  UPLOAD_RECORDINGS: 'true',
  S3_ENDPOINT: endpoint,
  S3_USE_SSL: '0',
  S3_PATH_STYLE: '1',
  S3_BUCKET: 'recordings',
  S3_PREFIX: '/live/one/',
  S3_ACCESS_KEY: 'test',
  S3_SECRET_KEY: SECRET,
  ...more,
});

const list = async (server, state) => (await fetch(`${server.url}/api/records?state=${state}`, { headers: ADMIN })).json();

scenario('recordings arrive once and whole, whatever is killed and cut', { timeout: 240_000 }, async (rig) => {
  const folder = await rig.folder();
  const { line, endpoint, keys, get } = await store(rig, 12e6);
  const sums = recordings(folder, [40e6, 30e6, 25e6, 20e6, 3e6, 1000, 0].map(Math.round));
  const env = environment(folder, endpoint, { DELETE_RECORDING_AFTER_UPLOAD: 'true' });
  const began = Date.now();
  let output = '';
  let deleted = 0;
  for (let kills = 0; kills < 5; kills += 1) {
    const server = await rig.server(env);
    const from = line.bytes;
    await until('a piece and more is sent', () => line.bytes - from > 13e6, { timeout: 60_000, every: 10 });
    server.process.kill();
    await server.process.exited;
    output += server.process.output;
    // What is gone here must be there.
    for (const name of sums.keys()) {
      if (existsSync(path.join(folder, name))) continue;
      deleted += 1;
      assert.equal(sum(await get(`live/one/${name}`)), sums.get(name), `${name} was deleted here`);
    }
  }
  assert.ok(sums.size * 5 > deleted, 'something was still to do');
  const server = await rig.server(env);
  await sleep(1000);
  line.cut();
  await until('a failure is told', async () => (await list(server, 'failed')).length > 0, { timeout: 30_000 });
  await sleep(AWAY_MS);
  line.away = false;
  await until('all are uploaded', async () => (await list(server, 'deleted')).length === sums.size, { timeout: 120_000, every: 500 });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const failures = Number(metrics.match(/rillcast_upload_failures_total\{reason="store"\} (\d+)/)[1]);
  assert.ok(failures >= 1, 'the cut line was counted');
  const arrived = await keys();
  for (const [name, expected] of sums) {
    const key = `live/one/${name}`;
    assert.equal(sum(await get(key)), expected, name);
    assert.equal(arrived.filter((one) => one === key).length, 1, `${name} arrived once`);
    assert.ok(!existsSync(path.join(folder, name)) && existsSync(path.join(folder, `${name}.json`)), name);
    const sheet = JSON.parse((await get(`${key}.json`)).toString());
    assert.equal(sheet.state, 'uploaded');
    const kept = JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8'));
    assert.deepEqual([kept.state, kept.upload.url], ['deleted', `http://${endpoint}/recordings/${key}`]);
  }
  output += server.process.output;
  assert.ok(!output.includes(SECRET), 'no secret in the log');
  const total = 118e6 + 1000;
  rig.figure('seven recordings, five kills, one cut: s', ((Date.now() - began) / 1000).toFixed(1));
  rig.figure('bytes sent per byte of recordings', (line.bytes / total).toFixed(2));
});

scenario('what is recorded later is uploaded by itself, and by asking at once', { timeout: 60_000 }, async (rig) => {
  const folder = await rig.folder();
  const { line, endpoint, get } = await store(rig, 100e6);
  const server = await rig.server(environment(folder, endpoint));
  const first = recordings(folder, [1000]);
  await until('it is uploaded', async () => (await list(server, 'uploaded')).length === 1, { timeout: 20_000 });
  line.cut();
  const [name] = first.keys();
  const other = name.replace('stage', 'other');
  writeFileSync(path.join(folder, other), 'video');
  const tries = async () => (await list(server, 'failed'))[0]?.upload.tries ?? 0;
  await until('it was tried four times', async () => (await tries()) >= 4, { timeout: 40_000 });
  line.away = false;
  const asked = await fetch(`${server.url}/api/records/${other}/upload`, { method: 'POST', headers: ADMIN });
  assert.equal(asked.status, 200);
  await until('both are uploaded', async () => (await list(server, 'uploaded')).length === 2, { timeout: 4000 });
  assert.equal((await get(`live/one/${other}`)).toString(), 'video');
  assert.equal((await fetch(`${server.url}/api/records/${other}/upload`, { method: 'POST', headers: ADMIN })).status, 409);
  assert.ok(existsSync(path.join(folder, other)), 'it stays here');
});

scenario('what was uploaded and deleted plays from the store', { timeout: 120_000 }, async (rig) => {
  const folder = await rig.folder();
  const media = await rig.folder();
  const { endpoint } = await store(rig, 100e6);
  const more = { DELETE_RECORDING_AFTER_UPLOAD: 'true', S3_PRESIGNED_DOWNLOAD: 'true', AUTH_TOKEN: 'reader' };
  const [clip, tone] = [await makeClip({ codec: 'VP8', folder: media, seconds: 3 }), await makeTone({ folder: media, seconds: 3 })];
  for (const format of ['tracks', 'webm']) {
    const server = await rig.server(environment(folder, endpoint, { ...more, RECORD_FORMAT: format }));
    const publisher = rig.rillcast(['publish', '--token', 'reader', clip, tone, server.whip(format)]);
    assert.equal(await publisher.exited, 0, publisher.output);
    const files = format === 'tracks' ? 2 : 3;
    await until(`${format} is uploaded and deleted`, async () => (await list(server, 'deleted')).length === files, { timeout: 20_000 });
    await server.process.stop();
  }
  const server = await rig.server(environment(folder, endpoint, more));
  const READER = { authorization: 'Bearer reader' };
  const all = await (await fetch(`${server.url}/api/records`, { headers: READER })).json();
  assert.equal(all.length, 3, 'what can be had is listed');
  for (const { name, url, size, available, state } of all) {
    assert.deepEqual([available, state], [true, 'deleted']);
    assert.equal((await fetch(`${server.url}${url}`, { redirect: 'manual' })).status, 401, 'nobody else is sent there');
    const sent = await fetch(`${server.url}${url}?download=1`, { headers: READER, redirect: 'manual' });
    const place = new URL(sent.headers.get('location'));
    assert.deepEqual([sent.status, place.host, sent.headers.get('cache-control')], [307, endpoint, 'no-store']);
    assert.ok(Number(place.searchParams.get('X-Amz-Expires')) <= 6 * 3600);
    const whole = await fetch(place);
    assert.equal((await whole.arrayBuffer()).byteLength, size);
    assert.match(whole.headers.get('content-disposition'), new RegExp(`attachment.*${name}`));
    const part = await fetch(`${server.url}${url}`, { headers: { ...READER, range: 'bytes=0-3' } });
    assert.deepEqual([part.status, (await part.arrayBuffer()).byteLength], [206, 4]);
  }
  const page = await rig.open(`${server.url}/web/records.html#token=reader`);
  const card = page.locator('#records .record');
  await until('both with their pictures', async () => (await card.locator('canvas').count()) === 2, { timeout: 20_000 });
  for (const ending of ['ivf', 'webm']) {
    await page.click(`[data-name$=".${ending}"]`);
    await page.waitForFunction(() => document.querySelector('#video').readyState >= 2, null, { timeout: 10_000 });
    const duration = await page.evaluate(() => document.querySelector('#video').duration);
    assert.ok(Math.abs(duration - 3) < 0.2, `${ending}: ${duration} s`);
  }
  // The page asks whether it is an administrator's.
  assert.deepEqual(page.consoleLines.filter((line) => /^(error|warning)/.test(line) && !/status of 401/.test(line)), []);
});

scenario('a store with a certificate of an authority of its own', { timeout: 60_000 }, async (rig) => {
  const folder = await rig.folder();
  const keys = await rig.folder();
  const openssl = (...args) => execFileSync('openssl', args, { cwd: keys, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-subj', '/CN=authority', '-keyout', 'root.key', '-out', 'root.pem');
  openssl('req', '-x509', ...key, '-CA', 'root.pem', '-CAkey', 'root.key', '-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1',
    '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', 'store.key', '-out', 'store.pem');
  const port = await freePort();
  start(rig, port, ['-c', path.join(keys, 'store.pem'), '-k', path.join(keys, 'store.key')]);
  const ca = readFileSync(path.join(keys, 'root.pem'));
  const ask = (method, target) => new Promise((resolve, reject) => {
    const request = https.request({ host: '127.0.0.1', port, path: target, method, headers: SIGNED, ca }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(pieces) }));
    });
    request.on('error', reject).end();
  });
  await until('moto', () => ask('PUT', '/recordings').then(({ status }) => status === 200, () => false), { timeout: 30_000 });
  const sums = recordings(folder, [9e6, 1000]);
  const env = environment(folder, `127.0.0.1:${port}`, { S3_USE_SSL: '1' });
  const stranger = await rig.server(env);
  await until('it is not trusted', async () => (await list(stranger, 'failed')).length > 0, { timeout: 20_000 });
  await stranger.process.stop();
  const server = await rig.server({ ...env, S3_ROOT_FILE: path.join(keys, 'root.pem') });
  await until('both are uploaded', async () => (await list(server, 'uploaded')).length === 2, { timeout: 20_000 });
  for (const [name, expected] of sums) assert.equal(sum((await ask('GET', `/recordings/live/one/${name}`)).body), expected);
});

scenario('another folder is a target too, and what is there is given from there', { timeout: 60_000 }, async (rig) => {
  const [folder, archive] = [await rig.folder(), await rig.folder()];
  const sums = recordings(folder, [20e6, 1000]);
  const env = { RECORD_ENABLED: 'true', RECORD_DIR: folder, ADMIN_TOKEN: 'administrator', UPLOAD_RECORDINGS: 'true', UPLOAD_FOLDER: archive, DELETE_RECORDING_AFTER_UPLOAD: 'true' };
  const server = await rig.server(env);
  await until('both are there', async () => (await list(server, 'deleted')).length === 2, { timeout: 20_000 });
  for (const [name, expected] of sums) {
    assert.ok(!existsSync(path.join(folder, name)));
    assert.equal(sum(readFileSync(path.join(archive, name))), expected);
    const given = await fetch(`${server.url}/records/${name}`);
    assert.equal(sum(Buffer.from(await given.arrayBuffer())), expected, 'given from there');
    assert.equal((await fetch(`${server.url}/records/${name}`, { headers: { range: 'bytes=5-9' } })).status, 206);
  }
  const all = await (await fetch(`${server.url}/api/records`)).json();
  assert.deepEqual(all.map(({ size, available }) => [size, available]).sort(), [[1000, true], [20e6, true]]);
});
