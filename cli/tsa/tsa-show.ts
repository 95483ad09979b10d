import { createHash } from 'node:crypto';
import { openDataDirectory } from '../../instance/data-directory.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { toHex } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import { rfc3339 } from '../../core/clock.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { readChain, readFormerChains } from '../../trust/collect.ts';
import type { Window } from '../../trust/format/trusted-root.ts';
import { readTrust } from '../../trust/ledger.ts';
import { authorityKey } from '../../trust/union.ts';
import type { Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';

interface ShowOptions {
  readonly data: string;
}

/** One certificate for timestamps, for people and machines. */
interface Shown {
  readonly role: 'in force' | 'staged' | 'former';
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly sha256: string;
  readonly key: string;
  /** Undefined for one that was superseded: its key is gone. */
  readonly keyFile?: string;
  readonly trustedFrom?: string;
  readonly trustedUntil?: string;
}

/** Shows the certificates for timestamps of a directory, and what comes next. Opens no key. */
export async function show({ data }: ShowOptions, speak: Speaker): Promise<undefined> {
  const { paths } = await openDataDirectory(data);
  const shown = await certificatesIn(paths);
  const next = await nextStep(paths, quotedPath(data));
  const text =
    shown.length === 0 ? ['There is no timestamp authority.'] : shown.flatMap((entry) => linesOf(entry));
  speak.answer(
    { certificates: shown, next: next ?? null },
    [...text, ...(next ? ['', next] : [])].join('\n'),
  );
  return undefined;
}

async function certificatesIn(paths: DataPaths): Promise<readonly Shown[]> {
  if (await isMissing(paths.timestampChain)) return [];
  const windows = new Map(
    (await readTrust(paths)).root.timestampAuthorities.map((entry) => [authorityKey(entry), entry.window]),
  );
  const current = await readChain(paths.timestampChain);
  const staged = (await isMissing(paths.nextTimestampChain))
    ? []
    : [await readChain(paths.nextTimestampChain)];
  const former = await readFormerChains(paths.formerTimestampChains, current);
  const windowOf = (chain: readonly Uint8Array[]): Window | undefined => windows.get(authorityKey({ chain }));
  return [
    shownOf('in force', current, windowOf(current), paths.timestampKey),
    ...staged.map((chain) => shownOf('staged', chain, windowOf(chain), paths.nextTimestampKey)),
    ...former
      .map((chain) => shownOf('former', chain, windowOf(chain), undefined))
      .sort((a, b) => (a.notBefore < b.notBefore ? 1 : -1)),
  ];
}

function shownOf(
  role: Shown['role'],
  [der = new Uint8Array()]: readonly Uint8Array[],
  window: Window | undefined,
  keyFile: string | undefined,
): Shown {
  const { subject, issuer, notBefore, notAfter, spki } = parseCertificate(der);
  const key = parsePublicKey(spki);
  return {
    role,
    subject: describeName(subject),
    issuer: describeName(issuer),
    notBefore: rfc3339(notBefore),
    notAfter: rfc3339(notAfter),
    sha256: toHex(createHash('sha256').update(der).digest()),
    key: key.type === 'ec' ? `ECDSA ${key.curve}` : key.type === 'rsa' ? `RSA ${key.bits}` : 'Ed25519',
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(window === undefined ? {} : { trustedFrom: rfc3339(window.start) }),
    ...(window?.end === undefined ? {} : { trustedUntil: rfc3339(window.end) }),
  };
}

function linesOf(entry: Shown): string[] {
  const { role, subject, issuer, notBefore, notAfter, sha256, key, keyFile, trustedFrom, trustedUntil } =
    entry;
  const row = (title: string, text: string): string => `${title.padEnd(12)}${text}`;
  const until = trustedUntil === undefined ? 'without an end' : `until ${trustedUntil}`;
  return [
    row(role, subject),
    row('', `below ${issuer}`),
    row('', `valid from ${notBefore} until ${notAfter}`),
    ...(trustedFrom === undefined ? [] : [row('', `trusted from ${trustedFrom} ${until}`)]),
    row('', `SHA-256 ${sha256}`),
    row('', `${key}${keyFile === undefined ? ', no key here' : `, ${keyFile}`}`),
  ];
}

/** What a step that was begun wants next; undefined when nothing was. */
async function nextStep(paths: DataPaths, data: string): Promise<string | undefined> {
  const tsa = (words: string): string => `${invocation()} tsa ${words.replace('DIR', data)}`;
  const isThere = async (file: string): Promise<boolean> => !(await isMissing(file));
  if (!(await isThere(paths.timestampChain)))
    return (await isThere(paths.timestampKey))
      ? `A request was made. Next: ${tsa('init --data DIR --install CHAIN')}`
      : `Next: ${tsa('init --data DIR --root-key FILE')}   (root key elsewhere: --csr FILE)`;
  if (await isThere(paths.nextTimestampChain))
    return `Next, when verifiers have the staged one: ${tsa('renew --data DIR --switch')}`;
  if (await isThere(paths.nextTimestampKey))
    return `A request was made. Next: ${tsa('renew --data DIR --stage CHAIN')}`;
  return undefined;
}
