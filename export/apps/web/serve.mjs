// A static file server for the page, on 127.0.0.1.
//
//   node serve.mjs [EXPORT] [--port=8080]
//
// It sends two headers that make the page "cross-origin isolated". Only then do browsers let it use several threads.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PAGE = fileURLToPath(new URL('.', import.meta.url));
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const TYPES = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
};

/** Serves the page, and below `export/` the folder of an export. Returns the server once it listens; port 0: any. */
export async function serve(directory, port, { isolated = true } = {}) {
  const folders = { '/export/': directory, '/': PAGE };
  const server = createServer((request, response) => {
    // A malformed address must not end the server.
    send(request, response, folders, isolated ? ISOLATION : {}).catch(() => response.writeHead(400).end());
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

async function send({ url }, response, folders, headers) {
  const { pathname } = new URL(url, 'http://localhost');
  const prefix = Object.keys(folders).find((one) => pathname.startsWith(one));
  const folder = join(folders[prefix], '/');
  const file = join(folder, decodeURIComponent(pathname.slice(prefix.length)) || 'index.html');
  // No path may lead out of the folder, neither with ".." nor with an encoded slash.
  const found = file.startsWith(folder) ? await stat(file).catch(() => null) : null;
  if (!found?.isFile()) return response.writeHead(404).end();
  const type = TYPES[extname(file)] ?? 'application/octet-stream';
  // Without "no-cache", a browser might run an old file after another export.
  response.writeHead(200, {
    'Content-Type': type,
    'Content-Length': found.size,
    'Cache-Control': 'no-cache',
    ...headers,
  });
  createReadStream(file).pipe(response);
}

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { port: { type: 'string' } } });
  const server = await serve(positionals[0] ?? join(PAGE, 'export'), Number(values.port ?? 8080));
  console.log(`http://127.0.0.1:${server.address().port}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main();
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
