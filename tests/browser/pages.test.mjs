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
