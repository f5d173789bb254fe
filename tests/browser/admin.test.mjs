// The administrator's page in a real Chromium: what it shows, what it ends, and where its token is not.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import path from 'node:path';
import { libdatachannelPublish } from '../clients/clients.mjs';
import { makeClip } from '../clients/clip.mjs';
import { decoded, play, scenario, sleep, until } from './harness.mjs';

const TOKEN = 'a-token-that-is-nowhere-else';
const SCREENSHOTS = process.env.SCREENSHOTS;

async function picture(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}

const administered = (rig, env = {}) => rig.server({ ADMIN_TOKEN: TOKEN, ...env });

/** The page, logged in. */
async function admin(rig, server) {
  const page = await rig.open(`${server.url}/web/admin.html`);
  await page.fill('#token', TOKEN);
  await page.click('#enter');
  await page.waitForSelector('#desk:not([hidden])');
  return page;
}

const demo = (rig, server, room) => rig.rillcast(['publish', '--demo', '--loop', server.whip(room)]);
const row = (page, room) => page.locator(`#rooms .body .line[data-key="${room}"]:not([hidden])`);
const sessions = (page) => page.locator('#sessions .body .line:not([hidden])');
const api = (server, where) => fetch(`${server.url}/api/admin/${where}`, { headers: { Authorization: `Bearer ${TOKEN}` } }).then((answer) => answer.json());

/** What the page has to offer to whoever reads over a shoulder or a disk. */
function everythingKept() {
  const fields = [...document.querySelectorAll('input, select, textarea')].map((field) => field.value);
  const stored = [localStorage, sessionStorage].map((storage) => JSON.stringify(storage));
  return [document.documentElement.outerHTML, ...fields, ...stored, document.cookie, location.href, document.title, JSON.stringify(history.state)].join('\n');
}

function consoleIsClean(page, allowed = /status of 40[14]/) {
  const errors = page.consoleLines.filter((line) => /^(error|warning)/.test(line) && !allowed.test(line));
  assert.deepEqual(errors, [], `console of ${page.url()}`);
}

scenario('the administrator logs in and sees the rooms; the token is in no storage, no URL, no log', {}, async (rig) => {
  const server = await administered(rig, { LOG: 'debug' });
  demo(rig, server, 'show');
  const page = await rig.open(`${server.url}/web/admin.html`);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  for (const [token, error] of [['', /missing/], ['wrong', /not accepted/]]) {
    await page.fill('#token', token);
    await page.click('#enter');
    await until('the refusal', async () => error.test(await page.textContent('#login-error')));
    assert.ok(await page.isHidden('#desk'));
  }
  await page.fill('#token', TOKEN);
  await page.keyboard.press('Enter');
  await until('the room, live', async () => /Live.*bit\/s/.test((await row(page, 'show').textContent().catch(() => '')) ?? ''), { timeout: 15_000 });
  await until('the figures', async () => /Publishers|1/.test(await page.textContent('#figures')));
  await until('one session of a worker', async () => / 1 session(?!s)/.test(await page.textContent('#workers')));
  await picture(page, 'admin-rooms');

  assert.ok(!(await page.evaluate(everythingKept)).includes(TOKEN));
  assert.ok(asked.length > 4 && asked.every((url) => !url.includes(TOKEN)));
  assert.ok(!server.process.output.includes(TOKEN));
  assert.ok(!page.consoleLines.join().includes(TOKEN));
  consoleIsClean(page);
  await page.reload();
  assert.ok(await page.isVisible('#login'), 'a reload forgets it');

  // By a link: it leaves the address at once.
  const linked = await rig.open(`${server.url}/web/admin.html#token=${TOKEN}`);
  await linked.waitForSelector('#desk:not([hidden])');
  assert.equal(linked.url(), `${server.url}/web/admin.html`);
  assert.ok(!(await linked.evaluate(everythingKept)).includes(TOKEN));
  const inQuery = await rig.open(`${server.url}/web/admin.html?token=${TOKEN}`);
  await sleep(300);
  assert.ok(await inQuery.isVisible('#login'), 'a query is not looked at');

  // A token that is not accepted any longer: back to the form, which says why.
  await linked.route('**/api/admin/**', (route) => route.fulfill({ status: 401, json: { error: 'unauthorized' } }));
  await until('the form', () => linked.isVisible('#login'), { timeout: 10_000 });
  assert.match(await linked.textContent('#login-error'), /any longer/);
  assert.equal(await linked.locator('#rooms .body .line:not([hidden])').count(), 0, 'nothing stays on the page');
  await page.fill('#token', TOKEN);
  await page.click('#enter');
  await page.click('#logout');
  assert.ok(await page.isVisible('#login'));
});

