/** What the commands about TUF have in common: the data directory, its repository, and what clients should get from it. */
import { openDataDirectory, type DataDirectory } from '../../../instance/data-directory.ts';
import { rootSummary, type TufRootSummary } from '../../../instance/create-tuf.ts';
import { readTrust } from '../../../trust/ledger.ts';
import type { ServiceUrls } from '../../../trust/signing-services.ts';
import { refresh } from '../../../trust/tuf/publish.ts';
import { requireRepository } from '../../../trust/tuf/import-change.ts';
import { instanceTargets } from '../../../trust/tuf/instance-targets.ts';
import type { Repository } from '../../../trust/tuf/repository.ts';
import type { TargetContents } from '../../../trust/tuf/target-contents.ts';
import { quoted } from '../../../storage/quoted-path.ts';
import type { Speaker } from '../../program/command.ts';
import { serviceUrls } from '../service-urls.ts';

/** Options of all commands that read a data directory. */
export interface TufDirectoryOptions {
  readonly data: string;
  /** The file that `serve --config` takes. */
  readonly config?: string;
}

/** An open data directory, with where its services are. */
export interface TufDirectory {
  readonly directory: DataDirectory;
  readonly urls: ServiceUrls;
}

/** Opens it. Its copy of a repository that several services share is the newest then. Rejects with DataDirectoryError, ConfigError, TrustError, LogError or TufError. */
export async function openTufDirectory(
  { data, config }: TufDirectoryOptions,
  speak: Speaker,
): Promise<TufDirectory> {
  const directory = await openDataDirectory(data);
  await refresh(directory.paths.tuf);
  const { paths, marker } = directory;
  const trust = await readTrust(paths);
  const known = { paths, isDevelopment: marker.mode === 'dev', trust, speak };
  return { directory, urls: await serviceUrls(config === undefined ? {} : { config }, known) };
}

/** What clients should get now. */
export const wantedTargets = ({ directory, urls }: TufDirectory): Promise<TargetContents> =>
  instanceTargets(directory.paths, urls, Date.now());

/** The repository of the directory; rejects with TufError `TUF_MISSING` when there is none. */
export const repositoryOf = ({ directory }: TufDirectory): Promise<Repository> =>
  requireRepository(directory.paths.tuf);

/** The command after which cosign signs and verifies with no flag and no file about trust. */
export const cosignBegins = (publicUrl: string, { version, sha256 }: TufRootSummary): string =>
  `cosign initialize --mirror ${quoted(`${publicUrl}/tuf`)} --root ${quoted(`${publicUrl}/tuf/${version}.root.json`)} --root-checksum ${sha256}`;

/** Lines with which clients begin, each with the checksum of the root: one that was fetched without it may be anybody's. */
export function beginLines(publicUrl: string, summary: TufRootSummary): readonly string[] {
  const { version, sha256 } = summary;
  const mirror = `${publicUrl}/tuf`;
  const root = `${mirror}/${version}.root.json`;
  return [
    'Clients begin with these lines (hand them over a channel that they trust):',
    `  mayfly trust fetch ${quoted(publicUrl)} --fingerprint ${sha256} --out trust`,
    `  ${cosignBegins(publicUrl, summary)}`,
    `  curl -sSfo root.json ${quoted(root)} && echo "${sha256}  root.json" | sha256sum -c && sigstore --instance ${quoted(mirror)} trust-instance root.json`,
  ];
}

/** The root in force, with the lines for clients. */
export const rootOfRepository = (repository: Repository): TufRootSummary => rootSummary(repository);
