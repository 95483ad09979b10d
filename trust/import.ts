/** Taking over what the verifiers of another deployment trust, so that they go on verifying what it signed. */
import { equalBytes } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey, spkiOfRsaPublicKey } from '../core/public-key.ts';
import {
  authorityNames,
  entriesOf,
  LIST_NAMES,
  logNames,
  type TrustEntry,
  type TrustList,
} from './entries.ts';
import {
  isWithin,
  type TrustedAuthority,
  type TrustedLogInstance,
  type TrustedRoot,
  type Window,
} from './format/trusted-root.ts';
import type { InstanceTrust } from './ledger.ts';
import { isOwnPath } from './public-urls.ts';
import { authorityKey, logKey } from './union.ts';

/** How entries of both sides are compared. */
interface ImportOptions {
  /** Whether an end in the imported root counts where ours is later, or has none; without it such an entry is a conflict. */
  readonly takeEnds: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What an import comes to. */
export interface TrustImport {
  /** Ours with what was taken. */
  readonly root: TrustedRoot;
  /** Entries that are new. */
  readonly taken: readonly TrustEntry[];
  /** Entries that were there, in another window; as they are now. */
  readonly changed: readonly TrustEntry[];
  /** How many were there already. */
  readonly known: number;
  /** Why it cannot be, a sentence each; then nothing may be recorded. */
  readonly conflicts: readonly string[];
}

type Entry = TrustedAuthority | TrustedLogInstance;

/** Merges `imported` into what an instance trusts. Importing the same again changes nothing. */
export function importTrust(
  trust: InstanceTrust,
  imported: TrustedRoot,
  options: ImportOptions,
): TrustImport {
  const merge = new Merge(trust, options);
  const { root: ours } = trust;
  const root: TrustedRoot = {
    certificateAuthorities: merge.list(
      'certificateAuthorities',
      ours.certificateAuthorities,
      imported.certificateAuthorities,
    ),
    certificateLogs: merge.list('certificateLogs', ours.certificateLogs, imported.certificateLogs),
    timestampAuthorities: merge.list(
      'timestampAuthorities',
      ours.timestampAuthorities,
      imported.timestampAuthorities,
    ),
    artifactLogs: merge.list('artifactLogs', ours.artifactLogs, imported.artifactLogs),
  };
  const entries = entriesOf(root);
  const among = (keys: ReadonlySet<string>): readonly TrustEntry[] =>
    entries.filter(({ list, key }) => keys.has(`${list} ${key}`));
  const { known, conflicts } = merge;
  return { root, taken: among(merge.taken), changed: among(merge.changed), known, conflicts };
}

class Merge {
  readonly taken = new Set<string>();
  readonly changed = new Set<string>();
  readonly conflicts: string[] = [];
  known = 0;
  readonly #trust: InstanceTrust;
  readonly #options: ImportOptions;

  constructor(trust: InstanceTrust, options: ImportOptions) {
    this.#trust = trust;
    this.#options = options;
  }

  list<T extends Entry>(list: TrustList, ours: readonly T[], imported: readonly T[]): readonly T[] {
    const merged = [...ours];
    for (const theirs of imported) {
      const who = `the ${LIST_NAMES[list]} ${nameOf(theirs)}`;
      const key = keyOf(theirs);
      const place = merged.findIndex((one) => keyOf(one) === key);
      const known = merged[place];
      const fault = faultOf(theirs) ?? this.#clash(theirs, known, merged);
      if (fault !== undefined) this.conflicts.push(`${who}: ${fault}`);
      else if (known === undefined) {
        merged.push(theirs);
        this.taken.add(`${list} ${key}`);
      } else merged[place] = this.#withWindow(known, theirs, `${list} ${key}`, who);
    }
    return merged;
  }

