// Small plots of the last minutes: a filled line, from zero up.

const colours = { line: "", fill: "" };
/** Grows when the colours change: what was drawn before is to be drawn again. */
export let paint = 0;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours.line = style.getPropertyValue("--accent").trim();
  colours.fill = `color-mix(in srgb, ${colours.line} 22%, transparent)`;
  paint += 1;
}

/** Calls `changed` whenever the system turns from light to dark or back. */
export function watchColours(changed) {
  readColours();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    changed();
  });
}

/**
 * Draws `values`, the newest at the right edge, `points` of them across the whole width. The canvas has a fixed size in
 * CSS pixels, which is read from its attributes once: a plot never asks for the layout.
 */
export function plot(canvas, values, points) {
  const scale = window.devicePixelRatio || 1;
  const size = (canvas.plotSize ??= { width: canvas.width, height: canvas.height });
  const [width, height] = [Math.round(size.width * scale), Math.round(size.height * scale)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  const shown = values.slice(-points);
  if (shown.length === 0) return;
  // The first value of a room is to be seen, too.
  if (shown.length === 1) shown.push(shown[0]);
  const most = Math.max(1, ...shown);
  const line = 1.5 * scale;
  const x = (i) => width - ((shown.length - 1 - i) / (points - 1)) * width;
  const y = (value) => height - line - (value / most) * (height - 2 * line);
  context.beginPath();
  shown.forEach((value, i) => context.lineTo(x(i), y(value)));
  context.strokeStyle = colours.line;
  context.lineWidth = line;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(x(0), height);
  context.fillStyle = colours.fill;
  context.fill();
}
