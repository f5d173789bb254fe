// The whole server under load: `rillcast load` against `rillcast serve` on this machine, release build. Prints a table,
// and writes it into docs/performance.md between its marks.
//
//   node scripts/bench-load.mjs [--runs 3] [--only REGEX] [--no-write]

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = new URL('..', import.meta.url).pathname;
const PROGRAM = process.env.RILLCAST ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'release/rillcast');
const WATCH = join(ROOT, 'scripts/watch.mjs');
const TOKEN = 'token-of-this-benchmark';
const PAGE = join(ROOT, 'docs/performance.md');
const MARKS = ['<!-- scenarios -->', '<!-- end of scenarios -->'];

const window = (milliseconds) => ({ MEDIA_BATCH_WINDOW_MS: String(milliseconds) });
const scenario = (name, server, load, more) => ({ name, server, load: load.split(' '), ...more });
const SCENARIOS = [
  scenario('1 × 10, window 0', window(0), '--subs 10'),
  scenario('1 × 100, window 0', window(0), '--subs 100'),
  scenario('1 × 300, window 0', window(0), '--subs 300'),
  scenario('1 × 300, window 1 ms (default)', {}, '--subs 300'),
  scenario('1 × 300, window 10 ms', window(10), '--subs 300'),
  scenario('1 × 500, window 0', window(0), '--subs 500'),
  scenario('1 × 1,000, window 0', window(0), '--subs 1000'),
  // A core for the server, the other one for who loads it.
  scenario('1 × 2,000, window 10 ms', window(10), '--subs 2000 --ramp 20s', { apart: true }),
  scenario('20 × 10, 1 Mbit/s, window 0', window(0), '--rooms 20 --subs 200 --bitrate 1M'),
  scenario('1 × 300, window 0, no padding', { ...window(0), MEDIA_PADDING_BYTES: '0' }, '--subs 300'),
  scenario('1 × 300, window 0, padding of 1', { ...window(0), MEDIA_PADDING_BYTES: '1' }, '--subs 300'),
  scenario('1 × 300, window 0, padding of 4', { ...window(0), MEDIA_PADDING_BYTES: '4' }, '--subs 300'),
  scenario('1 × 300, window 0, no trains', { ...window(0), MEDIA_TRAINS: 'off' }, '--subs 300'),
  scenario('1 × 300, window 0, 2 workers', { ...window(0), MEDIA_WORKERS: '2', MEDIA_SPREAD: 'always' }, '--subs 300'),
  scenario('1 × 300, window 0, all feedback, 0.5 % loss', window(0), '--subs 300 --feedback full --loss 0.005'),
  scenario('1 × 300, window 0, sound too', window(0), '--subs 300 --audio'),
  // Scraped and asked each second by who operates it, and listened to.
  scenario('1 × 300, window 0, watched', window(0), '--subs 300', { watched: true }),
  scenario('1 × 300, window 10 ms, watched', window(10), '--subs 300', { watched: true }),
  scenario('1 × 1,000, window 0, watched', window(0), '--subs 1000', { watched: true }),
  scenario('20 × 10, 1 Mbit/s, window 0, watched', window(0), '--rooms 20 --subs 200 --bitrate 1M', { watched: true }),
  // Each room is recorded, two files a room where there is sound. Of the rows without, the difference is a packet's.
  scenario('50 × 1, 1 Mbit/s, window 0', window(0), '--rooms 50 --subs 50 --bitrate 1M --duration 60s'),
  scenario('50 × 1, 1 Mbit/s, window 0, recorded', window(0), '--rooms 50 --subs 50 --bitrate 1M --duration 60s', { recorded: true }),
  scenario('1 × 300, and 100 others join and leave each second', window(0), '--subs 300 --churn 100'),
];
// The history of ten seconds fills before the memory of publishers alone is read.
const COMMON = ['--duration', '10s', '--settle', '6s', '--json', '-'];

