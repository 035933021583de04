// Packs dist/ into one file that the role `web` serves from memory; src/http/console.h describes it.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

const dist = process.argv[2] ?? 'dist';
const target = process.argv[3] ?? 'dist/console.pack';
const lines = ['sekisho-console 1'];
const parts = [];
let at = 0;

function put(octets) {
  parts.push(octets);
  at += octets.length;
  return `${at - octets.length}+${octets.length}`;
}

/** A smaller form, unless it is not smaller. */
function form(octets, compressed) {
  return compressed.length < octets.length * 0.9 ? put(compressed) : '-';
}

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || entry.name.endsWith('.pack')) continue;
  const file = join(entry.parentPath ?? entry.path, entry.name);
  const octets = readFileSync(file);
  const type = TYPES[extname(file)];
  if (!type) throw new Error(`${file}: no media type is known for it`);
  const page = relative(dist, file) === 'index.html';
  const tag = createHash('sha256').update(octets).digest('hex').slice(0, 32);
  const plain = put(octets);
  // The page gets a fresh number in each answer, so only the plain form of it is of use.
  const gzip = page ? '-' : form(octets, gzipSync(octets, { level: 9 }));
  const brotli = page ? '-' : form(octets, brotliCompressSync(octets, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
  lines.push([page ? '/' : `/${relative(dist, file)}`, type.replace(' ', '_'), tag, plain, gzip, brotli].join(' '));
}
writeFileSync(target, Buffer.concat([Buffer.from(`${lines.join('\n')}\n\n`), ...parts]));
