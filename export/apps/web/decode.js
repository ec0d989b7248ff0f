// Decodes an image file to pixels with the browser's own decoders.

import { checkSize } from './preprocess.js';

/** The file is not an image, or cannot be used. The message is shown to the user, after the file's name. */
export class ImageError extends Error {}

/** Returns the pixels of an image file, rotated upright: {data, width, height}, RGBA bytes. */
export async function decode(blob) {
  await checkHeader(blob);
  const bitmap = await createImageBitmap(blob, {
    imageOrientation: 'from-image',
    // The network was trained on the bytes as they are in the file, without color profiles.
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  }).catch(() => {
    throw new ImageError('is damaged, or not an image that this browser can decode.');
  });
  try {
    return read(bitmap);
  } finally {
    bitmap.close();
  }
}

/** Checks the size in the header before the pixels take memory: an <img> is not decoded until it is shown. */
async function checkHeader(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new ImageError('is not an image that this browser can decode.'));
    });
    checkSize(image.naturalWidth, image.naturalHeight);
  } catch (error) {
    if (error instanceof RangeError) throw new ImageError(`cannot be used: ${error.message}.`);
    throw error;
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

function read(bitmap) {
  const { width, height } = bitmap;
  try {
    // `willReadFrequently` keeps the canvas in main memory: reading it back from the GPU is slow.
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch (error) {
    throw new ImageError(`is too large for this browser: ${width} by ${height} pixels (${error.message}).`);
  }
}
