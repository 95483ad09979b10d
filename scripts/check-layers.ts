/**
 * Keeps the house standing: imports go down only, siblings never, one npm package has one owner.
 *
 * ESLint's `no-restricted-imports` sees only the text of a specifier and gets nested folders wrong, so the rule is
 * this table and one loop. A room may import itself and the rooms that its row names; an npm package or a `node:`
 * module may be imported only where the tables below say so.
 */
import { readFileSync, globSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Room → what it may import besides itself. Longest matching room wins. Tests and benchmarks may import anything. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  'ct-log/format': ['core'],
  verify: ['core', 'ct-log/format'],
  storage: ['core'],
  oidc: ['core', 'storage'],
  'ct-log': ['core', 'ct-log/format', 'storage'],
  ca: ['core', 'ct-log/format', 'ct-log/committed.ts', 'oidc'],
  policy: ['core', 'oidc', 'ca', 'storage'],
  audit: ['core', 'storage'],
  trust: ['core', 'ct-log', 'ct-log/format', 'ca'],
  config: ['core', 'storage', 'ct-log', 'ct-log/format', 'oidc', 'ca', 'policy', 'audit', 'trust', 'verify'],
  server: ['core', 'ct-log', 'ct-log/format', 'oidc', 'ca', 'policy', 'audit', 'trust', 'verify'],
  dev: ['core', 'storage'],
  cli: [
    ...[
      'core',
      'storage',
      'ct-log',
      'ct-log/format',
      'oidc',
      'ca',
      'policy',
      'audit',
      'trust',
      'config',
      'server',
    ],
    ...['verify', 'dev'],
  ],
  scripts: ['config', 'server'],
};

/** Rooms that a browser can load: nothing of Node's own, no npm package. */
const BROWSER_SAFE = ['core', 'ct-log/format', 'verify'];

/** npm package → the rooms that own it. */
const PACKAGE_OWNERS: Record<string, readonly string[]> = {
  '@peculiar/x509': ['ca'],
  'reflect-metadata': ['ca'],
  'node-forge': ['ca'],
  jose: ['oidc', 'dev'],
  undici: ['oidc', 'cli'],
  express: ['server', 'dev'],
  'prom-client': ['server'],
  pino: ['server', 'cli'],
  'proxy-addr': ['server'],
  zod: ['config'],
  '@bufbuild/cel': ['policy'],
  '@bufbuild/re2': ['policy'],
  'lru-cache': ['policy', 'oidc'],
  yaml: ['config'],
  commander: ['cli'],
  'openid-client': ['cli'],
  'oidc-provider': ['dev'],
  typescript: ['scripts'],
};

/** Exports that make a proof: name → the only file that may import it. */
const MAKERS: Record<string, string> = {
  makeCommitted: 'ct-log/sequencer.ts',
  assumeVerified: 'policy/explain/explain-claims.ts',
};

const root = dirname(import.meta.dirname);
const rooms = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length);
const roomOf = (path: string): string | undefined => rooms.find((room) => path.startsWith(`${room}/`));

function* specifiers(source: string): Generator<string> {
  for (const match of source.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*'([^']+)'/g))
    yield match[1] ?? '';
  for (const match of source.matchAll(/(?:\bimport\s*\(|(?:^|\n)import)\s*'([^']+)'/g)) yield match[1] ?? '';
}

function complaint(file: string, room: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    const target = relative(root, join(root, dirname(file), specifier));
    const targetRoom = roomOf(target);
    const allowed = MAY_IMPORT[room] ?? [];
    if (targetRoom === room || allowed.includes(target)) return undefined;
    if (targetRoom !== undefined && allowed.includes(targetRoom)) return undefined;
    return `${room} must not import ${target}`;
  }
  if (BROWSER_SAFE.includes(room)) return `${room} must load in a browser and so may not import ${specifier}`;
  if (specifier.startsWith('node:')) return undefined;
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const owners = PACKAGE_OWNERS[name];
  if (owners === undefined) return `${name} has no owner in scripts/check-layers.ts`;
  return owners.includes(room) ? undefined : `${name} belongs to ${owners.join(', ')}, not to ${room}`;
}

const complaints: string[] = [];
for (const file of globSync(
  rooms.map((room) => `${room}/**/*.ts`),
  { cwd: root },
)) {
  const room = roomOf(file);
  if (room === undefined) continue;
  const source = readFileSync(join(root, file), 'utf8');
  for (const [maker, owner] of Object.entries(MAKERS)) {
    const imported = new RegExp(`import\\s*{[^}]*\\b${maker}\\b[^}]*}\\s*from`).test(source);
    if (imported && file !== owner) complaints.push(`${file}: only ${owner} may import ${maker}`);
  }
  for (const specifier of specifiers(source)) {
    const text = complaint(file, room, specifier);
    if (text !== undefined) complaints.push(`${file}: ${text}`);
  }
}
if (complaints.length > 0) {
  console.error([...new Set(complaints)].join('\n'));
  process.exit(1);
}
