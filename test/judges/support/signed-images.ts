/** Images in a registry: one that a service of ours helped to sign, one whose signature is not in its log of artifacts, one without a signature, one that somebody else signed; and what admission controllers are given
 * of that service. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runMayfly } from '../../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './exported-instance.ts';
import { startRegistry } from './image-registry.ts';

const run = promisify(execFile);

/** Names of the images, and who signed them. The signatures are in the log of artifacts, except that of `unlogged`.
 * Beside them stands `forged`: the signed one, with an entry that another log signed. */
const IMAGES = { signed: SIGNER, unlogged: SIGNER, unsigned: undefined, foreign: 'eve@example.com' } as const;

/** Them, by digest, with the service that runs. */
export interface SignedImages {
  readonly service: ExportedInstance;
  readonly images: Readonly<Record<keyof typeof IMAGES | 'forged', string>>;
  /** Pushes another one; resolves with its reference by digest. */
  push(name: string): Promise<string>;
  /** Runs a command of ours in the scratch directory of the service. Rejects where it fails. */
  mayfly(...words: readonly string[]): Promise<string>;
  /** The documents that a controller is given, for {@link SIGNER}. */
  documents(controller: string, ...more: readonly string[]): Promise<readonly string[]>;
  /** Writes a file into the scratch directory; resolves with its path. */
  write(name: string, text: string): Promise<string>;
  stop(): Promise<void>;
}

/** Programs that it takes. */
interface ImagePrograms {
  /** Of version 2. */
  readonly cosign: string;
  readonly crane: string;
}

/** Starts service and registry, and signs. With `minutesAgo` the certificates are of so long ago. */
export async function signImages(
  { cosign, crane }: ImagePrograms,
  options: { readonly minutesAgo?: number } = {},
): Promise<SignedImages> {
  const service = await startExported(options);
  const { scratch, data, url, issuerUrl } = service;
  const registry = await startRegistry(crane, scratch);
  const sign = async (image: string, email: string, isLogged = true): Promise<void> => {
    const env = {
      PATH: process.env['PATH'],
      HOME: scratch,
      SIGSTORE_ROOT_FILE: service.exported('chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: service.exported('log.pub.pem'),
      SIGSTORE_REKOR_PUBLIC_KEY: service.exported('rekor.pub'),
    };
    const services = ['--fulcio-url', url, '--timestamp-server-url', `${url}/api/v1/timestamp`];
    const log = isLogged ? ['--rekor-url', url] : ['--tlog-upload=false'];
    const token = ['--identity-token', await service.tokenFile(email), '--allow-http-registry'];
    await run(cosign, ['sign', '-y', ...services, ...log, ...token, image], { env });
  };
  const mayfly = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runMayfly(words, { byLauncher: 'built', cwd: scratch });
    if (code !== 0) throw new Error(`${words.join(' ')}: ${stderr}`);
    return stdout;
  };
  const images = {
    signed: await registry.push('signed'),
    unlogged: await registry.push('unlogged'),
    unsigned: await registry.push('unsigned'),
    foreign: await registry.push('foreign'),
  };
  await sign(images.signed, IMAGES.signed);
  await sign(images.unlogged, IMAGES.unlogged, false);
  await sign(images.foreign, IMAGES.foreign);
  return {
    service,
    images: { ...images, forged: await forge(crane, images.signed) },
    push: (name) => registry.push(name),
    mayfly,
    documents: async (controller, ...more) => {
      const who = ['--identity', SIGNER, '--issuer', issuerUrl, ...more];
      const words = ['trust', 'export', '--data', data, '--public-url', url, '--for', controller, ...who];
      return (await mayfly(...words)).split(/^---$/m);
    },
    write: async (name, text) => {
      await writeFile(join(scratch, name), text);
      return join(scratch, name);
    },
    stop: async () => {
      await registry.stop();
      await service.stop();
    },
  };
}

/** The part of a manifest of signatures in which cosign keeps what the log said. */
interface SignatureManifest {
  readonly layers: { readonly annotations: Record<string, string> }[];
}

const ENTRY = 'dev.sigstore.cosign/bundle';

/** Copies an image and its signature to another repository, where a key of somebody else has signed the entry. */
async function forge(crane: string, image: string): Promise<string> {
  const [repository = '', digest = ''] = image.split('@');
  const host = repository.slice(0, repository.lastIndexOf('/'));
  const tag = `${digest.replace(':', '-')}.sig`;
  await run(crane, ['copy', image, `${host}/forged:1`]);
  await run(crane, ['copy', `${repository}:${tag}`, `${host}/forged:${tag}`]);
  const url = `http://${host}/v2/forged/manifests/${tag}`;
  const got = await fetch(url);
  const manifest = (await got.json()) as SignatureManifest;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const { annotations } of manifest.layers) {
    const entry = JSON.parse(annotations[ENTRY] ?? '') as Record<string, unknown>;
    entry['SignedEntryTimestamp'] = signBytes('sha256', Buffer.from('an entry'), privateKey).toString(
      'base64',
    );
    annotations[ENTRY] = JSON.stringify(entry);
  }
  const headers = { 'Content-Type': got.headers.get('Content-Type') ?? '' };
  const put = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(manifest) });
  if (!put.ok) throw new Error(`${url}: ${put.status}`);
  return `${host}/forged@${digest}`;
}