scenario('closing a room from the page ends an OBS-like publisher and its subscribers within 1 s', { timeout: 90_000 }, async (rig) => {
  const clip = await makeClip({ codec: 'H264', folder: await rig.folder(), seconds: 30 });
  const server = await administered(rig);
  const publisher = libdatachannelPublish(rig, server.whip('stage'), clip);
  await publisher.says(/"first":true/, 15_000);
  const players = [await play(rig, server.whep('stage'), { audio: false }), await play(rig, server.whep('stage'), { audio: false })];
  for (const player of players) await decoded(player, 10);
  const bystander = demo(rig, server, 'other');
  const page = await admin(rig, server);

  await row(page, 'stage').locator('button.link').click();
  await until('three sessions', async () => (await sessions(page).count()) === 3, { timeout: 10_000 });
  const text = await until('figures of each', async () => {
    const all = await sessions(page).allTextContents();
    return all.every((line) => /bit\/s/.test(line) && /UDP/.test(line) && /AES-GCM/.test(line)) && all.join('\n');
  }, { timeout: 15_000, every: 250 });
  assert.match(text, /^Publisher/);
  await picture(page, 'admin-room');
  await page.click('#room-close');
  assert.match(await page.textContent('#ask-title'), /“stage”/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'ask-no', 'Enter does not hit what ends something');
  await page.keyboard.press('Escape');
  await sleep(200);
  assert.equal((await api(server, 'sessions?room=stage')).sessions.length, 3, 'nothing without a yes');

  await page.click('#room-close');
  const ends = players.map((player) => player.evaluate(() => new Promise((resolve) => {
    const transport = window.player.pc.getReceivers()[0].transport;
    transport.addEventListener('statechange', () => transport.state === 'closed' && resolve(performance.timeOrigin + performance.now()));
  })));
  const publisherEnds = publisher.says(/"state":"(closed|failed|disconnected)"/, 5000).then(() => Date.now());
  const clicked = Date.now();
  await page.click('#ask-yes');
  const after = (await Promise.all([publisherEnds, ...ends])).map((at) => at - clicked);
  rig.figure('room closed by a click: publisher, two players ended after ms', after.map(Math.round).join(', '));
  assert.ok(after.every((ms) => ms < 1000), `${after}`);
  await until('the page to say so', async () => /Closed/.test(await page.textContent('#room-badge')), { timeout: 10_000 });
  await page.click('#back');
  await until('the list without it', async () => (await row(page, 'stage').count()) === 0 && (await row(page, 'other').count()) === 1, { timeout: 10_000 });
  assert.equal(bystander.code, null, 'the other room goes on');
  consoleIsClean(page);
});

