// Classifies image files with the page itself, in a headless Chromium: a test of the page.
//
//   node drive.mjs EXPORT_OR_TFLITE photo.jpg ... [--screenshots=DIR] [--one-thread] [--webgpu]
//
// Prints "file<TAB>label<TAB>score" for the five most probable labels of each file, best first, and on stderr what
// runs the model, with the time for one image. Needs Chromium at /usr/bin/chromium or $CHROMIUM. Serves the page and
// the export on 127.0.0.1; with --one-thread without the headers that allow threads. --webgpu runs the model in
// Chromium's software imitation of a GPU, which is slow.

import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { serve } from './serve.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];
const OPTIONS = {
  screenshots: { type: 'string' },
  'one-thread': { type: 'boolean' },
  webgpu: { type: 'boolean' },
};
const USAGE = 'usage: node drive.mjs EXPORT_OR_TFLITE photo.jpg ... [--screenshots=DIR] [--one-thread] [--webgpu]';
const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const MODEL_TIMEOUT = 180_000;
const PHOTO_TIMEOUT = 60_000;

/** Invalid input, which is reported in one line. */
class UsageError extends Error {}

async function main() {
  const { path, files, options } = readArguments();
  const { directory, model } = await find(path);
  for (const file of [CHROMIUM, ...files]) await mustBeFile(file);
  if (options.screenshots) await mkdir(options.screenshots, { recursive: true });
  const server = await serve(directory, 0, { isolated: !options['one-thread'] });
  const args = [...FLAGS, ...(options.webgpu ? SOFTWARE_GPU : ['--disable-gpu'])];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args });
  try {
    const page = await browser.newPage({ viewport: SIZES.wide });
    const parameters = new URLSearchParams({ ...model, ...(options.webgpu ? { accelerator: 'webgpu' } : {}) });
    await openPage(page, `http://127.0.0.1:${server.address().port}/?${parameters}`);
    await labelAll(page, files, options.screenshots);
  } finally {
    await browser.close();
    server.close();
  }
}

function readArguments() {
  try {
    const { values: options, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
    const [path, ...files] = positionals;
    if (files.length) return { path, files, options };
  } catch (error) {
    throw new UsageError(error.message);
  }
  throw new UsageError(USAGE);
}

/** The folder of the export, and the page's parameter `model`: none for a folder. */
async function find(path) {
  const isDirectory = (await examine(path)).isDirectory();
  return isDirectory
    ? { directory: path, model: {} }
    : { directory: dirname(path), model: { model: basename(path) } };
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

async function openPage(page, address) {
  await page.goto(address);
  if ((await waitFor(page, ['ready', 'failed'], MODEL_TIMEOUT)) === 'failed') {
    throw new UsageError(await page.textContent('#problem'));
  }
  console.error(await page.textContent('#status'));
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
      await page.screenshot({ path, fullPage: true });
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
