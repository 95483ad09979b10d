/** A log that is staged: which one it is, and what must hold of it. */
import { equalBytes } from '../core/bytes.ts';
import { isWithin } from '../trust/format/trusted-root.ts';
import { readTrust } from '../trust/ledger.ts';
import type { CertificateLogPaths, DataPaths } from './data-paths.ts';
import type { KnownLog, LogHistory } from './known-logs.ts';
import { notTrustedNow, RotationError } from './rotation-error.ts';

/** The keys of a log. */
export type LogKeyPaths = Pick<CertificateLogPaths, 'ecdsaKey' | 'ed25519Key'>;

/** Where keys lie until their log is there. */
export const unnamedKeys = ({ ecdsaKey, ed25519Key }: LogKeyPaths): LogKeyPaths => ({
  ecdsaKey: unnamed(ecdsaKey),
  ed25519Key: unnamed(ed25519Key),
});

/** Whether a file in the folder of keys is one of {@link unnamedKeys}. */
export const isUnnamedKey = (name: string): boolean => /^log-.+\.next\.key\.pem$/.test(name);

const unnamed = (file: string): string => file.replace(/\.key\.pem$/, '.next.key.pem');

/** The one that is staged; undefined where none is. Throws {@link RotationError} where there are several. */
export function stagedLog({ staged }: LogHistory): KnownLog | undefined {
  const [next, ...more] = staged;
  if (more.length === 0) return next;
  throw new RotationError(
    'REFUSED',
    `several logs are younger than the one in use: ${staged.map(({ paths }) => paths.name).join(', ')}`,
    { hint: 'Move those away that are not to follow it; `mayfly log rotate --stage` makes one at a time.' },
  );
}

/** The error where none is. */
export const noLogStaged = ({ current: { identity } }: LogHistory): RotationError =>
  new RotationError('REFUSED', `no log is staged to follow ${identity.origin}`, {
    hint: 'Make one with --stage, let verifiers have its key, and switch to it then.',
  });

/** Rejects with {@link RotationError} where verifiers do not trust the staged log at `now`, milliseconds since the epoch: everything that it logs would be refused. */
export async function requireTrustedLog({ identity }: KnownLog, data: DataPaths, now: number): Promise<void> {
  const { root } = await readTrust(data);
  const entry = root.certificateLogs.find(({ logId }) => equalBytes(logId, identity.logId));
  if (entry === undefined || isWithin(entry.window, now)) return;
  const what = `${identity.origin} is staged, but it`;
  throw notTrustedNow(
    what,
    entry.window,
    'Give it up with --discard, and stage another log. Its name is not used again.',
  );
}
