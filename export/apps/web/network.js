// Runs LiteRT.js, for the page and for the Node app. Each imports the library in its own way and passes it in.

const TOP = 5;

/** Starts LiteRT.js, whose WebAssembly files are in `wasmFolder`. */
export async function start(litert, wasmFolder) {
  // Everything runs on the CPU. Without this line LiteRT.js looks for a GPU and warns where there is none.
  litert.Environment.create = async () => new litert.Environment({ webGpuDevice: null });
  // Its loader prints information, and that there is no NPU, as errors: hide those lines.
  globalThis.Module = { printErr: (line) => /^INFO:|NPU/.test(line) || console.error(line) };
  await litert.loadLiteRt(wasmFolder);
}

/** Whether a parsed JSON file is a manifest of alexnet-tf export. */
export function isManifest(value) {
  return Boolean(value?.classes && value.resize && value.crop && value.parity);
}

/** Opens a model from the bytes of a .tflite file. */
export function open(litert, bytes) {
  return litert.loadAndCompile(bytes, { accelerator: 'wasm' });
}

/** Returns the five most probable classes of the pixels that `prepare` returned, best first: [{label, score}]. */
export async function classify(litert, model, { classes, crop }, pixels) {
  const probabilities = await run(litert, model, pixels, [1, crop, crop, 3]);
  return classes
    .map((label, index) => ({ label, score: probabilities[index] }))
    .sort((one, other) => other.score - one.score)
    .slice(0, TOP);
}

async function run(litert, model, pixels, shape) {
  const input = new litert.Tensor(pixels, shape);
  // Tensors are in WebAssembly's memory, which has no garbage collection: delete them.
  try {
    const [output] = await model.run([input]);
    const probabilities = await output.data();
    output.delete();
    return probabilities;
  } finally {
    input.delete();
  }
}