  /** What makes it another one than that which is there under its name. */
  #clash(theirs: Entry, ours: Entry | undefined, all: readonly Entry[]): string | undefined {
    if ('chain' in theirs) {
      if (ours === undefined || !('chain' in ours) || isSameChain(ours.chain, theirs.chain)) return undefined;
      return 'it is there already with another chain above it';
    }
    if (ours !== undefined && 'publicKey' in ours) {
      if (!equalBytes(spkiOf(ours), spkiOf(theirs))) return 'its log id is there already with another key';
      const [own, other] = [ours.checkpointKeyId, theirs.checkpointKeyId];
      if (own === undefined || other === undefined || equalBytes(own, other)) return undefined;
      return 'it is there already with another key id in its checkpoints';
    }
    const twin = all.find((one) => 'publicKey' in one && equalBytes(spkiOf(one), spkiOf(theirs)));
    return twin === undefined ? undefined : 'its key is there already under another log id';
  }

  #withWindow<T extends Entry>(ours: T, theirs: T, key: string, who: string): T {
    if (isSameWindow(ours.window, theirs.window)) {
      this.known++;
      return ours;
    }
    const window = this.#chosenWindow(ours, theirs);
    if (window === undefined) {
      this.conflicts.push(
        `${who}: it is trusted ${describe(ours.window)} here, and ${describe(theirs.window)} there`,
      );
      return ours;
    }
    if (isSameWindow(ours.window, window)) this.known++;
    else this.changed.add(key);
    return { ...ours, window };
  }

  #chosenWindow(ours: Entry, theirs: Entry): Window | undefined {
    if (this.#isUnchosen(ours) && (this.#options.takeEnds || theirs.window.end === undefined))
      return theirs.window;
    const [own, other] = [seconds(ours.window), seconds(theirs.window)];
    if (!this.#options.takeEnds || own.start !== other.start) return undefined;
    return { start: own.start, end: Math.min(own.end ?? Infinity, other.end ?? Infinity) };
  }

  /** Whether nobody chose its window: that of one of our own from its beginning on, in which it counts now. An adopted CA has its history elsewhere. */
  #isUnchosen(entry: Entry): boolean {
    const { start, end } = seconds(entry.window);
    const url = 'chain' in entry ? entry.uri : entry.baseUrl;
    if (!isOwnPath(url) || end !== undefined || !isWithin(entry.window, this.#options.now)) return false;
    const births =
      'chain' in entry
        ? [parseCertificate(entry.chain[0] ?? new Uint8Array()).notBefore]
        : this.#trust.logs.filter(({ logId }) => equalBytes(logId, entry.logId)).map((log) => log.createdAt);
    return births.some((birth) => start === Math.floor(birth / 1000) * 1000);
  }
}

const keyOf = (entry: Entry): string => ('chain' in entry ? authorityKey(entry) : logKey(entry));

const nameOf = (entry: Entry): string => ('chain' in entry ? authorityNames(entry) : logNames(entry)).name;

/** Why it cannot be one of anybody's. */
function faultOf(entry: Entry): string | undefined {
  if (entry.window.end !== undefined && entry.window.end < entry.window.start)
    return 'its window ends before it begins';
  try {
    if ('chain' in entry) for (const der of entry.chain) parsePublicKey(parseCertificate(der).spki);
    else parsePublicKey(spkiOf(entry));
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.message;
  }
}

const spkiOf = ({ publicKey, keyDetails }: TrustedLogInstance): Uint8Array =>
  keyDetails === 'PKCS1_RSA_PKCS1V5' ? spkiOfRsaPublicKey(publicKey) : publicKey;

const isSameChain = (one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean =>
  one.length === other.length && one.every((der, at) => equalBytes(der, other[at] ?? new Uint8Array()));

/** As trusted roots write them. */
const seconds = ({ start, end }: Window): Window => ({
  start: Math.floor(start / 1000) * 1000,
  end: end === undefined ? undefined : Math.ceil(end / 1000) * 1000,
});

function isSameWindow(one: Window, other: Window): boolean {
  const [a, b] = [seconds(one), seconds(other)];
  return a.start === b.start && a.end === b.end;
}

const describe = ({ start, end }: Window): string =>
  `from ${rfc3339(start)}${end === undefined ? '' : ` until ${rfc3339(end)}`}`;
