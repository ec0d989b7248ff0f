// What the page and the Node app do alike with LiteRT.js. Each finds the library in its own way and passes it in.

const TOP = 5;

/** Starts LiteRT.js, whose WebAssembly files lie in `wasmFolder`. */
export async function start(litert, wasmFolder) {
  // Everything runs on the CPU. Without this line LiteRT.js looks for a GPU and warns where there is none.
  litert.Environment.create = async () => new litert.Environment({ webGpuDevice: null });
  // Settings of its loader, which would otherwise print, as errors, what it does and that there is no NPU.
  globalThis.Module = { printErr: (line) => /^INFO:|NPU/.test(line) || console.error(line) };
  await litert.loadLiteRt(wasmFolder);
}

/** Whether this, read from a JSON file, is what alexnet-tf export writes. */
export function isManifest(value) {
  return Boolean(value?.classes && value.resize && value.crop && value.parity);
}

/** Opens a .tflite file's bytes. */
export function open(litert, bytes) {
  return litert.loadAndCompile(bytes, { accelerator: 'wasm' });
}

/** The best five classes for `pixels`, which `prepare` made, best first: [{label, score}]. */
export async function classify(litert, model, { classes, crop }, pixels) {
  const probabilities = await run(litert, model, pixels, [1, crop, crop, 3]);
  return classes
    .map((label, index) => ({ label, score: probabilities[index] }))
    .sort((one, other) => other.score - one.score)
    .slice(0, TOP);
}

async function run(litert, model, pixels, shape) {
  const input = new litert.Tensor(pixels, shape);
  // Tensors live in WebAssembly's memory, where nothing is freed unless it is asked for.
  try {
    const [output] = await model.run([input]);
    const probabilities = await output.data();
    output.delete();
    return probabilities;
  } finally {
    input.delete();
  }
}
