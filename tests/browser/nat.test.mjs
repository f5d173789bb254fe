// A server behind NAT, and a Chromium on the internet's side of it: what the operator sets so that media finds its way.
import assert from 'node:assert/strict';
import { assertKeepsUp, decoded, play, publish, rillcastBinary, scenario, snapshot, watch } from './harness.mjs';
import { behindNat, unavailable } from './namespaces.mjs';

const OUTER = '203.0.113.1';
const [HTTP, MEDIA, STUN] = [8080, 7000, 3478];

/** `rillcast serve` behind the router, one worker and so one media port. */
async function serve(rig, host, env) {
  const [command, args] = host.command(rillcastBinary(), 'serve');
  const server = rig.process(command, args, {
    env: { ...process.env, LOG: 'info', HTTP_ADDR: `:${HTTP}`, MEDIA_UDP_PORT: String(MEDIA), MEDIA_WORKERS: '1', ...env },
  });
  await server.says(/Rillcast is ready/, 15_000);
  return server;
}

/** Publishes and plays from the internet's side, and returns how the player saw it. */
async function across(rig, client) {
  await rig.browseFrom(client.pid);
  const at = (kind) => `http://${OUTER}:${HTTP}/${kind}/across`;
  const publisher = await publish(rig, at('whip'));
  const player = await play(rig, at('whep'));
  await decoded(player, 60, { timeout: 20_000 });
  assertKeepsUp(await watch(player, 2000, publisher));
  return Promise.all([publisher, player].map(async (page) => (await snapshot(page)).transport.way));
}

scenario('behind a NAT that forwards two ports: MEDIA_PUBLIC_IPS', { skip: unavailable }, async (rig) => {
  const { server, client } = await behindNat(rig, { ports: [HTTP, MEDIA] });
  const process = await serve(rig, server, { MEDIA_PUBLIC_IPS: OUTER });
  for (const way of await across(rig, client)) {
    assert.deepEqual(way, { type: 'host', protocol: 'udp', relayProtocol: undefined, remote: `${OUTER}:${MEDIA}` });
  }
  assert.doesNotMatch(process.output, /private addresses only/);
});

scenario('behind a NAT, UDP blocked on the way: TCP', { skip: unavailable }, async (rig) => {
  const { server, router, client } = await behindNat(rig, { ports: [HTTP, MEDIA] });
  await router.firewall('add rule ip filter forward meta l4proto udp drop');
  await serve(rig, server, { MEDIA_PUBLIC_IPS: OUTER });
  for (const way of await across(rig, client)) {
    assert.deepEqual([way.protocol, way.remote], ['tcp', `${OUTER}:${MEDIA}`]);
  }
});

scenario('behind a NAT: the address that a STUN server sees', { skip: unavailable }, async (rig) => {
  const { server, client } = await behindNat(rig, { ports: [HTTP, MEDIA] });
  const [command, args] = client.command(
    'turnserver', '-n', '--stun-only', '--no-cli', '--no-tls', '--no-dtls', '--log-file=stdout', '--pidfile=',
    '--listening-ip=203.0.113.9', `--listening-port=${STUN}`,
  );
  await rig.process(command, args).says(/SQLite DB connection/);
  const process = await serve(rig, server, { MEDIA_PUBLIC_IPS: `stun:203.0.113.9:${STUN}` });
  assert.match(process.output, /addresses=\[203\.0\.113\.1\]/);
  for (const way of await across(rig, client)) assert.equal(way.remote, `${OUTER}:${MEDIA}`);
});

scenario('behind a NAT, nothing set: the start says what is amiss', { skip: unavailable }, async (rig) => {
  const { server } = await behindNat(rig, { ports: [HTTP, MEDIA] });
  const plain = await serve(rig, server, {});
  assert.match(plain.output, /WARN .*private addresses only \(10\.0\.0\.2,127\.0\.0\.1[^)]*\).*MEDIA_PUBLIC_IPS/);
  await plain.stop();
  const narrow = await serve(rig, server, { MEDIA_INTERFACES: 'eth*,!127.0.0.0/8' });
  assert.match(narrow.output, /addresses=\[10\.0\.0\.2\]/);
  await narrow.stop();
  // Nobody answers there.
  const [command, args] = server.command(rillcastBinary(), 'serve');
  const silent = rig.process(command, args, { env: { ...process.env, MEDIA_PUBLIC_IPS: 'stun:203.0.113.9:3478' } });
  assert.equal(await silent.exited, 1);
  assert.match(silent.output, /MEDIA_PUBLIC_IPS: stun:203\.0\.113\.9:3478 does not tell our address: /);
});
