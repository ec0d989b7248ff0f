// Classifies image files with an exported TFLite file.
//
//   node label.mjs EXPORT_OR_TFLITE photo.jpg ...
//
// Of an export's directory, it runs the file that manifest.json recommends.
// Prints "file<TAB>label<TAB>score" for the five most probable labels of each file, best first.

import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { classify, isManifest, open } from '../web/network.js';
import { prepare } from '../web/preprocess.js';
import { decode } from './decode.mjs';

/** Invalid input, which is reported in one line. */
class UsageError extends Error {}

async function main([path, ...files]) {
  if (!files.length) throw new UsageError('usage: node label.mjs EXPORT_OR_TFLITE photo.jpg ...');
  const network = await openExport(path);
  for (const file of files) {
    for (const { label, score } of await answer(network, file)) console.log(`${file}\t${label}\t${score.toFixed(6)}`);
  }
}

/** Returns the best labels of one file; for an undecodable image `invalid`, with the reason on stderr. */
async function answer({ litert, model, manifest }, file) {
  const bytes = await read(file);
  let image;
  try {
    image = await decode(bytes);
  } catch (error) {
    console.error(`${file}: ${error.message.replaceAll('\n', ' ')}`);
    return [{ label: 'invalid', score: 0 }];
  }
  return classify(litert, model, manifest, prepare(image, manifest.resize, manifest.crop));
}

/** Opens the network and its manifest, from an export's directory or one of its .tflite files. */
async function openExport(path) {
  const directory = await stat(path).then((found) => found.isDirectory(), () => false);
  const manifest = parse(await read(join(directory ? path : dirname(path), 'manifest.json')));
  const file = directory ? recommendedFile(path, manifest) : path;
  const bytes = await read(file);
  // Imported only now, because it takes a second to start: errors above are reported at once.
  const { litert } = await import('./litert.mjs');
  try {
    return { litert, manifest, model: await open(litert, bytes) };
  } catch (error) {
    throw new UsageError(`${file} cannot be opened as a TFLite file: ${error.message ?? error}`);
  }
}

function recommendedFile(directory, { recommended_tflite: name }) {
  if (!name) throw new UsageError(`${directory} has no TFLite file`);
  console.error(`using ${name}`);
  return join(directory, name);
}

async function read(file) {
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error.code}`);
  }
}

function parse(text) {
  const manifest = readJson(text);
  if (!isManifest(manifest)) throw new UsageError('the manifest.json beside the model is not from alexnet-tf export');
  return manifest;
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`the manifest.json beside the model is damaged: ${error.message}`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
