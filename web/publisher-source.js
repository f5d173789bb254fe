// The tracks that are sent, as the settings want them: opens what is missing, closes what is not wanted any more,
// one change at a time however fast somebody clicks.

import { explain, openMicrophone, openPicture } from "./capture.js";
import { testTone } from "./testsource.js";

/**
 * `ontrack(kind, track)` is called for each change, `ontrouble(text)` where something does not open and
 * `onended(kind, source)` when a track ends without having been closed here (unplugged, sharing stopped).
 */
export class Source {
  video = null;
  audio = null;
  #videoKey = "";
  #audioKey = "";
  #queue = Promise.resolve();

  constructor({ ontrack, ontrouble, onended }) {
    this.ontrack = ontrack;
    this.ontrouble = ontrouble;
    this.onended = onended;
  }

  /** Opens what `wanted` says; resolves when it is there (or does not open). */
  update(wanted) {
    this.#queue = this.#queue.then(() => this.#apply(wanted));
    return this.#queue;
  }

  async #apply(wanted) {
    const { source, camera, width, height, fps, sound, music } = wanted;
    const screenSound = source === "screen" && sound === "screen";
    const videoKey = source === "none" ? "" : [source, source === "camera" && camera, width, height, fps, screenSound].join();
    if (videoKey !== this.#videoKey || (videoKey && !this.video)) {
      this.#videoKey = videoKey;
      // A camera opens once only on many systems: the old one goes first.
      this.#set("video", null);
      if (videoKey) await this.#openPicture({ ...wanted, screenSound });
    }
    // The sound of a screen comes and goes with its picture.
    if (screenSound) return;
    const audioKey = sound.startsWith("mic:") ? `${sound},${music}` : sound === "test" ? "test" : "";
    if (audioKey === this.#audioKey && (audioKey === "" || this.audio)) return;
    this.#audioKey = audioKey;
    this.#set("audio", null);
    if (audioKey) await this.#openSound(sound, music);
  }

  async #openPicture(wanted) {
    try {
      const { video, audio } = await openPicture(wanted);
      this.#set("video", video, wanted.source);
      if (!wanted.screenSound) return;
      this.#audioKey = "screen";
      this.#set("audio", audio, "screen");
      if (!audio) this.ontrouble("The screen came without sound: tick “Share audio” when choosing, or take the microphone.");
    } catch (error) {
      this.#videoKey = "";
      this.ontrouble(explain(error, wanted.source));
    }
  }

  async #openSound(sound, music) {
    try {
      const track = sound === "test" ? testTone() : await openMicrophone({ microphone: sound.slice("mic:".length), music });
      this.#set("audio", track, sound);
    } catch (error) {
      this.#audioKey = "";
      this.ontrouble(explain(error, "microphone"));
    }
  }

  #set(kind, track, source = "") {
    const old = this[kind];
    if (old === track) return;
    this[kind] = track;
    old?.stop();
    track?.addEventListener("ended", () => {
      if (this[kind] !== track) return;
      this[kind] = null;
      this.ontrack(kind, null);
      this.onended(kind, source);
    });
    this.ontrack(kind, track);
  }
}
