// RTP padding changes nothing for who decodes: every decoder at hand plays a padded stream and a plain one.
import { scenario } from '../browser/harness.mjs';
import { DECODERS } from './decoders.mjs';
import { judge, playTwice } from './twins.mjs';

for (const codec of ['VP8', 'H264', 'VP9', 'AV1']) {
  scenario(`${codec} and Opus, padded and plain`, {}, async (rig) => {
    const decoders = DECODERS.filter((decoder) => decoder.plays.includes(codec));
    judge(rig, codec, decoders, await playTwice(rig, codec, decoders));
  });
}
