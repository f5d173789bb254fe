// What every real-client test needs: the server under test, a Chromium, the test pages, other processes, and the
// evidence when something fails. Whatever is started here ends with the scenario that started it, by process id.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const HERE = path.dirname(fileURLToPath(import.meta.url));
export const REPOSITORY = path.resolve(HERE, '../..');
const PAGES = path.join(HERE, 'pages');
const FAILURES = path.join(HERE, 'failures');
const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--autoplay-policy=no-user-gesture-required',
];

/** The server's binary: RILLCAST_BIN, else the debug build of this repository. */
export function rillcastBinary() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(REPOSITORY, 'target');
  return process.env.RILLCAST_BIN ?? path.join(target, 'debug', 'rillcast');
}

// ---------------------------------------------------------------------------------------------------------------
// Scenarios

/**
 * A test with everything it starts bound to it: `body(rig, t)`, at most `timeout` ms (60 s). When it fails, the
 * output of all processes, the consoles and pictures of all pages are kept in tests/browser/failures/<name>.
 */
export function scenario(name, options, body) {
  const { timeout = 60_000, ...rest } = options;
  test(name, { timeout: timeout + 15_000, ...rest }, async (t) => {
    const rig = new Rig(t);
    let clock;
    const late = new Promise((_, reject) => {
      clock = setTimeout(() => reject(new Error(`the scenario took longer than ${timeout} ms`)), timeout);
    });
    try {
      await Promise.race([body(rig, t), late]);
    } catch (error) {
      await rig.keepEvidence(name, error).catch((problem) => t.diagnostic(`no evidence: ${problem.message}`));
      throw error;
    } finally {
      clearTimeout(clock);
      await rig.close();
    }
  });
}

/** Polls `look` until it returns something truthy, and returns that; fails after `timeout` ms, saying what it saw last. */
export async function until(what, look, { timeout = 10_000, every = 50 } = {}) {
  const deadline = Date.now() + timeout;
  let last;
  for (;;) {
    last = await look();
    if (last) return last;
    if (Date.now() > deadline) throw new Error(`waited ${timeout} ms in vain: ${typeof what === 'function' ? what() : what}`);
    await sleep(every);
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The p-th percentile (0 to 100, nearest rank) of numbers. */
export function percentile(numbers, p) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)];
}

/** "p50 12.3, p95 20.1, max 22.0" */
export function summary(numbers) {
  const show = (p) => percentile(numbers, p).toFixed(1);
  return `p50 ${show(50)}, p95 ${show(95)}, max ${show(100)} (n ${numbers.length})`;
}

class Rig {
  #closers = [];
  #pages = [];
  #processes = [];
  #browser = null;
  #site = null;
  #elsewhere = null;

  constructor(t) {
    this.t = t;
  }

  /** Prints `# name: value` beside the result. */
  figure(name, value) {
    this.t.diagnostic(`${name}: ${value}`);
  }

