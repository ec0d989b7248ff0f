// The page: classifies the newest photograph with the chosen model file, whenever one of them changes.

import { openFastest, startFastest } from './accelerators.js';
import { ImageError, decode } from './decode.js';
import { addressOfExport, fetchBlob, fetchBytes, fetchManifest, modelsOf } from './exported.js';
import { classify } from './network.js';
import { prepare } from './preprocess.js';
import * as view from './view.js';

const WASM = new URL('node_modules/@litertjs/core/wasm/', document.baseURI).pathname;

const address = addressOfExport();

let litert;
let manifest;
let sample; // The pixels of the test image, for measuring times.
let models;
let chosen; // One of the models.
let model = null; // What LiteRT.js opened; null while a model is being fetched.
let fetching = new AbortController();
let photo = null; // {pixels, milliseconds}
let photosTaken = 0;

async function main() {
  listen();
  try {
    if (typeof WebAssembly === 'undefined') {
      throw new Error('This browser has no WebAssembly, which runs the network. Please use a newer one.');
    }
    manifest = await fetchManifest(address);
    litert = await loadLibrary();
    sample = prepare(await decode(await fetchSample()), manifest.resize, manifest.crop);
    view.showClasses(manifest.classes);
    models = modelsOf(manifest);
    const first = firstModel();
    view.showModels(models, changeModel, timeOthers);
    await changeModel(first);
  } catch (error) {
    fail(error);
  }
}

async function loadLibrary() {
  try {
    const library = await import('@litertjs/core');
    await startFastest(library, WASM);
    return library;
  } catch (error) {
    // If a script cannot be loaded, `error` is an event, which has no message.
    throw new Error(`LiteRT.js cannot be started; has "npm install" been run? ${error.message ?? ''}`);
  }
}

/** Returns the model that `?model=` names, or else the one that the manifest recommends. */
function firstModel() {
  if (!models.length) throw new Error('This export has no .tflite file.');
  const named = new URLSearchParams(location.search).get('model') ?? manifest.recommended_tflite;
  const found = models.find(({ file }) => file === named);
  if (!found) throw new Error(`This export has no ${named}; it has ${models.map(({ file }) => file).join(', ')}.`);
  return found;
}

// --- Model

/** Fetches and opens another model file, and classifies the current photograph with it. Returns whether it is used. */
async function changeModel(choice) {
  fetching.abort();
  fetching = new AbortController();
  const { signal } = fetching;
  chosen = choice;
  model?.delete();
  model = null;
  view.hideProblem();
  view.selectModel(choice);
  changeState(photo ? 'busy' : 'loading');
  try {
    const opened = await openModel(choice, signal);
    // Opening cannot be interrupted: the user may have chosen another model meanwhile.
    if (signal.aborted) return opened.model.delete();
    model = opened.model;
    choice.milliseconds = opened.milliseconds;
    view.showReady(choice, opened.place, models);
  } catch (error) {
    if (!signal.aborted) fail(new Error(`The model cannot be opened. ${error.message ?? error}`));
    return false;
  }
  if (photo) await answer();
  // In the other states, a photograph is being decoded, or was invalid.
  else if (view.getState() === 'loading') {
    changeState('ready');
    view.announce('The model is ready.');
  }
  return !signal.aborted;
}

async function openModel(choice, signal) {
  const show = (received) => view.showFetching(choice, received);
  show(0);
  const bytes = await fetchBytes(new URL(choice.file, address), choice.bytes, show, signal);
  view.showOpening(choice);
  await painted();
  signal.throwIfAborted();
  return openFastest(litert, bytes, manifest, sample);
}

/** Opens every model that has no time yet, and then the chosen one again. */
async function timeOthers() {
  const last = chosen;
  for (const choice of [...models.filter(({ milliseconds }) => !milliseconds), last]) {
    if (!(await changeModel(choice))) return;
  }
}

// --- Photograph

/** Shows and classifies a photograph. If another one is chosen meanwhile, this one is dropped. */
async function takePhoto(blob, name) {
  const number = ++photosTaken;
  const began = performance.now();
  changeState('busy');
  view.hideProblem();
  try {
    const image = await decode(blob);
    if (number !== photosTaken) return;
    const pixels = prepare(image, manifest.resize, manifest.crop);
    photo = { pixels, milliseconds: performance.now() - began };
  } catch (error) {
    if (number === photosTaken) refuse(name, error);
    return;
  }
  view.showPhoto(blob, name);
  await answer();
  // On a phone, the result may be below the visible part of the page.
  view.element('answer').scrollIntoView({ block: 'nearest' });
}

async function takeSample() {
  try {
    await takePhoto(await fetchSample(), manifest.test.image);
  } catch (error) {
    view.showProblem(error.message, 'invalid');
  }
}

function fetchSample() {
  return fetchBlob(new URL(manifest.test.image, address));
}

function refuse(name, error) {
  if (!(error instanceof ImageError)) throw error;
  photo = null;
  view.clearPhoto();
  view.showProblem(`${name} ${error.message}`, 'invalid');
}

// --- Result

/** Classifies the photograph if both photograph and model are ready; called whenever one of them is new. */
async function answer() {
  await painted();
  if (!photo || !model) return;
  const began = performance.now();
  const answers = await classify(litert, model, manifest, photo.pixels);
  view.showTimes(photo.milliseconds, performance.now() - began);
  view.showAnswer(answers);
  view.showWindow(photo.pixels, manifest.crop);
  changeState('answered');
  view.announce(view.spoken(answers));
}

function fail(error) {
  view.showNoModel();
  view.showProblem(error.message, 'failed');
  changeState('failed');
}

/** Lets the browser draw before the network blocks the page's only thread. */
function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

// --- User input

function changeState(state) {
  view.setState(state);
  view.element('file').disabled = view.element('sample').disabled = !usable();
}

/** Whether the user can choose a photograph: only once the manifest is there, and not after the model has failed. */
function usable() {
  return manifest && view.getState() !== 'failed';
}

function listen() {
  const take = (file) => file && usable() && takePhoto(file, file.name).catch(fail);
  view.element('file').addEventListener('change', ({ target }) => {
    take(target.files[0]);
    // Without this, choosing the same file again would not be a change event.
    target.value = '';
  });
  view.element('sample').addEventListener('click', takeSample);
  document.addEventListener('paste', ({ clipboardData }) => take(clipboardData.files[0]));
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    document.body.classList.add('dragging');
  });
  document.addEventListener('dragleave', () => document.body.classList.remove('dragging'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    document.body.classList.remove('dragging');
    take(event.dataTransfer.files[0]);
  });
}

main();
