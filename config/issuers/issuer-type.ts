/** What the tokens of an issuer mean: the type of its block, and what the type asks for. */
import { nearest } from '../../core/nearest.ts';
import { DefinitionError } from '../../oidc/core/definition-error.ts';
import { ISSUER_TYPES, isIssuerType, type IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { compileIssuer, ISSUER_TYPE_TABLE } from '../../oidc/types/issuer-types.ts';
import type { Path, Report } from '../findings/report.ts';

/** Reports a type that does not exist. Looks at the unchecked block, so that other mistakes in it do not hide this.
 * Fulcio takes a type that it does not know if `challenge-claim` is set, and then refuses every token: here a misspelt
 * type is a problem. */
export function checkType(key: string, block: unknown, path: Path, report: Report): void {
  const type = typeof block === 'object' && block !== null && 'type' in block ? block.type : undefined;
  if (typeof type !== 'string' || isIssuerType(type)) return;
  // The deprecated ones work, but nobody should start with them.
  const current = ISSUER_TYPES.filter((name) => ISSUER_TYPE_TABLE[name].replacement === undefined);
  const supported = `Supported are ${current.join(', ')}.`;
  const near = nearest(type, ISSUER_TYPES);
  const hint = near === undefined ? supported : `Did you mean "${near}"? ${supported}`;
  report.problem([...path, 'type'], `issuer ${key} has the unknown type "${type.slice(0, 100)}"`, hint);
}

/** Compiles the definition as the service does at its start, and reports what is refused, with its place in the file. */
export function tryToCompile(definition: IssuerDefinition, path: Path, report: Report): void {
  try {
    compileIssuer(definition);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    const at = [...path, error.metadata['field'] ?? ''];
    // What the schema refuses is no longer there, and is reported already.
    if (!report.isWrong(at)) report.problem(at, error.message, error.hint);
  }
}