  /** A folder that ends with the scenario. */
  async folder() {
    const folder = await mkdtemp(path.join(tmpdir(), 'rillcast-test-'));
    this.#closers.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  /** Starts a process; it is ended with the scenario. */
  process(command, args = [], options = {}) {
    const started = new Process(command, args, options);
    this.#processes.push(started);
    this.#closers.push(() => started.stop());
    return started;
  }

  /** `rillcast serve` on free ports; resolves when it told its address. */
  async server(env = {}) {
    const server = this.rillcast(['serve'], {
      HTTP_ADDR: '127.0.0.1:0',
      MEDIA_UDP_PORT: '0',
      MEDIA_PUBLIC_IPS: '127.0.0.1',
      MEDIA_WORKERS: '2',
      LOG: 'info',
      ...env,
    });
    const [, url] = await server.says(/(http:\/\/127\.0\.0\.1:\d+)/, 10_000);
    return {
      url,
      process: server,
      whip: (room) => `${url}/whip/${room}`,
      whep: (room) => `${url}/whep/${room}`,
    };
  }

  /** Any `rillcast` command. */
  rillcast(args, env = {}) {
    const binary = rillcastBinary();
    if (!existsSync(binary)) throw new Error(`no ${binary}: build it, or name it in RILLCAST_BIN`);
    return this.process(binary, args, { env: { ...process.env, ...env } });
  }

  /** Opens one of the test pages in a window of its own. */
  async page(name) {
    const page = await this.open(await this.address(name));
    await page.waitForFunction('window.publisher || window.player');
    return page;
  }

  /** Where a test page is, for a browser that the test brings along. */
  async address(name) {
    this.#site ??= await this.#serve();
    return `${this.#site}/${name}.html`;
  }

  /** Ends something that the test brought along with the scenario, and keeps evidence of its page where it has one. */
  adopt(close, page) {
    this.#closers.push(close);
    if (page) this.#pages.push(page);
  }

  /**
   * Has this scenario's browser run in a network namespace, that of process `pid`. The test pages do not need a way
   * there: they are handed to it by the pipe that also drives it.
   */
  async browseFrom(pid) {
    const executable = path.join(await this.folder(), 'chromium');
    await writeFile(executable, `#!/bin/sh\nexec nsenter --net=/proc/${pid}/ns/net ${CHROMIUM} "$@"\n`, { mode: 0o755 });
    this.#elsewhere = executable;
  }

  /** Opens any page in a window of its own; its console is kept. */
  async open(url) {
    this.#browser ??= await this.#launch();
    const context = await this.#browser.newContext({ viewport: { width: 1000, height: 700 }, permissions: ['camera', 'microphone'] });
    if (this.#elsewhere && this.#site) {
      await context.route(`${this.#site}/**`, async (route) => route.fulfill({ response: await route.fetch() }));
    }
    const page = await context.newPage();
    page.consoleLines = [];
    page.on('console', (message) => page.consoleLines.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => page.consoleLines.push(`error: ${error.stack}`));
    this.#pages.push(page);
    await page.goto(url);
    return page;
  }

  async #launch() {
    const browser = await chromium.launch({ executablePath: this.#elsewhere ?? CHROMIUM, args: FLAGS, timeout: 30_000 });
    this.#closers.push(() => browser.close());
    return browser;
  }

  async #serve() {
    const types = { '.html': 'text/html', '.js': 'text/javascript' };
    const site = createServer((request, response) => {
      const file = path.join(PAGES, path.basename(new URL(request.url, 'http://site').pathname));
      const type = types[path.extname(file)];
      if (!type || !existsSync(file)) return response.writeHead(404).end();
      response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' });
      return createReadStream(file).pipe(response);
    });
    await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
    this.#closers.push(() => {
      site.closeAllConnections();
      site.close();
    });
    return `http://127.0.0.1:${site.address().port}`;
  }

  async keepEvidence(name, error) {
    const folder = path.join(FAILURES, name.replace(/[^A-Za-z0-9]+/g, '-'));
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'error.txt'), `${error.stack}\n`);
    await Promise.all([
      ...this.#processes.map((process, i) => writeFile(path.join(folder, `process-${i}-${process.name}.txt`), process.output)),
      ...this.#pages.map(async (page, i) => {
        const file = path.join(folder, `page-${i}`);
        await writeFile(`${file}.txt`, `${page.url()}\n${page.consoleLines.join('\n')}\n`);
        await page.screenshot({ path: `${file}.png`, timeout: 3000 });
        const snapshot = await withDeadline(page.evaluate('(window.player ?? window.publisher)?.pc ? (window.player?.pc ? window.player : window.publisher).snapshot() : null'), 2000);
        await appendFile(`${file}.txt`, `${JSON.stringify(snapshot, null, 1)}\n`);
      }),
    ].map((work) => work.catch(() => {})));
    this.t.diagnostic(`evidence kept in ${path.relative(REPOSITORY, folder)}`);
  }

  async close() {
    for (const close of this.#closers.reverse()) {
      await withDeadline(Promise.resolve(close()), 8000).catch((error) => this.t.diagnostic(`closing: ${error.message}`));
    }
    this.#closers = [];
  }
}