scenario('one session is ended, a room is blocked and unblocked, the server drained', { timeout: 90_000 }, async (rig) => {
  const server = await administered(rig);
  demo(rig, server, 'stage');
  const players = [0, 1].map(() => rig.rillcast(['play', server.whep('stage'), '--wait', '10', '--duration', '60', '--json']));
  await until('two subscribers', async () => (await api(server, 'status')).subscribers === 2, { timeout: 15_000 });
  const page = await admin(rig, server);

  await row(page, 'stage').locator('button.link').click();
  await until('three sessions', async () => (await sessions(page).count()) === 3, { timeout: 10_000 });
  await sessions(page).nth(1).locator('button.link').click();
  await until('the session’s facts', async () => /AES_128_GCM/.test(await page.textContent('#session-facts')));
  await picture(page, 'admin-session');
  await page.click('#session-end');
  await page.click('#ask-yes');
  await until('two sessions', async () => (await sessions(page).count()) === 2);
  await until('one player to end', () => players.filter(({ code }) => code !== null).length === 1, { timeout: 5000 });
  assert.equal((await api(server, 'sessions?room=stage')).sessions.length, 2);

  await page.click('#room-block');
  assert.match(await page.textContent('#ask-title'), /“stage”/);
  await page.click('#ask-yes');
  await until('the badge', async () => /Blocked/.test(await page.textContent('#room-badge')), { timeout: 10_000 });
  await until('the other player to end', () => players.every(({ code }) => code !== null), { timeout: 5000 });
  assert.deepEqual((await api(server, 'blocks')).map(({ room }) => room), ['stage']);
  await page.click('#back');
  await until('the blocked room in the list', async () => /Blocked/.test(await row(page, 'stage').textContent()), { timeout: 10_000 });
  await row(page, 'stage').locator('button.link').click();
  await page.click('#room-block');
  await until('no block', async () => (await api(server, 'blocks')).length === 0);
  await page.click('#back');
  await page.click('#block-room');
  for (const [room, open] of [['a b', true], ['later', false]]) {
    await page.fill('#ask-room', room);
    await page.click('#ask-yes');
    await until('the dialog', async () => (await page.isVisible('#ask')) === open);
  }
  await until('the row', async () => /Blocked/.test((await row(page, 'later').textContent().catch(() => '')) ?? ''), { timeout: 10_000 });

  await page.click('#drain');
  await page.click('#ask-yes');
  await until('the banner', () => page.isVisible('#draining'));
  assert.equal((await fetch(`${server.url}/readyz`)).status, 503);
  await picture(page, 'admin-draining');
  await page.click('#drain');
  await page.click('#ask-yes');
  await until('no banner', () => page.isHidden('#draining'));
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);

  await page.fill('#log-filter', 'debug');
  await page.keyboard.press('Enter');
  await until('an answer', async () => /log|what it logs/i.test(await page.textContent('#notice')));
  await page.click('#reload');
  await until('what came of it', async () => /in force/.test(await page.textContent('#reloaded-text')));
  consoleIsClean(page);
});

scenario('a server that goes away is told, and its return, too; log in anew by a link in the same tab', {}, async (rig) => {
  const server = await administered(rig);
  const page = await admin(rig, server);
  await server.process.stop();
  await until('the banner', () => page.isVisible('#gone'), { timeout: 20_000 });
  assert.match(await page.textContent('#gone'), /cannot be reached/);
  const again = await administered(rig, { HTTP_ADDR: new URL(server.url).host });
  demo(rig, again, 'back');
  await until('no banner', () => page.isHidden('#gone'), { timeout: 40_000 });
  await until('a room of the new server', async () => (await row(page, 'back').count()) === 1, { timeout: 20_000 });

  await page.click('#logout');
  await page.evaluate((token) => (location.hash = `token=${token}`), TOKEN);
  await page.waitForSelector('#desk:not([hidden])');
  assert.ok(!page.url().includes(TOKEN));
});

