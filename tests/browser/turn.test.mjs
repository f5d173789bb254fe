// A Chromium that may use nothing but TURN, and a real coturn between it and the server.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import path from 'node:path';
import { assertKeepsUp, decoded, play, publish, scenario, snapshot, watch } from './harness.mjs';

/** A coturn on loopback, and the server's variables that name it. */
async function coturn(rig, credentials) {
  const port = await freePort();
  const folder = await rig.folder();
  const turn = rig.process('turnserver', [
    '-n', '--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', `--listening-port=${port}`,
    '--no-tls', '--no-dtls', '--no-cli', '--fingerprint', '--realm=rillcast.test', '--verbose',
    // The server is on loopback here, where coturn relays to nobody by default.
    '--allow-loopback-peers',
    '--log-file=stdout', '--pidfile=', `--userdb=${path.join(folder, 'turndb')}`,
    ...credentials,
  ]);
  await turn.says(/SQLite DB connection/);
  return { turn, port };
}

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
    const { turn, port } = await coturn(rig, ['--lt-cred-mech', '--user=someone:a secret']);
    const server = await rig.server({
      TURN_URLS: `turn:127.0.0.1:${port}?transport=${transport}`,
      TURN_USERNAME: 'someone',
      TURN_PASSWORD: 'a secret',
    });
    await relays(rig, server, turn, transport);
  });
}

scenario('relay only, with a password that coturn does not know: no way', {}, async (rig) => {
  const { turn, port } = await coturn(rig, ['--lt-cred-mech', '--user=someone:another secret']);
  const server = await rig.server({ TURN_URLS: `turn:127.0.0.1:${port}`, TURN_USERNAME: 'someone', TURN_PASSWORD: 'a secret' });
  await assert.rejects(publish(rig, server.whip('relayed'), { relay: true }), /not connected|connection failed/);
  assert.match(turn.output, /401|Unauthorized|credentials/i);
});
