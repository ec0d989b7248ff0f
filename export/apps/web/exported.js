// Fetches the manifest and the files of an export from a web server.

import { isManifest } from './network.js';

/** Returns the export's URL: `?export=URL`, or `export/` beside the page. */
export function addressOfExport() {
  const named = new URLSearchParams(location.search).get('export') ?? 'export/';
  return new URL(named.endsWith('/') ? named : `${named}/`, document.baseURI);
}

export async function fetchManifest(address) {
  const response = await request(new URL('manifest.json', address)).catch((error) => {
    throw new Error(
      `${error.message} Start the server with "npm start -- EXPORT", or pass an export's address as ?export=URL.`,
    );
  });
  const manifest = await response.json().catch(() => null);
  if (!isManifest(manifest)) {
    throw new Error(`${response.url} is not a manifest that alexnet-tf export wrote.`);
  }
  return manifest;
}

/**
 * The .tflite files of the export: [{file, kind, bytes, difference, accuracy, recommended}].
 *
 * The manifest lists formats by their names in `alexnet-tf export --formats`: `tflite_int8` is `model_int8.tflite`.
 */
export function modelsOf({ files, parity, recommended_tflite: recommended }) {
  return parity
    .filter(({ format }) => format.startsWith('tflite'))
    .map(({ format, relative_error: difference, accuracy }) => {
      const file = `${format.replace('tflite', 'model')}.tflite`;
      const kind = format.slice('tflite_'.length).replace('_', ' ') || 'float32';
      return { file, kind, bytes: files[file].bytes, difference, accuracy, recommended: file === recommended };
    });
}

/** Fetches a file's bytes. Calls `onProgress` with the number of bytes received so far. */
export async function fetchBytes(url, size, onProgress, signal) {
  const response = await request(url, signal);
  const bytes = new Uint8Array(size);
  let received = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (received + value.length <= size) bytes.set(value, received);
    received += value.length;
    onProgress(received);
  }
  if (received !== size) throw new Error(`${url} has ${received} bytes; the manifest says ${size}.`);
  return bytes;
}

export async function fetchBlob(url) {
  return (await request(url)).blob();
}

async function request(url, signal) {
  const response = await fetch(url, { signal }).catch((error) => {
    throw new Error(`${url} cannot be reached (${error.message}).`);
  });
  if (!response.ok) throw new Error(`${url} cannot be fetched (HTTP ${response.status}).`);
  return response;
}
