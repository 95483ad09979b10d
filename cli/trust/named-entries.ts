/** What a person names who ends something, and what else has its key. */
import { fromBase64, toHex } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { entriesOf, type TrustEntry, type TrustList } from '../../trust/entries.ts';
import { holdersOfCertificate, holdersOfItsKey, logsWithKeyOf } from '../../trust/key-holders.ts';
import type { InstanceTrust } from '../../trust/ledger.ts';
import { CommandError } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';

/** The options that name something; one of them is given. */
export interface NameOptions {
  readonly ca?: string;
  readonly log?: string;
  readonly tsa?: string;
}

/** What they name. */
export interface NamedEntries {
  /** At least one. */
  readonly entries: readonly TrustEntry[];
  /** Others that have its key: with the key, a thief has them too. */
  readonly sameKey: readonly TrustEntry[];
}

const OPTION_LISTS = {
  ca: ['certificateAuthorities'],
  log: ['certificateLogs', 'artifactLogs'],
  tsa: ['timestampAuthorities'],
} as const satisfies Readonly<Record<string, readonly TrustList[]>>;

/** Finds it. Throws {@link CommandError} `USAGE` where the options name nothing, or more than one thing. */
export function namedEntries(trust: InstanceTrust, options: NameOptions): NamedEntries {
  const given = (['ca', 'log', 'tsa'] as const).filter((option) => options[option] !== undefined);
  const [option, ...more] = given;
  if (option === undefined || more.length > 0)
    throw new CommandError('USAGE', 'say what ends: one of --ca, --log and --tsa', {
      hint: `See what there is: ${invocation()} trust show DIR`,
    });
  const text = options[option] ?? '';
  const { entries, holders } =
    option === 'log' ? logs(trust, text) : authorities(trust, OPTION_LISTS[option][0], text);
  const isNamed = (entry: TrustEntry): boolean =>
    entries.some(({ list, index }) => list === entry.list && index === entry.index);
  if (entries.length > 0) return { entries, sameKey: holders.filter((entry) => !isNamed(entry)) };
  const lists: readonly TrustList[] = OPTION_LISTS[option];
  const known = entriesOf(trust.root)
    .filter(({ list }) => lists.includes(list))
    .map(({ name, id }) => `${id} (${name})`);
  throw new CommandError('USAGE', `--${option}: nothing that is trusted is called "${text}"`, {
    hint: `There is ${known.length === 0 ? 'none of the kind' : known.join(', ')}.`,
  });
}

interface Found {
  readonly entries: readonly TrustEntry[];
  /** All that have the key. */
  readonly holders: readonly TrustEntry[];
}

/** By the fingerprint of its own certificate; that of a CA above names all that are below it. */
function authorities(
  { root }: InstanceTrust,
  list: 'certificateAuthorities' | 'timestampAuthorities',
  text: string,
): Found {
  const fingerprint = text.replaceAll(':', '').toLowerCase();
  const all = holdersOfCertificate(root, list, fingerprint);
  const own = all.filter(({ id }) => id === fingerprint);
  return { entries: own.length > 0 ? own : all, holders: holdersOfItsKey(root, list, fingerprint) };
}

function logs({ root, logs: own }: InstanceTrust, text: string): Found {
  const ids = own.filter(({ name }) => name === text).map(({ logId }) => toHex(logId));
  const lists: readonly TrustList[] = OPTION_LISTS.log;
  const entries = entriesOf(root).filter(
    ({ list, key, name }) =>
      lists.includes(list) &&
      (ids.includes(key) ||
        isNamed(list, name, text) ||
        key === text.toLowerCase() ||
        key === hexOfBase64(text)),
  );
  return { entries, holders: logsWithKeyOf(root, entries) };
}

/** Our own logs of artifacts have the host of the service for a name, all of them: their ids distinguish them. */
const isNamed = (list: TrustList, name: string, text: string): boolean =>
  name === text && (list !== 'artifactLogs' || name.includes('://'));

function hexOfBase64(text: string): string | undefined {
  try {
    return toHex(fromBase64(text));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}
