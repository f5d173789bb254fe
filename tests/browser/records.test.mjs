// The page of recordings in a real Chromium: what was recorded in each format plays and seeks to the very picture; what
// an administrator and a reader may do with it; ten thousand of them.
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeClip, makeTone } from '../clients/clip.mjs';
import { scenario, sleep, until } from './harness.mjs';
import { read } from './pages/timecode.js';
import { recordings, sheet, written } from './recording.mjs';

const ADMIN = 'the-administrator';
const READER = 'somebody-who-reads';
const SCREENSHOTS = process.env.SCREENSHOTS;
const SECONDS = 8;

async function picture(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

const open = (rig, server, token = ADMIN, query = '') => rig.open(`${server.url}/web/records.html${query}#token=${token}`);
const cards = (page) => page.locator('#records .record');
const names = (page) => cards(page).evaluateAll((all) => all.map((card) => card.dataset.name));

function consoleIsClean(page) {
  const errors = page.consoleLines.filter((line) => /^(error|warning)/.test(line) && !/status of 40[14]/.test(line));
  assert.deepEqual(errors, [], `console of ${page.url()}`);
}

/** The time code that the player shows at a position, in ms. A seek ends before its picture is there: the browser says when. */
async function shownAt(page, seconds) {
  await page.evaluate((to) => new Promise((resolve, reject) => {
    const video = document.querySelector('#video');
    const shown = (_, { mediaTime }) => (Math.abs(mediaTime - to) < 0.1 ? resolve() : video.requestVideoFrameCallback(shown));
    setTimeout(() => reject(new Error(`no picture at ${to} s`)), 10_000);
    video.pause();
    video.requestVideoFrameCallback(shown);
    video.currentTime = to;
  }), seconds);
  return until(`a time code at ${seconds} s`, async () => {
    const { pixels, width, height } = await page.evaluate(() => {
      const video = document.querySelector('#video');
      const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
      const context = canvas.getContext('2d');
      context.drawImage(video, 0, 0);
      return { pixels: [...context.getImageData(0, 0, canvas.width, canvas.height).data], width: canvas.width, height: canvas.height };
    });
    const code = read(pixels, width, height);
    return code === null ? null : { code };
  });
}

scenario('each format plays and seeks to the very picture', { timeout: 150_000 }, async (rig) => {
  const folder = await rig.folder();
  const media = await rig.folder();
  const tone = await makeTone({ folder: media, seconds: SECONDS });
  const shows = [['VP8', 'tracks', 'ivf'], ['VP9', 'tracks', 'ivf'], ['AV1', 'tracks', 'ivf'], ['H264', 'mp4', 'mp4'], ['AV1', 'mp4', 'mp4'], ['VP9', 'mp4', 'mp4'], ['VP8', 'webm', 'webm'], ['AV1', 'webm', 'webm']];
  const clips = {};
  for (const codec of ['VP8', 'VP9', 'AV1', 'H264']) clips[codec] = await makeClip({ codec, folder: media, gop: 60, seconds: SECONDS });
  for (const format of ['tracks', 'mp4', 'webm']) {
    const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_FORMAT: format });
    const publishers = shows.filter(([, one]) => one === format).map(([codec]) => rig.rillcast(['publish', clips[codec], tone, server.whip(`${codec}-${format}`)]));
    for (const publisher of publishers) assert.equal(await publisher.exited, 0, publisher.output);
    await written(folder);
    await server.process.stop();
  }
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, AUTH_TOKEN: READER, ADMIN_TOKEN: ADMIN });
  const page = await open(rig, server);
  await until('the list', async () => (await cards(page).count()) === shows.length);
  assert.ok((await names(page)).every((name) => !name.includes('_audio_')), 'the sound is with its picture');
  assert.equal(await page.textContent('#summary'), '8 recordings in 11 files, newest first.');
  await until('a picture of each', async () => (await page.locator('#records canvas').count()) === shows.length, { timeout: 20_000 });
  await picture(page, 'records-list');
  const figures = [];
  for (const [codec, format, ending] of shows) {
    const name = (await names(page)).find((name) => name.startsWith(`${codec}-${format}_`) && name.endsWith(ending));
    await page.click(`[data-name="${name}"]`);
    await page.waitForFunction(() => document.querySelector('#video').readyState >= 2, null, { timeout: 10_000 });
    const { duration, rate } = await page.evaluate(() => ({ duration: document.querySelector('#video').duration, rate: document.querySelector('#video').mozHasAudio ?? document.querySelector('#video').webkitAudioDecodedByteCount }));
    assert.ok(Math.abs(duration - SECONDS) < 0.1, `${name}: ${duration} s`);
    // In the middle of a group, at its end, and back.
    for (const seconds of [5.1, 7.5, 1.7]) {
      const { code } = await shownAt(page, seconds);
      assert.ok(Math.abs(code / 1000 - seconds) < 0.07, `${name} at ${seconds} s shows ${code} ms`);
      figures.push(Math.abs(code / 1000 - seconds));
      if (codec === 'H264') await picture(page, `records-at-${seconds}`);
    }
    await page.evaluate(() => document.querySelector('#video').play());
    await until(`the sound of ${name}`, () => page.evaluate((before) => document.querySelector('#video').webkitAudioDecodedByteCount > before, rate));
  }

  // Of a pair both files are shared.
  await page.evaluate(() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; });
  await page.click('[data-name^="VP8-tracks_"]');
  await page.click('#share');
  await until('the question', async () => /two files/.test(await page.textContent('#ask-text')));
  await page.click('#ask-yes');
  const links = (await until('the links', () => page.evaluate(() => window.copied))).split('\n');
  const begins = await Promise.all(links.map(async (link) => Buffer.from(await (await fetch(link)).arrayBuffer()).toString('latin1', 0, 4)));
  assert.deepEqual(begins, ['DKIF', 'OggS']);
  await until('the news', async () => /two links/.test(await page.textContent('#notice')));

  // As on a server without HTTPS: the browser has no clipboard for pages, but copies what is selected.
  await page.evaluate(() => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
    document.addEventListener('copy', () => { window.copied = document.getSelection().toString() || document.activeElement.value; });
    window.copied = '';
  });
  await page.click('#share');
  await page.click('#ask-yes');
  await until('the news', async () => /two links/.test(await page.textContent('#notice')) && (await page.isHidden('#ask')));
  assert.equal((await page.evaluate(() => window.copied)).split('\n').length, 2);
  rig.figure('positions', `${figures.length}, off by at most ${(1000 * Math.max(...figures)).toFixed(0)} ms, a picture is 33 ms`);
  consoleIsClean(page);
});

