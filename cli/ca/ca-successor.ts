/** The successor of the issuing CA: staged, which makes verifiers trust it, and then put in force. */
import { createHash, type KeyObject } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { adoptAuthority } from '../../ca/adopt.ts';
import { equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { rfc3339 } from '../../core/clock.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { encodePem } from '../../core/pem.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { authoritySuccession, requireKeyNotEnded, requireSwitchFinished } from '../../instance/successor.ts';
import { readPrivateKey } from '../../signers/key-file.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import {
  makeDirectory,
  replaceDurably,
  shareOwner,
  syncDirectory,
  writeDurably,
} from '../../storage/durable-file.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { describeWindow } from '../../verify/trust-windows.ts';
import { isWithin } from '../../trust/format/trusted-root.ts';
import { readChain, readFormerChains } from '../../trust/collect.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { certificateLine } from './ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { invocation } from '../program/invocation.ts';

/** Where the successor goes, and what is permitted. */
export interface SuccessorRequest {
  readonly paths: DataPaths;
  readonly passphrase: string | undefined;
  /** The data directory as the operator named it. */
  readonly data: string;
  readonly mayHaveNewRoot: boolean;
}

/** Checks the chain with the key of the renewal, keeps it as the staged one, and records it for verifiers. Staging again replaces the file; what was
 * recorded stays so. A crash leaves the chain unstaged, or staged and not recorded, which is published all the same. */
export async function stageSuccessor(file: string, request: SuccessorRequest, speak: Speaker): Promise<void> {
  const text = Buffer.from(await readLimited(file, '--stage')).toString('latin1');
  const staged = await stage(text, request);
  const { data, paths } = request;
  const lines = [
    `Staged: ${certificateLine(staged.chainPem)}`,
    `  SHA-256 ${fingerprintOf(staged.chain)}`,
    ...rootLines(staged),
    'It issues nothing yet. Verifiers that get newer files trust it from now on: hand them out, and wait until they have them:',
    `  ${invocation()} trust export --data ${quotedPath(data)} --out DIR`,
    'Then put it in force:',
    `  ${invocation()} ca renew --data ${quotedPath(data)} --switch`,
  ];
  speak.answer({ staged: paths.nextChain, ...factsOf(staged) }, lines.join('\n'));
}

/** Puts the staged chain in force from the next start of the service on. */
export async function switchToSuccessor(request: SuccessorRequest, speak: Speaker): Promise<void> {
  const { paths } = request;
  if (await isMissing(paths.nextChain)) throw notStaged(paths);
  const text = await readFile(paths.nextChain, 'latin1');
  if (await isMissing(paths.nextIntermediateKey)) {
    // Interrupted after its last but one step.
    if (!isSameFirst(await readChain(paths.nextChain), await readChain(paths.chain))) throw notBegun(paths);
    await removeStaged(paths);
    speak.answer({ chain: paths.chain, finished: true }, 'The switch that was begun is finished.');
    return;
  }
  const chosen = await checked(text, request);
  // What is in force already is finished, whatever became of its time: then it can be followed.
  if (!isInForce(chosen)) {
    await requireTrusted(paths, chosen);
    await requireKeyNotEnded(authoritySuccession(paths), await pendingKeyOf(request));
  }
  await putInForce(chosen, request);
  report(await withFormer(chosen, request), request, speak, []);
}

/** Both steps at once. */
export async function installSuccessor(
  file: string,
  request: SuccessorRequest,
  speak: Speaker,
): Promise<void> {
  const text = Buffer.from(await readLimited(file, '--install')).toString('latin1');
  const staged = await stage(text, request);
  await putInForce(staged, request);
  report(await withFormer(staged, request), request, speak, [
    'Nobody could get newer files before it is in force. Until they do, these refuse what it issues: clients of Sigstore, and all that',
    'see the certificate alone. `mayfly verify certificate` takes it where its chain is in the file too. Next time: --stage, then --switch.',
  ]);
}

interface Successor {
  readonly chain: readonly Uint8Array[];
  readonly chainPem: string;
  /** The file of its key. */
  readonly key: Uint8Array;
  /** The chain before it; undefined where that is not known any more. */
  readonly former: readonly Uint8Array[] | undefined;
}

