/** `mayfly log rotate`: a new log in the place of the one in use. */
import { equalBytes, toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { changing } from '../../instance/change-lock.ts';
import { discardLog } from '../../instance/discard-log.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import type { KnownLog } from '../../instance/known-logs.ts';
import { stageLog } from '../../instance/stage-log.ts';
import { switchLog, type FormerLog } from '../../instance/switch-log.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import type { TrustedRoot } from '../../trust/format/trusted-root.ts';
import { readRecorded, recordTrust } from '../../trust/ledger.ts';
import { readChain } from '../../trust/collect.ts';
import { checkOrigin } from '../instance/log-origin.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { discardAnswer } from '../program/discarded.ts';
import { invocation, passphraseWords } from '../program/invocation.ts';
import { readSecret } from '../program/input-file.ts';

/** Options of the command. */
export interface RotateOptions {
  readonly data: string;
  readonly stage?: true;
  readonly switch?: true;
  readonly discard?: true;
  readonly origin?: string;
  readonly passphraseFile?: string;
}

/** Does the one step that is asked for. Rejects with what {@link stageLog}, {@link switchLog} and {@link discardLog} reject with. */
export async function rotate(options: RotateOptions, speak: Speaker): Promise<undefined> {
  const steps = [options.stage, options.switch, options.discard].filter((step) => step !== undefined);
  if (steps.length !== 1)
    throw new CommandError('USAGE', 'say which step: --stage, or later --switch; or --discard', {
      hint: '--stage makes the new log, beside the one in use. Verifiers must have its key before --switch has certificates logged there.',
    });
  if (options.origin !== undefined && options.stage === undefined)
    throw new CommandError('USAGE', '--origin belongs to --stage: the log that is staged has its name');
  await changing(options.data, ({ paths }) => step(options, paths, speak));
  return undefined;
}

async function step(options: RotateOptions, paths: DataPaths, speak: Speaker): Promise<void> {
  if (options.discard === true) {
    speak.answer(...discardAnswer(await discardLog(options.data), options.data, 'with --stage'));
    return;
  }
  const chain = await readChain(paths.chain);
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const origin = options.origin === undefined ? undefined : checkOrigin(options.origin);
  const request = { data: options.data, chain, passphrase, clock: Date.now };
  if (options.stage === true) {
    const staged = await stageLog({ ...request, origin });
    await recordTrust(paths);
    warn(staged, speak);
    speak.answer(...stagedAnswer(staged, options));
  } else {
    const switched = await switchLog(request);
    // A staged log that was never recorded, too.
    await recordTrust(paths);
    warn(switched, speak);
    requireAllEnded(switched.former, switched.current);
    speak.answer(...switchedAnswer(switched, await readRecorded(paths.trustedRoot), options.data));
  }
}

function warn({ unreadable }: { readonly unreadable: readonly string[] }, speak: Speaker): void {
  for (const sentence of unreadable) speak.note(`warning: ${sentence}`);
}

type Answer = Parameters<Speaker['answer']>;

const factsOf = ({ identity }: KnownLog): Readonly<Record<string, unknown>> => ({
  origin: identity.origin,
  name: identity.name,
  logId: toBase64(identity.logId),
  createdAt: rfc3339(identity.createdAt),
});

function stagedAnswer(staged: Awaited<ReturnType<typeof stageLog>>, options: RotateOptions): Answer {
  const { current, isNew, identity } = staged;
  const { data } = options;
  const mayfly = (command: string): string => `     ${invocation()} ${command} --data ${quotedPath(data)}`;
  const lines = [
    isNew
      ? `Staged: ${identity.origin}, an empty log with keys of its own.`
      : `Staged before: ${identity.origin}.`,
    `  Log id  ${toBase64(identity.logId)}`,
    ...otherHost(identity.origin, current.identity.origin),
    `Certificates go to ${current.identity.origin} as before. Next:`,
    '  1. Make a backup: it needs the new keys.',
    '  2. Give verifiers its key, beside those that they have:',
    `${mayfly('trust export')} --out trust`,
    '  3. When all of them have it, put it in use, and start the service anew:',
    `${mayfly('log rotate')} --switch${passphraseWords(options)}`,
  ];
  return [{ staged: factsOf(staged), isNew, current: factsOf(current) }, lines.join('\n')];
}

/** A slip here would be the name of a log for good. */
function otherHost(origin: string, before: string): readonly string[] {
  const [host, known] = [origin, before].map((one) => one.split('/')[0]);
  if (host === known) return [];
  return [
    `  Its name has the host ${host ?? ''}, and that of the log in use ${known ?? ''}. If that is a slip: --discard, and stage another.`,
  ];
}

function switchedAnswer(
  switched: Awaited<ReturnType<typeof switchLog>>,
  { certificateLogs }: TrustedRoot,
  data: string,
): Answer {
  const { current, isNew, former } = switched;
  const isWaiting = former.some(({ end }) => end === undefined);
  const lines = [
    isNew
      ? `In use from the next start of the service: ${current.identity.origin}`
      : `In use already: ${current.identity.origin}`,
    ...former.flatMap((log) => formerLines(log, certificateLogs, data)),
    ...(isWaiting ? ['Start the service anew: until then certificates go to the log before.'] : []),
  ];
  return [
    {
      current: factsOf(current),
      isNew,
      former: former.map((log) => ({
        ...factsOf(log),
        size: log.end?.size ?? null,
        frozenAt: log.end === undefined ? null : rfc3339(log.end.frozenAt),
        lastHead: log.end === undefined ? null : rfc3339(log.end.timestamp),
      })),
    },
    lines.join('\n'),
  ];
}

function formerLines(
  { identity, end }: FormerLog,
  recorded: TrustedRoot['certificateLogs'],
  data: string,
): readonly string[] {
  if (end === undefined)
    return [`${identity.origin}: a service writes to it. The next start ends it, and serves it for reading.`];
  // Trusted roots have whole seconds, and the end belongs to the window.
  const last = rfc3339(Math.ceil(end.timestamp / 1000) * 1000);
  const said = `${identity.origin} ended at ${rfc3339(end.frozenAt)} with ${end.size} entries, and is served for reading. Its keys are not needed any more.`;
  const window = recorded.find(({ logId }) => equalBytes(logId, identity.logId))?.window;
  if (window?.end !== undefined)
    return [
      said,
      `  Verifiers are to believe nothing of it from after ${rfc3339(window.end)}: that is recorded.`,
    ];
  return [
    said,
    '  What it logged goes on verifying. That nothing later is believed of it, from now on:',
    `     ${invocation()} trust end --data ${quotedPath(data)} --log ${identity.name} --at ${last} --reason superseded`,
  ];
}

/** The switch is done; what is left is said, and the same command does it. */
function requireAllEnded(former: readonly FormerLog[], current: KnownLog): void {
  const failed = former.find(({ failure }) => failure !== undefined);
  if (failed?.failure === undefined) return;
  throw new CommandError(
    'FAILED',
    `${current.identity.origin} is in use from the next start of the service, but ${failed.identity.origin} is not ended: ${failed.failure}`,
    { hint: 'Remove the cause and give the command again, or start the service, which ends it, too.' },
  );
}