scenario('an administrator records, marks, names, shares and deletes; a reader sees and plays', { timeout: 90_000 }, async (rig) => {
  const folder = await rig.folder();
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder, RECORD_ROOMS: 'some', RECORD_FORMAT: 'webm', AUTH_TOKEN: READER, ADMIN_TOKEN: ADMIN });
  const page = await open(rig, server);
  await page.waitForSelector('#search:not([hidden])');
  assert.equal(await page.textContent('#summary'), 'There is no recording yet.');
  const publisher = rig.rillcast(['publish', '--demo', '--loop', '--token', READER, server.whip('studio')]);
  await page.waitForSelector('#start:not([hidden])', { timeout: 15_000 });
  await page.click('#start button');
  await until('it to grow', async () => /Rec.*studio.*0:0[1-9].*(kB|MB)/s.test(await page.textContent('#growing')), { timeout: 15_000 });
  await picture(page, 'records-growing');
  await sleep(1500);
  await page.click('#growing button');
  await until('it in the list', async () => (await cards(page).count()) === 1, { timeout: 10_000 });
  await publisher.stop();

  const [name] = await recordings(folder);
  await cards(page).click();
  await page.waitForFunction(() => document.querySelector('#video').readyState >= 2);
  await page.evaluate(() => { document.querySelector('#video').pause(); document.querySelector('#video').currentTime = 1; });
  await page.click('#mark');
  await page.fill('[name=text]', 'the encore');
  await page.keyboard.press('Enter');
  await until('the marker', async () => (await page.textContent('#markers')).includes('0:01 the encore'));
  await page.click('#edit');
  await page.fill('[name=title]', 'Opening night');
  await page.fill('[name=tags]', 'live, spring');
  await page.keyboard.press('Enter');
  await until('the title', async () => (await cards(page).textContent()).includes('Opening night'));
  await page.click('#keep');
  await until('it is kept', async () => (await page.getAttribute('#keep', 'aria-pressed')) === 'true');
  const beside = await sheet(folder, name);
  assert.deepEqual([beside.title, beside.tags, beside.keep, beside.markers], ['Opening night', ['live', 'spring'], true, [{ at: 1000, text: 'the encore' }]]);
  await picture(page, 'records-player');

  await page.evaluate(() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; });
  await page.click('#share');
  await page.selectOption('[name=seconds]', '604800');
  await page.click('#ask-yes');
  const link = await until('the link', () => page.evaluate(() => window.copied));
  const shared = await fetch(link);
  assert.equal(shared.status, 200, 'it needs no token');
  assert.ok((await shared.arrayBuffer()).byteLength > 10_000);

  const reader = await open(rig, server, READER, '?text=spring');
  await until('the list', async () => (await cards(reader).count()) === 1);
  await cards(reader).click();
  await reader.waitForFunction(() => document.querySelector('#video').readyState >= 2);
  assert.ok(await reader.isHidden('#orders'));
  await reader.click('#markers button');
  assert.ok(Math.abs((await reader.evaluate(() => document.querySelector('#video').currentTime)) - 1) < 0.3);
  assert.ok(!reader.url().includes(READER) && reader.url().includes('text=spring'), reader.url());
  consoleIsClean(reader);
  const stranger = await open(rig, server, 'wrong');
  await until('the refusal', async () => (await stranger.textContent('#summary')) === 'That token was not accepted.');

  await page.click('#keep');
  await page.click('#remove');
  assert.match(await page.textContent('#ask-text'), new RegExp(name));
  await page.click('#ask-yes');
  await until('it to go', async () => (await cards(page).count()) === 0);
  assert.deepEqual(await recordings(folder), []);
  consoleIsClean(page);
});