function withDeadline(work, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

// ---------------------------------------------------------------------------------------------------------------
// Processes

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

class Process {
  #child;
  #kept = 2_000_000;
  output = '';
  code = null;

  constructor(command, args, options) {
    this.name = path.basename(command);
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    running.add(this.#child);
    const keep = (chunk) => {
      this.output = (this.output + chunk).slice(-this.#kept);
    };
    this.#child.stdout.setEncoding('utf8').on('data', keep);
    this.#child.stderr.setEncoding('utf8').on('data', keep);
    this.#child.stdin.on('error', () => {});
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        keep(`${error.message}\n`);
        this.#ended(-1, resolve);
      });
      this.#child.on('exit', (code, signal) => this.#ended(code ?? signal, resolve));
    });
  }

  #ended(code, resolve) {
    this.code = code;
    running.delete(this.#child);
    resolve(code);
  }

  get pid() {
    return this.#child.pid;
  }

  get stdin() {
    return this.#child.stdin;
  }

  /** Resolves to the match when the output holds it; fails when the process ends or `timeout` ms pass before. */
  says(pattern, timeout = 10_000) {
    return until(() => `${this.name} to say ${pattern}; it said:\n${this.output.slice(-2000)}`, () => {
      const match = this.output.match(pattern);
      if (!match && this.code !== null) throw new Error(`${this.name} ended (${this.code}):\n${this.output.slice(-2000)}`);
      return match;
    }, { timeout });
  }

  /** Every line of the output that is a JSON object. */
  json() {
    return this.output.split('\n').filter((line) => line.startsWith('{')).flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
  }

  kill(signal = 'SIGKILL') {
    if (this.code === null) this.#child.kill(signal);
    return this.exited;
  }

  /** SIGTERM, then SIGKILL after 3 s. */
  async stop() {
    if (this.code !== null) return this.code;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3000);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Publishing and playing by the test pages

/** Opens the publisher's page and publishes; fails where the server refuses. */
export async function publish(rig, url, options = {}) {
  const page = await rig.page('publish');
  const result = await page.evaluate((o) => window.publisher.start(o), { url, ...options });
  if (result.status) throw new Error(result.error);
  return page;
}

/** Opens the player's page and plays; fails where the server refuses. */
export async function play(rig, url, options = {}) {
  const page = await rig.page('play');
  const result = await page.evaluate((o) => window.player.start(o), { url, ...options });
  if (result.status) throw new Error(result.error);
  return page;
}

export const snapshot = (page) => page.evaluate(() => (window.player?.pc ? window.player : window.publisher).snapshot());

/** Waits until the player decoded `count` more frames than `since`, and returns its snapshot. */
export async function decoded(page, count, { since = 0, timeout = 10_000 } = {}) {
  let seen;
  await until(() => `${count} frames decoded after ${since}; saw ${JSON.stringify(seen)}`, async () => {
    seen = await snapshot(page);
    return (seen.video?.framesDecoded ?? 0) >= since + count;
  }, { timeout, every: 100 });
  return seen;
}

/**
 * Watches a player for `ms` and returns what was presented in that time, with the snapshots at both ends. `rate` is
 * frames decoded per second; with the publisher's page, `share` is that over the frames per second it encoded.
 */
export async function watch(page, ms, publisher) {
  const encoded = async () => (publisher ? Math.max(...(await snapshot(publisher)).layers.map((layer) => layer.framesEncoded)) : 0);
  const [before, encodedBefore] = await Promise.all([snapshot(page), encoded()]);
  await sleep(ms);
  const [after, encodedAfter] = await Promise.all([snapshot(page), encoded()]);
  const seen = await page.evaluate((since) => window.player.window(since), before.now);
  const seconds = (after.now - before.now) / 1000;
  const frames = after.video.framesDecoded - before.video.framesDecoded;
  return { before, after, ...seen, seconds, rate: frames / seconds, share: frames / (encodedAfter - encodedBefore) };
}

/**
 * The player keeps up with the publisher: what is encoded is decoded (but for a frame or two at the edges of the time
 * watched), at a rate that can be called video. How fast a busy machine draws and encodes is not the server's matter.
 */
export function assertKeepsUp({ rate, share }) {
  assert.ok(rate > 12, `${rate.toFixed(1)} frames/s decoded`);
  assert.ok(share > 0.9, `${(100 * share).toFixed(0)} % of the encoded frames decoded (${rate.toFixed(1)} frames/s)`);
}

/** The SRTP profile is AEAD_AES_128_GCM, under either of Chromium's names for it. */
export function assertGcm(seen) {
  assert.equal(seen.transport.dtlsState, 'connected');
  assert.match(seen.transport.srtpCipher, /^(SRTP_)?AEAD_AES_128_GCM$/);
}

/** Waits for a picture that is what was drawn: time code readable, not black, colours within tolerance. */
export async function rightPicture(page, { tolerance, timeout = 5000 }) {
  let seen;
  return until(() => `the right picture; saw ${JSON.stringify(seen)}`, async () => {
    seen = await page.evaluate(() => window.player.inspect());
    return seen && seen.shown !== null && seen.variance > 500 && seen.worst <= tolerance && seen;
  }, { timeout, every: 50 });
}
