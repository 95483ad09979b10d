import { loadConfig } from '../../config/load/load.ts';
import { changing } from '../../instance/change-lock.ts';
import { artifactLogPaths, artifactLogsIn } from '../../instance/artifact-logs.ts';
import { createDirectoryLog } from '../../instance/create-artifact-log.ts';
import type { DataDirectory } from '../../instance/data-directory.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { passphraseForNewKey } from '../../instance/private-key-file.ts';
import type { ArtifactLogIdentity } from '../../rekor/log-identity.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { readTrust, recordTrust } from '../../trust/ledger.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';
import { invocation } from '../program/invocation.ts';
import { requireKeyFiles } from '../program/named-keys.ts';
import { apisOf, identityFacts, type ArtifactApiOptions } from './artifact-log-facts.ts';

interface InitOptions extends ArtifactApiOptions {
  readonly data: string;
  readonly host?: string;
  readonly passphraseFile?: string;
}

/** Makes the logs that are not there. Each is there with its key or not at all, so that the same command goes on after a crash. */
export async function init(options: InitOptions, speak: Speaker): Promise<undefined> {
  await changing(options.data, async (directory) => {
    const passphrase = await readSecret(options.passphraseFile, 'passphrase');
    const { paths } = directory;
    const wanted = await missingIn(paths, options);
    await requireKeyFiles(
      paths,
      wanted
        .map((api) => artifactLogPaths(paths, api))
        .map(({ name, key }) => ({
          setting: `artifact-logs.${name}`,
          reference: key,
        })),
    );
    const { mayfly } = await loadConfig(paths.config);
    const host = await hostOf(directory, mayfly.publicUrl, options.host);
    const places = mayfly.log;
    const made: ArtifactLogIdentity[] = [];
    for (const api of wanted) {
      const shared = await passphraseForNewKey(paths, artifactLogPaths(paths, api).key, passphrase);
      made.push(await createDirectoryLog(paths, { api, host, passphrase: shared, places, clock: Date.now }));
    }
    await recordTrust(paths);
    report(options, paths, made, speak);
  });
  return undefined;
}

async function missingIn(paths: DataPaths, options: InitOptions): Promise<readonly (1 | 2)[]> {
  const there = (await artifactLogsIn(paths)).map(({ api }) => api);
  const missing = apisOf(options).filter((api) => !there.includes(api));
  if (missing.length > 0) return missing;
  throw new CommandError('REFUSED', `${paths.root} has these logs of artifacts already`, {
    hint: `\`mayfly rekor show --data ${quotedPath(options.data)}\` shows them.`,
  });
}

/** Of the URL that clients are given. A wrong configuration is refused, and a name that `serve` would refuse: it is for good. */
async function hostOf(
  { paths }: DataDirectory,
  publicUrl: string | undefined,
  given: string | undefined,
): Promise<string> {
  const known = publicUrl === undefined ? undefined : new URL(publicUrl).hostname;
  if (given !== undefined && known !== undefined && given.toLowerCase() !== known)
    throw new CommandError(
      'REFUSED',
      `clients reach the service at ${known}: of a log named ${given} they would take no entry`,
      {
        hint: 'Leave --host out, or set mayfly.public-url to the URL that clients are going to be given.',
      },
    );
  const host = known ?? given;
  if (host !== undefined) return host;
  const [log] = (await readTrust(paths)).logs;
  return log?.origin.replace(/[:/].*/, '') ?? '';
}

function report(
  { data }: InitOptions,
  paths: DataPaths,
  made: readonly ArtifactLogIdentity[],
  speak: Speaker,
): void {
  const files = made.map(({ api }) => artifactLogPaths(paths, api));
  const [quoted, program] = [quotedPath(data), invocation()];
  speak.answer(
    { logs: made.map(identityFacts), keys: files.map(({ key }) => key) },
    [
      ...made.map(
        ({ api, origin }, i) => `Made the log for Rekor v${api}: ${origin} (key ${files[i]?.key ?? ''})`,
      ),
      'Next: publish them to those who verify, before clients log there (TUF: `mayfly trust tuf stage`):',
      `  ${program} trust export --data ${quoted} --out ./trust`,
      'and then start the service anew. It serves them unless mayfly.artifact-log says otherwise.',
      'With the new trusted root, verifiers ask every bundle for an entry. Those from before have none: verify them with `--min-entries 0`.',
    ].join('\n'),
  );
}
