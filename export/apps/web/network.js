// Runs LiteRT.js, for the page and for the Node app. Each imports the library in its own way and passes it in.

const TOP = 5;

/** Starts LiteRT.js, whose WebAssembly files are in `wasmFolder`, with threads and the GPU if wanted. */
export function start(litert, wasmFolder, { threads = false, gpu = false } = {}) {
  // By default, LiteRT.js looks for a GPU and warns where there is none.
  const { create } = litert.Environment;
  litert.Environment.create = () => create(gpu ? {} : { webGpuDevice: null });
  // Its loader prints information, and that there is no NPU, as errors: hide those lines.
  globalThis.Module = { printErr: (line) => /^INFO:|NPU/.test(line) || console.error(line) };
  return litert.loadLiteRt(wasmFolder, { threads });
}

/** Whether a parsed JSON file is a manifest of alexnet-tf export. */
export function isManifest(value) {
  return Boolean(value?.classes && value.resize && value.crop && value.parity);
}

/** Opens a model from the bytes of a .tflite file; `accelerator` is 'wasm' (the CPU) or 'webgpu'. */
export function open(litert, bytes, accelerator = 'wasm') {
  return litert.loadAndCompile(bytes, { accelerator });
}

/** Returns the five most probable classes of the pixels that `prepare` returned, best first: [{label, score}]. */
export async function classify(litert, model, manifest, pixels) {
  const probabilities = await probabilitiesOf(litert, model, manifest, pixels);
  return manifest.classes
    .map((label, index) => ({ label, score: probabilities[index] }))
    .sort((one, other) => other.score - one.score)
    .slice(0, TOP);
}

/** Returns the probabilities of all classes, a Float32Array. */
export async function probabilitiesOf(litert, model, { crop }, pixels) {
  const input = new litert.Tensor(pixels, [1, crop, crop, 3]);
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
