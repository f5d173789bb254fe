// The administrator's page while 300 rooms live, with thousands of light sessions of the load generator: how soon it
// can be used, and whether it stays smooth. `npm --prefix tests/browser run verify`; takes some minutes.
//
// ROOMS, SUBSCRIBERS: how many (300, 4700); SCREENSHOTS: a folder for pictures.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { percentile, scenario, sleep, until } from './harness.mjs';

const ROOMS = Number(process.env.ROOMS ?? 300);
const SUBSCRIBERS = Number(process.env.SUBSCRIBERS ?? 4700);
const TOKEN = 'administrator';
const SCREENSHOTS = process.env.SCREENSHOTS;

async function picture(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}

const api = (server, where) => fetch(`${server.url}/api/admin/${where}`, { headers: { Authorization: `Bearer ${TOKEN}` } }).then((answer) => answer.json());

/** In the page, before anything else runs: long tasks, and the time between frames. */
function observe() {
  const seen = (window.seen = { long: [], frames: [] });
  new PerformanceObserver((list) => list.getEntries().forEach(({ startTime, duration }) => seen.long.push({ startTime, duration })))
    .observe({ type: 'longtask', buffered: true });
  let last = 0;
  const frame = (now) => {
    if (last) seen.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** In the page: scrolls a list to its end and back, some rows a frame, as a wheel does. */
async function scroll(selector, ms) {
  const list = document.querySelector(selector);
  const end = list.scrollHeight - list.clientHeight;
  const begun = performance.now();
  Object.assign(window.seen, { long: [], frames: [] });
  await new Promise((resolve) => {
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - begun) / ms));
      list.scrollTop = end * (part < 0.5 ? 2 * part : 2 - 2 * part);
      // What is in sight is drawn in the same frame: a gap would be seen.
      const rows = [...list.querySelectorAll('.body .line:not([hidden])')];
      window.seen.rows = Math.max(window.seen.rows ?? 0, rows.length);
      if (part < 1) requestAnimationFrame(step);
      else resolve();
    };
    requestAnimationFrame(step);
  });
  return { ...window.seen, height: end };
}

function report(rig, what, { long, frames, rows }) {
  const show = (p) => percentile(frames, p).toFixed(0);
  const slow = frames.filter((gap) => gap > 50).length;
  rig.figure(what, `${frames.length} frames, gaps p50 ${show(50)} p95 ${show(95)} max ${show(100)} ms, ${slow} over 50 ms; long tasks: ${long.map(({ duration }) => duration.toFixed(0)).join(', ') || 'none'}; ${rows ?? '-'} rows in the document`);
}

scenario(`the administrator's page with ${ROOMS} rooms and ${SUBSCRIBERS} subscribers`, { timeout: 400_000 }, async (rig) => {
  const server = await rig.server({ ADMIN_TOKEN: TOKEN, LOG: 'warn' });
  const load = rig.rillcast(['load', server.url, '--rooms', `${ROOMS}`, '--subs', `${SUBSCRIBERS}`, '--bitrate', '50k', '--fps', '6',
    '--feedback', 'basic', '--duration', '600s', '--server-pid', `${server.process.pid}`]);
  let status;
  await until(() => `all sessions; there are ${JSON.stringify(status)}, the generator says ${load.output.slice(-500)}`, async () => {
    status = await api(server, 'status');
    if (load.code !== null) throw new Error(`the load generator ended: ${load.output}`);
    return status.publishers >= ROOMS && status.subscribers >= SUBSCRIBERS;
  }, { timeout: 240_000, every: 1000 });
  rig.figure('rooms, sessions, load of the workers', `${status.rooms}, ${status.sessions}, ${status.workers.map(({ load }) => load).join(' ')}`);
  await sleep(6000); // a sample

  const page = await rig.open('about:blank');
  await page.setViewportSize({ width: 1440, height: 950 });
  await page.addInitScript(observe);
  const ready = [];
  for (let i = 0; i < 5; i += 1) {
    await page.goto('about:blank');
    await page.goto(`${server.url}/web/admin.html#token=${TOKEN}`);
    ready.push(await page.waitForFunction(() => performance.getEntriesByName('rillcast-ready')[0]?.startTime).then((handle) => handle.jsonValue()));
  }
  rig.figure('from navigation to all rooms on the page, ms', `${ready.map((ms) => ms.toFixed(0)).join(', ')}`);
  assert.equal((await page.textContent('#rooms-count')).trim(), `${ROOMS}`);
  await sleep(1000);
  report(rig, 'first second', await page.evaluate(() => window.seen));
  await picture(page, 'admin-300-rooms');

  const rooms = await page.evaluate(scroll.toString().replace(/^async function scroll/, '(async function') + ')("#rooms", 12000)');
  report(rig, 'scrolling through the rooms for 12 s, polls and plots among it', rooms);
  assert.ok(rooms.rows < 60, `${rooms.rows} rows for ${ROOMS} rooms`);

  // The keyboard walks through rows that are not there yet.
  await page.evaluate(() => (document.querySelector('#rooms').scrollTop = 0));
  await sleep(100);
  await page.locator('#rooms .body .link:visible').first().focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowDown');
  const names = (await api(server, 'overview')).rooms.map(({ name }) => name).sort(new Intl.Collator('en', { numeric: true }).compare);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), names.at(-1));

  // One room of many, by its name.
  await page.fill('#search', names[17]);
  await until('the one room', async () => (await page.textContent('#rooms-count')).startsWith('1'), { timeout: 3000 });
  await page.fill('#search', '');

  const asked = Date.now();
  await page.click('#all-sessions');
  await until('all sessions', async () => Number((await page.textContent('#sessions-count')).replaceAll(/\D/g, '')) >= SUBSCRIBERS + ROOMS, { timeout: 30_000, every: 20 });
  rig.figure(`all ${SUBSCRIBERS + ROOMS} sessions in the page after ms`, Date.now() - asked);
  await page.click('#sessions .title >> text=Round trip');
  const all = await page.evaluate(scroll.toString().replace(/^async function scroll/, '(async function') + ')("#sessions", 12000)');
  report(rig, 'scrolling through all sessions for 12 s', all);
  assert.ok(all.rows < 60, `${all.rows} rows`);
  await picture(page, 'admin-5000-sessions');
  const idle = await page.evaluate(async () => {
    Object.assign(window.seen, { long: [], frames: [], rows: undefined });
    await new Promise((resolve) => setTimeout(resolve, 11_000));
    return window.seen;
  });
  report(rig, 'looking at them for 11 s', idle);
  const heap = await page.evaluate(() => performance.memory?.usedJSHeapSize);
  rig.figure('heap of the page, MB', (heap / 1e6).toFixed(0));

  await page.click('#back');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.evaluate(() => document.querySelector('#rooms-view').scrollIntoView());
  await sleep(500);
  await picture(page, 'admin-300-rooms-narrow');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than a phone');
  await page.setViewportSize({ width: 1200, height: 850 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await sleep(500);
  await page.evaluate(() => scrollTo(0, 0));
  await picture(page, 'admin-300-rooms-dark');

  const errors = page.consoleLines.filter((line) => /^error/.test(line) && !/status of 404/.test(line));
  assert.deepEqual(errors, []);
  await load.kill('SIGINT');
});
