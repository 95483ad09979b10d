/** `mayfly log shards`: the certificate logs of a data directory, which follow each other. */
import { equalBytes, toBase64 } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import { rfc3339 } from '../../core/clock.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { readLogHistory, type KnownLog } from '../../instance/known-logs.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { TrustedLogInstance } from '../../trust/format/trusted-root.ts';
import { readTrust } from '../../trust/ledger.ts';
import type { Speaker } from '../program/command.ts';

/** Options of the command. */
export interface ShardsOptions {
  readonly data: string;
}

/** Prints them, oldest first. Opens no key, and works beside a running service. Rejects with DataDirectoryError, LogError and TrustError. */
export async function shards({ data }: ShardsOptions, speak: Speaker): Promise<undefined> {
  const directory = await openDataDirectory(data);
  const { former, current, staged, unreadable } = await readLogHistory(directory);
  const { root } = await readTrust(directory.paths);
  for (const sentence of unreadable) speak.note(`warning: ${sentence}`);
  const facts = [
    ...(await Promise.all(former.map((log) => factsOf(log, 'former', root.certificateLogs)))),
    await factsOf(current, 'current', root.certificateLogs),
    ...(await Promise.all(staged.map((log) => factsOf(log, 'staged', root.certificateLogs)))),
  ];
  speak.answer({ logs: facts }, facts.map(lineOf).join('\n'));
  return undefined;
}

type Facts = Readonly<{
  origin: string;
  name: string;
  state: 'frozen' | 'ending' | 'current' | 'staged';
  logId: string;
  createdAt: string;
  /** Null where it cannot be read. */
  size: number | null;
  frozenAt: string | null;
  trustedUntil: string | null;
  failure?: string;
}>;

async function factsOf(
  { identity, paths }: KnownLog,
  place: 'former' | 'current' | 'staged',
  trusted: readonly TrustedLogInstance[],
): Promise<Facts> {
  const end = trusted.find(({ logId }) => equalBytes(logId, identity.logId))?.window.end;
  const { size, frozenAt, failure } = await headOf(paths.directory);
  return {
    origin: identity.origin,
    name: identity.name,
    state: frozenAt !== undefined ? 'frozen' : place === 'former' ? 'ending' : place,
    logId: toBase64(identity.logId),
    createdAt: rfc3339(identity.createdAt),
    size: size ?? null,
    frozenAt: frozenAt === undefined ? null : rfc3339(frozenAt),
    trustedUntil: end === undefined ? null : rfc3339(end),
    ...(failure === undefined ? {} : { failure }),
  };
}

async function headOf(directory: string): Promise<{
  readonly size?: number;
  readonly frozenAt?: number | undefined;
  readonly failure?: string;
}> {
  try {
    const { head, frozenAt } = await openDirectorySource(directory);
    return { size: head.size, frozenAt };
  } catch (error) {
    if (error instanceof LogError) return { failure: messageOf(error) };
    throw error;
  }
}

const lineOf = ({ origin, state, size, createdAt, frozenAt, trustedUntil, failure }: Facts): string =>
  [
    `${origin}  ${state}`,
    failure ?? `${size ?? 0} entries`,
    `made ${createdAt}`,
    ...(frozenAt === null ? [] : [`ended ${frozenAt}`]),
    ...(trustedUntil === null ? [] : [`trusted until ${trustedUntil}`]),
  ].join('  ');
