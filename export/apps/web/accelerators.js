// Chooses what runs the network in this browser: the CPU, with threads if they are allowed, or the GPU.

import { open, probabilitiesOf, start } from './network.js';

const RUNS = 5;
// Milliseconds before them: the library allocates memory, and the browser compiles once more what runs often.
const WARM_UP = 1000;
// As an export's limit for float16: the GPU may compute with such numbers.
const GPU_TOLERANCE = 0.02;

// `?accelerator=wasm` never uses the GPU, `?accelerator=webgpu` always, even if it is slower or only software.
const forced = new URLSearchParams(location.search).get('accelerator');

let threads = 1;

/** Starts LiteRT.js with threads and with the GPU, as far as this browser and the server's headers allow. */
export async function startFastest(litert, wasmFolder) {
  const gpu = forced !== 'wasm' && (await hasGpu());
  // Threads need memory that is shared with workers, which only isolated pages may have.
  if (crossOriginIsolated) {
    try {
      const { liteRtWasm } = await start(litert, wasmFolder, { threads: true, gpu });
      threads = liteRtWasm.getThreadCount();
      return;
    } catch (error) {
      console.warn(`LiteRT.js cannot use threads: ${error.message ?? error}`);
    }
  }
  await start(litert, wasmFolder, { gpu });
}

/** Whether there is a GPU; a browser may also offer a software imitation, which is slower than the CPU. */
async function hasGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && (forced === 'webgpu' || !adapter.info?.isFallbackAdapter);
}

/**
 * Opens a model on the CPU and, if there is one, on the GPU, and keeps the faster one.
 *
 * The GPU must compute the same probabilities of the sample's pixels. Returns {model, milliseconds, place}.
 */
export async function openFastest(litert, bytes, manifest, sample) {
  const onCpu = await openTimed(litert, bytes, manifest, sample, 'wasm');
  if (!litert.getWebGpuDevice()) return onCpu;
  const onGpu = await openTimed(litert, bytes, manifest, sample, 'webgpu').catch((error) => {
    console.warn(`The GPU cannot run this model: ${error.message ?? error}`);
  });
  if (!onGpu) return onCpu;
  const same = onGpu.model.isFullyAccelerated && isClose(onGpu.probabilities, onCpu.probabilities);
  const [kept, other] = same && (forced || onGpu.milliseconds < onCpu.milliseconds) ? [onGpu, onCpu] : [onCpu, onGpu];
  other.model.delete();
  return kept;
}

async function openTimed(litert, bytes, manifest, sample, accelerator) {
  const model = await open(litert, bytes, accelerator);
  const run = () => probabilitiesOf(litert, model, manifest, sample);
  const times = [];
  const opened = performance.now();
  try {
    let probabilities;
    do {
      probabilities = await run();
    } while (performance.now() - opened < WARM_UP);
    while (times.length < RUNS) {
      const began = performance.now();
      await run();
      times.push(performance.now() - began);
    }
    const milliseconds = times.sort((one, other) => one - other)[Math.floor(RUNS / 2)];
    return { model, probabilities, milliseconds, place: accelerator === 'wasm' ? cpu() : 'the GPU (WebGPU)' };
  } catch (error) {
    model.delete();
    throw error;
  }
}

function cpu() {
  return `the CPU (WebAssembly, ${threads === 1 ? '1 thread' : `${threads} threads`})`;
}

function isClose(actual, expected) {
  const bound = GPU_TOLERANCE * Math.max(...expected);
  return expected.every((probability, index) => Math.abs(actual[index] - probability) <= bound);
}
