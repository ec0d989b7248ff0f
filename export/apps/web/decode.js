// From an image file to its pixels, by the browser's own decoders.

import { checkSize } from './preprocess.js';

/** The file is no image, or not one that can be used; the message is for people. */
export class ImageError extends Error {}

/** The pixels of an image file, upright: {data, width, height}, RGBA bytes. */
export async function decode(blob) {
  await checkHeader(blob);
  const bitmap = await createImageBitmap(blob, {
    imageOrientation: 'from-image',
    // The network was trained on the bytes as they are in the file, without color profiles.
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  }).catch(() => {
    throw new ImageError('is damaged, or no image that this browser can read.');
  });
  try {
    return read(bitmap);
  } finally {
    bitmap.close();
  }
}

/** Refuses by the size in the header, before memory is taken: an <img> decodes no pixels until it is shown. */
async function checkHeader(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new ImageError('is no image that this browser can read.'));
    });
    checkSize(image.naturalWidth, image.naturalHeight);
  } catch (error) {
    if (error instanceof RangeError) throw new ImageError(`is refused: ${error.message}.`);
    throw error;
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

function read(bitmap) {
  const { width, height } = bitmap;
  try {
    // `willReadFrequently` keeps the canvas off the GPU, whose way back is slow.
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch (error) {
    throw new ImageError(`is too large for this browser: ${width} by ${height} pixels (${error.message}).`);
  }
}
