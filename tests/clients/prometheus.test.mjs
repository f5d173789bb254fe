// A real Prometheus scrapes a running server: promtool is content with what it gets, the alert rules fire where they
// should, and every query of the Grafana dashboard is asked and answered.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { REPOSITORY, scenario, sleep, until } from '../browser/harness.mjs';

const DEPLOY = path.join(REPOSITORY, 'deploy');
// What there is nothing to say of in a short and quiet life: no HTTPS, and nobody who does wrong.
const MAY_BE_EMPTY = [/^rillcast_certificate_expiry/, /rillcast_drops_total.* > 0$/];

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The dashboard's queries, for all servers and a rate over 20 s. */
function queries() {
  const { panels } = JSON.parse(readFileSync(path.join(DEPLOY, 'grafana/rillcast.json'), 'utf8'));
  const written = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
  return written.map(({ title, expr }) => ({
    title,
    expr: expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '20s'),
  }));
}

scenario('Prometheus scrapes a server that works, and the dashboard has something to show', { timeout: 90_000 }, async (rig) => {
  const server = await rig.server({ MEDIA_WORKERS: '2', MAX_BITRATE_KBPS: '20000' });
  const { host } = new URL(server.url);
  const folder = await rig.folder();
  const config = readFileSync(path.join(DEPLOY, 'prometheus/prometheus.yml'), 'utf8')
    .replaceAll('15s', '1s')
    .replace('localhost:8080', host)
    .replace('alerts.yml', path.join(DEPLOY, 'prometheus/alerts.yml'));
  writeFileSync(path.join(folder, 'prometheus.yml'), config);
  const port = await freePort();
  const prometheus = rig.process('prometheus', [
    `--config.file=${path.join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${path.join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  await prometheus.says(/Server is ready/, 20_000);
  const ask = async (call) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${call}`);
    const { status, data, error } = await response.json();
    assert.equal(status, 'success', `${call}: ${error}`);
    return data;
  };
  const value = async (query) => (await ask(`query?query=${encodeURIComponent(query)}`)).result;

  // Sessions that come, watch with some loss, and go.
  const load = rig.rillcast([
    ...['load', server.url, '--rooms', '2', '--subs', '10', '--feedback', 'full', '--loss', '0.02'],
    ...['--ramp', '2s', '--duration', '20s', '--settle', '1s', '--json', path.join(folder, 'load.json')],
  ]);
  const refused = await fetch(`${server.url}/whep/nobody`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: 'v=0' });
  assert.equal(refused.status, 404);
  await until('ten subscribers', async () => (await value('sum(live_subscribers)'))[0]?.value[1] === '10', { timeout: 20_000, every: 500 });
  await sleep(12_000);

  const text = await (await fetch(`${server.url}/metrics`)).text();
  execFileSync('promtool', ['check', 'metrics'], { input: text });
  const live = text.split('\n').filter((line) => line.startsWith('live_'));
  assert.equal(live.length, 1 + 3 * 2, live.join('\n'));
  rig.figure('a scrape: series, bytes', `${text.split('\n').filter((line) => line && line[0] !== '#').length}, ${text.length}`);

  const packets = Number((await value('sum(rate(rillcast_rtp_packets_total{direction="out"}[10s]))'))[0].value[1]);
  assert.ok(packets > 1_000, `${packets} packets per second leave`);
  assert.ok(Number((await value('sum(rillcast_nacked_packets_total{direction="in"})'))[0].value[1]) > 0);
  assert.ok(Number((await value('sum(rillcast_repaired_packets_total{direction="in"})'))[0].value[1]) > 0);

  assert.equal(await load.exited, 0, load.output);
  // The rooms have ended, and so have their series, at the scrape after that.
  await until('no room', async () => (await value('live_rooms'))[0]?.value[1] === '0', { timeout: 10_000, every: 500 });
  assert.deepEqual(await value('live_subscribers'), []);

  // A scalar: its time, and the same as a text.
  const [now] = await value('time()');
  const asked = queries();
  const empty = [];
  for (const { title, expr } of asked) {
    // While the load ran, and once it has ended: some have something to say in the one, some in the other.
    const at = (seconds) => ask(`query?query=${encodeURIComponent(expr)}&time=${Number(now) - seconds}`);
    const [during, after] = [await at(8), await at(0)];
    if (during.result.length + after.result.length === 0) empty.push({ title, expr });
  }
  const surprises = empty.filter(({ expr }) => !MAY_BE_EMPTY.some((known) => known.test(expr)));
  assert.deepEqual(surprises, [], 'queries of the dashboard without an answer');
  rig.figure('queries of the dashboard, of them legitimately without an answer', `${asked.length}, ${empty.length}`);

  const { groups } = await ask('rules');
  const rules = groups.flatMap((group) => group.rules);
  assert.deepEqual(rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => [name, lastError]), []);
  assert.deepEqual(rules.filter(({ state }) => state === 'firing').map(({ name }) => name), [], 'a quiet server alarms nobody');
  rig.figure('alert rules evaluated', rules.length);
});

scenario('each alert fires where it should, and not where it should not', {}, async () => {
  const folder = path.join(DEPLOY, 'prometheus');
  execFileSync('promtool', ['check', 'config', 'prometheus.yml'], { cwd: folder });
  execFileSync('promtool', ['test', 'rules', 'alerts.test.yml'], { cwd: folder });
  const alerts = [...readFileSync(path.join(folder, 'alerts.yml'), 'utf8').matchAll(/alert: (\w+)/g)].map(([, name]) => name);
  const tests = readFileSync(path.join(folder, 'alerts.test.yml'), 'utf8');
  for (const name of alerts) {
    for (const how of ['fires', 'does not fire']) assert.ok(tests.includes(`name: ${name} ${how}\n`), `${name} ${how}`);
  }
});
