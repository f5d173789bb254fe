// The test picture: a time code that survives lossy coding and scaling, above a scene whose every colour is a
// function of that time. Shared by the pages (canvas) and by Node (raw I420 frames for ffmpeg).
//
// The code fills the top third: 16 columns by 4 rows of black or white cells, row by row, most significant bit first:
// 48 bits of milliseconds, then 16 bits CRC-16/CCITT over them. The CRC starts at 0xffff so that a black picture is no code.

export const COLUMNS = 16;
export const ROWS = 4;
const VALUE_BITS = 48;

/** How far a decoded channel may be from the drawn one: coding, chroma subsampling and the colour matrix together. */
export const COLOUR_TOLERANCE = 60;

const QUADRANTS = [
  [200, 40, 40], // top left
  [40, 160, 60], // top right
  [40, 60, 200], // bottom left
  [210, 190, 40], // bottom right
];
const DISC = [255, 255, 255];
const DISC_PERIOD_MS = 3000;

function crc16(bits) {
  let crc = 0xffff;
  for (const bit of bits) {
    const carry = ((crc >> 15) & 1) ^ bit;
    crc = (crc << 1) & 0xffff;
    if (carry) crc ^= 0x1021;
  }
  return crc;
}

/** The 64 cells (0 or 1) that stand for `ms` (an integer from 0 to 2^48 - 1). */
export function encode(ms) {
  const bits = [];
  for (let i = VALUE_BITS - 1; i >= 0; i -= 1) bits.push(Math.floor(ms / 2 ** i) % 2);
  const crc = crc16(bits);
  for (let i = 15; i >= 0; i -= 1) bits.push((crc >> i) & 1);
  return bits;
}

/** The milliseconds that 64 cells stand for, or null where the CRC says that the picture is no code. */
export function decode(bits) {
  const value = bits.slice(0, VALUE_BITS);
  const crc = bits.slice(VALUE_BITS).reduce((sum, bit) => sum * 2 + bit, 0);
  if (crc16(value) !== crc) return null;
  return value.reduce((sum, bit) => sum * 2 + bit, 0);
}

/** Where things are in a picture of this size: cells, scene, disc and the points whose colour is known. */
export function layout(width, height) {
  const codeHeight = Math.floor(height / 3);
  const sceneHeight = height - codeHeight;
  const radius = sceneHeight / 6;
  return {
    cellWidth: width / COLUMNS,
    cellHeight: codeHeight / ROWS,
    codeHeight,
    middleY: codeHeight + sceneHeight / 2,
    radius,
    discX: (ms) => radius + ((ms % DISC_PERIOD_MS) / DISC_PERIOD_MS) * (width - 2 * radius),
  };
}

function quadrantAt(x, y, width, middleY) {
  return QUADRANTS[(y < middleY ? 0 : 2) + (x < width / 2 ? 0 : 1)];
}

/** Draws the picture of the moment `ms` into a 2d context. */
export function draw(context, width, height, ms) {
  const place = layout(width, height);
  encode(ms).forEach((bit, i) => {
    context.fillStyle = bit ? '#fff' : '#000';
    const column = i % COLUMNS;
    const row = Math.floor(i / COLUMNS);
    context.fillRect(column * place.cellWidth, row * place.cellHeight, place.cellWidth + 1, place.cellHeight + 1);
  });
  const sceneHeight = height - place.codeHeight;
  QUADRANTS.forEach((colour, i) => {
    context.fillStyle = `rgb(${colour.join(',')})`;
    const x = i % 2 ? width / 2 : 0;
    const y = i < 2 ? place.codeHeight : place.middleY;
    context.fillRect(x, y, width / 2, sceneHeight / 2);
  });
  context.fillStyle = `rgb(${DISC.join(',')})`;
  context.beginPath();
  context.arc(place.discX(ms), place.middleY, place.radius, 0, 2 * Math.PI);
  context.fill();
}

/** Mean luminance of the middle of a rectangle of RGBA pixels. */
function luminance(pixels, stride, x, y, width, height) {
  const [x0, x1] = [Math.floor(x + width * 0.3), Math.ceil(x + width * 0.7)];
  const [y0, y1] = [Math.floor(y + height * 0.3), Math.ceil(y + height * 0.7)];
  let sum = 0;
  let count = 0;
  for (let row = y0; row < y1; row += 1) {
    for (let column = x0; column < x1; column += 1) {
      const at = (row * stride + column) * 4;
      sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
      count += 1;
    }
  }
  return sum / count;
}

