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
const PAGE = join(ROOT, 'docs/performance.md');
const MARKS = ['<!-- scenarios -->', '<!-- end of scenarios -->'];

const WINDOW = (milliseconds) => ({ MEDIA_BATCH_WINDOW_MS: String(milliseconds) });
const SCENARIOS = [
  { name: '1 × 10, window 0', server: WINDOW(0), load: ['--subs', '10'] },
  { name: '1 × 100, window 0', server: WINDOW(0), load: ['--subs', '100'] },
  { name: '1 × 300, window 0', server: WINDOW(0), load: ['--subs', '300'] },
  { name: '1 × 300, window 1 ms (default)', server: {}, load: ['--subs', '300'] },
  { name: '1 × 300, window 10 ms', server: WINDOW(10), load: ['--subs', '300'] },
  { name: '1 × 500, window 0', server: WINDOW(0), load: ['--subs', '500'] },
  { name: '1 × 1,000, window 0', server: WINDOW(0), load: ['--subs', '1000'] },
  { name: '1 × 2,000, window 10 ms', server: WINDOW(10), load: ['--subs', '2000', '--ramp', '12s'], pin: true },
  { name: '20 × 10, 1 Mbit/s, window 0', server: WINDOW(0), load: ['--rooms', '20', '--subs', '200', '--bitrate', '1M'] },
  { name: '1 × 300, window 0, without padding', server: { ...WINDOW(0), MEDIA_PADDING_BYTES: '0' }, load: ['--subs', '300'] },
  { name: '1 × 300, window 0, all feedback', server: WINDOW(0), load: ['--subs', '300', '--feedback', 'full', '--loss', '0.005'] },
  { name: '1 × 300, window 0, sound too', server: WINDOW(0), load: ['--subs', '300', '--audio'] },
  { name: '1 × 300 and 100 joins/s for 5 s', server: WINDOW(0), load: ['--subs', '300', '--churn', '100', '--duration', '5s'] },
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
async function run({ server: variables, load, pin }) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'rillcast-bench-'));
  const command = pin ? ['taskset', '--cpu-list', '0', PROGRAM] : [PROGRAM];
  const server = spawn(command[0], [...command.slice(1), 'serve'], {
    env: {
      ...process.env,
      HTTP_ADDR: `127.0.0.1:${port}`,
      MEDIA_UDP_PORT: '0',
      MEDIA_PUBLIC_IPS: '127.0.0.1',
      MEDIA_WORKERS: '1',
      LOG: 'warn,rillcast::worker=info',
      ...variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  server.stdout.on('data', (data) => (log += data));
  server.stderr.on('data', (data) => (log += data));
  const ended = new Promise((resolve) => server.on('exit', resolve));
  try {
    await new Promise((resolve) => setTimeout(resolve, 700));
    const report = join(folder, 'report.json');
    const args = ['load', `http://127.0.0.1:${port}`, '--server-pid', String(server.pid), ...COMMON, ...load];
    args[args.indexOf('-')] = report;
    execFileSync(PROGRAM, args, { stdio: ['ignore', 'ignore', 'ignore'] });
    server.kill('SIGTERM');
    await ended;
    const count = (name) => Number(new RegExp(`${name}=(\\d+)`).exec(log.replaceAll(/\x1b\[[0-9;]*m/g, ''))?.[1]);
    return { report: JSON.parse(readFileSync(report, 'utf8')), train: count('datagrams') / count('trains') };
  } finally {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

function row(name, runs) {
  const of = (field) => median(runs.map(field));
  const lost = runs.reduce((sum, { report }) => sum + report.delivery.lost, 0);
  const delivered = runs.reduce((sum, { report }) => sum + report.delivery.packets, 0);
  return [
    name,
    of(({ report }) => report.server.us_per_packet).toFixed(2),
    of(({ report }) => report.server.cores).toFixed(2),
    of(({ train }) => train).toFixed(1),
    `${lost} of ${(delivered / 1e6).toFixed(1)} M`,
    `${of(({ report }) => report.window.latency_ms.p50).toFixed(1)} / ${of(({ report }) => report.window.latency_ms.p99).toFixed(1)}`,
    of(({ report }) => report.server.kb_per_subscriber).toFixed(1),
    of(({ report }) => report.joins.key_frame_ms.p50).toFixed(0),
    of(({ report }) => report.generator.cores).toFixed(2),
  ];
}

const HEAD = ['scenario', 'µs per packet', 'cores', 'packets per train', 'lost', 'latency p50 / p99, ms', 'kB per subscriber',
  'first key frame p50, ms', 'generator, cores'];

const only = options.only && new RegExp(options.only);
const rows = [];
for (const scenario of SCENARIOS.filter(({ name }) => !only || only.test(name))) {
  const runs = [];
  for (let number = 0; number < Number(options.runs); number++) runs.push(await run(scenario));
  rows.push(row(scenario.name, runs));
  console.log(rows.at(-1).join(' | '));
}
const line = (cells) => `| ${cells.join(' | ')} |`;
const table = [
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model}, ${cpus().length} cores, median of ${options.runs} runs:`,
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
