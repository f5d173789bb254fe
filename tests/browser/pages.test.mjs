// The server's own pages, used as a person would: publish the (fake) camera, watch it, see the room in the list, stop.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { scenario, until } from './harness.mjs';

const SCREENSHOTS = process.env.SCREENSHOTS;
const ROOM = 'living-room';

async function picture(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}

scenario('publish the camera on the publisher page, watch it, find it in the list, stop', { timeout: 90_000 }, async (rig) => {
  const server = await rig.server();
  const index = await rig.open(server.url);
  await picture(index, 'index-empty');

  const publisher = await rig.open(`${server.url}/web/publisher.html?room=${ROOM}`);
  await publisher.fill('#room', ROOM);
  await publisher.selectOption('#size', '640x360');
  await publisher.selectOption('#bitrate', '800');
  await picture(publisher, 'publisher-off');
  await publisher.click('#open');
  await until('the preview', () => publisher.evaluate(() => document.querySelector('#preview').videoWidth > 0));
  await publisher.click('#go');
  await until('the room to have its publisher', async () => (await rooms(server)).some((room) => room.name === ROOM && room.hasPublisher), { timeout: 15_000 });

  const watcher = await rig.open(`${server.url}/watch/${ROOM}`);
  await until('the player page to be live', () => watcher.evaluate(() => window.rillcast?.state === 'live'), { timeout: 15_000 });
  const first = await until('a picture that is not black', () => watcher.evaluate(look), { timeout: 10_000 });
  const second = await until('the picture to move', async () => {
    const seen = await watcher.evaluate(look);
    return seen && seen.sum !== first.sum && seen.frames >= first.frames + 30 && seen;
  }, { timeout: 10_000, every: 200 });
  assert.equal(second.width / second.height, 640 / 360);
  rig.figure('player page: POST to first frame ms', (await watcher.evaluate(() => window.rillcast.firstFrameMs)).toFixed(0));
  rig.figure('player page: picture', `${second.width}x${second.height}`);
  await picture(publisher, 'publisher-live');
  await picture(watcher, 'player-live');

  await until('the list to show the room', async () => (await index.textContent('body')).includes(ROOM), { timeout: 15_000, every: 250 });
  await picture(index, 'index-live');
  const [room] = (await rooms(server)).filter(({ name }) => name === ROOM);
  assert.equal(room.subscribers, 1);
  assert.equal(room.tracks, 2);

  await publisher.click('#stop');
  await until('the room to lose its publisher', async () => !(await rooms(server)).some(({ name, hasPublisher }) => name === ROOM && hasPublisher));
  await until('the player page to say so', () => watcher.evaluate(() => window.rillcast.state !== 'live'), { timeout: 15_000 });
  await picture(watcher, 'player-waiting');
  await picture(publisher, 'publisher-stopped');

  // The one page returns, the other goes on by itself.
  await publisher.click('#go');
  const paused = (await watcher.evaluate(look))?.frames ?? 0;
  await until('the player page to go on', async () => {
    const seen = await watcher.evaluate(look);
    return (await watcher.evaluate(() => window.rillcast.state)) === 'live' && seen && seen.frames !== paused;
  }, { timeout: 20_000, every: 200 });

  for (const page of [index, publisher, watcher]) {
    const errors = page.consoleLines.filter((line) => line.startsWith('error') && !/status of 40[149]/.test(line));
    assert.deepEqual(errors, [], `console of ${page.url()}`);
  }
});

scenario('every page has the same links and fits a phone; the player stands in a page of another site', { timeout: 90_000 }, async (rig) => {
  const room = 'a-long-name_'.repeat(6).slice(0, 64);
  const token = 'the-administrator';
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: await rig.folder(), ADMIN_TOKEN: token });
  const publisher = rig.rillcast(['publish', '--demo', '--loop', server.whip(room)]);
  await until('the room', async () => (await rooms(server)).some(({ hasPublisher }) => hasPublisher), { timeout: 15_000 });

  const expected = [['Rooms', '/'], ['Publish', '/web/publisher.html'], ['Records', '/web/records.html'], ['Admin', '/web/admin.html']];
  const open = {};
  for (const [where, own, shows] of [
    ['/', 'Rooms', '.room'],
    ['/web/publisher.html', 'Publish', '#fields:not([disabled])'],
    [`/web/records.html#token=${token}`, 'Records', '#growing li'],
    [`/web/admin.html#token=${token}`, 'Admin', '#rooms .body .line:not([hidden])'],
    ['/web/player.html', null, '#room-form'],
    [`/watch/${room}`, null, '#stage[data-state=live]'],
  ]) {
    const page = await rig.open(server.url + where);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.waitForSelector(shows, { timeout: 15_000 });
    const links = await page.locator('nav[aria-label=Pages] a:visible').evaluateAll((all) => all.map((link) => ({
      text: link.textContent, href: new URL(link.href).pathname, own: link.getAttribute('aria-current'),
    })));
    assert.deepEqual(links.map(({ text, href }) => [text, href]), expected, where);
    assert.deepEqual(links.filter(({ own }) => own === 'page').map(({ text }) => text), own ? [own] : [], where);
    await fits(page, where);
    await picture(page, `phone-${own ?? (where.includes('watch') ? 'watch' : 'player')}`);
    open[own] = page;
  }
  await open.Admin.click('#rooms .body button.link');
  await open.Admin.waitForSelector('#sessions .body .line:not([hidden])');
  await fits(open.Admin, 'a room of the administrator');

  const site = await rig.open(await rig.address('play'));
  await site.evaluate((src) => document.body.append(Object.assign(document.createElement('iframe'), { src, allow: 'autoplay' })), `${server.url}/watch/${room}?muted=1`);
  const frame = await until('the frame', () => site.frames().find((frame) => frame.url().includes('/watch/')));
  await until('a picture in the frame', () => frame.evaluate(() => window.rillcast?.state === 'live' && document.querySelector('video').videoWidth > 0), { timeout: 15_000 });
  assert.ok(await frame.locator('nav').isHidden(), 'no links that a frame does not follow');

  await publisher.stop();
  await open.Records.click('#records .record', { timeout: 15_000 });
  await open.Records.waitForFunction(() => document.querySelector('#video').readyState >= 2);
  await fits(open.Records, 'a recording');
  await picture(open.Records, 'phone-recording');
});

/** Nobody scrolls sideways. */
async function fits(page, where) {
  const { content, screen } = await page.evaluate(() => ({ content: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth }));
  assert.ok(content <= screen, `${where}: ${content} px on a screen of ${screen}`);
}

async function rooms(server) {
  return (await fetch(`${server.url}/api/rooms`)).json();
}

/** In the page: the player's picture, or null while there is none or it is all of one colour. */
function look() {
  const video = document.querySelector('video');
  if (!video?.videoWidth) return null;
  const canvas = new OffscreenCanvas(160, 90);
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 160, 90);
  const { data } = context.getImageData(0, 0, 160, 90);
  let [sum, squares] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    const level = data[at] + data[at + 1] + data[at + 2];
    sum += level;
    squares += level * level;
  }
  const count = data.length / 4;
  const variance = squares / count - (sum / count) ** 2;
  if (variance < 100) return null;
  return { sum, variance, frames: video.getVideoPlaybackQuality().totalVideoFrames, width: video.videoWidth, height: video.videoHeight };
}
