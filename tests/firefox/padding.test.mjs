// Firefox plays a padded stream and a plain one. H264 is not among them: Firefox decodes it in WebRTC by the OpenH264
// plugin alone, which it downloads.
import { scenario, until } from '../browser/harness.mjs';
import { DECODERS, browser, judgeBrowser, samples } from '../clients/decoders.mjs';
import { judge, playTwice } from '../clients/twins.mjs';
import { openPlayer } from './firefox.mjs';

const FIREFOX = {
  name: 'firefox',
  async start(rig, url) {
    const page = await openPlayer(rig);
    const result = await page.evaluate((o) => window.player.start(o), { url, reading: false });
    if (result.status) throw new Error(result.error);
    return browser(page);
  },
  judge: judgeBrowser,
  figure: ({ video, audio }) => `${video.framesDecoded} frames, ${video.freezeCount} freezes, ${samples(audio)} samples`,
};
// Ours counts the padding.
const decoders = [FIREFOX, DECODERS.find(({ name }) => name === 'rillcast')];

for (const codec of ['VP8', 'VP9', 'AV1']) {
  scenario(`Firefox, ${codec} and Opus, padded and plain`, { timeout: 90_000 }, async (rig) => {
    const seen = await playTwice(rig, codec, decoders);
    judge(rig, codec, decoders, seen);
  });
}
