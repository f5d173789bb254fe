// A Chromium that may use nothing but TURN, and a real coturn between it and the server.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import path from 'node:path';
import { REPOSITORY, assertKeepsUp, decoded, play, publish, scenario, snapshot, watch } from './harness.mjs';

/** A coturn with the configuration that is shipped, on loopback, and its port. */
async function coturn(rig, options) {
  const port = await freePort();
  const folder = await rig.folder();
  const turn = rig.process('turnserver', [
    '-c', path.join(REPOSITORY, 'deploy/coturn/turnserver.conf'),
    '--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', `--listening-port=${port}`,
    `--pidfile=${folder}/pid`, `--userdb=${folder}/turndb`, '--realm=rillcast.test', '--verbose',
    ...options,
  ]);
  await turn.says(/SQLite DB connection/);
  return { turn, port };
}

/** The server is on loopback here, where the shipped configuration relays to nobody. */
const TO_LOOPBACK = ['--allow-loopback-peers', '--allowed-peer-ip=127.0.0.1'];

/** A port that is free for UDP now. */
async function freePort() {
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

async function relays(rig, server, turn, transport) {
  const publisher = await publish(rig, server.whip('relayed'), { relay: true });
  const player = await play(rig, server.whep('relayed'), { relay: true });
  await decoded(player, 60, { timeout: 20_000 });
  assertKeepsUp(await watch(player, 2000, publisher));
  for (const page of [publisher, player]) {
    const { way } = (await snapshot(page)).transport;
    assert.deepEqual([way.type, way.relayProtocol], ['relay', transport]);
    rig.figure('way', JSON.stringify(way));
  }
  assert.match(turn.output, /ALLOCATE processed, success/);
  assert.equal(await player.evaluate(() => window.player.leave()), 200);
  assert.equal(await publisher.evaluate(() => window.publisher.leave()), 200);
}

for (const transport of ['udp', 'tcp']) {
  scenario(`relay only, to coturn by ${transport}, static credentials`, {}, async (rig) => {
    const { turn, port } = await coturn(rig, [...TO_LOOPBACK, '--user=someone:a secret']);
    const server = await rig.server({
      TURN_URLS: `turn:127.0.0.1:${port}?transport=${transport}`,
      TURN_USERNAME: 'someone',
      TURN_PASSWORD: 'a secret',
    });
    await relays(rig, server, turn, transport);
  });
}

scenario('relay only, to coturn by credentials of each session', {}, async (rig) => {
  const { turn, port } = await coturn(rig, [...TO_LOOPBACK, '--use-auth-secret', '--static-auth-secret=shared with coturn']);
  const server = await rig.server({ TURN_URLS: `turn:127.0.0.1:${port}`, TURN_SECRET: 'shared with coturn', TURN_LIFETIME_S: '600' });
  await relays(rig, server, turn, 'udp');
  // Who, and until when: a name for each session.
  const names = new Set([...turn.output.matchAll(/user <(\d+:[^>]*)>/g)].map(([, name]) => name));
  const ends = [...names].map((name) => Number(name.split(':')[0]) - Date.now() / 1000);
  assert.ok(names.size >= 2, [...names].join(' '));
  assert.ok(ends.every((left) => left > 500 && left <= 601), ends.join(' '));
});

const refusals = {
  'a secret that coturn does not share': {
    options: [...TO_LOOPBACK, '--use-auth-secret', '--static-auth-secret=another'],
    credentials: { TURN_SECRET: 'shared with coturn' },
    says: /error 401/,
  },
  'a password that coturn does not know': { options: [...TO_LOOPBACK, '--user=someone:another secret'], says: /error 401/ },
  'a server on a private address that nobody allowed': { options: ['--user=someone:a secret'], says: /error 403/ },
};

const STATIC = { TURN_USERNAME: 'someone', TURN_PASSWORD: 'a secret' };

for (const [what, { options, says, credentials = STATIC }] of Object.entries(refusals)) {
  scenario(`relay only, ${what}: no way`, {}, async (rig) => {
    const { turn, port } = await coturn(rig, options);
    const server = await rig.server({ TURN_URLS: `turn:127.0.0.1:${port}`, ...credentials });
    await assert.rejects(publish(rig, server.whip('relayed'), { relay: true }), /not connected|connection failed/);
    assert.match(turn.output, says);
  });
}
