// Classifies image files with the page itself, in a headless Chromium: a test of the page.
//
//   node drive.mjs EXPORT_OR_TFLITE photo.jpg ... [--screenshots=DIR]
//
// Prints "file<TAB>label<TAB>score" for the five most probable labels of each file, best first. Needs
// Chromium at /usr/bin/chromium or $CHROMIUM. Serves the page and the export on 127.0.0.1.

import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

const PAGE = fileURLToPath(new URL('.', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const TYPES = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
};
const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const MODEL_TIMEOUT = 180_000;
const PHOTO_TIMEOUT = 60_000;

/** Invalid input, which is reported in one line. */
class UsageError extends Error {}

async function main() {
  const { path, files, screenshots } = readArguments();
  const { directory, model } = await find(path);
  for (const file of [CHROMIUM, ...files]) await mustBeFile(file);
  if (screenshots) await mkdir(screenshots, { recursive: true });
  const server = await serve({ '/export/': directory, '/': PAGE });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    const page = await browser.newPage({ viewport: SIZES.wide });
    await openPage(page, `http://127.0.0.1:${server.address().port}/index.html?model=${model}`);
    await labelAll(page, files, screenshots);
  } finally {
    await browser.close();
    server.close();
  }
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { screenshots: { type: 'string' } } });
    const [path, ...files] = positionals;
    if (files.length) return { path, files, screenshots: values.screenshots };
  } catch (error) {
    throw new UsageError(error.message);
  }
  throw new UsageError('usage: node drive.mjs EXPORT_OR_TFLITE photo.jpg ... [--screenshots=DIR]');
}

async function find(path) {
  const isDirectory = (await examine(path)).isDirectory();
  return isDirectory ? { directory: path, model: 'model.tflite' } : { directory: dirname(path), model: basename(path) };
}

async function mustBeFile(path) {
  if (!(await examine(path)).isFile()) throw new UsageError(`${path} is not a file`);
}

async function examine(path) {
  try {
    return await stat(path);
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error.code}`);
  }
}

/** Starts a static file server on a free port; `folders` maps prefixes of the path to folders, longest first. */
async function serve(folders) {
  const server = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const prefix = Object.keys(folders).find((one) => pathname.startsWith(one));
    const folder = join(folders[prefix], '/');
    const file = join(folder, decodeURIComponent(pathname.slice(prefix.length)));
    // No path may lead out of the folder, neither with ".." nor with an encoded slash.
    const found = file.startsWith(folder) && (await stat(file).catch(() => null));
    if (!found?.isFile()) return response.writeHead(404).end();
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': found.size });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function openPage(page, address) {
  await page.goto(address);
  if ((await waitFor(page, ['ready', 'failed'], MODEL_TIMEOUT)) === 'failed') {
    throw new UsageError(await page.textContent('#problem'));
  }
}

/** Waits until the page is in one of the states, and returns it. */
async function waitFor(page, states, timeout) {
  await page.waitForSelector(states.map((state) => `body[data-state="${state}"]`).join(), { timeout });
  return page.getAttribute('body', 'data-state');
}

async function labelAll(page, files, screenshots) {
  const taken = new Set();
  for (const file of files) {
    await page.setInputFiles('#file', file);
    const state = await waitFor(page, ['answered', 'invalid', 'failed'], PHOTO_TIMEOUT);
    if (state === 'failed') throw new Error(await page.textContent('#problem'));
    for (const { label, score } of await readAnswers(page, state)) {
      console.log(`${file}\t${label}\t${score.toFixed(6)}`);
    }
    // One screenshot per state is enough.
    if (screenshots && !taken.has(state)) await takeScreenshots(page, state, screenshots);
    taken.add(state);
  }
}

async function readAnswers(page, state) {
  if (state === 'invalid') return [{ label: 'invalid', score: 0 }];
  return page.$$eval('#answer li', (items) => items.map(({ dataset: { label, score } }) => ({ label, score: +score })));
}

async function takeScreenshots(page, state, folder) {
  if (state === 'invalid') {
    await page.screenshot({ path: join(folder, 'error.png') });
    return;
  }
  for (const [name, size] of Object.entries(SIZES)) {
    await page.setViewportSize(size);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const path = join(folder, `${name}${colorScheme === 'dark' ? '-dark' : ''}.png`);
      await page.screenshot({ path, fullPage: name === 'phone' });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(SIZES.wide);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
