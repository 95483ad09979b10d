/** A repository in a directory of its own, served by a proxy that lies on request, and stock clients of it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyObject } from 'node:crypto';
import { initTUF } from '@sigstore/tuf';
import { Updater } from 'tuf-js';
import { createRepository } from '../../../../trust/tuf/create-repository.ts';
import { requireRepository } from '../../../../trust/tuf/import-change.ts';
import type { Repository } from '../../../../trust/tuf/repository.ts';
import type { TargetContents } from '../../../../trust/tuf/target-contents.ts';
import { generateKey } from '../../../../signers/key-types.ts';
import { importChange } from '../../../../trust/tuf/import-change.ts';
import { signChange } from '../../../../trust/tuf/sign-change.ts';
import { stageChange, type ChangeRequest } from '../../../../trust/tuf/stage-change.ts';
import { localSigner } from '../../../../signers/local-signer.ts';

/** The targets of tests. */
export const contents = (text = 'first'): TargetContents =>
  new Map([
    ['trusted_root.json', { text: `{"this is": "${text}"}\n` }],
    ['ctfe.pub', { text: 'a key\n', usage: { usage: 'CTFE', status: 'Active', uri: 'https://log.test' } }],
  ]);

const scratch: string[] = [];

/** An empty directory, which {@link removeScratch} removes. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-tuf-'));
  scratch.push(directory);
  return directory;
}

/** Removes all directories that this module made. */
export function removeScratch(): void {
  for (const directory of scratch.splice(0)) rmSync(directory, { recursive: true, force: true });
}

/** A repository on disk, with its keys. */
export interface TestRepository {
  readonly directory: string;
  readonly rootKey: KeyObject;
  readonly onlineKey: KeyObject;
  read(): Promise<Repository>;
}

/** A new one. */
export async function testRepository(now = Date.now()): Promise<TestRepository> {
  const directory = join(scratchDirectory(), 'tuf');
  const [rootKey, onlineKey] = [await generateKey('p256'), await generateKey('p256')];
  await createRepository(directory, { rootKey, onlineKey, contents: contents(), now });
  return { directory, rootKey, onlineKey, read: () => requireRepository(directory) };
}

const UNCHANGED = { add: [], remove: [] };

/** Stages, signs with `keys` and publishes a change. */
export async function change(
  { directory, rootKey, onlineKey }: Omit<TestRepository, 'read'>,
  request: Partial<ChangeRequest>,
  { keys = [rootKey], online = [onlineKey], now = Date.now() } = {},
): Promise<Repository> {
  const repository = await requireRepository(directory);
  const whole = { contents: contents(), root: UNCHANGED, targets: UNCHANGED, renew: false, ...request };
  let staged = stageChange(repository, whole, now);
  if (staged === undefined) throw new Error('nothing would change');
  for (const key of keys) staged = await signChange(staged, localSigner(key));
  return (await importChange(directory, staged, online.map(localSigner), now)).repository;
}

/** Runs `work` on a disk on which only the first `count` renames succeed, as when the process is killed at the next. */
export async function withRenames(count: number, work: () => Promise<unknown>): Promise<number> {
  const { rename } = promises;
  let done = 0;
  promises.rename = async (...paths) => {
    if (done === count) throw new Error('killed');
    done++;
    await rename(...paths);
  };
  syncBuiltinESMExports();
  try {
    await work().catch((error: unknown) => {
      if (!/killed/.test(String(error))) throw error;
    });
    return done;
  } finally {
    promises.rename = rename;
    syncBuiltinESMExports();
  }
}

/** Runs `work`, and `meanwhile` once, just before `path` is opened for the first time. */
export async function whileOpening<T>(
  path: string,
  meanwhile: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  const { open } = promises;
  let isOver = false;
  promises.open = async (...args) => {
    if (!isOver && args[0] === path) {
      isOver = true;
      await meanwhile();
    }
    return open(...args);
  };
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    promises.open = open;
    syncBuiltinESMExports();
  }
}

/** A server of files that a test replaces, and so every mirror and attacker. */
export class Mirror {
  readonly files = new Map<string, Uint8Array>();
  /** Waited for before a file is answered. */
  before: ((path: string) => Promise<void>) | undefined;
  /** The status that is answered in the place of a file; undefined for none. */
  fault: ((path: string) => number | undefined) | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const path = (request.url ?? '').replace(/^\/tuf\//, '');
      void (this.before?.(path) ?? Promise.resolve()).finally(() => {
        const body = this.files.get(path);
        const status = this.fault?.(path);
        if (status !== undefined) response.writeHead(status, { 'retry-after': '0' }).end();
        else if (body === undefined) response.writeHead(404).end();
        else response.writeHead(200).end(body);
      });
    });
  }

  static async start(): Promise<Mirror> {
    const mirror = new Mirror();
    await new Promise<void>((resolve) => mirror.#server.listen(0, '127.0.0.1', resolve));
    return mirror;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/tuf`;
  }

  /** Shows what the repository has now, and nothing else. */
  show({ files }: Pick<Repository, 'files'>): void {
    this.files.clear();
    for (const [name, bytes] of files) this.files.set(name, bytes);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A stock client with a cache of its own: `fetch` updates and returns the text of a target. */
export interface StockClient {
  readonly name: string;
  fetch(target: string): Promise<string>;
}

/** The stock clients of npm, each initialized with `root`. */
export const stockClients = (url: string, root: Uint8Array): readonly StockClient[] => [
  tufJs(url, root),
  sigstoreTuf(url, root),
];

function tufJs(url: string, root: Uint8Array): StockClient {
  const metadataDir = scratchDirectory();
  const targetDir = scratchDirectory();
  writeFileSync(join(metadataDir, 'root.json'), root);
  return {
    name: 'tuf-js',
    fetch: async (target) => {
      const updater = new Updater({
        metadataDir,
        metadataBaseUrl: url,
        targetDir,
        targetBaseUrl: `${url}/targets`,
        config: { fetchRetry: 0 },
      });
      await updater.refresh();
      const info = await updater.getTargetInfo(target);
      if (info === undefined) throw new Error(`there is no target ${target}`);
      return readFileSync(await updater.downloadTarget(info), 'utf8');
    },
  };
}

function sigstoreTuf(mirrorURL: string, root: Uint8Array): StockClient {
  const cachePath = scratchDirectory();
  const rootPath = join(scratchDirectory(), 'root.json');
  writeFileSync(rootPath, root);
  return {
    name: '@sigstore/tuf',
    fetch: async (target) =>
      (await initTUF({ mirrorURL, cachePath, rootPath, retry: { retries: 0 } })).getTarget(target),
  };
}