scenario('ten thousand recordings are searched and turned over', { timeout: 90_000 }, async (rig) => {
  const folder = await rig.folder();
  const many = 10_000;
  for (let n = 0; n < many; n += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, at) => n + at).flatMap((number) => {
      const name = path.join(folder, `room-${number % 100}_av_${1_700_000_000 + 60 * number}.mp4`);
      return [writeFile(name, 'video'), number % 1000 === 7 ? writeFile(`${name}.json`, JSON.stringify({ title: `Concert ${number}` })) : null];
    }));
  }
  const server = await rig.server({ RECORD_ENABLED: 'true', RECORD_DIR: folder });
  const page = await rig.open(`${server.url}/web/records.html`);
  await until('the list', async () => (await page.textContent('#summary')) === '10,000 files, newest first.', { timeout: 20_000 });
  // Those that were written last come first, and the last five hundred were written at once.
  const [, first] = (await names(page))[0].match(/_av_(\d+)/);
  assert.ok(first >= 1_700_000_000 + 60 * (many - 500), first);
  const times = [];
  const timed = async (what, act, done) => {
    const began = Date.now();
    await act();
    await until(what, done, { every: 5 });
    times.push(`${what} ${Date.now() - began} ms`);
  };
  await timed('the next page', () => page.click('#older'), async () => (await page.textContent('#where')) === 'Page 2 of 209');
  await timed('a search', () => page.fill('#text', 'concert'), async () => (await page.textContent('#summary')) === '10 files, newest first.');
  assert.match(page.url(), /\?text=concert$/);
  await timed('a room', async () => { await page.fill('#text', ''); await page.fill('#room', 'room-7'); }, async () => (await page.textContent('#summary')) === '100 files, newest first.');
  await page.reload();
  await until('the same after a reload', async () => (await page.textContent('#summary')) === '100 files, newest first.');
  rig.figure('from the click to the list, 250 ms of which somebody may type on', times.join(', '));
  assert.equal((await readdir(folder)).filter((name) => name.endsWith('.mp4')).length, many);
});
