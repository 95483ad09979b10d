/** Images in a registry: one that a service of ours helped to sign, one without a signature, one that somebody else signed; and what admission controllers are given
 * of that service. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runMayfly } from '../../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './exported-instance.ts';
import { startRegistry } from './image-registry.ts';

const run = promisify(execFile);

/** Names of the images, and who signed them. */
const IMAGES = { signed: SIGNER, unsigned: undefined, foreign: 'eve@example.com' } as const;

/** Them, by digest, with the service that runs. */
export interface SignedImages {
  readonly service: ExportedInstance;
  readonly images: Readonly<Record<keyof typeof IMAGES, string>>;
  /** Pushes another one; resolves with its reference by digest. */
  push(name: string): Promise<string>;
  /** Runs a command of ours in the scratch directory of the service. Rejects where it fails. */
  mayfly(...words: readonly string[]): Promise<string>;
  /** The documents that a controller is given, for {@link SIGNER}. */
  documents(controller: string): Promise<readonly string[]>;
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
  const sign = async (image: string, email: string): Promise<void> => {
    const env = {
      PATH: process.env['PATH'],
      HOME: scratch,
      SIGSTORE_ROOT_FILE: service.exported('chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: service.exported('log.pub.pem'),
    };
    const services = ['--fulcio-url', url, '--timestamp-server-url', `${url}/api/v1/timestamp`];
    const token = ['--tlog-upload=false', '--identity-token', await service.tokenFile(email)];
    await run(cosign, ['sign', '-y', ...services, ...token, '--allow-http-registry', image], { env });
  };
  const mayfly = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runMayfly(words, { byLauncher: 'built', cwd: scratch });
    if (code !== 0) throw new Error(`${words.join(' ')}: ${stderr}`);
    return stdout;
  };
  const images = {
    signed: await registry.push('signed'),
    unsigned: await registry.push('unsigned'),
    foreign: await registry.push('foreign'),
  };
  await sign(images.signed, IMAGES.signed);
  await sign(images.foreign, IMAGES.foreign);
  return {
    service,
    images,
    push: (name) => registry.push(name),
    mayfly,
    documents: async (controller) => {
      const who = ['--identity', SIGNER, '--issuer', issuerUrl];
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
