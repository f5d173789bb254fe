// Certificates by themselves, from a real ACME server: Let's Encrypt's own test server, pebble, with its random waits off
// and a third of its nonces refused. It asks a name server (pebble's own) for the names, and looks at the proofs where
// it is told: here. Clients check the certificate against pebble's root.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { createServer } from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { scenario, sleep, until } from '../browser/harness.mjs';

const NAMES = ['live.example.org', 'www.example.org'];

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function freeUdpPort() {
  return new Promise((resolve) => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** The certificate of the directory itself, from an authority of its own: `root.pem`, `pebble.pem`, `pebble.key`. */
function issueForDirectory(folder) {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-subj', '/CN=authority', '-keyout', 'root.key', '-out', 'root.pem');
  openssl('req', '-x509', ...key, '-CA', 'root.pem', '-CAkey', 'root.key', '-subj', '/CN=localhost', '-addext',
    'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', 'pebble.key', '-out', 'pebble.pem');
}

/** A place with an ACME server and the configuration of a server of ours beside it; neither runs yet. */
async function place(rig, { challenge, validity }) {
  const folder = await rig.folder();
  issueForDirectory(folder);
  const ports = { directory: await freePort(), management: await freePort(), http: await freePort(), https: await freePort() };
  const names = await freeUdpPort();
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${ports.directory}`,
      managementListenAddress: `127.0.0.1:${ports.management}`,
      certificate: path.join(folder, 'pebble.pem'),
      privateKey: path.join(folder, 'pebble.key'),
      httpPort: ports.http,
      tlsPort: ports.https,
      ...(validity && { certificateValidityPeriod: validity }),
    },
  };
  writeFileSync(path.join(folder, 'pebble.json'), JSON.stringify(config));
  rig.process('pebble-challtestsrv', ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-dns01', `127.0.0.1:${names}`,
    '-management', `127.0.0.1:${await freePort()}`, '-http01', '', '-https01', '', '-tlsalpn01', '']);
  const root = readFileSync(path.join(folder, 'root.pem'));
  const env = {
    HTTP_ADDR: `127.0.0.1:${ports.http}`,
    TLS_ADDR: `127.0.0.1:${ports.https}`,
    METRICS_ADDR: `127.0.0.1:${await freePort()}`,
    MEDIA_UDP_PORT: '0',
    MEDIA_PUBLIC_IPS: '127.0.0.1',
    MEDIA_WORKERS: '1',
    LOG: 'info',
    ACME_DOMAINS: NAMES.join(','),
    ACME_CONTACT: 'mailto:admin@example.org',
    ACME_DIRECTORY: `https://localhost:${ports.directory}/dir`,
    ACME_ROOT_FILE: path.join(folder, 'root.pem'),
    ACME_FOLDER: path.join(folder, 'kept'),
    ACME_CHALLENGE: challenge,
  };
  return { folder, ports, env, names, root };
}

/** Starts the ACME server; resolves to its output and to what its certificates are checked against. */
async function startPebble(rig, { folder, ports, names, root }) {
  const { PEBBLE_VA_ALWAYS_VALID: _, ...environment } = process.env;
  const pebble = rig.process('pebble', ['-config', path.join(folder, 'pebble.json'), '-dnsserver', `127.0.0.1:${names}`], {
    env: { ...environment, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '33' },
  });
  const issuer = await until('pebble', () => get({ port: ports.management, servername: 'localhost', ca: root }, '/roots/0').catch(() => null));
  assert.equal(issuer.status, 200);
  return { pebble, issuer: issuer.body, issued: () => pebble.output.match(/Issued certificate/g)?.length ?? 0 };
}

async function startRillcast(rig, { env }) {
  const server = rig.rillcast(['serve'], env);
  await server.says(/Rillcast is ready/);
  return server;
}

function get(options, target) {
  return new Promise((resolve, reject) => {
    https.get({ host: '127.0.0.1', agent: false, path: target, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', reject);
  });
}

/** What a client sees that checks the certificate for this name. */
function certificate(port, name, ca, options = {}) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, servername: name, ca, ...options }, () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

async function metric({ env }, name) {
  const text = await (await fetch(`http://${env.METRICS_ADDR}/metrics`)).text();
  const line = text.split('\n').find((sample) => sample.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

const ISSUED = 'rillcast_certificate_orders_total{result="issued"}';
const FAILED = 'rillcast_certificate_orders_total{result="failed"}';
const EXPIRY = 'rillcast_certificate_expiry_timestamp_seconds';

for (const challenge of ['tls-alpn-01', 'http-01']) {
  scenario(`the first certificate comes by itself and is kept (${challenge})`, { timeout: 60_000 }, async (rig) => {
    const here = await place(rig, { challenge });
    const { issuer, issued } = await startPebble(rig, here);
    const began = Date.now();
    const first = await startRillcast(rig, here);
    await first.says(/a certificate was issued/, 30_000);
    rig.figure(`certificate ms after the start (${challenge})`, Date.now() - began);
    const serials = [];
    for (const name of NAMES) serials.push((await certificate(here.ports.https, name, issuer)).serialNumber);
    assert.equal(serials[0], serials[1]);
    await assert.rejects(certificate(here.ports.https, 'other.example.org', issuer), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await assert.rejects(certificate(here.ports.https, NAMES[0], here.root), /certificate/, 'the check checks');
    assert.equal((await get({ port: here.ports.https, servername: NAMES[0], ca: issuer }, '/healthz')).status, 200);
    const redirected = await fetch(`http://127.0.0.1:${here.ports.http}/api/rooms`, { redirect: 'manual' });
    assert.equal(redirected.status, 308);
    const stale = await fetch(`http://127.0.0.1:${here.ports.http}/.well-known/acme-challenge/x`, { redirect: 'manual' });
    assert.equal(stale.status, 308, 'a proof is shown while it is asked for, and no longer');
    for (const file of ['account.json', 'key.pem', 'certificate.pem']) {
      assert.equal(statSync(path.join(here.env.ACME_FOLDER, file)).mode & 0o777, 0o600, file);
    }
    assert.equal(await metric(here, ISSUED), 1);
    assert.equal(await metric(here, FAILED), 0);

    assert.equal(await first.stop(), 0);
    const second = await startRillcast(rig, here);
    await second.says(/a certificate is in use/);
    assert.equal((await certificate(here.ports.https, NAMES[0], issuer)).serialNumber, serials[0]);
    await sleep(1000);
    assert.deepEqual([await metric(here, ISSUED), issued()], [0, 1], 'a restart orders nothing');
  });
}

scenario('a certificate is renewed under a connection, and stays where no other can be had', { timeout: 180_000 }, async (rig) => {
  const here = await place(rig, { challenge: 'tls-alpn-01', validity: 24 });
  const { pebble, issuer } = await startPebble(rig, here);
  const server = await startRillcast(rig, here);
  await server.says(/a certificate was issued/, 30_000);
  const before = await certificate(here.ports.https, NAMES[0], issuer);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const answers = [];
  const sockets = new Set();
  const ask = async () => {
    const options = { port: here.ports.https, servername: NAMES[0], ca: issuer, agent };
    answers.push((await get(options, '/healthz')).status);
    for (const socket of Object.values({ ...agent.sockets, ...agent.freeSockets }).flat()) sockets.add(socket.localPort);
  };
  let after = before;
  await until('a renewed certificate', async () => {
    await ask();
    after = await certificate(here.ports.https, NAMES[0], issuer);
    return after.serialNumber !== before.serialNumber;
  }, { timeout: 30_000, every: 250 });
  const left = (Date.parse(before.valid_to) - Date.now()) / 1000;
  rig.figure('of 24 s the first certificate had left when the second was there, s', left.toFixed(1));
  assert.ok(left > 2 && left < 9, `${left} s were left`);
  for (let i = 0; i < 4; i += 1) await ask();
  assert.deepEqual([[...new Set(answers)], sockets.size], [[200], 1], 'one connection, all the time');
  rig.figure('requests on the connection that was there before', answers.length);

  // Nobody signs any more.
  await pebble.kill();
  await server.says(/no certificate from the ACME directory/, 40_000);
  await until('a failure counted', async () => (await metric(here, FAILED)) === 1, { timeout: 5000, every: 500 });
  const kept = await certificate(here.ports.https, NAMES[0], issuer, { rejectUnauthorized: false });
  assert.equal(kept.serialNumber, (await certificate(here.ports.https, NAMES[1], issuer, { rejectUnauthorized: false })).serialNumber);
  assert.equal(await metric(here, EXPIRY), Date.parse(kept.valid_to) / 1000);
  assert.equal((await get({ port: here.ports.https, servername: NAMES[0], rejectUnauthorized: false }, '/healthz')).status, 200);

  await sleep(Math.max(0, Date.parse(kept.valid_to) + 1000 - Date.now()));
  const ended = await certificate(here.ports.https, NAMES[0], issuer, { rejectUnauthorized: false });
  assert.equal(ended.serialNumber, kept.serialNumber, 'it is served beyond its end, for want of a better one');

  // One comes back that has forgotten everything, our account too.
  const again = await startPebble(rig, here);
  await until('a certificate from the new one', async () => (await metric(here, ISSUED)) === 3, { timeout: 90_000, every: 500 });
  assert.notEqual((await certificate(here.ports.https, NAMES[0], again.issuer)).serialNumber, kept.serialNumber);
});
