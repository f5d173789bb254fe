// How the tests start each client program.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const AIORTC = process.env.AIORTC_PYTHON ?? path.join(HERE, '.venv/bin/python');
// GStreamer's bindings belong to the system's Python, not to one that comes first on the path.
const GSTREAMER = process.env.GSTREAMER_PYTHON ?? '/usr/bin/python3';

/** libdatachannel as OBS uses it. */
export function libdatachannelPublish(rig, url, clip, ...flags) {
  return rig.process(process.execPath, [path.join(HERE, 'libdatachannel_publish.mjs'), url, clip, ...flags]);
}

/** aiortc: `script` is aiortc_publish or aiortc_play. */
export function aiortc(rig, script, ...args) {
  if (!existsSync(AIORTC)) throw new Error(`no ${AIORTC}: python3 -m venv tests/clients/.venv && tests/clients/.venv/bin/pip install -r tests/clients/requirements.txt`);
  return rig.process(AIORTC, [path.join(HERE, `${script}.py`), ...args]);
}

/** webrtcbin: `script` is webrtcbin_publish or webrtcbin_play. */
export function webrtcbin(rig, script, ...args) {
  return rig.process(GSTREAMER, [path.join(HERE, `${script}.py`), ...args]);
}

/** Closes a client's standard input, upon which it DELETEs its session and ends; the status of the DELETE. */
export async function farewell(client) {
  client.stdin.end();
  const [, status] = await client.says(/"deleted": ?(\d+)/, 5000);
  await client.exited;
  return Number(status);
}

/** Waits until a Python player reported `count` decoded frames; returns its reports. */
export async function reports(client, count, timeout = 15_000) {
  await client.says(new RegExp(`"frames": (${Array.from({ length: 40 }, (_, i) => (i + 1) * 15).filter((n) => n >= count).join('|')}),`), timeout);
  return client.json().filter((line) => line.frames);
}

/** How many sessions of the only room run on AES-GCM and on AES-CM, as the server counts them. */
export async function profiles(server) {
  const [room] = await (await fetch(`${server.url}/api/rooms`)).json();
  return { gcm: room.gcmSessions, cm: room.cmSessions };
}
