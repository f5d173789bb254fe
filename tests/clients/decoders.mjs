// Every decoder at hand behind one face. `start` joins a room, and the player's `end` leaves it and says what came and
// what became of it; `judge` compares a padded stream with a plain one, of which `sent` frames were published.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { play, snapshot } from '../browser/harness.mjs';
import { aiortc, farewell, webrtcbin } from './clients.mjs';
import { readClip } from './clip.mjs';

export const DECODERS = [
  {
    name: 'chromium',
    plays: ['VP8', 'H264', 'VP9', 'AV1'],
    start: chromium,
    judge: judgeBrowser,
    figure: ({ video, audio }) => `${video.framesDecoded} frames, ${video.freezeCount} freezes, ${samples(audio)} samples`,
  },
  {
    name: 'aiortc',
    plays: ['VP8', 'H264'],
    start: (rig, url) => python(aiortc(rig, 'aiortc_play', url, '--audio')),
    // Its jitter buffer lets a frame go when the next one begins, and a sound when three are behind it.
    judge: (padded, plain, sent) => judgePython(padded, plain, { video: sent.video - 1, audio: sent.audio - 4 }),
    figure: ({ video, audio }) => `${video.frames} frames, ${audio.frames} sounds`,
  },
  {
    name: 'webrtcbin',
    plays: ['VP8', 'H264', 'VP9'], // Debian 12 has no depayloader for AV1
    start: (rig, url, codec) => python(webrtcbin(rig, 'webrtcbin_play', url, codec)),
    judge: judgePython,
    figure: ({ video, audio }) => `${video.frames} frames, ${audio.frames} sounds`,
  },
  {
    name: 'rillcast',
    plays: ['VP8', 'H264', 'VP9', 'AV1'],
    start: rillcast,
    judge: judgeRillcast,
    figure: ({ video, audio }) => `${video.frames} frames, ${audio.frames} sounds`,
  },
];

async function chromium(rig, url) {
  return browser(await play(rig, url, { reading: false }));
}

/** The player of a page that plays. */
export function browser(page) {
  return {
    async end() {
      const seen = await snapshot(page);
      const picture = await page.evaluate(() => window.player.inspect());
      assert.equal(await page.evaluate(() => window.player.leave()), 200);
      for (const kind of [seen.video, seen.audio]) kind.padding_bytes = kind.headerBytesReceived - RTP_HEADER_BYTES * kind.packetsReceived;
      return { ...seen, picture };
    },
  };
}

/** The server sends browsers no header extensions here, and their statistics count padding as header. */
const RTP_HEADER_BYTES = 12;

/** What the Python players print of a decoder that did not like what it got. */
const COMPLAINT = /warning|fail|error|corrupt/i;

async function python(player) {
  await player.says(/"state": "connected"/, 15_000);
  return {
    async end() {
      assert.equal(await farewell(player), 200);
      const totals = player.json().find((line) => line.video);
      return { ...totals, complaints: player.output.split('\n').filter((line) => COMPLAINT.test(line)) };
    },
  };
}

async function rillcast(rig, url) {
  const player = rig.rillcast(['play', url, '--json', '--out', path.join(await rig.folder(), 'out')]);
  return {
    async end() {
      assert.equal(await player.stop(), 0, player.output);
      const [report] = player.json();
      const [video, audio] = report.files;
      // Without the times: the server starts a newcomer with a burst, which moves the first one by some ticks.
      const frames = (await readClip(video)).flatMap((frame) => frame.parts);
      return { ...report, content: { video: Buffer.concat(frames), audio: await readFile(audio) } };
    },
  };
}

/** How long pictures may stand in all, in s: a busy machine is late, too, and what padding broke would not be decoded. */
const FREEZES = 1;

/** Both got everything and decoded it, and the last picture is the clip's last, the same on both sides. */
export function judgeBrowser(padded, plain, sent) {
  for (const { video, audio, picture } of [padded, plain]) {
    const { framesDecoded, framesDropped, packetsLost, nackCount, pliCount } = video;
    assert.deepEqual(
      { framesDecoded, framesDropped, packetsLost, nackCount, pliCount },
      { framesDecoded: sent.video, framesDropped: 0, packetsLost: 0, nackCount: 0, pliCount: 0 },
    );
    assert.ok(video.totalFreezesDuration < FREEZES, `pictures stood for ${video.totalFreezesDuration} s`);
    assert.deepEqual([audio.packetsReceived, audio.packetsLost], [sent.audio, 0]);
    assert.ok(Math.abs(samples(audio) / sent.samples - 1) < 0.05, `${samples(audio)} of ${sent.samples} samples heard`);
    assert.equal(picture.shown, Math.round(((sent.video - 1) * 1000) / 30));
    assert.ok(audio.totalAudioEnergy > 0, 'the tone is heard');
  }
  assert.deepEqual(padded.picture, plain.picture);
  for (const kind of ['video', 'audio']) {
    assert.equal(padded[kind].packetsReceived, plain[kind].packetsReceived);
    assert.equal(padded[kind].bytesReceived, plain[kind].bytesReceived, 'padding is no payload');
    assert.ok(padded[kind].padding_bytes > 0, 'there was padding');
    assert.equal(plain[kind].padding_bytes, 0);
  }
}

/** Samples that came out of packets, rather than being made up while there were none. */
export function samples(audio) {
  return audio.totalSamplesReceived - audio.concealedSamples;
}

/** Both decoded as many frames, the same in every pixel and every sample, and no decoder complained. */
function judgePython(padded, plain, sent) {
  for (const { video, audio, complaints } of [padded, plain]) {
    assert.deepEqual(complaints, []);
    assert.deepEqual([video.frames, audio.frames], [sent.video, sent.audio]);
  }
  for (const kind of ['video', 'audio']) {
    assert.equal(padded[kind].packets, plain[kind].packets);
    assert.equal(padded[kind].sum, plain[kind].sum, `what was decoded of the ${kind} is the same`);
    assert.ok(padded[kind].padding_bytes >= padded[kind].padded_packets);
    assert.equal(plain[kind].padded_packets, 0);
  }
}

/** Both got every frame, with the same bytes in it. */
function judgeRillcast(padded, plain, sent) {
  for (const report of [padded, plain]) {
    for (const kind of ['video', 'audio']) {
      const { frames, broken_frames, lost, late_or_twice, empty } = report[kind];
      assert.deepEqual([frames, broken_frames, lost, late_or_twice, empty], [sent[kind], 0, 0, 0, 0], kind);
    }
  }
  for (const kind of ['video', 'audio']) {
    assert.equal(padded[kind].packets, plain[kind].packets);
    assert.equal(padded[kind].bytes, plain[kind].bytes);
    assert.ok(padded.content[kind].equals(plain.content[kind]), `the ${kind} that was written is the same`);
    assert.equal(plain[kind].padded, 0);
  }
}
