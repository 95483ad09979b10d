import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { equalBytes, utf8 } from '../../core/bytes.ts';
import {
  makeDirectory,
  replaceDurably,
  shareOwner,
  syncDirectory,
  writeDurably,
} from '../../storage/durable-file.ts';
import { requireKeyNotEnded, timestampSuccession } from '../../instance/successor.ts';
import { encodePem } from '../../core/pem.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { readChain } from '../../trust/collect.ts';
import { isWithin } from '../../trust/format/trusted-root.ts';
import { recordTrust, type InstanceTrust } from '../../trust/ledger.ts';
import { authorityKey } from '../../trust/union.ts';
import { certificateLine } from '../ca/ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { readLimited } from '../program/input-file.ts';
import { checkedChain } from './certification.ts';
import { openKeyFile, type TimestampDirectory } from './timestamp-directory.ts';

/**
 * Puts the staged successor in force. The order makes every crash harmless, and the same command finishes: first the ledger and
 * `tsa/former` keep the old chain, for verifiers; then the new chain is put in force by one rename; then its key takes the place of the
 * old one; then what was staged is removed, the chain last. Between chain and key, `serve` finds the key of the new chain where it was staged.
 */
export async function putInForce(directory: TimestampDirectory, speak: Speaker): Promise<void> {
  const { data, paths } = directory;
  if (await isMissing(paths.nextTimestampChain)) throw nothingStaged(paths);
  const isKeyThere = !(await isMissing(paths.nextTimestampKey));
  // Without it, only the staged chain was left to be removed.
  const keyFile = isKeyThere ? paths.nextTimestampKey : paths.timestampKey;
  const key = await openKeyFile(keyFile, directory.passphrase);
  // Its root was that of the CA when it was staged; the CA may have another one by now.
  const chain = checkedChain(await textOf(paths.nextTimestampChain), key);
  const formerChain = await readChain(paths.timestampChain);
  const former = {
    line: certificateLine(pemOf(formerChain)),
    sha256: sha256(formerChain[0] ?? new Uint8Array()),
  };
  const isInForce = await sameChains(paths);
  if (!isInForce) {
    requireTrusted(await recordTrust(paths), await readChain(paths.nextTimestampChain));
    await requireKeyNotEnded(timestampSuccession(paths), key);
  }
  try {
    if (!isInForce) await keepFormer(paths, formerChain);
    await replaceDurably(paths.timestampChain, utf8(chain));
    if (isKeyThere) {
      await replaceDurably(paths.timestampKey, await readLimited(paths.nextTimestampKey, 'the key'));
      await rm(paths.nextTimestampKey);
      await syncDirectory(paths.keys);
    }
    await rm(paths.nextTimestampChain);
    await syncDirectory(dirname(paths.nextTimestampChain));
  } catch (error) {
    throw systemFault(paths.root, 'write', error);
  }
  const after = isInForce
    ? ['Next: start the service anew, and make a backup.']
    : [
        `Before: ${former.line}. It stays trusted, and its key is deleted.`,
        'Next: start the service anew, and make a backup. After that the window of the former one may end:',
        `  ${mayEnd(data, former.sha256)}`,
      ];
  const lines = [`In force from the next start of the service: ${certificateLine(chain)}`, ...after];
  speak.answer(
    { chain: paths.timestampChain, key: paths.timestampKey, subject: certificateLine(chain) },
    lines.join('\n'),
  );
}

/** The time of what is staged may have been ended meanwhile, as after a theft. */
function requireTrusted({ root }: InstanceTrust, chain: readonly Uint8Array[]): void {
  const now = Date.now();
  const entry = root.timestampAuthorities.find((one) => authorityKey(one) === authorityKey({ chain }));
  if (entry === undefined || isWithin(entry.window, now)) return;
  throw new CommandError('REFUSED', 'verifiers do not trust the staged certificate now: its time was ended', {
    hint: 'Give it up with --discard, and stage another one.',
  });
}

const mayEnd = (data: string, sha256: string): string =>
  `${invocation()} trust end --data ${quotedPath(data)} --tsa ${sha256} --at now --reason superseded`;

const nothingStaged = ({ nextTimestampChain }: DataPaths): CommandError =>
  new CommandError('REFUSED', `no successor is staged: there is no ${nextTimestampChain}`, {
    hint: 'Begin with --stage. If you did, and switched already, there is nothing left to do but to start the service anew.',
  });

const textOf = (file: string): Promise<string> =>
  readFile(file, 'latin1').catch((error: unknown) => {
    throw systemFault(file, 'read', error);
  });

async function sameChains({ timestampChain, nextTimestampChain }: DataPaths): Promise<boolean> {
  const [[current], [next]] = [await readChain(timestampChain), await readChain(nextTimestampChain)];
  return current !== undefined && next !== undefined && equalBytes(current, next);
}

const pemOf = (chain: readonly Uint8Array[]): string =>
  chain.map((der) => encodePem('CERTIFICATE', der)).join('');

/** Keeps the chain as it was read. */
async function keepFormer(paths: DataPaths, former: readonly Uint8Array[]): Promise<void> {
  const { formerTimestampChains: folder, chain } = paths;
  const [certificate = new Uint8Array()] = former;
  const name = sha256(certificate).slice(0, 32);
  await makeDirectory(folder, paths.root);
  await shareOwner(folder, chain);
  const file = join(folder, `${name}.pem`);
  await writeDurably(file, utf8(pemOf(former)), 0o644);
  await shareOwner(file, chain);
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
