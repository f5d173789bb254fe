// From a recording to something that a browser's player takes: a link to the file, or a WebM made here of its tracks.

import { PLAYED, ending } from "./records-api.js";
import { readIvf, readOgg } from "./records-files.js";
import { webm } from "./records-webm.js";

// How long a link for this page's own player holds, in seconds: longer than anybody watches, within what readers get.
const LINK_SECONDS = 6 * 3600;
// A pair of tracks is held in memory while it plays.
const MOST_BYTES = 512e6;
// A first key frame and its header fit into this.
const FIRST_BYTES = 400_000;

/** The name of the sound beside a picture that is a file of its own; null where the name says nothing of it. */
export const soundOf = (name) => {
  const match = /^(.+)_video_(\d+(?:-\d+)?)\.ivf$/.exec(name);
  return match && `${match[1]}_audio_${match[2]}.ogg`;
};

/** What plays of a recording: `{url, close}`. */
export async function source(server, record, { progress, signal } = {}) {
  if (PLAYED[ending(record.name)] !== "pair") {
    const { url } = await server.link(record.name, LINK_SECONDS);
    return { url, close() {} };
  }
  if (record.size > MOST_BYTES) throw new Error("This recording is too large to be played here. It can be downloaded.");
  const sound = soundOf(record.name);
  const [video, audio] = await Promise.all([
    server.bytes(record.name, { progress, signal }),
    sound ? server.bytes(sound, { signal }) : null,
  ]);
  if (!video) throw new Error("This recording is gone.");
  return made(readIvf(video), audio && readOgg(audio));
}

/** What shows of it at first: the same, or of a pair the first key frame alone. */
export async function firstPicture(server, record) {
  if (PLAYED[ending(record.name)] !== "pair") return source(server, record);
  const bytes = await server.bytes(record.name, { first: FIRST_BYTES });
  const video = bytes && readIvf(bytes);
  if (!video?.frames.length) throw new Error("no key frame");
  return made({ ...video, frames: video.frames.slice(0, 1) }, null);
}

function made(video, audio) {
  const url = URL.createObjectURL(webm(video, audio));
  return { url, close: () => URL.revokeObjectURL(url) };
}