scenario('events are shown as they come, text as text; a stream that breaks is taken up after the last of them', {}, async (rig) => {
  const server = await administered(rig);
  const asked = [];
  const open = new Set();
  // A proxy before the server, which answers for its events alone.
  const stream = createServer((request, response) => {
    if (request.url !== '/api/events') {
      const { method, headers } = request;
      const passed = ask(new URL(request.url, server.url), { method, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      passed.on('error', () => response.destroy());
      return request.pipe(passed);
    }
    asked.push({ last: request.headers['last-event-id'] ?? null, token: request.headers.authorization });
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(': here\nretry: 200\n\n');
    return open.add(response);
  });
  await new Promise((resolve) => stream.listen(0, '127.0.0.1', resolve));
  const tell = (id, type, data) => {
    const event = { id, type, timestamp: new Date().toISOString(), data };
    const text = `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
    // In two pieces, as the network likes it.
    for (const response of open) [text.slice(0, 20), text.slice(20)].forEach((piece) => response.write(piece));
  };

  const page = await rig.open(`http://127.0.0.1:${stream.address().port}/web/admin.html`);
  rig.adopt(() => {
    stream.closeAllConnections();
    stream.close();
  }, page);
  await page.fill('#token', TOKEN);
  await page.click('#enter');
  await until('the stream', async () => (await page.textContent('#feed-state')) === 'Live');
  tell('r-1', 'room.opened', { room: 'told' });
  tell('r-2', 'publisher.started', { room: 'told', session: '0011223344556677' });
  tell('r-3', 'something.new', { room: '<img src=x onerror=alert(1)>' });
  await until('the event', async () => /told publisher started/.test(await page.textContent('#events')));
  await until('its room, before any poll says so', async () => /Live/.test((await row(page, 'told').textContent().catch(() => '')) ?? ''), { timeout: 2000 });
  assert.match(await page.textContent('#events'), /<img src=x onerror=alert\(1\)> something\.new/);
  assert.equal(await page.locator('#events img').count(), 0);
  await until('the voice', async () => /something\.new, and 2 more/.test(await page.textContent('#events-spoken')), { timeout: 8000 });

  open.forEach((response) => response.destroy());
  open.clear();
  await until('another connection', () => asked.length === 2, { timeout: 5000 });
  assert.deepEqual(asked, [{ last: null, token: `Bearer ${TOKEN}` }, { last: 'r-3', token: `Bearer ${TOKEN}` }]);
  for (let i = 4; i < 1500; i += 1) tell(`r-${i}`, 'subscriber.joined', { room: 'told', session: '0011223344556677', subscribers: i });
  await until('the last of them', async () => /now 1499/.test(await page.locator('#events li').first().textContent()));
  assert.equal(await page.locator('#events li').count(), 100, 'the list is bounded');
  await page.uncheck('#events-all');
  assert.ok(!/joined/.test(await page.textContent('#events')));
  await page.click('#logout');
  assert.equal(await page.locator('#events li').count(), 0);
  consoleIsClean(page, /status of 40[14]|ERR_/);
});

scenario('where the administrator has a listener of its own, the page at the public one says so; records are managed there', {}, async (rig) => {
  const server = await administered(rig, { METRICS_ADDR: '127.0.0.1:0', RECORD_ENABLED: 'true', RECORD_ROOMS: 'some', RECORD_DIR: await rig.folder() });
  const [, address] = await server.process.says(/private=(127\.0\.0\.1:\d+)/);
  const page = await rig.open(`${server.url}/web/admin.html#token=${TOKEN}`);
  await until('where it is', async () => /private listener/.test(await page.textContent('#login-error')));
  assert.ok(await page.isHidden('#desk'));

  const there = { url: `http://${address}` };
  await admin(rig, there);
  demo(rig, server, 'stage');
  const records = await rig.open(`${there.url}/web/records.html#token=${TOKEN}`);
  await records.waitForSelector('#start:not([hidden])', { timeout: 15_000 });
  await records.click('#start button');
  await until('it to be recorded', async () => /stage/.test(await records.textContent('#growing')), { timeout: 10_000 });
});

scenario('the pages of records and rooms take a token from the fragment, and say what there is not', {}, async (rig) => {
  const server = await rig.server({ AUTH_TOKEN: TOKEN });
  const records = await rig.open(`${server.url}/web/records.html#token=${TOKEN}`);
  await until('a plain word', async () => /does not record|no recording|does not list/.test(await records.textContent('#summary')));
  const index = await rig.open(`${server.url}/#token=${TOKEN}`);
  await until('the list', async () => /No room is live/.test(await index.textContent('#summary')));
  for (const page of [records, index]) assert.ok(!page.url().includes(TOKEN), page.url());
  assert.ok(await index.isVisible('nav a[data-page=admin]'));
  const publisher = await rig.open(`${server.url}/web/publisher.html?room=a&token=query#token=${TOKEN}`);
  await until('the token in its field', async () => (await publisher.inputValue('#token')) === TOKEN);
  assert.ok(!publisher.url().includes(TOKEN), publisher.url());
  assert.ok(!server.process.output.includes(TOKEN));
});
