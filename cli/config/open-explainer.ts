/** A configuration, ready to say what it would do. */
import { chainValidity } from '../../ca/authority.ts';
import { ConfigError } from '../../config/findings/config-error.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { loadConfig } from '../../config/load/load.ts';
import { Explainer } from '../../explain/explain.ts';
import { CommandError } from '../program/command.ts';
import { readInput } from '../program/input-file.ts';

/** Where a configuration is. */
export interface ExplainerSource {
  readonly config?: string | undefined;
  /** Its `config.yaml`, unless `config` is given; and the CA whose certificates end at some time. */
  readonly data?: string | undefined;
}

/** The explainer of a configuration. Throws {@link CommandError} `USAGE` when there is none that can be used: to be
 * refused and not to be asked are different answers. */
export async function openExplainer({ config, data }: ExplainerSource): Promise<Explainer> {
  const directory = data === undefined ? undefined : await openDataDirectory(data);
  const path = config ?? directory?.paths.config;
  if (path === undefined) {
    throw new CommandError('USAGE', 'say which configuration: --config or --data', {
      hint: 'For example: --config config.yaml',
    });
  }
  const { issuers, mayfly } = await loadConfig(path).catch(asUsage);
  const chain = directory && (await readInput(directory.paths.chain, '--data'));
  return new Explainer({
    issuers,
    permittedAlgorithms: mayfly.clientSigningAlgorithms,
    authority: chain === undefined ? undefined : chainValidity(chain),
  });
}

/** What makes a file unusable, as wrong use. */
export function asUsage(error: unknown): never {
  if (!(error instanceof ConfigError)) throw error;
  throw new CommandError('USAGE', error.message, { hint: error.hint, cause: error });
}
