// A server that makes packets of a frame one length by padding, and one that does not, with the same players in each.
import assert from 'node:assert/strict';
import { sleep, until } from '../browser/harness.mjs';
import { makeClip, makeTone, readClip } from './clip.mjs';

const SECONDS = 5;
const TONE_MILLISECONDS = 10;

/**
 * Publishes a clip of the codec and a tone to both servers at the same time, once and from the first packet to the
 * last, while every one of `decoders` plays both. Returns what was `sent`, and what came of it, by the decoders' names.
 */
export async function playTwice(rig, codec, decoders) {
  const folder = await rig.folder();
  // One key frame: a browser that is late leaves out frames before another one, and nothing else.
  const frames = { seconds: SECONDS, gop: SECONDS * 30 };
  const clip = await makeClip({ codec, folder, width: 640, height: 360, ...frames, bitrate: 1_500_000, noise: 12 });
  const tone = await makeTone({ folder, seconds: SECONDS, milliseconds: TONE_MILLISECONDS });
  const sent = { video: (await readClip(clip)).length, audio: (SECONDS * 1000) / TONE_MILLISECONDS, samples: SECONDS * 48_000 };
  assert.equal(sent.video, SECONDS * 30);

  const sides = await Promise.all(['16', '0'].map((padding) => side(rig, padding, decoders, codec)));
  await Promise.all(sides.map((one) => one.publish(clip, tone)));
  await sleep(1000); // what is still in a jitter buffer
  const [padded, plain] = await Promise.all(sides.map((one) => one.end()));
  return { sent, padded, plain };
}

async function side(rig, padding, decoders, codec) {
  const server = await rig.server({
    MEDIA_PADDING_BYTES: padding,
    MEDIA_BATCH_WINDOW_MS: '20', // so that packets of sound leave together, too
    MEDIA_PUBLIC_IPS: undefined, // Firefox and webrtcbin reach no server by UDP that names 127.0.0.1 alone
    MEDIA_TCP_PORT: 'off',
    WAIT_FOR_PUBLISHER: 'true',
  });
  const players = await Promise.all(decoders.map(({ start }) => start(rig, server.whep('clip'), codec)));
  await until('everybody to be connected', async () => {
    const [room] = await (await fetch(`${server.url}/api/rooms`)).json();
    return room && room.gcmSessions + room.cmSessions === decoders.length;
  });
  return {
    async publish(...files) {
      const publisher = rig.rillcast(['publish', ...files, server.whip('clip')]);
      assert.equal(await publisher.exited, 0, publisher.output);
    },
    async end() {
      const ends = await Promise.all(players.map((player) => player.end()));
      return Object.fromEntries(decoders.map(({ name }, i) => [name, ends[i]]));
    },
  };
}

/** Each decoder's judgement, and that all of them saw the same padding: it is decided once for a room. */
export function judge(rig, codec, decoders, { sent, padded, plain }) {
  for (const decoder of decoders) {
    decoder.judge(padded[decoder.name], plain[decoder.name], sent);
    rig.figure(`${codec}, ${decoder.name}: padded / plain`, [padded, plain].map((side) => decoder.figure(side[decoder.name])).join(' / '));
  }
  for (const kind of ['video', 'audio']) {
    const { padded: packets, packets: all } = padded.rillcast[kind];
    assert.ok(packets > all / 20, `${packets} of ${all} packets are padded`);
    const seen = decoders.map(({ name }) => padded[name][kind]);
    const [bytes] = seen.map((one) => one.padding_bytes).filter((count) => count !== undefined);
    for (const one of seen) {
      assert.equal(one.padding_bytes ?? bytes, bytes);
      assert.equal(one.padded_packets ?? packets, packets);
    }
    rig.figure(`${codec}, padded packets of ${kind}`, `${packets} of ${all}, by ${bytes} bytes in all`);
  }
}