async function stage(text: string, request: SuccessorRequest): Promise<Successor> {
  const { paths, mayHaveNewRoot } = request;
  const successor = await checked(text, request);
  if (!isInForce(successor)) {
    const key = await pendingKeyOf(request);
    await requireSwitchFinished(authoritySuccession(paths), key);
    await requireKeyNotEnded(authoritySuccession(paths), key);
  }
  if (!mayHaveNewRoot) requireSameRoot(successor);
  try {
    await writeDurably(paths.nextChain, utf8(successor.chainPem), 0o644);
    await shareOwner(paths.nextChain, paths.chain);
  } catch (error) {
    throw systemFault(paths.nextChain, 'write', error);
  }
  await recordTrust(paths);
  return successor;
}

async function checked(text: string, { paths, passphrase }: SuccessorRequest): Promise<Successor> {
  if (await isMissing(paths.nextIntermediateKey)) throw notBegun(paths);
  const key = await readLimited(paths.nextIntermediateKey, '--data');
  const adoption = adoptAuthority({ key, chainPem: text, passphrase, clock: Date.now });
  const { authority, chainPem } = await namingKey(paths.nextIntermediateKey, adoption);
  return { chain: authority.chain, chainPem, key, former: await readChain(paths.chain) };
}

/**
 * The order makes every crash harmless: first the old chain is kept, for verifiers; then the new chain is put in force by
 * one rename; then its key takes the place of the old one. Between the last two, `serve` finds the key of the new chain
 * where the renewal left it, and the same command finishes.
 */
async function putInForce(
  { chain, chainPem, key, former }: Successor,
  { paths }: SuccessorRequest,
): Promise<void> {
  try {
    if (former !== undefined && !isSameFirst(chain, former)) await keepFormer(paths, former);
    await replaceDurably(paths.chain, utf8(chainPem));
    await replaceDurably(paths.intermediateKey, key);
    await rm(paths.nextIntermediateKey);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(paths.root, 'write', error);
  }
  await removeStaged(paths);
}

async function removeStaged(paths: DataPaths): Promise<void> {
  try {
    await rm(paths.nextChain, { force: true });
    await syncDirectory(join(paths.chain, '..'));
  } catch (error) {
    throw systemFault(paths.nextChain, 'write', error);
  }
}

/** Keeps the chain as it was read. */
async function keepFormer(paths: DataPaths, former: readonly Uint8Array[]): Promise<void> {
  const name = fingerprintOf(former).slice(0, 32);
  await makeDirectory(paths.formerChains, paths.root);
  await shareOwner(paths.formerChains, paths.chain);
  const file = join(paths.formerChains, `${name}.pem`);
  await writeDurably(file, utf8(former.map((der) => encodePem('CERTIFICATE', der)).join('')), 0o644);
  await shareOwner(file, paths.chain);
}

const pendingKeyOf = ({ paths, passphrase }: SuccessorRequest): Promise<KeyObject> =>
  openKey(paths.nextIntermediateKey, passphrase);

const isSameFirst = ([a]: readonly Uint8Array[], [b]: readonly Uint8Array[]): boolean =>
  a !== undefined && b !== undefined && equalBytes(a, b);

/** Whether a switch to it was interrupted after it was put in force. */
const isInForce = ({ chain, former }: Successor): boolean => isSameFirst(chain, former ?? []);

/** With the chain that was in force before. After an interruption that is the youngest of those that were kept, which a switch does first of all. */
async function withFormer(successor: Successor, { paths }: SuccessorRequest): Promise<Successor> {
  if (!isInForce(successor)) return successor;
  const kept = await readFormerChains(paths.formerChains, successor.chain);
  const begin = ([first]: readonly Uint8Array[]): number =>
    first === undefined ? 0 : parseCertificate(first).notBefore;
  return { ...successor, former: kept.toSorted((a, b) => begin(b) - begin(a))[0] };
}

