/**
 * Holds the code to the table of rooms: imports go down only, so that no two rooms
 * import each other, by however many steps; one npm package has its owners, a room for browsers
 * loads there. An allowance that nothing uses is a fault, too: the table says what is, not what may come.
 *
 * ESLint's `no-restricted-imports` sees only the text of a specifier and gets nested folders wrong, so the rule is
 * the table of `rooms.ts` and one loop.
 */
import { readFileSync, globSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { CIRCLES, MAKERS, ROOMS, type Room } from './rooms.ts';

const root = dirname(import.meta.dirname);
const names = Object.keys(ROOMS).sort((a, b) => b.length - a.length);
const roomOf = (path: string): string | undefined => names.find((room) => path.startsWith(`${room}/`));
const complaints = new Set<string>();
/** `room → allowance` that some import needed. */
const used = new Set<string>();

function* specifiers(source: string): Generator<string> {
  for (const match of source.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*'([^']+)'/g))
    yield match[1] ?? '';
  for (const match of source.matchAll(/(?:\bimport\s*\(|(?:^|\n)import)\s*'([^']+)'/g)) yield match[1] ?? '';
}

/** What is wrong with one import of a file; undefined when nothing is. Remembers the allowance that it needed. */
function complaint(file: string, name: string, room: Room, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    const target = relative(root, join(root, dirname(file), specifier));
    const targetRoom = roomOf(target);
    if (targetRoom === name) return undefined;
    const allowance = room.mayImport.find((one) => one === target || one === targetRoom);
    if (allowance === undefined) return `${name} must not import ${target}`;
    used.add(`${name} → ${allowance}`);
    return undefined;
  }
  if (room.browser === true) return `${name} must load in a browser and so may not import ${specifier}`;
  if (specifier.startsWith('node:')) return undefined;
  const words = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1);
  const npmPackage = words.join('/');
  if (room.packages?.includes(npmPackage) !== true) return `${name} does not own the package ${npmPackage}`;
  used.add(`${name} → ${npmPackage}`);
  return undefined;
}

/** A folder of code at the top that no room names is checked by nobody. */
const OUTSIDE = ['test', 'bench', 'abuse', 'campaign'];
for (const file of globSync('*/**/*.ts', { cwd: root, exclude: ['node_modules/**', 'dist/**'] })) {
  const name = roomOf(file);
  const room = name === undefined ? undefined : ROOMS[name];
  if (name === undefined || room === undefined) {
    if (!OUTSIDE.some((folder) => file.startsWith(`${folder}/`)))
      complaints.add(`${file}: belongs to no room of scripts/rooms.ts`);
    continue;
  }
  const source = readFileSync(join(root, file), 'utf8');
  for (const [maker, owner] of Object.entries(MAKERS)) {
    // Passing it on under any name would let others have it unseen.
    const imported = new RegExp(`(?:import|export)\\s*{[^}]*\\b${maker}\\b[^}]*}\\s*from`).test(source);
    if (imported && file !== owner) complaints.add(`${file}: only ${owner} may import ${maker}`);
  }
  for (const specifier of specifiers(source)) {
    const text = complaint(file, name, room, specifier);
    if (text !== undefined) complaints.add(`${file}: ${text}`);
  }
}
for (const [name, { mayImport, packages = [] }] of Object.entries(ROOMS))
  for (const allowance of [...mayImport, ...packages])
    if (!used.has(`${name} → ${allowance}`))
      complaints.add(`scripts/rooms.ts: ${name} imports nothing of ${allowance}: take the allowance away`);

const order = Object.keys(ROOMS);
const excused = new Set<string>();
for (const [at, [name, { mayImport }]] of Object.entries(ROOMS).entries())
  for (const target of new Set(mayImport.map((allowance) => roomOf(`${allowance}/`) ?? '')))
    if (order.indexOf(target) > at) {
      excused.add(`${name} → ${target}`);
      if (CIRCLES[`${name} → ${target}`] === undefined)
        complaints.add(
          `scripts/rooms.ts: ${name} imports ${target}, which stands below it: imports go down only`,
        );
    }
for (const circle of Object.keys(CIRCLES))
  if (!excused.has(circle)) complaints.add(`scripts/rooms.ts: there is no circle by ${circle}: take it out`);
if (complaints.size > 0) {
  console.error([...complaints].join('\n'));
  process.exit(1);
}
