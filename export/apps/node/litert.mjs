// Starts LiteRT.js in Node. It is made for browsers, and needs two globals that only browsers have.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileFunction } from 'node:vm';

import * as litert from '@litertjs/core';

import { start } from '../web/network.js';

const require = createRequire(import.meta.url);

globalThis.self = globalThis;
globalThis.importScripts = runLoader;

await start(litert, `${dirname(require.resolve('@litertjs/core'))}/../wasm`);

/** Runs the script that loads the WebAssembly file. It is CommonJS, in a package declared to have only ES modules. */
function runLoader(path) {
  const module = { exports: {} };
  const script = compileFunction(readFileSync(path, 'utf8'), ['require', 'module', 'exports', '__dirname']);
  script(require, module, module.exports, dirname(path));
  globalThis.ModuleFactory = module.exports;
}

export { litert };
