/** The successor of the issuing CA: staged, which makes verifiers trust it, and then put in force. */
import { createHash, type KeyObject } from 'node:crypto';
import { checkAuthority } from '../../ca/adopt.ts';
import { equalBytes, toHex } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { rfc3339 } from '../../core/clock.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { requestedKey, stageSuccessor, type CheckedChain } from '../../instance/stage-successor.ts';
import type { Chain, Succession } from '../../instance/succession.ts';
import { switchSuccessor, type Switched } from '../../instance/switch-successor.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { readChain } from '../../trust/collect.ts';
import { certificateLine, switchedLines } from './ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { invocation, passphraseWords } from '../program/invocation.ts';

/** What is to be followed, and what is permitted. */
export interface SuccessorRequest {
  readonly succession: Succession;
  /** The data directory as the operator named it. */
  readonly data: string;
  readonly passphraseFile?: string | undefined;
  readonly mayHaveNewRoot: boolean;
}

/** Checks the chain with the key of the renewal and stages it. Rejects with what does not fit; nothing changes then. */
export async function stageAuthority(file: string, request: SuccessorRequest, speak: Speaker): Promise<void> {
  const { data, succession } = request;
  const staged = await stage(file, '--stage', request);
  const lines = [
    `Staged: ${certificateLine(staged.chainPem)}`,
    `  SHA-256 ${fingerprintOf(staged.chain)}`,
    ...rootLines(staged),
    'It issues nothing yet. Verifiers that get newer files trust it from now on: hand them out, and wait until they have them:',
    `  ${invocation()} trust export --data ${quotedPath(data)} --out DIR`,
    'Then put it in force:',
    `  ${invocation()} ca renew --data ${quotedPath(data)} --switch${passphraseWords(request)}`,
  ];
  speak.answer({ staged: succession.nextChain, ...factsOf(staged) }, lines.join('\n'));
}

/** Puts the staged chain in force from the next start of the service on. */
export async function switchAuthority(request: SuccessorRequest, speak: Speaker): Promise<void> {
  report(await switchSuccessor(request.succession, checkChain), request, speak, []);
}

/** Both steps at once. */
export async function installAuthority(
  file: string,
  request: SuccessorRequest,
  speak: Speaker,
): Promise<void> {
  await stage(file, '--install', request);
  report(await switchSuccessor(request.succession, checkChain), request, speak, [
    'Nobody could get newer files before it is in force. Until they do, these refuse what it issues: clients of Sigstore, and all that',
    'see the certificate alone. `mayfly verify certificate` takes it where its chain is in the file too. Next time: --stage, then --switch.',
  ]);
}

/** A chain, and the one before it where that is known. */
type Successor = Pick<Switched, 'chain' | 'chainPem' | 'former'>;

async function stage(
  file: string,
  option: string,
  { succession, mayHaveNewRoot }: SuccessorRequest,
): Promise<Successor> {
  const text = Buffer.from(await readLimited(file, option)).toString('latin1');
  const key = await requestedKey(succession);
  const checked = await checkChain(text, key);
  const successor = { ...checked, former: await readChain(succession.chain) };
  if (!mayHaveNewRoot) requireSameRoot(successor);
  await stageSuccessor(succession, checked, key);
  return successor;
}

async function checkChain(text: string, key: KeyObject): Promise<CheckedChain> {
  const { authority, chainPem } = await checkAuthority(key, text, Date.now);
  return { chain: authority.chain, chainPem };
}

/** Long enough for the last certificate of the old CA to have ended, and for signatures with it. */
const GRACE_MS = 24 * 3600 * 1000;

function report(
  successor: Switched,
  { data, succession }: SuccessorRequest,
  speak: Speaker,
  warnings: readonly string[],
): void {
  const { former, chainPem, was } = successor;
  const end = rfc3339(Math.ceil((Date.now() + GRACE_MS) / 1000) * 1000);
  const lines = [
    ...switchedLines(was, chainPem),
    ...rootLines(successor),
    ...warnings,
    'Next: start the service anew, and make a backup. The old chain stays trusted; when its last certificate has ended, end its time:',
    ...(former === undefined
      ? []
      : [
          `  ${invocation()} trust end --data ${quotedPath(data)} --ca ${fingerprintOf(former)} --at ${end} --reason superseded`,
        ]),
  ];
  const { chain, key } = succession;
  const facts = {
    chain,
    key,
    finished: was === 'interrupted',
    isNew: was !== 'in force',
    subject: certificateLine(chainPem),
  };
  speak.answer({ ...facts, ...factsOf(successor), warnings }, lines.join('\n'));
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
  const line = (what: string, ders: Chain): string =>
    `  ${what} root ${describeName(parseCertificate(ders.at(-1) ?? new Uint8Array()).subject)}, SHA-256 ${fingerprintOf(ders.slice(-1))}`;
  return [
    'It ends at a new root, which verifiers know only from newer files:',
    line('old', former),
    line('new', chain),
  ];
}

const fingerprintOf = ([first = new Uint8Array()]: Chain): string =>
  toHex(createHash('sha256').update(first).digest());

const isSameRoot = (chain: Chain, former: Chain): boolean =>
  equalBytes(chain.at(-1) ?? new Uint8Array(), former.at(-1) ?? new Uint8Array());

function requireSameRoot({ chain, former }: Successor): void {
  if (former !== undefined && isSameRoot(chain, former)) return;
  throw new CommandError('REFUSED', 'the chain ends at another root than the one in force', {
    hint: 'Verifiers do not trust it yet. If it is to be a new root, say --new-root; else put the same root last in the chain.',
  });
}