/** Reads the time code from RGBA pixels; null where there is none. */
export function read(pixels, width, height) {
  const place = layout(width, height);
  const levels = [];
  for (let i = 0; i < COLUMNS * ROWS; i += 1) {
    const x = (i % COLUMNS) * place.cellWidth;
    const y = Math.floor(i / COLUMNS) * place.cellHeight;
    levels.push(luminance(pixels, width, x, y, place.cellWidth, place.cellHeight));
  }
  const [low, high] = [Math.min(...levels), Math.max(...levels)];
  if (high - low < 64) return null;
  return decode(levels.map((level) => (level > (low + high) / 2 ? 1 : 0)));
}

/**
 * Compares the scene with what was drawn at the moment `ms`: the colours near the four corners of the scene, the disc
 * where it must be, and the bare ground where it must not be. `worst` is the largest difference in one channel.
 */
export function judge(pixels, width, height, ms) {
  const place = layout(width, height);
  const points = [];
  for (const fx of [0.04, 0.96]) {
    for (const fy of [0.08, 0.92]) {
      const [x, y] = [fx * width, place.codeHeight + fy * (height - place.codeHeight)];
      points.push({ what: 'ground', x, y, expected: quadrantAt(x, y, width, place.middleY) });
    }
  }
  points.push({ what: 'disc', x: place.discX(ms), y: place.middleY, expected: DISC });
  const bareX = place.discX(ms + DISC_PERIOD_MS / 2);
  const bareY = place.middleY + place.radius / 2;
  points.push({ what: 'bare', x: bareX, y: bareY, expected: quadrantAt(bareX, bareY, width, place.middleY) });

  let worst = 0;
  let where = '';
  for (const point of points) {
    const at = (Math.round(point.y) * width + Math.round(point.x)) * 4;
    for (let channel = 0; channel < 3; channel += 1) {
      const difference = Math.abs(pixels[at + channel] - point.expected[channel]);
      if (difference > worst) {
        worst = difference;
        where = `${point.what} (${Math.round(point.x)},${Math.round(point.y)}): saw ${pixels.slice(at, at + 3).join(' ')}, drew ${point.expected.join(' ')}`;
      }
    }
  }
  return { worst, where };
}

/** Mean and variance of the luminance of the whole picture: a black or grey one has a variance near 0. */
export function statistics(pixels) {
  let sum = 0;
  let squares = 0;
  const count = pixels.length / 4;
  for (let at = 0; at < pixels.length; at += 4) {
    const level = 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
    sum += level;
    squares += level * level;
  }
  const mean = sum / count;
  return { mean, variance: squares / count - mean * mean };
}

function toYuv([r, g, b]) {
  return [
    16 + 0.257 * r + 0.504 * g + 0.098 * b,
    128 - 0.148 * r - 0.291 * g + 0.439 * b,
    128 + 0.439 * r - 0.368 * g - 0.071 * b,
  ].map(Math.round);
}

/** The picture of the moment `ms` as I420 bytes (BT.601, limited range); width and height even. */
export function drawI420(width, height, ms) {
  const place = layout(width, height);
  const cells = encode(ms);
  const [black, white] = [toYuv([0, 0, 0]), toYuv(DISC)];
  const grounds = QUADRANTS.map(toYuv);
  const discX = place.discX(ms);
  const colourAt = (x, y) => {
    if (y < place.codeHeight) {
      const row = Math.min(ROWS - 1, Math.floor(y / place.cellHeight));
      return cells[row * COLUMNS + Math.floor(x / place.cellWidth)] ? white : black;
    }
    if ((x - discX) ** 2 + (y - place.middleY) ** 2 <= place.radius ** 2) return white;
    return grounds[(y < place.middleY ? 0 : 2) + (x < width / 2 ? 0 : 1)];
  };
  const frame = new Uint8Array((width * height * 3) / 2);
  const [u, v] = [width * height, width * height * 1.25];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const colour = colourAt(x, y);
      frame[y * width + x] = colour[0];
      if (x % 2 === 0 && y % 2 === 0) {
        const at = (y / 2) * (width / 2) + x / 2;
        frame[u + at] = colour[1];
        frame[v + at] = colour[2];
      }
    }
  }
  return frame;
}
