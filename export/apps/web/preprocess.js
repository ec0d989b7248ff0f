// Turns a photograph's pixels into the network's input, as the export's manifest.json describes; for browsers and Node.

// The limits of the SavedModel: larger or narrower images are invalid.
const MAX_PIXELS = 100_000_000;
const MAX_ASPECT = 100;

const CHANNELS = 3;

/** Throws a RangeError if an image has too many pixels or is too narrow. */
export function checkSize(width, height) {
  const [short, long] = width < height ? [width, height] : [height, width];
  if (width * height > MAX_PIXELS || long > MAX_ASPECT * short) {
    throw new RangeError(
      `an image must have at most ${MAX_PIXELS} pixels and sides within 1:${MAX_ASPECT}. ` +
        `Received: ${width} by ${height}`,
    );
  }
}

/**
 * Resizes the shorter side to `resize` pixels and cuts the center, `crop` by `crop`.
 *
 * `image` is {data, width, height}: RGB or RGBA bytes, row by row from the top; transparency is dropped, not blended.
 * Returns RGB bytes in the same order. Only the pixels of the crop are computed.
 */
export function prepare({ data, width, height }, resize, crop) {
  const columns = windowTaps(width, Math.min(width, height), resize, crop);
  const rows = windowTaps(height, Math.min(width, height), resize, crop);
  const image = { data, width, stride: data.length / (width * height) };
  const top = rows[0].first;
  return resizeRows(resizeColumns(image, columns, top, lastOf(rows)), rows, top, crop);
}

/** For each pixel of the crop along one axis: its source pixels and their weights. */
function windowTaps(size, shorter, resize, crop) {
  const target = roundHalfToEven(size * (resize / shorter));
  // The start of the crop in the central square. If a margin is odd, `floor` moves it toward the top or left.
  const start = Math.floor((target - resize) / 2) + Math.floor((resize - crop) / 2);
  return Array.from({ length: crop }, (_, index) => triangleTaps(start + index, size, size / target));
}

/** Weights that form a triangle as wide as the reduction, which prevents aliasing. */
function triangleTaps(target, size, reduction) {
  const radius = Math.max(reduction, 1);
  // Half-pixel centers: pixel i covers i to i + 1, and its center is at i + 0.5.
  const center = (target + 0.5) * reduction;
  const first = Math.max(Math.ceil(center - radius - 0.5), 0);
  const last = Math.min(Math.floor(center + radius - 0.5), size - 1);
  const weights = Array.from(
    { length: last - first + 1 },
    (_, index) => 1 - Math.abs(first + index + 0.5 - center) / radius,
  );
  // At the border, part of the triangle is outside the image, so the weights are normalized to sum to 1.
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { first, weights: weights.map((weight) => weight / sum) };
}

function lastOf(taps) {
  const { first, weights } = taps[taps.length - 1];
  return first + weights.length - 1;
}

/** First pass: resizes the source rows from `top` to `bottom` horizontally. Returns floats, not rounded. */
function resizeColumns({ data, width, stride }, columns, top, bottom) {
  const narrow = new Float32Array((bottom - top + 1) * columns.length * CHANNELS);
  let out = 0;
  for (let y = top; y <= bottom; y++) {
    for (const { first, weights } of columns) {
      const start = (y * width + first) * stride;
      for (let channel = 0; channel < CHANNELS; channel++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * data[start + i * stride + channel];
        narrow[out++] = sum;
      }
    }
  }
  return narrow;
}

/** Second pass: resizes vertically and rounds. The first row of `narrow` is source row `top`. */
function resizeRows(narrow, rows, top, crop) {
  const length = crop * CHANNELS;
  // A Uint8ClampedArray rounds its values, halves to even as TensorFlow does, and clips them to 0 to 255.
  const pixels = new Uint8ClampedArray(rows.length * length);
  rows.forEach(({ first, weights }, y) => {
    for (let x = 0; x < length; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * narrow[(first - top + i) * length + x];
      pixels[y * length + x] = sum;
    }
  });
  return new Uint8Array(pixels.buffer);
}

/** Rounds as Python and TensorFlow do. Math.round rounds every half up, which can shift the crop by a pixel. */
function roundHalfToEven(number) {
  const floor = Math.floor(number);
  if (number - floor !== 0.5) return Math.round(number);
  return floor % 2 === 0 ? floor : floor + 1;
}