/** Everything that it issued would be refused. */
async function requireTrusted(paths: DataPaths, { chain }: Successor): Promise<void> {
  const { root } = await readTrust(paths);
  const entry = root.certificateAuthorities.find((authority) =>
    equalBytes(authority.chain[0] ?? new Uint8Array(), chain[0] ?? new Uint8Array()),
  );
  if (entry === undefined || isWithin(entry.window, Date.now())) return;
  const sentence = `the staged CA is trusted ${describeWindow(entry.window)}, not now`;
  throw new CommandError('REFUSED', sentence, {
    hint: 'Give it up with --discard, and ask for another key with --csr.',
  });
}

/** Long enough for the last certificate of the old CA to have ended, and for signatures with it. */
const GRACE_MS = 24 * 3600 * 1000;

function report(
  successor: Successor,
  { data, paths }: SuccessorRequest,
  speak: Speaker,
  warnings: readonly string[],
): void {
  const { former, chainPem } = successor;
  const end = rfc3339(Math.ceil((Date.now() + GRACE_MS) / 1000) * 1000);
  const lines = [
    `In force from the next start of the service: ${certificateLine(chainPem)}`,
    ...rootLines(successor),
    ...warnings,
    'Next: start the service anew, and make a backup. The old chain stays trusted; when its last certificate has ended, end its time:',
    ...(former === undefined
      ? []
      : [
          `  ${invocation()} trust end --data ${quotedPath(data)} --ca ${fingerprintOf(former)} --at ${end} --reason superseded`,
        ]),
  ];
  const files = { chain: paths.chain, key: paths.intermediateKey };
  speak.answer(
    { ...files, subject: certificateLine(chainPem), ...factsOf(successor), warnings },
    lines.join('\n'),
  );
}

const factsOf = ({ chain, former }: Successor): Readonly<Record<string, unknown>> => ({
  sha256: fingerprintOf(chain),
  rootSha256: fingerprintOf(chain.slice(-1)),
  former:
    former === undefined
      ? null
      : { sha256: fingerprintOf(former), rootSha256: fingerprintOf(former.slice(-1)) },
});

/** A new root is said in words: it changes what verifiers have to be given. */
function rootLines({ chain, former }: Successor): readonly string[] {
  if (former === undefined || isSameRoot(chain, former)) return [];
  const line = (what: string, ders: readonly Uint8Array[]): string =>
    `  ${what} root ${describeName(parseCertificate(ders.at(-1) ?? new Uint8Array()).subject)}, SHA-256 ${fingerprintOf(ders.slice(-1))}`;
  return [
    'It ends at a new root, which verifiers know only from newer files:',
    line('old', former),
    line('new', chain),
  ];
}

const fingerprintOf = ([first = new Uint8Array()]: readonly Uint8Array[]): string =>
  toHex(createHash('sha256').update(first).digest());

const isSameRoot = (chain: readonly Uint8Array[], former: readonly Uint8Array[]): boolean =>
  equalBytes(chain.at(-1) ?? new Uint8Array(), former.at(-1) ?? new Uint8Array());

function requireSameRoot({ chain, former }: Successor): void {
  if (former !== undefined && isSameRoot(chain, former)) return;
  throw new CommandError('REFUSED', 'the chain ends at another root than the one in force', {
    hint: 'Verifiers do not trust it yet. If it is to be a new root, say --new-root; else put the same root last in the chain.',
  });
}

/** The key of a file. A complaint about it names the file. */
export const openKey = async (path: string, passphrase: string | undefined): Promise<KeyObject> =>
  namingKey(path, readPrivateKey(await readLimited(path, '--data'), passphrase));

/** A complaint about a key names its file. */
const namingKey = <T>(path: string, step: Promise<T>): Promise<T> =>
  step.catch((error: unknown) => {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.code, `${path}: ${error.message}`, { hint: error.hint });
  });

const notBegun = ({ nextIntermediateKey }: DataPaths): CommandError =>
  new CommandError('REFUSED', `no renewal was begun: there is no ${nextIntermediateKey}`, {
    hint: 'Begin with --csr FILE. If you did, and put the chain in force already, there is nothing left to do but to start the service anew.',
  });

const notStaged = ({ nextChain }: DataPaths): CommandError =>
  new CommandError('REFUSED', `nothing is staged: there is no ${nextChain}`, {
    hint: 'Stage the chain first with --stage CHAIN. If it is in force already, there is nothing left to do but to start the service anew.',
  });
