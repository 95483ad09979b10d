/** `mayfly rekor rotate`: a new log of artifacts in the place of the one in use. */
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { loadConfig } from '../../config/load/load.ts';
import { artifactLogPaths, artifactSuccession } from '../../instance/artifact-logs.ts';
import { changing } from '../../instance/change-lock.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { discardArtifactLog } from '../../instance/discard-artifact-log.ts';
import { stageArtifactLog, type StagedArtifact } from '../../instance/stage-artifact-log.ts';
import { switchArtifactLog, type SwitchedArtifacts } from '../../instance/switch-artifact-log.ts';
import { endedArtifactLog } from '../../rekor/end-artifact-log.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { recordTrust } from '../../trust/ledger.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { discardAnswer } from '../program/discarded.ts';
import { invocation, passphraseWords } from '../program/invocation.ts';
import { readSecret } from '../program/input-file.ts';
import { requireKeyFiles } from '../program/named-keys.ts';
import { apisOf, identityFacts, type ArtifactApiOptions } from './artifact-log-facts.ts';

interface RotateArtifactOptions extends ArtifactApiOptions {
  readonly data: string;
  readonly stage?: true;
  readonly switch?: true;
  readonly discard?: true;
  readonly host?: string;
  readonly passphraseFile?: string;
}

/** Does the one step that is asked for, for the log of one API. */
export async function rotate(options: RotateArtifactOptions, speak: Speaker): Promise<undefined> {
  const [api, second] = apisOf(options);
  if (api === undefined || second !== undefined)
    throw new CommandError('USAGE', 'say which log is to be followed by another one: --v1 or --v2');
  const steps = [options.stage, options.switch, options.discard].filter((step) => step !== undefined);
  if (steps.length !== 1)
    throw new CommandError('USAGE', 'say which step: --stage, or later --switch; or --discard', {
      hint: '--stage makes the key of the new log. Verifiers must have it before --switch ends the log in use and begins the new one.',
    });
  if (options.host !== undefined && options.stage === undefined)
    throw new CommandError('USAGE', '--host belongs to --stage: the log that is staged has its name');
  await changing(options.data, ({ paths }) => step(api, options, paths, speak));
  return undefined;
}

async function step(
  api: 1 | 2,
  { data, stage, discard, host, passphraseFile }: RotateArtifactOptions,
  paths: DataPaths,
  speak: Speaker,
): Promise<void> {
  const passphrase = await readSecret(passphraseFile, 'passphrase');
  if (discard === true) {
    speak.answer(...discardAnswer(await discardArtifactLog(paths, api, passphrase), data, 'with --stage'));
    return;
  }
  await requireFilesOf(paths, api, stage !== true);
  const request = { paths, api, passphrase, clock: Date.now };
  const reached = await publicHost(paths);
  if (stage === true) {
    const staged = await stageArtifactLog({ ...request, host: host ?? reached });
    await recordTrust(paths);
    speak.answer(...stagedAnswer(staged, reached, { data, passphraseFile }));
  } else {
    const switched = await switchArtifactLog(request);
    speak.answer(...switchedAnswer(switched, reached, data));
  }
}

/** The key of the log that follows is made and used in its file; that of the log in use is needed to end it. */
async function requireFilesOf(paths: DataPaths, api: 1 | 2, isSwitch: boolean): Promise<void> {
  const current = (await artifactSuccession(paths, api))?.current;
  if (current === undefined) return;
  const next = artifactLogPaths(paths, api, current.shard + 1);
  const endsCurrent = isSwitch && (await endedArtifactLog(current.directory)) === undefined;
  const logs = endsCurrent ? [current, next] : [next];
  await requireKeyFiles(
    paths,
    logs.map(({ name, key }) => ({ setting: `artifact-logs.${name}`, reference: key })),
  );
}

/** The host of the URL that clients are given; undefined where the configuration does not say it. */
async function publicHost({ config }: DataPaths): Promise<string | undefined> {
  const { publicUrl } = (await loadConfig(config)).mayfly;
  return publicUrl === undefined ? undefined : new URL(publicUrl).hostname;
}

type Answer = Parameters<Speaker['answer']>;

const OTHER_HOST = (name: string, host: string): string =>
  `The service serves ${name} only where mayfly.public-url has the host ${host}: set that before it is started with it.`;

function stagedAnswer(
  { current, next, staged, isNew }: StagedArtifact,
  reached: string | undefined,
  { data, ...opens }: Pick<RotateArtifactOptions, 'data'> & Parameters<typeof passphraseWords>[0],
): Answer {
  const mayfly = (command: string): string => `     ${invocation()} ${command} --data ${quotedPath(data)}`;
  const logId = toBase64(staged.logId);
  const lines = [
    `${isNew ? 'Staged' : 'Staged before'}: ${next.name}, to be named ${staged.host}, with a key of its own (${next.key}).`,
    `  Log id  ${logId}`,
    ...(reached === undefined || reached === staged.host ? [] : [`  ${OTHER_HOST(next.name, staged.host)}`]),
    `Entries go to ${current.name} as before. Next:`,
    '  1. Make a backup: it needs the new key.',
    '  2. Give verifiers its key, beside those that they have (TUF: `mayfly trust tuf stage`):',
    `${mayfly('trust export')} --out ./trust`,
    '  3. When all of them have it, stop the service, put it in use, and start the service:',
    `${mayfly('rekor rotate')} --v${current.api} --switch${passphraseWords(opens)}`,
  ];
  const { api, host, createdAt } = staged;
  return [
    {
      staged: {
        name: next.name,
        api: `v${api}`,
        host,
        logId,
        createdAt: rfc3339(createdAt),
        keyFile: next.key,
      },
      isNew,
      current: { name: current.name },
    },
    lines.join('\n'),
  ];
}

function switchedAnswer(
  { current: { paths, identity }, isNew, former }: SwitchedArtifacts,
  reached: string | undefined,
  data: string,
): Answer {
  const lines = [
    `${isNew ? 'In use from the next start of the service' : 'In use already'}: ${paths.name}, ${identity.origin}`,
    ...(identity.treeId === undefined
      ? []
      : [`  Its entries count on from ${identity.firstLogIndex}, where the log before it ended.`]),
    ...former.map(
      ({ paths: { name }, ended: { head, frozenAt } }) =>
        `${name} ended at ${rfc3339(frozenAt)} with ${head.size} entries. It is served for reading, and what it took goes on verifying.`,
    ),
    ...(reached === undefined || reached === identity.host ? [] : [OTHER_HOST(paths.name, identity.host)]),
    'Publish the end of the one before (TUF: `mayfly trust tuf stage`), and start the service:',
    `  ${invocation()} trust export --data ${quotedPath(data)} --out ./trust`,
  ];
  return [
    {
      current: { name: paths.name, ...identityFacts(identity), keyFile: paths.key },
      isNew,
      former: former.map(({ paths: { name }, ended }) => ({
        name,
        ...identityFacts(ended.identity),
        size: ended.head.size,
        root: toBase64(ended.head.root),
        frozenAt: rfc3339(ended.frozenAt),
      })),
    },
    lines.join('\n'),
  ];
}
