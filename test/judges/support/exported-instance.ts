/** A running `mayfly dev`, and what its export has for clients: nothing else is handed to them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DevMayfly, runMayfly, startDev } from '../../support/mayfly.ts';

/** It, with its files. */
export interface ExportedInstance extends DevMayfly {
  /** The path of an exported file. */
  exported(name: ExportedFile): string;
  /** Exports again, after a change. */
  export(): Promise<void>;
  /** The path of a file with a new token, without a newline at its end: cosign takes the file as it is. */
  tokenFile(email?: string): Promise<string>;
  /** A file to sign. */
  readonly artifact: string;
}

/** What clients read. */
export type ExportedFile =
  | 'tsa.pem'
  | 'trusted_root.json'
  | 'signing_config.v0.2.json'
  | 'client_trust_config.json'
  | 'chain.pem'
  | 'root.pem'
  | 'log.pub.pem'
  | 'rekor.pub';

/** Whom its tokens are for, unless a test says otherwise. */
export const SIGNER = 'ada@example.com';

/** Starts it. With `minutesAgo`, its clock is behind by as many: leaf, SCT and timestamp are of that time, and a leaf is over when the
 * clients, whose clock is right, come to verify. With `data` it goes on with a directory that is there. */
export async function startExported(
  options: { readonly minutesAgo?: number; readonly data?: string } = {},
): Promise<ExportedInstance> {
  const { minutesAgo, data } = options;
  const service = await startDev({
    byLauncher: 'built',
    ...(data !== undefined && { data }),
    ...(minutesAgo !== undefined && { env: shiftedClock(-minutesAgo * 60_000) }),
  });
  const trust = join(service.scratch, 'trust');
  const artifact = join(service.scratch, 'artifact.txt');
  await writeFile(artifact, 'what clients sign');
  const exportNow = async (): Promise<void> => {
    const args = ['trust', 'export', '--data', service.data, '--public-url', service.url, '--out', trust];
    const { code, stderr } = await runMayfly(args, { byLauncher: 'built' });
    if (code !== 0) throw new Error(stderr);
  };
  await exportNow();
  return {
    ...service,
    artifact,
    exported: (name) => join(trust, name),
    export: exportNow,
    tokenFile: async (email = SIGNER) => {
      const file = join(service.scratch, `token-${email}`);
      await writeFile(file, await service.token(email));
      return file;
    },
  };
}

const shiftedClock = (ms: number): Record<string, string> => ({
  NODE_OPTIONS: `--import=${fileURLToPath(new URL(`shifted-clock.${import.meta.url.endsWith('.js') ? 'js' : 'ts'}`, import.meta.url))}`,
  CLOCK_SHIFT_MS: String(ms),
});
