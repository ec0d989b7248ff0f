// Decodes an image file to pixels with sharp.

import sharp from 'sharp';

import { checkSize } from '../web/preprocess.js';

// Formats that the SavedModel decodes too. sharp also decodes others, for example SVG.
const FORMATS = ['jpeg', 'png', 'gif'];

/** Returns the pixels of an image file, rotated upright: {data, width, height}, RGB bytes. Throws if undecodable. */
export async function decode(bytes) {
  // As in TensorFlow: truncated files are errors, other damage is not, and color profiles are ignored, because the
  // network was trained on the stored values.
  const image = sharp(bytes, { failOn: 'truncated', ignoreIcc: true, limitInputPixels: false });
  const { format, width, height, space } = await image.metadata();
  if (!FORMATS.includes(format)) throw new Error(`must be one of ${FORMATS.join(', ')}. Received: ${format}`);
  checkSize(width, height);
  image.autoOrient();
  if (space === 'cmyk') return fromCmyk(await read(image.pipelineColourspace('cmyk').toColourspace('cmyk')));
  return read(image.toColourspace('srgb').removeAlpha());
}

async function read(image) {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** Converts CMYK to RGB as TensorFlow does: (1 − ink) · (1 − black). sharp would use a printer's color profile. */
function fromCmyk({ data: inks, width, height }) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3) * 4;
    data[i] = Math.round(((255 - inks[pixel + (i % 3)]) * (255 - inks[pixel + 3])) / 255);
  }
  return { data, width, height };
}
