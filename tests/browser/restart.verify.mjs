// The server is restarted under 50 players of ours: 48 of `rillcast play --reconnect` and two pages in Chromium. All of
// them come back by themselves; what each of them missed is measured. Part of `make verify`.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { percentile, scenario, sleep, summary, until } from './harness.mjs';

const HEADLESS = 48;
const ROOM = 'restart';
const ADMIN = { 'X-Auth-Token': 'adm1n' };
const BOUND_MS = 10_000;

/** A port that is free at the moment: the server has to come back to the same one. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const status = async (server) => (await fetch(`${server.url}/api/admin/status`, { headers: ADMIN })).json();

/** Runs in the page: the longest time without a new picture from now on. */
function watchPictures() {
  const video = document.querySelector('video');
  window.pictures = { last: performance.now(), longest: 0, count: 0 };
  const seen = () => {
    const now = performance.now();
    window.pictures.longest = Math.max(window.pictures.longest, now - window.pictures.last);
    window.pictures.last = now;
    window.pictures.count += 1;
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
}

scenario('a restart under 50 players: each of them is back by itself', { timeout: 180_000 }, async (rig) => {
  const env = { HTTP_ADDR: `127.0.0.1:${await freePort()}`, ADMIN_TOKEN: 'adm1n' };
  const first = await rig.server(env);
  rig.rillcast(['publish', '--demo', '--reconnect', first.whip(ROOM)]);
  await until('the publisher', async () => (await status(first)).publishers === 1, { timeout: 15_000 });
  const headless = [];
  for (let i = 0; i < HEADLESS; i += 1) {
    headless.push(rig.rillcast(['play', '--json', '--reconnect', '--wait', '20', first.whep(ROOM)]));
    await sleep(50);
  }
  const pages = [await rig.open(`${first.url}/watch/${ROOM}`), await rig.open(`${first.url}/watch/${ROOM}`)];
  await until('all players', async () => (await status(first)).subscribers === HEADLESS + 2, { timeout: 60_000 });
  for (const page of pages) {
    await page.waitForFunction(() => document.querySelector('video')?.videoWidth > 0, null, { timeout: 20_000 });
    await page.evaluate(watchPictures);
  }
  await sleep(2000);

  const began = Date.now();
  assert.equal(await first.process.kill('SIGTERM'), 0);
  const stopped = Date.now() - began;
  const second = await rig.server(env);
  assert.equal(second.url, first.url);
  rig.figure('the server was away ms (of it stopping)', `${Date.now() - began} (${stopped})`);
  await until('all players are back', async () => (await status(second)).subscribers === HEADLESS + 2, { timeout: 60_000 });
  rig.figure('all back ms after the signal', Date.now() - began);
  for (const page of pages) {
    const count = await page.evaluate(() => window.pictures.count);
    await page.waitForFunction((before) => window.pictures.count > before + 30, count, { timeout: 20_000 });
  }
  await sleep(1000);

  const pictures = await Promise.all(pages.map((page) => page.evaluate(() => window.pictures.longest)));
  const gaps = [];
  for (const player of headless) {
    await player.kill('SIGINT');
    const report = player.json().find((line) => 'gaps_ms' in line);
    assert.equal(report?.gaps_ms.length, 1, `one gap each: ${player.output.slice(-500)}`);
    gaps.push(report.gaps_ms[0]);
  }
  rig.figure('gap ms, headless players', summary(gaps));
  rig.figure('gap ms, two pages', pictures.map((gap) => gap.toFixed(0)).join(', '));
  const all = [...gaps, ...pictures];
  rig.figure('gap ms, all of them', summary(all));
  assert.ok(percentile(all, 95) < BOUND_MS, `p95 ${percentile(all, 95)}`);
});