const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '3' }, only: { type: 'string' }, 'no-write': { type: 'boolean' } },
});

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** One run: what `rillcast load` found, and what the worker says that it sent. */
async function run({ server: variables, load, apart, watched, recorded }) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'rillcast-bench-'));
  const on = (core, args) => (apart ? ['taskset', '--cpu-list', core, PROGRAM, ...args] : [PROGRAM, ...args]);
  const [program, ...serve] = on('0', ['serve']);
  const server = spawn(program, serve, {
    env: {
      ...process.env,
      HTTP_ADDR: `127.0.0.1:${port}`,
      MEDIA_UDP_PORT: '0',
      MEDIA_PUBLIC_IPS: '127.0.0.1',
      MEDIA_WORKERS: '1',
      ADMIN_TOKEN: TOKEN,
      LOG: 'warn,rillcast::worker=info',
      ...(recorded ? { RECORD_ENABLED: 'true', RECORD_DIR: join(folder, 'records'), RECORD_FORMAT: 'mp4' } : {}),
      ...variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  server.stdout.on('data', (data) => (log += data));
  server.stderr.on('data', (data) => (log += data));
  const ended = new Promise((resolve) => server.on('exit', resolve));
  let watcher;
  try {
    await new Promise((resolve) => setTimeout(resolve, 700));
    watcher = watched && spawn('node', [WATCH, `http://127.0.0.1:${port}`, TOKEN], { stdio: ['ignore', 'inherit', 'inherit'] });
    const report = join(folder, 'report.json');
    const common = load.includes('--duration') ? COMMON.slice(2) : COMMON;
    const args = ['load', `http://127.0.0.1:${port}`, '--server-pid', String(server.pid), ...common, ...load];
    args[args.indexOf('-')] = report;
    const [loader, ...how] = on('1', args);
    execFileSync(loader, how, { stdio: ['ignore', 'ignore', 'ignore'] });
    server.kill('SIGTERM');
    await ended;
    const plain = log.replaceAll(/\x1b\[[0-9;]*m/g, '');
    const all = (name) => [...plain.matchAll(new RegExp(`${name}=(\\d+)`, 'g'))].map(([, number]) => Number(number));
    const count = (name) => all(name).reduce((sum, number) => sum + number, 0);
    return { report: JSON.parse(readFileSync(report, 'utf8')), train: count('datagrams') / count('trains') };
  } finally {
    watcher?.kill('SIGTERM');
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

const fixed = (number, digits = 1) => number.toFixed(digits);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

function row(name, runs) {
  const of = (field) => median(runs.map(field));
  const lost = runs.reduce((sum, { report }) => sum + report.delivery.lost, 0);
  const delivered = runs.reduce((sum, { report }) => sum + report.delivery.packets, 0);
  const latency = ({ report }) => report.window.latency_ms;
  return [
    name,
    fixed(of(({ report }) => report.server.us_per_packet), 2),
    fixed(of(({ report }) => report.server.cores), 2),
    fixed(of(({ train }) => train)),
    `${lost} of ${fixed(delivered / 1e6)} M`,
    `${fixed(of((run) => latency(run).p50))} / ${fixed(of((run) => latency(run).p99))}`,
    fixed(of(({ report }) => report.server.kb_per_subscriber)),
    fixed(of(({ report }) => report.joins.key_frame_ms.p50), 0),
    fixed(of(({ report }) => report.generator.cores), 2),
  ];
}

const HEAD = [
  ...['scenario', 'µs per packet', 'cores', 'packets per train', 'lost', 'latency p50 / p99, ms'],
  ...['kB per subscriber', 'first key frame p50, ms', 'generator, cores'],
];

const only = options.only && new RegExp(options.only);
const rows = [];
for (const chosen of SCENARIOS.filter(({ name }) => !only || only.test(name))) {
  const runs = [];
  for (let number = 0; number < Number(options.runs); number++) runs.push(await run(chosen));
  rows.push(row(chosen.name, runs));
  console.log(rows.at(-1).join(' | '));
}
const line = (cells) => `| ${cells.join(' | ')} |`;
const table = [
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpus()[0].model}), median of ${options.runs}:`,
  '',
  line(HEAD),
  line(HEAD.map((_, place) => (place ? '---:' : '---'))),
  ...rows.map(line),
].join('\n');
console.log(`\n${table}`);
if (!options['no-write'] && !only) {
  const page = readFileSync(PAGE, 'utf8');
  const [start, end] = MARKS.map((mark) => page.indexOf(mark));
  writeFileSync(PAGE, `${page.slice(0, start + MARKS[0].length)}\n${table}\n${page.slice(end)}`);
}
