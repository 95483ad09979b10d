/** Where the keys of an issuer come from. */
import { resolve } from 'node:path';
import { DefinitionError } from '../../oidc/core/definition-error.ts';
import type { IssuerDefinition, StaticKeySet } from '../../oidc/core/issuer-definition.ts';
import { keyRoute } from '../../oidc/keys/key-route.ts';
import type { Path, Report } from '../findings/report.ts';
import type { MayflyIssuerValues } from '../schema/issuer-schema.ts';

/** Where the keys of an issuer are, and whom to trust there; relative paths start at `directory`. */
export function keyPlaceOf(
  block: MayflyIssuerValues,
  directory: string,
): Pick<IssuerDefinition, 'caCertFile' | 'discoveryUrl' | 'discoveryIssuer' | 'jwksUrl'> {
  const file = block['ca-cert-file'];
  return {
    caCertFile: file === undefined ? undefined : resolve(directory, file),
    discoveryUrl: block['discovery-url'],
    discoveryIssuer: block['discovery-issuer'],
    jwksUrl: block['jwks-url'],
  };
}

/** The keys that the block itself has or names a file for; `path` is that of the issuer block. */
export function staticKeysOf(
  block: MayflyIssuerValues,
  path: Path,
  directory: string,
  report: Report,
): StaticKeySet | undefined {
  const file = block['jwks-file'];
  if (file !== undefined && block.jwks !== undefined) {
    const message = 'has both jwks and jwks-file';
    report.problem([...path, 'mayfly', 'jwks-file'], message, 'Keep one of them.');
  }
  // Objects of the usual kind, as another process would hand them over: configurations are compared.
  if (block.jwks !== undefined) return { kind: 'inline', jwks: structuredClone(block.jwks) };
  return file === undefined ? undefined : { kind: 'file', path: resolve(directory, file) };
}

/** A definition, and where it stands. */
interface PlacedDefinition {
  readonly definition: IssuerDefinition;
  readonly path: Path;
}

/** Reports what the blocks of one issuer say of its keys and cannot be: each for itself, then all together, since an
 * issuer has one set of keys however many blocks it has. Reads the files of keys that they name. */
export function checkKeys(blocks: readonly PlacedDefinition[], report: Report): void {
  const last = blocks.at(-1);
  if (last === undefined) return;
  const areUsable = blocks.map(({ definition, path }) => tryKeys([definition], path, report));
  if (blocks.length > 1 && areUsable.every(Boolean))
    tryKeys(
      blocks.map(({ definition }) => definition),
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
    // Fulcio's keys stand in the issuer block itself, ours in its block `mayfly`.
    const at = field === 'ca-cert' ? [field] : ['mayfly', field];
    report.problem([...path, ...at], error.message, error.hint);
    return false;
  }
}
