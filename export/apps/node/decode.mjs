// From an image file to its pixels, by sharp.

import sharp from 'sharp';

import { checkSize } from '../web/preprocess.js';

// What the SavedModel reads, too. sharp would also read SVG, say, which is no photograph.
const FORMATS = ['jpeg', 'png', 'gif'];

/** The pixels of an image file, upright: {data, width, height}, RGB bytes. Throws if it is no image. */
export async function decode(bytes) {
  // What is whole but has errors inside is used, as TensorFlow does. Without its color profile an image is not
  // converted: the network was trained on the bytes as they are.
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

/** Ink to light, as TensorFlow does it: each color's light is dimmed by black. sharp would use a printer's profile. */
function fromCmyk({ data: inks, width, height }) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3) * 4;
    data[i] = Math.round(((255 - inks[pixel + (i % 3)]) * (255 - inks[pixel + 3])) / 255);
  }
  return { data, width, height };
}
