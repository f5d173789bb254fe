// The level of a track's sound, as a bar.

const FLOOR_DB = -60;
const FRAME_MS = 50;
// Loudness falls slower than it rises, as on any meter: else the eye cannot follow.
const FALL_DB_PER_S = 30;

/** Draws the level of a track into `bar` (its scale) and says it to assistive technology through `meter`. */
export class LevelMeter {
  #meter;
  #bar;
  #context = null;
  #source = null;
  #analyser = null;
  #samples = null;
  #timer = 0;
  #shown = FLOOR_DB;

  /** @param {HTMLElement} meter element with role "meter", whose first child is the bar */
  constructor(meter) {
    this.#meter = meter;
    this.#bar = meter.firstElementChild;
  }

  /** Shows this track from now on; null shows silence. @param {MediaStreamTrack|null} track */
  show(track) {
    this.#source?.disconnect();
    this.#source = null;
    clearInterval(this.#timer);
    this.#draw(FLOOR_DB, 0);
    if (!track) return;
    this.#context ??= new AudioContext();
    this.#analyser ??= new AnalyserNode(this.#context, { fftSize: 2048 });
    this.#samples ??= new Float32Array(this.#analyser.fftSize);
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
    this.#timer = setInterval(() => this.#read(), FRAME_MS);
    this.wake();
  }

  /** To be called on a click: browsers start no sound processing before one. */
  wake() {
    if (this.#context?.state === "suspended") this.#context.resume().catch(() => {});
  }

  #read() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let peak = 0;
    for (const sample of this.#samples) peak = Math.max(peak, Math.abs(sample));
    const db = Math.max(FLOOR_DB, 20 * Math.log10(peak || 1e-9));
    this.#draw(Math.max(db, this.#shown - FALL_DB_PER_S * (FRAME_MS / 1000)), peak);
  }

  #draw(db, peak) {
    this.#shown = Math.max(FLOOR_DB, db);
    const part = 1 - this.#shown / FLOOR_DB;
    this.#bar.style.transform = `scaleX(${part.toFixed(3)})`;
    this.#meter.classList.toggle("clipping", peak > 0.98);
    this.#meter.setAttribute("aria-valuenow", String(Math.round(part * 100)));
  }
}
