import { DefinitionError } from '../../oidc/definition-error.ts';
import type { IssuerDefinition } from '../../oidc/issuer-definition.ts';
import { keyRoute } from '../../oidc/keys/key-route.ts';
import type { Path, Report } from '../findings/report.ts';

/** A definition, and where it stands. */
export interface PlacedDefinition {
  readonly definition: IssuerDefinition;
  readonly path: Path;
}

/** Reports what the entries of one issuer say of its keys and cannot be: each for itself, then all together, since an
 * issuer has one set of keys however many entries it has. Reads the files of keys that they name. */
export function checkKeys(entries: readonly PlacedDefinition[], report: Report): void {
  const last = entries.at(-1);
  if (last === undefined) return;
  const areUsable = entries.map(({ definition, path }) => tryKeys([definition], path, report));
  if (entries.length > 1 && areUsable.every(Boolean))
    tryKeys(
      entries.map(({ definition }) => definition),
      last.path,
      report,
    );
}

function tryKeys(definitions: readonly IssuerDefinition[], path: Path, report: Report): boolean {
  const { url = '', isMeta = false } = definitions[0] ?? {};
  try {
    keyRoute(definitions, { url, isMeta, isInCluster: false });
    return true;
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    const field = error.metadata['field'] ?? '';
    // Fulcio's keys stand in the entry, ours in the block.
    const at = field === 'ca-cert' ? [field] : ['mayfly', field];
    report.problem([...path, ...at], error.message, error.hint);
    return false;
  }
}
